"""The `efficientnet-lite` backbone: what is in the picture, 1280 dimensions, and the 1000 classes of ImageNet.

Each picture is encoded alone; a step is the mean of a few pictures. Much cheaper than looking at motion, and blind
to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.features import FeatureSequence
from recue.core.frames import Fit, Frame, FrameSampling, Skip
from recue.features.classes import read_classes
from recue.features.common import fingerprint_of, images_of, softmax_head
from recue.features.spec import format_spec
from recue.features.windows import StepClock
from recue.models import weights
from recue.models.runtime import Compiled, Precision, Runtime, compile_network

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

NAME = "efficientnet-lite"

#: Raise when the same options begin to give other features.
VERSION = 1

#: Options that were added, and the value that leaves the features as they were.
LATER = {"height": None}

#: Pictures that go through the network at once.
BATCH = 8


@dataclass(frozen=True, slots=True)
class Config:
    """Options of the `efficientnet-lite` backbone.

    Attributes:
        rate: Pictures a second.
        size: Width of the pictures, and their height too unless that is given. The variants learned at 224, 240 and
            260.
        height: Height of the pictures where it is not `size`.
        variant: 0, 1 or 2: larger is slower and better.
        per_step: Pictures averaged into one step.
        fit: How a picture that is not square is brought to the size.
        skip: Frames the decoder may leave out.
        fast_decode: Leave out the codec's deblocking filter.
        precision: Arithmetic inside the network.
        runtime: What runs the network; it does not change the features beyond rounding.
    """

    rate: Fraction = Fraction(2)
    size: int = 224
    height: int | None = None
    variant: Literal[0, 1, 2] = 0
    per_step: int = 1
    fit: Fit = "crop"
    skip: Skip = "none"
    fast_decode: bool = False
    precision: Precision = "fp32"
    runtime: Runtime = "openvino"

    def __post_init__(self) -> None:
        for option, side in (("size", self.size), ("height", self.rows)):
            if side < 32:
                raise ConfigError(f"{NAME}:{option} is at least 32, got {side}")
        if self.per_step < 1:
            raise ConfigError(f"{NAME}:per_step is at least 1, got {self.per_step}")
        self.sampling()

    @property
    def rows(self) -> int:
        """Height of the pictures."""
        return self.size if self.height is None else self.height

    def sampling(self) -> FrameSampling:
        """What it asks of the decoder."""
        return FrameSampling(self.rate, self.rows, self.size, self.fit, self.skip, self.fast_decode)

    def weights_needed(self) -> tuple[str, ...]:
        """Catalogue names of its weights."""
        return (f"{NAME}{self.variant}-imagenet",)

    def build(self, *, threads: int = 1) -> "EfficientNetLiteBackbone":
        """The backbone; loads nothing until it is used."""
        return EfficientNetLiteBackbone(self, threads=threads)


class EfficientNetLiteBackbone:
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
        """1280."""
        return 1280

    @property
    def step_s(self) -> float:
        """Seconds of one step."""
        return float(self.config.per_step / self.config.rate)

    @property
    def sampling(self) -> FrameSampling:
        """The frames it wants."""
        return self.config.sampling()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The 1000 classes of ImageNet."""
        return read_classes("imagenet1000")

    def encode(self, frames: Iterable[Frame]) -> FeatureSequence:
        """Encode a stream; a step for every `per_step` pictures, the last one may stand for fewer.

        Raises:
            ShapeError: the stream is empty, or a frame has another size than `sampling` asks for.
            WeightsError: the weights are not on this machine.

        Cost: about 0.4 GFLOP of multiply-adds a picture (variant 0 at 224 pixels); memory for one batch.
        """
        clock = StepClock(self.config.per_step)
        each = self.vectors(images_of(clock.watch(frames), self.sampling, NAME))
        steps = [np.mean(group, axis=0) for group in _groups(each, self.config.per_step)]
        times_s = clock.times_s()
        return FeatureSequence(np.stack(steps), times_s, self.name, self.fingerprint)

    def posteriors(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Class probabilities `[time, 1000]` of feature vectors."""
        return softmax_head(values, *self.head())

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The class layer: weight `[1000, 1280]` and bias `[1000]`; `values @ weight.T + bias` are the logits."""
        return self._head

    def vectors(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """One vector for each picture, in order; computed a batch at a time."""
        for group in _groups(images, BATCH):
            # The network is compiled for one batch size; what is missing from the last one is filled up.
            batch = np.zeros((BATCH, *group[0].shape), dtype=np.uint8)
            np.stack(group, out=batch[: len(group)])
            yield from self._network([batch])[0][: len(group)]

    @cached_property
    def _head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        arrays = weights.load_arrays(self.config.weights_needed()[0])
        return arrays["head.weight"], arrays["head.bias"]

    @cached_property
    def _network(self) -> Compiled:
        config, weight = self.config, self.config.weights_needed()[0]
        return compile_network(
            self._make,
            [(BATCH, config.rows, config.size, 3)],
            key=f"{NAME}{config.variant}-v{VERSION}-{weights.entry(weight).sha256[:12]}",
            runtime=config.runtime,
            precision=config.precision,
            threads=self._threads,
        )

    def _make(self) -> "nn.Module":
        from recue.models.efficientnet_lite import build

        return build(weights.load(self.config.weights_needed()[0]), variant=self.config.variant)


def _groups(items: Iterable[T], length: int) -> Iterator[list[T]]:
    """Consecutive groups, the last one maybe shorter."""
    source = iter(items)
    while group := list(islice(source, length)):
        yield group
