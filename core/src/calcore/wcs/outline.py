"""Where images overlap, and which do."""

from collections.abc import Sequence

import numpy as np
from gwcs import WCS
from numpy.typing import NDArray

from calcore.kernels.polygon import intersection
from calcore.kernels.spans import Spans, inside, rounded

Points = NDArray[np.float64]
_NEAR = np.cos(np.radians(5.0))


def outline(wcs: WCS, step: int | None = None) -> NDArray[np.float64]:
    """Return the sky positions of points along the edge of the bounding box.

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels to the sky, with a bounding box.
    step : int, optional
        Distance of points [pixel]; only the corners if it is None.

    Returns
    -------
    float64 (n, 2)
        Right ascension and declination [deg], in order around the box.
    """
    (x_low, x_high), (y_low, y_high) = wcs.bounding_box.bounding_box(order="F")
    columns = 1 if step is None else max(1, int(np.ceil((x_high - x_low) / step)))
    rows = 1 if step is None else max(1, int(np.ceil((y_high - y_low) / step)))
    x = np.linspace(x_low, x_high, columns + 1)
    y = np.linspace(y_low, y_high, rows + 1)
    around_x = np.concatenate([x[:-1], np.full(rows, x_high), x[:0:-1], np.full(rows, x_low)])
    around_y = np.concatenate([np.full(columns, y_low), y[:-1], np.full(columns, y_high), y[:0:-1]])
    return np.stack(wcs(around_x, around_y, with_bounding_box=False), axis=1)


def overlaps(
    wcs: WCS, shape: tuple[int, int], own: Points, others: Sequence[Sequence[Points]]
) -> list[Spans]:
    """Return the pixels of an image that lie where others were looking too.

    Parameters
    ----------
    wcs : gwcs.WCS
        World coordinates of the image.
    shape : (int, int)
        Its rows and columns.
    own : float64 (n, 2)
        Its own outline: right ascension and declination [deg].
    others : sequence of sequence of float64 (n, 2)
        For each of the others its outlines; those far away are heeded too. Where outlines have but
        four corners, so have overlaps, and these are rounded to whole pixels; else pixels count
        whose centre is within an outline.

    Returns
    -------
    list of int64 (n, ny, 2)
        For each of the others spans of pixels in each row, which may overlap.
    """
    middle = np.array(wcs((shape[1] - 1) / 2, (shape[0] - 1) / 2, with_bounding_box=False))
    areas = [
        (number, len(own) == len(outline) == 4, outline)
        for number, outlines in enumerate(others)
        for outline in outlines
        # Tangent projections see the other side of the sky upside down.
        if _cosines(outline, middle).min() >= _NEAR
    ]
    plane = _on_plane(own, middle)
    corners = [
        _on_sky(intersection(plane, _on_plane(outline, middle)), middle) if convex else outline
        for _, convex, outline in areas
    ]
    # Transforms take long to begin with, for however few points.
    places = _pixels(wcs, np.concatenate([np.zeros((0, 2)), *corners]))
    ends = np.cumsum([len(points) for points in corners])
    common = [[np.zeros((0, shape[0], 2), np.int64)] for _ in others]
    for (number, convex, _), place in zip(areas, np.split(places, ends[:-1]), strict=False):
        if convex:
            common[number].append(rounded(place, shape))
            continue
        x, y = place.T
        apart = x.max() < 0 or y.max() < 0 or x.min() > shape[1] - 1 or y.min() > shape[0] - 1
        if np.isfinite(place).all() and not apart:
            common[number].append(inside(x, y, shape))
    return [np.concatenate(spans) for spans in common]


def parts(outlines: Sequence[Points], tied: Sequence[Sequence[int]] = ()) -> list[list[int]]:
    """Part convex areas of the sky into those that hang together, one overlapping the next.

    Parameters
    ----------
    outlines : sequence of float64 (n, 2)
        Right ascension and declination [deg] of corners, in order around each.
    tied : sequence of sequence of int
        Areas that hang together anyhow, by number.

    Returns
    -------
    list of list of int
        The areas of each part, by number, in order of first appearance.
    """
    label = list(range(len(outlines)))
    for numbers in tied:
        for number in numbers:
            label[number] = min(numbers)
    for number, one in enumerate(outlines):
        for other in range(number):
            if label[other] != label[number] and _meet(one, outlines[other]):
                joined = {label[number], label[other]}
                label = [min(joined) if item in joined else item for item in label]
    return [[n for n, item in enumerate(label) if item == first] for first in sorted({*label})]


def _meet(one: Points, other: Points) -> bool:
    """Tell whether two convex areas have more than an edge in common."""
    if _cosines(other, one[0]).min() < _NEAR:
        return False
    return len(intersection(_on_plane(one, one[0]), _on_plane(other, one[0]))) > 2


def _pixels(wcs: WCS, sky: Points) -> Points:
    if len(sky) == 0:
        return sky
    x, y = wcs.invert(sky[:, 0], sky[:, 1], with_bounding_box=False)
    return np.stack([np.atleast_1d(x), np.atleast_1d(y)], axis=-1)


def _axes(centre: Points) -> Points:
    """Return unit vectors to a point on the sky, to its east and to its north, in rows."""
    longitude, latitude = np.radians(centre)
    (sine, cosine), (up, level) = (
        (np.sin(angle), np.cos(angle)) for angle in (longitude, latitude)
    )
    return np.array(
        [[level * cosine, level * sine, up], [-sine, cosine, 0.0],
         [-up * cosine, -up * sine, level]]
    )  # fmt: skip


def _on_plane(sky: Points, centre: Points) -> Points:
    """Project from the sky [deg] to the plane that touches it; great circles become straight."""
    longitude, latitude = np.radians(sky).T
    towards = [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)]
    along, east, north = _axes(centre) @ np.array([*towards, np.sin(latitude)])
    return np.stack([east / along, north / along], axis=-1)


def _on_sky(plane: Points, centre: Points) -> Points:
    """Project from a plane that touches the sky back to it [deg]."""
    x, y, z = _axes(centre).T @ np.column_stack([np.ones(len(plane)), plane]).T
    sky: Points = np.stack([np.arctan2(y, x) % (2 * np.pi), np.arctan2(z, np.hypot(x, y))], -1)
    return np.degrees(sky)


def _cosines(sky: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosines of angular distances."""
    (longitude, latitude), (around, height) = np.radians(sky).T, np.radians(centre)
    cosines: NDArray[np.float64] = np.sin(latitude) * np.sin(height) + np.cos(latitude) * np.cos(
        height
    ) * np.cos(longitude - around)
    return cosines
