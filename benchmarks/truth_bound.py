"""The noise bound: how well a count rate can be known from a ramp, whatever the estimator.

The reads of a ramp share their photons and differ in their read noise. With the covariance C of
the groups [DN²] (Kubik et al. 2016, PASP 128, 104504, eq. 5; Brandt 2024, PASP 136, 045004,
section 2) and an unknown level at the start, the variance of the best linear unbiased rate is the
lower right element of ``(Aᵀ C⁻¹ A)⁻¹`` with ``A = [1, t]``. A hit adds an unknown step, which cuts
the ramp in two segments without common differences: their information adds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
RATIOS = np.logspace(-8, 8, 321)
"""Photon variance gathered from group to group, over the read variance of a group."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a ramp is sampled.

    Attributes
    ----------
    frames, skip
        Frames averaged into a group, and dropped after it.
    frame_time_s
        Time of a frame [s].
    """

    frames: int
    skip: int
    frame_time_s: float

    @property
    def group_time_s(self) -> float:
        """Time from one group to the next [s]."""
        return (self.frames + self.skip) * self.frame_time_s

    def mean_times(self, groups: int) -> FloatArray:
        """Return the mean time of the frames of each group since the reset [s], (group,)."""
        first = np.arange(groups) * (self.frames + self.skip)
        return (first + (self.frames + 1) / 2) * self.frame_time_s

    def covariance(self, groups: int, ratio: float) -> FloatArray:
        """Return the covariance of groups, in units of the read variance of one group.

        Parameters
        ----------
        groups : int
            Groups of the segment. Its photons are counted from its own start, since the unknown
            level takes up what came before.
        ratio : float
            Photon variance gathered from group to group over the read variance of a group.

        Returns
        -------
        array (group, group)
        """
        mean = self.mean_times(groups) / self.group_time_s
        shared = np.minimum.outer(mean, mean)
        # Frames of one group share their photons up to the earlier of each two.
        steps = np.arange(1, self.frames + 1)
        own = np.minimum.outer(steps, steps).mean() * self.frame_time_s / self.group_time_s
        first = np.arange(groups) * 1.0
        np.fill_diagonal(shared, first + own)
        return ratio * shared + np.eye(groups)

    def variance_factor(self, groups: int) -> FloatArray:
        """Return the bound on a segment's rate for each of `RATIOS`, (ratio,).

        In units of the read variance of a group over the group time squared; infinite for a single
        group.
        """
        if groups < 2:
            return np.full(RATIOS.shape, np.inf)
        design = np.stack([np.ones(groups), np.arange(groups)], axis=1)
        factors = np.empty(RATIOS.shape)
        for k, ratio in enumerate(RATIOS):
            covariance = self.covariance(groups, float(ratio))
            information = design.T @ np.linalg.solve(covariance, design)
            factors[k] = np.linalg.inv(information)[1, 1]
        return factors


def information(
    segments: NDArray[np.integer], photon: FloatArray, read: FloatArray, sampling: Sampling
) -> FloatArray:
    """Return the information of segments on the rate [s²/DN²].

    Parameters
    ----------
    segments : array of int
        Groups of each segment.
    photon : array
        Variance of the photon noise gathered in a second [DN²/s].
    read : array
        Read noise of one frame [DN].
    sampling
        How the ramp is sampled.

    Returns
    -------
    array
        One over the variance of the best rate; zero for segments of fewer than two groups.
    """
    group_variance = read**2 / sampling.frames
    ratio = np.log(np.maximum(photon * sampling.group_time_s / group_variance, RATIOS[0]))
    result = np.zeros(segments.shape)
    for groups in np.unique(segments[segments >= 2]):
        here = segments == groups
        factor = np.exp(
            np.interp(ratio[here], np.log(RATIOS), np.log(sampling.variance_factor(int(groups))))
        )
        result[here] = sampling.group_time_s**2 / (group_variance[here] * factor)
    return result


def bound(
    usable: NDArray[np.bool_],
    cut: NDArray[np.bool_] | None,
    photon: FloatArray,
    read: FloatArray,
    sampling: Sampling,
) -> FloatArray:
    """Return the noise bound of the mean rate of all integrations [DN/s].

    Parameters
    ----------
    usable : array of bool (n_int, n_group, pixel)
        Groups that hold information.
    cut : array of bool (n_int, n_group, pixel) or None
        True where an unknown step lies between a group and the one before it.
    photon : array (pixel,)
        Variance of the photon noise gathered in a second [DN²/s].
    read : array (pixel,)
        Read noise of one frame [DN].
    sampling
        How the ramp is sampled.

    Returns
    -------
    array (pixel,)
        σ₀; infinite where no two groups are left in a segment.
    """
    total = np.zeros(photon.shape)
    for i in range(usable.shape[0]):
        length = np.zeros(photon.shape, np.int64)
        for g in range(usable.shape[1]):
            ends = ~usable[i, g] if cut is None else ~usable[i, g] | cut[i, g]
            if ends.any() and length[ends].any():
                total[ends] += information(length[ends], photon[ends], read[ends], sampling)
            length[ends] = 0
            length += usable[i, g]
        total += information(length, photon, read, sampling)
    with np.errstate(divide="ignore"):
        return 1 / np.sqrt(total)
