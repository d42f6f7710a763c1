"""Noise that dithered exposures have in common, in sums over circles."""

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
_LEAST = 1e-12
"""Radii and distances of 0 are taken for so much."""


def lens(first: F8, second: F8, apart: F8 | float) -> F8:
    """Return the area that two circles have in common.

    Parameters
    ----------
    first, second : float64 (n,)
        Their radii.
    apart : float64, as many or one for all
        Distance of their centres, in the same unit.

    Returns
    -------
    float64 (n,)
    """
    small, large = np.minimum(first, second).clip(_LEAST), np.maximum(first, second).clip(_LEAST)
    # Circles that touch from within or from outside are the limits of those that cross.
    apart = np.clip(np.maximum(apart, _LEAST), large - small, large + small)
    crossed = (
        apart + (small**2 - large**2) / apart
    ) / 2  # from the small one's centre to the chord

    def part(radius: F8, to_chord: F8) -> F8:
        cosine = np.clip(to_chord / radius, -1.0, 1.0)
        return np.asarray(radius**2 * (np.arccos(cosine) - cosine * np.sqrt(1 - cosine**2)))

    return part(small, crossed) + part(large, apart - crossed)


def overlap(radius: F8, ring: tuple[F8, F8] | None, apart: F8 | float) -> F8:
    """Return the integral of an aperture's weights times themselves, moved by some distance.

    That is the covariance of its sums over two images of the same white noise that lie so far apart.

    Parameters
    ----------
    radius : float64 (n,)
        Within this, weights are 1.
    ring : tuple of float64 (n,), optional
        Between these radii weights are alike, and negative, so that all of them sum to 0.
    apart : float64, as many or one for all
        Distance, in the same unit.

    Returns
    -------
    float64 (n,)
        Area; it may be negative where there is a ring.
    """
    parts = [(radius, np.ones_like(radius))]
    if ring is not None:
        inner, outer = ring
        level = radius**2 / (outer**2 - inner**2)
        parts += [(outer, -level), (inner, level)]
    total = np.zeros_like(radius)
    for first, weight in parts:
        for second, other in parts:
            total += weight * other * lens(first, second, apart)
    return total
