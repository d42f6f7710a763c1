"""How well images agree on where stars are, and how far their coordinates were moved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from gwcs import WCS
from numpy.typing import NDArray

from calcore.wcs.sightings import F8, Sighting, middle_of, on_plane, pairs_of, to_sky

_CATALOGUE = -1
_POINTS = 5
"""Points along each axis of an image at which coordinates are compared."""
_CLIPS, _FAR = 5, 3.0
"""Rounds of clipping residuals, and its limit [rms]."""
_ROUNDING = 1e-12
"""Squares of residuals that are nothing but rounding [arcsec2]."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How far coordinates were moved.

    Attributes
    ----------
    east_arcsec, north_arcsec : float
        At the middle of the images.
    rotation_deg : float
        From north to east.
    scale : float
        Change of the scale: 0 where there is none.
    """

    east_arcsec: float = 0.0
    north_arcsec: float = 0.0
    rotation_deg: float = 0.0
    scale: float = 0.0

    @property
    def shift_arcsec(self) -> float:
        """Length of the shift."""
        return float(np.hypot(self.east_arcsec, self.north_arcsec))


@dataclass(frozen=True, eq=False)
class Residuals:
    """How far stars are from where others put them, float64 (n,) each; NaN if no other sees one.

    Attributes
    ----------
    x, y
        Along the axes of the image [pixel].
    east, north
        On the sky [arcsec].
    used
        Whether a residual, bool (n,), is not so large that the star must be another one, or blended.
    """

    x: F8
    y: F8
    east: F8
    north: F8
    used: NDArray[np.bool_]

    @classmethod
    def unknown(cls, number: int) -> "Residuals":
        """Return residuals of stars that are compared with nothing."""
        none = np.full(number, np.nan)
        return cls(none, none, none, none, np.zeros(number, bool))

    @classmethod
    def joined(cls, parts: Sequence["Residuals"]) -> "Residuals":
        """Return the residuals of several images, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("x", "y", "east", "north", "used")
            )
        )

    @property
    def rms(self) -> tuple[float, float, float, float]:
        """Root mean squares of those used: x, y [pixel], east, north [arcsec]; NaN of none."""
        if not self.used.any():
            return np.nan, np.nan, np.nan, np.nan
        x, y, east, north = (
            float(np.sqrt(np.mean(values[self.used] ** 2)))
            for values in (self.x, self.y, self.east, self.north)
        )
        return x, y, east, north


def movement(before: Sequence[WCS], after: Sequence[WCS]) -> Movement:
    """Return how far the coordinates of images that move as one were moved.

    Parameters
    ----------
    before, after : sequences of gwcs.WCS
        Coordinates of each image, with bounding boxes.

    Returns
    -------
    Movement
        Of the similarity that comes closest, in a plane tangent to the sky at their middle.
    """
    old, new = (np.concatenate([_spread(wcs, one) for wcs, one in pairs]) for pairs in (
        [(wcs, wcs) for wcs in before], list(zip(after, before, strict=True))
    ))  # fmt: skip
    middle = middle_of(old)
    old_plane, new_plane = on_plane(old, middle), on_plane(new, middle)
    shift = (new_plane - old_plane).mean(axis=0)
    old_plane = old_plane - old_plane.mean(axis=0)
    new_plane = new_plane - new_plane.mean(axis=0)
    across, along = old_plane.T @ new_plane
    size = (old_plane**2).sum()
    cosine, sine = (across[0] + along[1]) / size, (along[0] - across[1]) / size
    return Movement(
        east_arcsec=float(shift[0]),
        north_arcsec=float(shift[1]),
        rotation_deg=float(np.degrees(np.arctan2(sine, cosine))),
        scale=float(np.hypot(sine, cosine) - 1),
    )


