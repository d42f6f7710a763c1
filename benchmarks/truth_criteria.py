"""What the measurement of truth asks for, and whether a figure keeps to it.

Figures from few pixels have an error of their own: three times that is allowed on top of a limit,
and as many events as a Poisson process at the limit stays below 999 times of 1000.
"""

import numpy as np
from benchmarks.truth_rates import FlagScore, HitScore, RateScore
from benchmarks.truth_stars import FluxScore, PlaceScore
from scipy.stats import binom, poisson

BIAS, SCATTER, ERROR, BEYOND = 0.02, 0.03, 0.03, 1e-5
FALSE = 1e-4
COMPLETE = {6.0: 0.95, 8.0: 0.995}
MEDIAN, SLOPE = 0.003, 0.002
OFFSET, RMS, PHOTONS = 0.01, 0.02, 1.2
SURE = 0.999


def bias_limit(score: RateScore, factor: float = 1.0) -> float:
    """Return how far the mean of (rate - truth) / σ₀ may lie from zero."""
    return factor * (BIAS + 3 * score.allowance)


def events_limit(rate: float, number: int) -> int:
    """Return how many of a number may be, if a part `rate` of them may on average."""
    return int(poisson.ppf(SURE, rate * number))


def rate_misses(score: RateScore, factor: float = 1.0) -> list[str]:
    """Return which of the limits on rates a flux bin breaks; `factor` widens the limits."""
    own = 3 * score.sampling_error
    wide = 3 * 1.2 * score.scatter / np.sqrt(2 * max(score.pixels, 1)) * np.sqrt(2)
    misses = []
    if abs(score.bias) > bias_limit(score, factor) + own:
        misses.append("bias")
    if score.scatter > 1 + factor * SCATTER + wide:
        misses.append("scatter")
    if abs(score.error - 1) > factor * ERROR + wide:
        misses.append("error")
    if score.beyond > events_limit(factor * BEYOND, score.pixels):
        misses.append("beyond")
    return misses


def false_flags_miss(score: FlagScore) -> bool:
    """Return whether there are too many flags where no hit is."""
    return score.false > events_limit(FALSE, score.differences)


def hits_miss(score: HitScore) -> bool:
    """Return whether too few hits of a size are found; sizes without a limit never miss."""
    for size, complete in COMPLETE.items():
        if score.low < size < score.high:
            return score.found < binom.ppf(1 - SURE, score.hits, complete)
    return False


def flux_misses(score: FluxScore) -> list[str]:
    """Return which of the limits on fluxes a place breaks."""
    misses = []
    if abs(score.median) > MEDIAN + 3 * score.median_error:
        misses.append("median")
    if abs(score.slope) > SLOPE + 3 * score.slope_error:
        misses.append("slope")
    return misses


def place_misses(score: PlaceScore) -> list[str]:
    """Return which of the limits on positions a range of magnitudes breaks."""
    own = 3 * score.rms / np.sqrt(score.stars)
    misses = []
    if max(abs(score.mean_x), abs(score.mean_y)) > OFFSET + own:
        misses.append("offset")
    if score.rms > max(RMS, PHOTONS * score.limit) + own / 2:
        misses.append("rms")
    return misses
