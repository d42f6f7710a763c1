"""Resultants, the means of successive reads of a ramp: covariance of their differences, and a fit.

What photons and read noise make of the differences of successive resultants is tri-diagonal (Brandt
2024, PASP 136, 045004, section 2). With t the mean time of a resultant's reads, τ the mean of the
earlier time of every two of them and N their number, photons of rate a give a difference the
variance ``a (τ_i + τ_i+1 - 2 t_i)``, and it and the next ``a (t_i+1 - τ_i+1)`` in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import B1x1, F8x1, F8x2, helper

ROOM = 6  # numbers that `fit_steps` keeps for each difference


@dataclass(frozen=True, eq=False)
class Steps:
    """Differences of successive resultants over their times.

    Attributes
    ----------
    spacing : float64 (n,)
        Time between the two resultants of each difference [s].
    shape : float64 (4, n)
        Variance of each difference over its time, and covariance of it and the next: by photons of
        1 electron/s, and by a read noise of 1 electron.
    """

    spacing: NDArray[np.float64]
    shape: NDArray[np.float64]


def steps_of(reads_s: Sequence[NDArray[np.float64]]) -> Steps:
    """Describe differences of resultants whose reads are at given times.

    Parameters
    ----------
    reads_s : sequence of float64 arrays
        Times of the reads of each resultant since the reset [s], ascending. An empty one is the level
        at the reset itself, which has no read noise.
    """
    count = np.array([reads.size for reads in reads_s], float)
    mean = np.array([reads.mean() if reads.size else 0.0 for reads in reads_s])
    early = np.array([np.minimum.outer(t, t).mean() if t.size else 0.0 for t in reads_s])
    noise = np.divide(1.0, count, out=np.zeros_like(count), where=count > 0)
    spacing = np.diff(mean)
    shape = np.zeros((4, spacing.size))
    shape[0] = early[:-1] + early[1:] - 2 * mean[:-1]
    shape[1, :-1] = (mean - early)[1:-1]
    shape[2] = noise[:-1] + noise[1:]
    shape[3, :-1] = -noise[1:-1]
    shape[::2] /= spacing**2
    shape[1::2, :-1] /= spacing[:-1] * spacing[1:]
    return Steps(spacing, shape)


def group_reads(
    n_group: int, n_frames: int, group_time_s: float, frame_time_s: float, *, zero: bool = False
) -> list[NDArray[np.float64]]:
    """Return the times of the reads of each group since the reset [s].

    With `zero` the first read is a resultant of its own, and the first group has the others:
    `without_zero` takes it out of the average, whose read noise it otherwise shares.
    """
    frames = frame_time_s * np.arange(1.0, n_frames + 1)
    reads = [group * group_time_s + frames for group in range(n_group)]
    return [frames[:1], frames[1:], *reads[1:]] if zero else reads


@helper
def without_zero(average: float, zero: float, n_frames: int) -> float:
    """Return the average of a first group's reads but the first."""
    return (n_frames * average - zero) / (n_frames - 1)


@helper
def fit_steps(
    step: F8x1, usable: B1x1, guess: float, read: float, level: float, shape: F8x2, out: F8x2,
    out_sums: F8x1,
) -> None:  # fmt: skip
    """Fit one rate to usable differences, with the photon noise of a guessed one.

    `read` is the variance of one read, `level` what the first difference has in addition. Rows of
    `out` then hold C^-1 1, C^-1 d, the diagonal of C^-1 and what is beside it; `out_sums` the rate,
    its weight 1 C^-1 1, chi square, and the parts of the rate's variance that photons of 1 electron/s
    and all else have.
    """
    n = step.size
    for k in range(n):
        if not usable[k]:
            continue
        one, value = 1.0, step[k]
        pivot = guess * shape[0, k] + read * shape[2, k] + (level if k == 0 else 0.0)
        if k > 0 and usable[k - 1]:
            beside = guess * shape[1, k - 1] + read * shape[3, k - 1]
            factor = beside / out[4, k - 1]
            one -= factor * out[0, k - 1]
            value -= factor * out[1, k - 1]
            pivot -= factor * beside
        out[0, k], out[1, k], out[4, k] = one, value, pivot
    for m in range(n):
        k = n - 1 - m
        if not usable[k]:
            continue
        own = guess * shape[0, k] + read * shape[2, k] + (level if k == 0 else 0.0)
        back = own
        if k + 1 < n and usable[k + 1]:
            beside = guess * shape[1, k] + read * shape[3, k]
            out[0, k] -= beside * out[0, k + 1]
            out[1, k] -= beside * out[1, k + 1]
            back -= beside * beside / out[5, k + 1]
            out[3, k] = -beside / (out[4, k] * out[5, k + 1] - beside * beside)
        out[0, k] /= out[4, k]
        out[1, k] /= out[4, k]
        out[2, k] = 1 / (out[4, k] + back - own)
        out[5, k] = back
    weight, total, square, photons, others = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(n):
        if usable[k]:
            u = out[0, k]
            weight += u
            total += u * step[k]
            square += out[1, k] * step[k]
            photons += u * u * shape[0, k]
            others += u * u * (read * shape[2, k] + (level if k == 0 else 0.0))
            if k > 0 and usable[k - 1]:
                photons += 2 * u * out[0, k - 1] * shape[1, k - 1]
                others += 2 * u * out[0, k - 1] * read * shape[3, k - 1]
    out_sums[0], out_sums[1], out_sums[2] = total / weight, weight, square - total * total / weight
    out_sums[3], out_sums[4] = photons / (weight * weight), others / (weight * weight)