def residuals(
    sightings: Sequence[Sighting], radius: float, catalogue: tuple[F8, ...] | None = None
) -> list[Residuals]:
    """Return how far each star is from the mean of where the other exposures see it.

    Stars are the same if each is the other's nearest, and not farther than `radius`.

    Parameters
    ----------
    sightings : sequence of Sighting
        Stars seen in each image, with its coordinates as they are now.
    radius : float
        Largest distance of two sightings of a star [arcsec].
    catalogue : two or more float64 (n,), optional
        Right ascension and declination [deg], of which alone it makes use; the stars of each image
        are then compared with these alone.

    Returns
    -------
    list of Residuals
        For each sighting, in the order of its stars.
    """
    numbers = {one.exposure: n for n, one in enumerate(sightings)}
    sky = [to_sky(one.wcs, one.x, one.y) for one in sightings]
    owners = [k if catalogue is not None else numbers[s.exposure] for k, s in enumerate(sightings)]
    owner = np.repeat(np.array(owners, np.intp), [one.x.size for one in sightings])
    if owner.size == 0:
        return [Residuals.unknown(0) for _ in sightings]
    middle = middle_of(np.concatenate(sky))
    places = [on_plane(one, middle) for one in sky]
    points = np.concatenate(places)
    if catalogue is not None:
        points = np.concatenate([points, on_plane(np.stack(catalogue[:2], axis=1), middle)])
        owner = np.concatenate([owner, np.full(points.shape[0] - owner.size, _CATALOGUE)])
    first, second = pairs_of(points, owner, radius)
    if catalogue is not None:
        known = owner[second] == _CATALOGUE
        first, second = first[known], second[known]
    number = np.bincount(first, minlength=len(points))
    mean = np.stack(
        [np.bincount(first, points[second, axis], len(points)) for axis in (0, 1)], axis=1
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        away = points - mean / number[:, None]
    found, start = [], 0
    for one, place in zip(sightings, places, strict=True):
        offset = away[start : start + one.x.size]
        start += one.x.size
        x, y = _in_pixels(one, place, offset, middle)
        found.append(Residuals(x, y, offset[:, 0], offset[:, 1], np.isfinite(x)))
    return _without_outliers(found, [one.exposure for one in sightings])


def _without_outliers(found: list[Residuals], exposures: Sequence[object]) -> list[Residuals]:
    """Return residuals of which those far beyond the others of the same exposure are not used."""
    result = list(found)
    for exposure in dict.fromkeys(exposures):
        own = [k for k, other in enumerate(exposures) if other == exposure]
        joined = Residuals.joined([found[k] for k in own])
        square = joined.east**2 + joined.north**2
        used = np.isfinite(square)
        for _ in range(_CLIPS):
            if used.any():
                used &= square <= max(_FAR**2 * float(np.mean(square[used])), _ROUNDING)
        for k, part in zip(
            own, np.split(used, np.cumsum([found[k].x.size for k in own])[:-1]), strict=True
        ):
            result[k] = replace(found[k], used=part)
    return result


def _in_pixels(one: Sighting, place: F8, offset: F8, middle: tuple[float, float]) -> tuple[F8, F8]:
    """Return offsets on the sky along the axes of the image [pixel], by its local scale."""
    right = on_plane(to_sky(one.wcs, one.x + 1, one.y), middle) - place
    up = on_plane(to_sky(one.wcs, one.x, one.y + 1), middle) - place
    determinant = right[:, 0] * up[:, 1] - right[:, 1] * up[:, 0]
    x = (offset[:, 0] * up[:, 1] - offset[:, 1] * up[:, 0]) / determinant
    y = (right[:, 0] * offset[:, 1] - right[:, 1] * offset[:, 0]) / determinant
    return x, y


def _spread(wcs: WCS, box: WCS) -> F8:
    """Return the sky positions (n, 2) of points all over the bounding box of `box` [deg]."""
    (x_low, x_high), (y_low, y_high) = box.bounding_box.bounding_box(order="F")
    x, y = np.meshgrid(np.linspace(x_low, x_high, _POINTS), np.linspace(y_low, y_high, _POINTS))
    return to_sky(wcs, x.ravel(), y.ravel())


def outwards(sightings: Sequence[Sighting]) -> list[int]:
    """Return the numbers of images, exposure by exposure, each close to one before it.

    The first exposure stays the first; then always the one follows that is nearest to any before.
    """
    exposures = list(dict.fromkeys(one.exposure for one in sightings))
    spread = [
        np.concatenate([_spread(one.wcs, one.wcs) for one in sightings if one.exposure == exposure])
        for exposure in exposures
    ]
    middle = middle_of(np.concatenate(spread))
    places = np.stack([on_plane(sky, middle).mean(axis=0) for sky in spread])
    distance = np.full(len(exposures), np.inf)
    taken = [0]
    while len(taken) < len(exposures):
        distance = np.minimum(distance, np.hypot(*(places - places[taken[-1]]).T))
        distance[taken] = np.inf
        taken.append(int(np.argmin(distance)))
    rank = {exposures[number]: place for place, number in enumerate(taken)}
    return sorted(range(len(sightings)), key=lambda k: rank[sightings[k].exposure])


def meets(wcs: WCS, others: Sequence[WCS]) -> bool:
    """Tell whether an image lies on any of the others, seen at a few points of each."""
    for other in others:
        for one, onto in ((wcs, other), (other, wcs)):
            (x_low, x_high), (y_low, y_high) = onto.bounding_box.bounding_box(order="F")
            x, y = onto.invert(*_spread(one, one).T, with_bounding_box=False)
            if ((x >= x_low) & (x <= x_high) & (y >= y_low) & (y <= y_high)).any():
                return True
    return False
