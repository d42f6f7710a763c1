"""Scores of count rates and of hits against the simulator's truth, by decades of flux."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from benchmarks.truth_bound import FloatArray, bound
from benchmarks.truth_exposure import BoolArray, Calibrated, ExposureTruth
from benchmarks.truth_reference import ReferencePixels
from numpy.typing import NDArray

DECADES = tuple(10.0**k for k in range(-2, 6))
"""Edges of the flux bins [electron/s]."""
BRIGHTEST = 0.9
"""Signal at the end of a ramp over the full well, up to which rates are judged."""
SIZES = (3, 4, 5, 5.7, 6.3, 7.5, 8.5, 10, 15, 1e9)
"""Edges of the bins of hits: size over the noise of one difference."""
FEW = 10
"""Bins with fewer pixels have no score."""
FAR = 5.0
"""Pulls beyond this many σ₀ are tails."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pulls:
    """Pixels of one kind from any number of exposures; arrays with the axis (pixel,).

    Attributes
    ----------
    flux
        True rate [electron/s].
    pull
        (rate - truth) / σ₀.
    error
        ERR / σ₀.
    """

    flux: FloatArray
    pull: FloatArray
    error: FloatArray

    @classmethod
    def joined(cls, parts: Sequence["Pulls"]) -> "Pulls":
        """Put pixels of several exposures together."""
        return cls(
            flux=np.concatenate([part.flux for part in parts]),
            pull=np.concatenate([part.pull for part in parts]),
            error=np.concatenate([part.error for part in parts]),
        )


@dataclass(frozen=True, kw_only=True)
class RateScore:
    """Scores of one flux bin.

    Attributes
    ----------
    low, high
        Edges of the bin [electron/s].
    pixels
        Number of pixels.
    bias
        Mean of (rate - truth) / σ₀.
    allowance
        Standard deviation of the mean from the noise of the reference-pixel means, over σ₀.
    scatter
        Robust scatter of (rate - truth) / σ₀: half the central 68.27 per cent.
    error
        Root mean square of ERR, over the scatter.
    beyond
        Pixels beyond 5 σ₀.
    own
        Robust scatter of (rate - truth) / ERR: for show.
    """

    low: float
    high: float
    pixels: int
    bias: float
    allowance: float
    scatter: float
    error: float
    beyond: int
    own: float

    @property
    def sampling_error(self) -> float:
        """Standard error of the mean because there are so few pixels, over σ₀."""
        return self.scatter / np.sqrt(max(self.pixels, 1))


@dataclass(frozen=True, kw_only=True)
class FlagScore:
    """Jump flags where no hit is, in one flux bin.

    Attributes
    ----------
    low, high
        Edges of the bin [electron/s].
    differences, false
        Differences that no hit touches, and how many of them are flagged.
    """

    low: float
    high: float
    differences: int
    false: int


@dataclass(frozen=True, kw_only=True)
class HitScore:
    """How many of the hits of a size are flagged.

    Attributes
    ----------
    low, high
        Edges of the bin: size over the noise of one difference.
    hits, found
        Singly hit pixels between two usable groups, and how many of them are flagged.
    """

    low: float
    high: float
    hits: int
    found: int


