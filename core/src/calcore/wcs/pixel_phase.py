"""Places of stars freed from what the phase in the pixel does to them.

The centroid of an undersampled star errs with its phase, its place within the pixel, alike for all
stars. Exposures that are dithered see a star at several phases, so the differences of where they see
it tell the error (Anderson & King 2000, PASP 112, 1360, section 3). By symmetry it has a sine only,
of one cycle in a pixel.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calcore.wcs.sightings import F8, Sighting, middle_of, on_plane, pairs_of, to_sky

_ROUNDS = 12
_LEAST = 100
"""Fewest pairs of sightings, counted both ways, from which the error is found."""
_FAR = 3.0
"""Residuals beyond so many times their typical size belong to other stars, or to blends."""


def without_phase(sightings: Sequence[Sighting], radius: float) -> list[Sighting]:
    """Return what is seen with places corrected for the phase in the pixel.

    Parameters
    ----------
    sightings : sequence of Sighting
        Stars seen in each image, which must agree to within `radius`.
    radius : float
        Largest distance of two sightings of a star [arcsec].

    Returns
    -------
    list of Sighting
        As they were where too few stars are seen by several exposures.
    """
    x, y = (np.concatenate([getattr(one, name) for one in sightings]) for name in "xy")
    if x.size == 0:
        return list(sightings)
    sky, right, up = (
        [to_sky(one.wcs, one.x + dx, one.y + dy) for one in sightings]
        for dx, dy in ((0, 0), (1, 0), (0, 1))
    )
    middle = middle_of(np.concatenate(sky))
    points, along_x, along_y = (on_plane(np.concatenate(part), middle) for part in (sky, right, up))
    along_x, along_y = along_x - points, along_y - points
    numbers = {one.exposure: number for number, one in enumerate(sightings)}
    owner = np.repeat([numbers[one.exposure] for one in sightings], [s.x.size for s in sightings])
    first, second = pairs_of(points, owner, radius)
    if first.size < _LEAST:
        return list(sightings)
    size_x = size_y = 0.0
    for _ in range(_ROUNDS):
        now_x, now_y = _corrected(x, size_x), _corrected(y, size_y)
        moved = points + along_x * (now_x - x)[:, None] + along_y * (now_y - y)[:, None]
        away = moved[first] - moved[second]  # each pair twice, with opposite signs: it is the same
        models = np.stack(
            [
                wave[first] - wave[second]
                for wave in (
                    along_x * np.sin(2 * np.pi * now_x)[:, None],
                    along_y * np.sin(2 * np.pi * now_y)[:, None],
                )
            ],
            axis=-1,
        )
        square = (away**2).sum(axis=1)
        near = square <= 2 * _FAR**2 * float(np.median(square))
        more, *_ = np.linalg.lstsq(models[near].reshape(-1, 2), away[near].ravel(), rcond=None)
        size_x, size_y = size_x + float(more[0]), size_y + float(more[1])
    return [
        replace(one, x=_corrected(one.x, size_x), y=_corrected(one.y, size_y)) for one in sightings
    ]


def _corrected(found: F8, size: float) -> F8:
    """Return places that, with the error of their phase added, are those found."""
    place = found
    for _ in range(_ROUNDS):
        place = found - size * np.sin(2 * np.pi * place)
    return place
