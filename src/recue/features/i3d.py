"""The `i3d` backbone: what moves how, 1024 dimensions, and the 400 actions of Kinetics.

The network is run as a stream: every frame is computed once, and a step's vector does not depend on where the video
was cut into chunks. A step is `stride` frames; its vector is the network's last feature map averaged over space. The
class scores are linear in that vector, so posteriors are computed from stored features and need no second pass.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.features import FeatureSequence
from recue.core.frames import Fit, Frame, FrameSampling, Skip
from recue.features.classes import read_classes
from recue.features.common import fingerprint_of, images_of, softmax_head
from recue.features.shots import ShotContext
from recue.features.spec import format_spec
from recue.features.windows import StepClock, chunks
from recue.models import weights
from recue.models.i3d_layout import DELAY_FRAMES, state_shapes
from recue.models.runtime import Compiled, Precision, Runtime, compile_network

if TYPE_CHECKING:
    from torch import nn

NAME = "i3d"
WEIGHT = "i3d-kinetics400"

#: Raise when the same options begin to give other features.
VERSION = 2

#: Options that were added, and the value that leaves the features as they were.
LATER = {"height": None, "context": "video"}

#: Raise when the network is computed in another way, for the name of its compiled forms.
_GRAPH = 2

#: Frames of a chunk, and so of memory: the network's largest layer holds 6 MB a frame at 224 pixels.
_CHUNK_FRAMES = 32

#: How often the first frame is repeated before the video, by stride. Together with the delay of the network it puts
#: the centre of what a step sees half a frame from the middle of the step's own frames.
_LEAD_FRAMES = {8: 27, 4: 25}

#: How often the edge frames of a shot are repeated on either side of a cut, when each shot is seen for itself.
_SHOT_REPEATS = 8


@dataclass(frozen=True, slots=True)
class Config:
    """Options of the `i3d` backbone.

    Attributes:
        rate: Frames a second. The network learned at 25; fewer cost proportionally less.
        size: Width of the frames, and their height too unless that is given, a multiple of 32. The network learned at
            224.
        height: Height of the frames where it is not `size`, a multiple of 32.
        stride: Frames in a step: 8, or 4 for steps half as long at next to no cost.
        context: What a step may see of the pictures around it: those of the `video`, or of its own `shot` alone, so
            that what comes after a cut does not colour what comes before it.
        fit: How a picture that is not square is brought to the size.
        skip: Frames the decoder may leave out.
        fast_decode: Leave out the codec's deblocking filter.
        precision: Arithmetic inside the network.
        runtime: What runs the network; it does not change the features beyond rounding.
    """

    rate: Fraction = Fraction(25)
    size: int = 224
    height: int | None = None
    stride: Literal[4, 8] = 8
    context: Literal["video", "shot"] = "video"
    fit: Fit = "crop"
    skip: Skip = "none"
    fast_decode: bool = False
    precision: Precision = "fp32"
    runtime: Runtime = "openvino"

    def __post_init__(self) -> None:
        for option, side in (("size", self.size), ("height", self.rows)):
            if side < 32 or side % 32:
                raise ConfigError(f"{NAME}:{option} is a multiple of 32, got {side}")
        self.sampling()

    @property
    def rows(self) -> int:
        """Height of the frames."""
        return self.size if self.height is None else self.height

    def sampling(self) -> FrameSampling:
        """What it asks of the decoder."""
        return FrameSampling(self.rate, self.rows, self.size, self.fit, self.skip, self.fast_decode)

    def weights_needed(self) -> tuple[str, ...]:
        """Catalogue names of its weights."""
        return (WEIGHT,)

    def build(self, *, threads: int = 1) -> "I3DBackbone":
        """The backbone; loads nothing until it is used."""
        return I3DBackbone(self, threads=threads)


class I3DBackbone:
    """See the module. Loads its network when the first frame arrives."""

    def __init__(self, config: Config, *, threads: int = 1) -> None:
        self.config = config
        self._threads = threads

    @property
    def name(self) -> str:
        """The canonical spec."""
        return format_spec(NAME, self.config)

    @cached_property
    def fingerprint(self) -> str:
        """Of weights, preprocessing, rate, step and precision; runtime and threads do not count."""
        return fingerprint_of(
            NAME, VERSION, self.config, weights=self.config.weights_needed(), leave_out=("runtime",), later=LATER
        )

    @property
    def dim(self) -> int:
        """1024."""
        return 1024

    @property
    def step_s(self) -> float:
        """Seconds of one step."""
        return float(self.config.stride / self.config.rate)

    @property
    def sampling(self) -> FrameSampling:
        """The frames it wants."""
        return self.config.sampling()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The 400 actions of Kinetics-400, in alphabetical order."""
        return read_classes("kinetics400")

    def encode(self, frames: Iterable[Frame]) -> FeatureSequence:
        """Encode a stream; a step for every `stride` frames, the last one may stand for fewer.

        Raises:
            ShapeError: the stream is empty, or a frame has another size than `sampling` asks for.
            WeightsError: the weights are not on this machine.

        Cost: about 42 GFLOP of multiply-adds a second of video at 25 frames and 224 pixels, and in proportion to
            rate and to size squared, and as much again for 72 frames around the video; memory for one chunk.
        """
        clock = StepClock(self.config.stride)
        values = self.vectors(images_of(clock.watch(frames), self.sampling, NAME))
        return FeatureSequence(values, clock.times_s(), self.name, self.fingerprint)

    def posteriors(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Class probabilities `[time, 400]` of feature vectors.

        For a whole clip, give the mean vector: the scores are linear in it, as in the paper's averaging of logits.
        """
        return softmax_head(values, *self.head())

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The class layer: weight `[400, 1024]` and bias `[400]`; `values @ weight.T + bias` are the logits."""
        return self._head

    @cached_property
    def _head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        arrays = weights.load_arrays(WEIGHT)
        return arrays["head.weight"], arrays["head.bias"]

    def vectors(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """`[steps, 1024]` of a stream of pictures of the right size; empty if there are none."""
        stride = self.config.stride
        lead = _LEAD_FRAMES[stride]
        # Step m of the video is step m + skip of the stream; so many frames later it has come out.
        skip = (lead + DELAY_FRAMES[stride] + stride // 2) // stride
        tail = stride * (skip + 1) - 1 - lead
        n_frames = 0

        def counted() -> Iterator[NDArray[np.uint8]]:
            nonlocal n_frames
            for image in images:
                n_frames += 1
                yield image

        pictures, shots = counted(), None
        if self.config.context == "shot":
            shots = ShotContext(stride=stride, rate_fps=float(self.config.rate), repeats=_SHOT_REPEATS)
            pictures = shots.apart(pictures)
        states = [np.zeros(shape, dtype=np.float32) for shape in self._state_shapes]
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for chunk in chunks(pictures, length=_CHUNK_FRAMES, before=lead, after=tail):
            steps, *states = self._network([chunk[None], *states])
            parts.append(steps[0])
        came_out = np.concatenate(parts)[skip:]
        return came_out[: -(-n_frames // stride)] if shots is None else came_out[shots.steps]

    @property
    def _state_shapes(self) -> list[tuple[int, ...]]:
        return state_shapes(self.config.rows, self.config.size, self.config.stride)

    @cached_property
    def _network(self) -> Compiled:
        config = self.config
        return compile_network(
            self._make,
            [(1, _CHUNK_FRAMES, config.rows, config.size, 3), *self._state_shapes],
            key=f"{NAME}-g{_GRAPH}-s{config.stride}-{weights.entry(WEIGHT).sha256[:12]}",
            runtime=config.runtime,
            precision=config.precision,
            threads=self._threads,
        )

    def _make(self) -> "nn.Module":
        from recue.models.i3d import StreamingI3D, build

        return StreamingI3D(build(weights.load(WEIGHT)), stride=self.config.stride)
