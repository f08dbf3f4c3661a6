"""`align`: local alignment of the query's steps with the reference's, no training.

Every query step is compared with every reference step in a fitted space, a threshold per query step is taken away,
and runs of evidence that follow the query at half to double its speed are found by local alignment. A reference may
hold any number of them, or none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from recue.core.bank import FeatureBank
from recue.core.errors import ConfigError
from recue.core.features import FeatureSequence
from recue.core.moment import ScoredSegment
from recue.core.segment import Segment
from recue.localize.paths import Path, best_paths, fit_ends
from recue.localize.scan import scan_bank
from recue.localize.space import Space
from recue.localize.suppress import best_first, hard_nms, soft_nms

#: Ends of good matches that are looked at for each match that is wanted: some are ends of the same.
_PEAKS_FOR_EACH = 3


@dataclass(frozen=True, slots=True)
class Align:
    """Local alignment in a fitted space.

    Attributes:
        space: Fitted to what the gallery holds. None: fitted to the query and the reference at hand, which is the best
            that can be done without a gallery.
        margin: How many standard deviations above the mean of its similarity to the background the threshold of a
            query step lies.
        still: The query was made of a picture: only what a picture tells of is compared.
        sigma: Width of the soft suppression of overlapping segments.
        n: Segments to answer with, at most, per reference.

    Cost: O(query · reference) time and memory for one reference.

    Raises:
        ConfigError: `sigma` is not above 0 or `n` is below 1.
    """

    space: Space | None = None
    margin: float = 0.4
    still: bool = False
    sigma: float = 0.1
    n: int = 20

    def __post_init__(self) -> None:
        if self.n < 1 or not self.sigma > 0:
            raise ConfigError(f"align needs n of 1 or more and sigma above 0, got n={self.n}, sigma={self.sigma}")

    @property
    def name(self) -> str:
        """Registry name."""
        return "align"

    def with_space(self, space: Space) -> "Align":
        """The same, in a space fitted to a gallery."""
        return replace(self, space=space)

    def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
        """Every matching segment, best first.

        Raises:
            FingerprintError: the two were made by different things.
        """
        query.require_same_source(reference)
        space = self.space or Space.fit([reference, query])
        mapped, thresholds = self._looked_for(space, query)
        similarity = space.apply(reference.values) @ mapped.T
        return self._segments(similarity, thresholds, query, reference.times_s[:-1], reference.times_s[1:])

    def localize_bank(
        self, query: FeatureSequence, bank: FeatureBank, videos: NDArray[np.int64] | None = None
    ) -> list[list[ScoredSegment]]:
        """As `localize` for chosen videos of a bank.

        Args:
            query: Plain features, as for `localize`.
            bank: Mapped by `space`; plain features if there is none.
            videos: Positions in the bank; None for all.
        """
        chosen = range(len(bank)) if videos is None else videos
        if self.space is None:
            return [self.localize(query, bank.sequence(int(video), query.backbone)) for video in chosen]
        mapped, thresholds = self._looked_for(self.space, query)
        found = []
        for video in chosen:
            rows = bank.rows(int(video))
            similarity = np.asarray(bank.values[rows], np.float32) @ mapped.T
            bounds_s = bank.bounds_s[rows]
            found.append(self._segments(similarity, thresholds, query, bounds_s[:, 0], bounds_s[:, 1]))
        return found

    def best_scores(
        self,
        query: FeatureSequence,
        bank: FeatureBank,
        videos: NDArray[np.int64] | None = None,
        *,
        threads: int = 1,
    ) -> Float32[np.ndarray, " videos"]:
        """The score of the best segment of each video, which is what `localize_bank` would answer first; 0 if none.

        Cost: about that of the matrix product of bank and query.

        Raises:
            ConfigError: there is no space.
        """
        mapped, thresholds = self._looked_for(self._need_space(), query)
        ends = scan_bank(bank, mapped, thresholds, videos=videos, threads=threads)
        best = np.maximum.reduceat(ends, bank.offsets[:-1]) if len(bank) else ends
        return best if videos is None else best[videos]

    def search_bank(
        self,
        query: FeatureSequence,
        bank: FeatureBank,
        videos: NDArray[np.int64] | None = None,
        *,
        most: int,
        threads: int = 1,
    ) -> dict[int, list[ScoredSegment]]:
        """What `localize_bank` answers for the best videos, and the best segments of all, without the rest.

        The scan tells at which steps good matches end; only their surroundings are aligned in full. A path is at most
        twice as long as the query, so nothing of a match lies outside them.

        Args:
            query: As for `localize_bank`.
            bank: Mapped by `space`.
            videos: Positions in the bank, increasing; None for all.
            most: Segments that will be looked at: of the whole bank, and videos that must have their best one.
            threads: For the scan.

        Returns:
            By position, best first; videos without a match are left out.

        Raises:
            ConfigError: there is no space.
        """
        mapped, thresholds = self._looked_for(self._need_space(), query)
        ends = scan_bank(bank, mapped, thresholds, videos=videos, threads=threads)
        peaks = _peaks(ends)
        rows = peaks[_largest(ends[peaks], _PEAKS_FOR_EACH * most)]
        best = np.maximum.reduceat(ends, bank.offsets[:-1])
        for video in _largest(best, most):
            inside = bank.rows(int(video))
            rows = np.append(rows, inside.start + int(ends[inside].argmax()))
        found: dict[int, list[ScoredSegment]] = {}
        owners = np.searchsorted(bank.offsets, rows, "right") - 1
        for video in np.unique(owners):
            inside = bank.rows(int(video))
            mine = np.unique(rows[owners == video])
            least = float(ends[mine].min()) * (1.0 - 1e-4)  # the scan and the alignment round differently
            segments: list[ScoredSegment] = []
            for window in _windows(mine, 4 * len(mapped), inside):
                similarity = np.asarray(bank.values[window], np.float32) @ mapped.T
                bounds_s = bank.bounds_s[window]
                segments += self._segments(similarity, thresholds, query, bounds_s[:, 0], bounds_s[:, 1], least)
            if segments:
                found[int(video)] = best_first(segments)[: self.n]
        return found

    def _looked_for(self, space: Space, query: FeatureSequence) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The query's steps as they are compared, and the threshold of each."""
        mapped = space.apply_still(query.values) if self.still else space.apply(query.values)
        return mapped, self.thresholds(space, mapped)

    def _need_space(self) -> Space:
        if self.space is None:
            raise ConfigError("a bank can be scanned only in the space it was mapped to; give `space`")
        return self.space

    def null_scores(
        self, query: FeatureSequence
    ) -> tuple[Float32[np.ndarray, " stretches"], Float32[np.ndarray, " stretches"]]:
        """Best scores in the space's mirrored stretches, which cannot hold a match, and in its real ones.

        Raises:
            ConfigError: there is no space.
        """
        space = self._need_space()
        return self._in_stretches(query, space.mirrored), self._in_stretches(query, space.stretches)

    def _in_stretches(self, query: FeatureSequence, stretches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Best score in each stretch; several are joined where one could not hold a match of a long query."""
        dim = stretches.shape[2]
        joined = min(len(stretches), -(-2 * len(query) // stretches.shape[1]))
        stretches = stretches[: len(stretches) // joined * joined].reshape(-1, joined * stretches.shape[1], dim)
        n, steps, _ = stretches.shape
        bank = FeatureBank(
            values=stretches.reshape(n * steps, dim),
            bounds_s=np.zeros((n * steps, 2)),
            offsets=np.arange(n + 1, dtype=np.int64) * steps,
            video_ids=tuple(str(i) for i in range(n)),
            fingerprint=query.fingerprint,
        )
        return self.best_scores(query, bank)

    def similarity_curve(
        self, query: FeatureSequence, reference: Float32[np.ndarray, "reference dim"]
    ) -> Float32[np.ndarray, " reference"]:
        """For each mapped reference step, how far the best query step lies above its threshold.

        Raises:
            ConfigError: there is no space.
        """
        mapped, thresholds = self._looked_for(self._need_space(), query)
        gain: NDArray[np.float32] = (reference @ mapped.T - thresholds).max(axis=1)
        return gain

    def thresholds(self, space: Space, query: Float32[np.ndarray, "query dim"]) -> Float32[np.ndarray, " query"]:
        """For each mapped query step the similarity above which a reference step is evidence for it."""
        background = space.background @ query.T
        thresholds: NDArray[np.float32] = background.mean(axis=0) + self.margin * background.std(axis=0)
        return thresholds.astype(np.float32)

    def _segments(
        self,
        similarity: NDArray[np.float32],
        thresholds: NDArray[np.float32],
        query: FeatureSequence,
        start_s: NDArray[np.float64],
        end_s: NDArray[np.float64],
        min_score: float = 0.0,
    ) -> list[ScoredSegment]:
        gain = np.ascontiguousarray(similarity - thresholds, np.float32)
        ceiling = float(1.0 - thresholds.mean())

        def scored(path: Path) -> ScoredSegment:
            segment = Segment(float(start_s[path.first]), float(end_s[path.stop - 1]))
            return ScoredSegment(segment, path.score, query.segment(path.query_first, path.query_stop))

        raw = {scored(path): path for path in best_paths(gain, most=8 * self.n, min_score=min_score)}
        # Those that say nearly the same as a better one go before their ends are looked for.
        fitted = [scored(fit_ends(gain, raw[one], ceiling=ceiling)) for one in hard_nms(raw, max_tiou=0.7, n=self.n)]
        return soft_nms(fitted, sigma=self.sigma, n=self.n, min_score=1e-6)


def _largest(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Positions of the `n` largest positive scores, or of all if there are fewer."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) <= n:
        return positive
    return positive[np.argpartition(scores[positive], len(positive) - n)[len(positive) - n :]]


def _peaks(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where scores are positive and neither neighbour is larger; the first of equals."""
    if len(scores) < 2:
        return np.flatnonzero(scores > 0)
    risen = np.concatenate([[True], scores[1:] > scores[:-1]])
    falls = np.concatenate([scores[:-1] >= scores[1:], [True]])
    return np.flatnonzero(risen & falls & (scores > 0))


def _windows(rows: NDArray[np.int64], reach: int, inside: slice) -> Iterator[slice]:
    """Surroundings of increasing rows, joined where they overlap."""
    first = max(inside.start, int(rows[0]) - reach)
    stop = min(inside.stop, int(rows[0]) + reach)
    for row in rows[1:]:
        if row - reach > stop:
            yield slice(first, stop)
            first = max(inside.start, int(row) - reach)
        stop = min(inside.stop, int(row) + reach)
    yield slice(first, stop)