@dataclass(kw_only=True, eq=False)
class Scores:
    """Scores that grow exposure by exposure.

    `add` takes an exposure; `rates` and the others give the scores of all so far. `kind` is
    "clean" for pixels without a hit, "flagged" for pixels whose hits are all flagged, "beside"
    for pixels whose neighbours were hit, "partial" for clean pixels that come nearer to their
    full well than is judged, or beyond it.
    """

    kinds: tuple[str, ...] = ("clean", "flagged", "beside", "partial")
    parts: dict[str, list[Pulls]] = field(default_factory=dict)
    means: dict[tuple[str, float], list[tuple[int, float]]] = field(default_factory=dict)
    false: dict[float, list[int]] = field(default_factory=dict)
    sizes: list[FloatArray] = field(default_factory=list)
    found: list[BoolArray] = field(default_factory=list)

    def add(self, truth: ExposureTruth, calibrated: Calibrated, reference: ReferencePixels) -> None:
        """Take in an exposure.

        Parameters
        ----------
        truth, calibrated
            The exposure, and what a program made of it.
        reference
            Which reference pixels its correction averages.
        """
        _Exposure(self, truth, calibrated, reference).score()

    def rates(self, kind: str) -> list[RateScore]:
        """Return the scores of count rates, bin by bin; bins without pixels are left out."""
        pulls = Pulls.joined(self.parts[kind])
        result: list[RateScore] = []
        for low, high in itertools.pairwise(DECADES):
            here = (pulls.flux >= low) & (pulls.flux < high)
            if np.sum(here) < FEW:
                continue
            pull = pulls.pull[here]
            scatter = robust_scatter(pull)
            weights = np.array(self.means[kind, low])
            allowance = np.sqrt(np.sum((weights[:, 0] * weights[:, 1]) ** 2)) / here.sum()
            result.append(
                RateScore(
                    low=low,
                    high=high,
                    pixels=int(here.sum()),
                    bias=float(pull.mean()),
                    allowance=float(allowance),
                    scatter=scatter,
                    error=float(np.sqrt(np.mean(pulls.error[here] ** 2))) / scatter,
                    beyond=int(np.sum(np.abs(pull) > FAR)),
                    own=robust_scatter(pull / pulls.error[here]),
                )
            )
        return result

    def false_flags(self) -> list[FlagScore]:
        """Return how many differences without a hit are flagged, bin by bin."""
        return [
            FlagScore(low=low, high=low * 10, differences=counts[0], false=counts[1])
            for low, counts in sorted(self.false.items())
            if counts[0]
        ]

    def hits(self, edges: Iterable[float] = SIZES) -> list[HitScore]:
        """Return how many hits are flagged, by size over the noise of one difference."""
        edges = list(edges)
        size, found = np.concatenate(self.sizes), np.concatenate(self.found)
        result = []
        for low, high in itertools.pairwise(edges):
            here = (size >= low) & (size < high)
            result.append(
                HitScore(low=low, high=high, hits=int(here.sum()), found=int(found[here].sum()))
            )
        return result


def robust_scatter(values: FloatArray) -> float:
    """Return half the width of the central 68.27 per cent."""
    low, high = np.percentile(values, [15.865, 84.135])
    return float(high - low) / 2


