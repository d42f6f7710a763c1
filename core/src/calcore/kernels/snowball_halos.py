"""How far the halo of a snowball reaches: where its charge falls below a part of the noise.

A halo fades outwards from its core, about exponentially (M. Regan & E. Bergeron 2020,
JWST-STScI-007174, show profiles), over a length that differs from one snowball to the next. Single
pixels show it down to the threshold of jumps; averages over rings about the core show the rest.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ

_BAD = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_FEWEST = 8  # pixels of a ring
_CLEAR = 3.0  # a ring shows the halo where its median is this many of its errors above zero
_MODEL = 0.15  # no halo is quite exponential: relative error of a ring's level
_RINGS = 12  # rings that the fit goes back from where the halo is lost
_CORE = 2.0  # what a core leaks to the pixels beside it is not halo [pixel]


@dataclass(frozen=True, eq=False)
class Signal:
    """What the ramps of an exposure say of halos.

    Attributes
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]; an array, or what is read like one.
    gain : float32 (ny, nx)
        Gain [electron/DN]; pixels where it is not positive take no part.
    readnoise : float32 (ny, nx)
        Noise of the difference of two reads [DN]; pixels where it is NaN take no part.
    n_frames : int
        Reads averaged into a group.
    """

    data: NDArray[np.float32]
    gain: NDArray[np.float32]
    readnoise: NDArray[np.float32]
    n_frames: int

    def cut(self, where: tuple[Any, ...]) -> "Signal":
        """Return what a part of the frame says, ``(..., rows, columns)``."""
        return replace(
            self, data=self.data[where], gain=self.gain[where], readnoise=self.readnoise[where]
        )

    def excess(
        self, flags: NDArray[np.uint8], integration: int, group: int, box: tuple[slice, slice]
    ) -> NDArray[np.float64]:
        """Return by how much a difference exceeds a pixel's usual one [sigma], (height, width).

        NaN where it cannot be known. `flags` are those of the integration; the difference itself
        and the next one, which may hold the rest of the event, do not count as usual.
        """
        gain = np.asarray(self.gain[box], np.float64)
        with np.errstate(invalid="ignore"):
            samples = np.asarray(self.data[integration, ..., *box], np.float64) * gain
            samples[(flags[..., *box] & _BAD) != 0] = np.nan
            samples[:, ~(gain > 0)] = np.nan
            steps = np.diff(samples, axis=0)
        step = steps[group - 1].copy()
        steps[group - 1 : group + 1] = np.nan
        usual = _median(steps)
        noise = np.asarray(self.readnoise[box], np.float64) * gain
        sigma: NDArray[np.float64] = np.sqrt(np.maximum(usual, 0) + noise * noise / self.n_frames)
        excess: NDArray[np.float64] = (step - usual) / sigma
        return excess


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the medians along the first axis of what is not NaN; NaN where nothing is."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(ordered).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, len(ordered) - 1)
    pair = np.take_along_axis(ordered, np.stack([low, high]), axis=0)
    middle: NDArray[np.float64] = pair.mean(axis=0)
    middle[count == 0] = np.nan
    return middle


def halo_reach(
    excess: NDArray[np.float64], radius: NDArray[np.float64], core: float, limit: float
) -> float:
    """Return the radius at which a halo falls below a limit; 0 where there is none.

    Parameters
    ----------
    excess : float64 (ny, nx)
        What a snowball left in each pixel over the noise [sigma]; NaN takes no part.
    radius : float64 (ny, nx)
        Distance of each pixel from its centre [pixel].
    core : float
        Radius of its core [pixel].
    limit : float
        Charge of the halo where it ends [sigma].

    Notes
    -----
    An exponential is fitted to the medians of the last twelve rings, one pixel wide, that show the
    halo; it tells where the halo goes on unseen. Medians heed neither hits nor bad pixels.
    """
    known = np.isfinite(excess) & (radius >= core + _CORE)
    ring = np.floor(radius[known]).astype(np.int64)
    order = np.argsort(ring, kind="stable")
    values, ring = excess[known][order], ring[order]
    first = int(np.ceil(core + _CORE))
    bounds = np.searchsorted(ring, np.arange(first, (int(ring[-1]) if ring.size else 0) + 2))
    place, level, error = [], [], []
    for k, (start, stop) in enumerate(pairwise(bounds)):
        if stop - start < _FEWEST:
            continue
        middle = float(np.median(values[start:stop]))
        sigma = float(np.sqrt(np.pi / 2 / (stop - start)))
        if middle < max(_CLEAR * sigma, limit):
            break
        place.append(first + k + 0.5)
        level.append(middle)
        error.append(sigma)
    if not place:
        return 0.0
    end = place[-1] + 0.5
    if len(place) < 3:
        return end
    radii, levels = np.array(place[-_RINGS:]), np.array(level[-_RINGS:])
    weight = 1 / ((np.array(error[-_RINGS:]) / levels) ** 2 + _MODEL**2)
    mean = np.average(radii, weights=weight), np.average(np.log(levels), weights=weight)
    across, along = radii - mean[0], np.log(levels) - mean[1]
    slope = float(np.sum(weight * across * along) / np.sum(weight * across * across))
    if slope >= 0:
        return end
    reach = float(mean[0] + (np.log(limit) - mean[1]) / slope)
    # What is foretold is no more than half of what is seen.
    return float(np.clip(reach, end, 1.5 * end))
