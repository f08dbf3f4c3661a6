"""The `i3d+efficientnet-lite` backbone: motion and appearance side by side.

One decode feeds both. For each step of I3D a few pictures go through EfficientNet-Lite. Both parts are brought to
unit length before they are joined, so the cosine of two joined vectors is the weighted mean of the two cosines.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.features import FeatureSequence
from recue.core.frames import Fit, Frame, FrameSampling, Skip
from recue.features import efficientnet_lite, i3d
from recue.features.common import fingerprint_of, images_of, softmax_head
from recue.features.spec import format_spec
from recue.features.windows import StepClock
from recue.models.runtime import Precision, Runtime

NAME = "i3d+efficientnet-lite"

#: Raise when the same options begin to give other features.
VERSION = 1

#: Median length of an I3D vector on real clips at 25 frames a second. Unit length loses it, class scores need one.
TYPICAL_LENGTH = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """Options of the combination; those of `i3d` mean the same here.

    Attributes:
        rate: Frames a second.
        size: Width of the frames, and their height too unless that is given, for both parts; a multiple of 32.
        height: Height of the frames where it is not `size`.
        stride: Frames in a step, 8 or 4.
        weight: Share of appearance in the cosine, in [0, 1].
        per_step: Pictures of a step that appearance is taken from, evenly spread.
        variant: Of EfficientNet-Lite.
        context: What a step of motion may see: the `video` around it, or its own `shot` alone.
        fit: How a picture that is not square is brought to the size.
        skip: Frames the decoder may leave out.
        fast_decode: Leave out the codec's deblocking filter.
        precision: Arithmetic inside the networks.
        runtime: What runs the networks.
    """

    rate: Fraction = Fraction(25)
    size: int = 224
    height: int | None = None
    stride: Literal[4, 8] = 8
    weight: float = 0.3
    per_step: int = 1
    variant: Literal[0, 1, 2] = 0
    context: Literal["video", "shot"] = "video"
    fit: Fit = "crop"
    skip: Skip = "none"
    fast_decode: bool = False
    precision: Precision = "fp32"
    runtime: Runtime = "openvino"

    def __post_init__(self) -> None:
        if not 0.0 <= self.weight <= 1.0:
            raise ConfigError(f"{NAME}:weight is in [0, 1], got {self.weight}")
        if not 1 <= self.per_step <= self.stride:
            raise ConfigError(f"{NAME}:per_step is 1 to stride ({self.stride}), got {self.per_step}")
        self.motion()

    def motion(self) -> i3d.Config:
        """The part that looks at motion."""
        return i3d.Config(
            rate=self.rate,
            size=self.size,
            height=self.height,
            stride=self.stride,
            context=self.context,
            fit=self.fit,
            skip=self.skip,
            fast_decode=self.fast_decode,
            precision=self.precision,
            runtime=self.runtime,
        )

    def appearance(self) -> efficientnet_lite.Config:
        """The part that looks at pictures."""
        return efficientnet_lite.Config(
            rate=self.rate / self.stride * self.per_step,
            size=self.size,
            height=self.height,
            variant=self.variant,
            per_step=self.per_step,
            fit=self.fit,
            skip=self.skip,
            fast_decode=self.fast_decode,
            precision=self.precision,
            runtime=self.runtime,
        )

    def weights_needed(self) -> tuple[str, ...]:
        """Catalogue names of the weights of both."""
        return (*self.motion().weights_needed(), *self.appearance().weights_needed())

    def build(self, *, threads: int = 1) -> "CombinedBackbone":
        """The backbone; loads nothing until it is used."""
        return CombinedBackbone(self, threads=threads)


class CombinedBackbone:
    """See the module."""

    def __init__(self, config: Config, *, threads: int = 1) -> None:
        self.config = config
        self._motion = config.motion().build(threads=threads)
        self._appearance = config.appearance().build(threads=threads)

    @property
    def name(self) -> str:
        """The canonical spec."""
        return format_spec(NAME, self.config)

    @cached_property
    def fingerprint(self) -> str:
        """Of weights, preprocessing, rate, step and precision; runtime and threads do not count."""
        version = f"{VERSION}.{i3d.VERSION}.{efficientnet_lite.VERSION}"
        needed = self.config.weights_needed()
        return fingerprint_of(NAME, version, self.config, weights=needed, leave_out=("runtime",), later=i3d.LATER)

    @property
    def dim(self) -> int:
        """2304: 1024 of motion, then 1280 of appearance."""
        return self._motion.dim + self._appearance.dim

    @property
    def step_s(self) -> float:
        """Seconds of one step."""
        return self._motion.step_s

    @property
    def sampling(self) -> FrameSampling:
        """The frames it wants."""
        return self._motion.sampling

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of the motion part: the 400 actions of Kinetics-400."""
        return self._motion.classes

    @property
    def parts(self) -> dict[str, tuple[slice, float]]:
        """Where each part lies in a vector, and its share of the cosine: for whoever scales the channels anew."""
        middle, weight = self._motion.dim, self.config.weight
        return {"motion": (slice(0, middle), 1.0 - weight), "appearance": (slice(middle, self.dim), weight)}

    def encode(self, frames: Iterable[Frame]) -> FeatureSequence:
        """Encode a stream, as `i3d` does.

        Raises:
            ShapeError: the stream is empty, or a frame has another size than `sampling` asks for.
            WeightsError: the weights are not on this machine.
        """
        clock = StepClock(self.config.stride)
        images = images_of(clock.watch(frames), self.sampling, NAME)
        appearance = _Appearance(self._appearance, self.config.stride, self.config.per_step)
        motion = self._motion.vectors(appearance.watch(images))
        times_s = clock.times_s()
        return FeatureSequence(self._join(motion, appearance.steps()), times_s, self.name, self.fingerprint)

    def posteriors(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Class probabilities `[time, 400]` of feature vectors.

        An approximation: the length of the motion part was lost when it was brought to unit length, and the typical
        length stands in for it. The order of the classes near the top is mostly the same; how sure they are is not.
        """
        return softmax_head(values, *self.head())

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The class layer on joined vectors: weight `[400, 2304]`, zero on appearance, and bias `[400]`."""
        weight, bias = self._motion.head()
        share = np.sqrt(max(1.0 - self.config.weight, 1e-6))
        padding = np.zeros((len(weight), self._appearance.dim), dtype=np.float32)
        return np.hstack([weight * np.float32(TYPICAL_LENGTH / share), padding]), bias

    def _join(self, motion: NDArray[np.floating], appearance: NDArray[np.floating]) -> NDArray[np.float32]:
        weight = self.config.weight
        parts = (_unit(motion) * np.sqrt(1.0 - weight), _unit(appearance) * np.sqrt(weight))
        return np.hstack(parts).astype(np.float32)


class _Appearance:
    """Picks the pictures of each step out of a stream that goes by, and encodes them a batch at a time."""

    def __init__(self, backbone: efficientnet_lite.EfficientNetLiteBackbone, stride: int, per_step: int) -> None:
        self._backbone = backbone
        self._stride = stride
        self._places = {int((index + 0.5) * stride / per_step) for index in range(per_step)}
        self._picked: list[NDArray[np.uint8]] = []
        self._of_step: list[int] = []
        self._vectors: list[NDArray[np.float32]] = []

    def watch(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """Pass the pictures on."""
        image, index = None, -1
        for index, image in enumerate(images):
            if index % self._stride in self._places:
                self._pick(image, index // self._stride)
            yield image
        if image is not None and (not self._of_step or self._of_step[-1] != index // self._stride):
            self._pick(image, index // self._stride)  # a short last step that ends before its place
        self._flush()

    def steps(self) -> NDArray[np.float32]:
        """`[steps, dim]`: the mean vector of each step's pictures."""
        vectors, of_step = np.stack(self._vectors), np.array(self._of_step)
        starts = np.flatnonzero(np.diff(of_step, prepend=-1))
        counts = np.diff(starts, append=len(of_step))
        return (np.add.reduceat(vectors, starts, axis=0) / counts[:, None]).astype(np.float32)

    def _pick(self, image: NDArray[np.uint8], step: int) -> None:
        self._picked.append(image)
        self._of_step.append(step)
        if len(self._picked) == efficientnet_lite.BATCH:
            self._flush()

    def _flush(self) -> None:
        self._vectors.extend(self._backbone.vectors(self._picked))
        self._picked.clear()


def _unit(values: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return np.asarray(values / lengths, dtype=np.float32)