class _Exposure:
    """One exposure while it is being scored."""

    def __init__(
        self,
        scores: Scores,
        truth: ExposureTruth,
        calibrated: Calibrated,
        reference: ReferencePixels,
    ) -> None:
        self.scores, self.truth, self.calibrated = scores, truth, calibrated
        self.reference = reference
        self.photon = truth.photon_variance(calibrated.corrected)
        self.read = truth.read_level(calibrated.corrected)
        self.rate = truth.true_rate(calibrated.corrected)
        self.flux = truth.shared * truth.gain
        self.electrons, self.partly = truth.charges()
        self.hit = self.electrons > 0
        self.halo = truth.halos()
        self.usable = calibrated.usable
        known = truth.active & calibrated.good
        self.judged: BoolArray = known & (truth.signal_share() <= BRIGHTEST)
        self.partial: BoolArray = known & ~self.judged

    def score(self) -> None:
        """Do it."""
        touched = self.hit.any(axis=(0, 1))
        near = grown(touched) | self.halo.any(axis=(0, 1))
        spoilt = self.hit.copy()
        spoilt[:, 1:] |= self.hit[:, :-1] & self.partly[:, :-1]
        relevant = spoilt[:, 1:] & self.usable[:, 1:] & self.usable[:, :-1]
        seen = self.calibrated.jumps[:, 1:].copy()
        seen[:, :-1] |= self.calibrated.jumps[:, 2:] & self.partly[:, 1:-1]
        seen[:, 1:] |= self.calibrated.jumps[:, 1:-1] & self.partly[:, 1:-1]
        missed = (relevant & ~seen).any(axis=(0, 1))
        flagged = touched & relevant.any(axis=(0, 1)) & ~missed
        self.collect("clean", self.judged & ~near, None)
        # What is flagged beside a hit is lost on purpose.
        self.collect("beside", self.judged & near & ~touched, self.calibrated.jumps)
        self.collect("flagged", self.judged & flagged, spoilt)
        self.collect("partial", self.partial & ~near, None)
        self.false_flags()
        self.hits()

    def collect(self, kind: str, chosen: BoolArray, cuts: BoolArray | None) -> None:
        """Add the pulls of the chosen pixels."""
        places = np.nonzero(chosen)
        usable = self.usable[:, :, *places]
        cut = None if cuts is None else cuts[:, :, *places]
        sigma = bound(usable, cut, self.photon[places], self.read[places], self.truth.sampling)
        kept = np.isfinite(sigma)
        places = tuple(axis[kept] for axis in places)
        sigma, flux = sigma[kept], self.flux[places]
        pull = (self.calibrated.rate[places] - self.rate[places]) / sigma
        error = self.calibrated.error[places] / sigma
        self.scores.parts.setdefault(kind, []).append(Pulls(flux=flux, pull=pull, error=error))
        # What a frame's noise of one DN that all pixels share does to a bin's mean rate.
        sampling = self.truth.sampling
        groups = np.maximum(usable[:, :, kept].sum(axis=1).max(axis=0), 2)
        slope = np.sqrt(12 / (groups**3.0 - groups)) / sampling.group_time_s
        slope /= np.sqrt(self.truth.integrations * sampling.frames)
        for low, high in itertools.pairwise(DECADES):
            here = (flux >= low) & (flux < high)
            if here.any():
                noise = self.reference.noise(places[0][here], places[1][here])
                mean = float(np.mean(slope[here] / sigma[here])) * noise
                self.scores.means.setdefault((kind, low), []).append((int(here.sum()), mean))

    def false_flags(self) -> None:
        """Count flagged differences that no hit touches."""
        spoilt = grown(self.hit) | self.halo
        spoilt[:, 1:] |= spoilt[:, :-1]
        free = self.usable[:, 1:] & self.usable[:, :-1] & ~spoilt[:, 1:] & self.judged
        false = free & self.calibrated.jumps[:, 1:]
        for low, high in itertools.pairwise(DECADES):
            here = (self.flux >= low) & (self.flux < high)
            counts = self.scores.false.setdefault(low, [0, 0])
            counts[0] += int(np.sum(free & here))
            counts[1] += int(np.sum(false & here))

    def hits(self) -> None:
        """Measure the hits of pixels that are hit once."""
        single = (self.hit.sum(axis=1) == 1)[:, None] & self.hit
        between = np.zeros(self.hit.shape, bool)
        between[:, 1:] = self.usable[:, 1:] & self.usable[:, :-1]
        chosen = single & between & self.judged & ~self.partly & ~self.halo
        integration, group, y, x = np.nonzero(chosen)
        truth, sampling = self.truth, self.truth.sampling
        held = 1.0 if self.calibrated.corrected else truth.spread[1, 1]
        size = self.electrons[chosen] / truth.gain[y, x] * held
        time = sampling.group_time_s
        within = sampling.covariance(2, 1.0) - np.eye(2)
        gathered = within[0, 0] + within[1, 1] - 2 * within[0, 1]
        noise = np.sqrt(
            2 * self.read[y, x] ** 2 / sampling.frames + self.photon[y, x] * time * gathered
        )
        self.scores.sizes.append(size / noise)
        self.scores.found.append(self.calibrated.jumps[integration, group, y, x])


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask (..., ny, nx) grown by one pixel, corners included."""
    wide = mask.copy()
    wide[..., 1:, :] |= mask[..., :-1, :]
    wide[..., :-1, :] |= mask[..., 1:, :]
    result = wide.copy()
    result[..., 1:] |= wide[..., :-1]
    result[..., :-1] |= wide[..., 1:]
    return result
