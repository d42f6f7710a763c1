"""The level that a reset leaves, as the ramps of an exposure show it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._resultants import group_reads
from calcore.kernels.ramp_fit_anchored import ResetLevel
from calcore.model import Ramp
from calcore.model.reference import Gain, ReadNoise

_FEWEST = 200  # ramps that tell a level
_MOST = 25000  # ramps of a part that are looked at, of all its integrations
_ROUNDS = 8
_FAR = 4.0  # sigma; hits and bad pixels lie beyond
_MIDDLE = 15.865, 50.0, 84.135  # per cent

Numbers = NDArray[np.float64]


def reset_level(
    parts: Iterable[Ramp], gain: Gain, readnoise: ReadNoise, noise_electron: float
) -> ResetLevel:
    """Measure level and scatter of ramps at the time of the reset.

    Parameters
    ----------
    parts : iterable of ramps
        Parts of the frame, without bias.
    gain, readnoise : references
        Of the whole frame.
    noise_electron : float
        Noise of the level where too few ramps show it [electron].

    Notes
    -----
    A ramp without any flag is extended to the reset through its first and last group. What read noise
    and photons add to the scatter is subtracted; what is left is the noise of the reset, the bias'
    own errors, and whatever else neighbouring reads have in common.
    """
    levels, variances, gains = [], [], []

    def look(part: Ramp) -> None:
        slope = gain.cut(part.frame).data
        gains.append(slope[slope > 0])
        if part.data.shape[1] > 1:
            level, variance = _extended(part, slope, readnoise.cut(part.frame).data)
            levels.append(level)
            variances.append(variance)

    for _ in map(look, parts):  # keeps no part while the next is made
        pass
    found = np.concatenate(levels) if levels else np.zeros(0)
    if found.size < _FEWEST:
        typical = float(np.median(np.concatenate(gains))) if any(g.size for g in gains) else 1.0
        return ResetLevel(0.0, noise_electron / typical)
    return _fitted(found, np.concatenate(variances))


def _extended(
    part: Ramp, gain: NDArray[np.float32], noise: NDArray[np.float32]
) -> tuple[Numbers, Numbers]:
    """Return levels of unflagged ramps at the reset [DN], and what their noise adds [DN²]."""
    meta = part.meta
    last = part.data.shape[1] - 1
    frames = meta.frames_per_group
    reads = group_reads(last + 1, frames, meta.group_time_s, meta.frame_time_s)
    start, stop = reads[0].mean(), reads[last].mean()
    early, late = (float(np.minimum.outer(t, t).mean()) for t in (reads[0], reads[last]))
    lever = start / (stop - start)
    good = (part.groupdq == 0).all(axis=1) & (part.pixeldq == 0) & (gain > 0) & (noise > 0)
    places = np.flatnonzero(good)
    some = np.unravel_index(places[:: 1 + places.size // _MOST], good.shape)
    first, end = (part.data[:, group][some].astype(float) for group in (0, last))
    electrons, read = (plane[some[1:]].astype(float) for plane in (gain, noise))
    rate = np.maximum((end - first) / (stop - start), 0) / electrons
    by_reads = read**2 / (2 * frames) * ((1 + lever) ** 2 + lever**2)
    by_photons = (1 + lever) ** 2 * early + lever**2 * late - 2 * lever * (1 + lever) * start
    level = first - lever * (end - first)
    known = np.isfinite(level)
    return level[known], (by_reads + rate * by_photons)[known]


def _fitted(level: Numbers, variance: Numbers) -> ResetLevel:
    """Return mean and scatter beyond the known variances, hits and bad pixels left out."""
    low, mean, high = np.percentile(level, _MIDDLE)
    noise, usual = (high - low) / 2, np.median(variance)
    for _ in range(_ROUNDS):
        spread = np.sqrt(noise**2 + variance)
        near = np.abs(level - mean) < _FAR * spread
        mean = np.average(level[near], weights=spread[near] ** -2)
        low, high = np.percentile((level - mean) / spread, _MIDDLE[::2])
        noise = np.sqrt(max(((high - low) / 2) ** 2 * (noise**2 + usual) - usual, 0.0))
    return ResetLevel(float(mean), float(noise))
