"""World coordinates of all pixels of a frame of which only a part has any."""

import numpy as np
from gwcs import WCS
from numpy.typing import NDArray

Planes = NDArray[np.float64]


def box_of(wcs: WCS, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of a frame whose pixels' centres lie within the bounding box."""
    if wcs.bounding_box is None:
        return slice(0, shape[0]), slice(0, shape[1])
    limits = wcs.bounding_box.bounding_box(order="F")
    found = []
    for (low, high), length in zip(reversed(limits), shape, strict=True):
        start = int(np.clip(np.ceil(low), 0, length))
        found.append(slice(start, int(np.clip(np.floor(high) + 1, start, length))))
    return found[0], found[1]


def within_box(wcs: WCS, shape: tuple[int, int]) -> Planes:
    """Return the world coordinates of a frame's pixels.

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels (x, y), counted from 0.
    shape : (int, int)
        Rows and columns of the frame.

    Returns
    -------
    float64 (n_axis, ny, nx)
        Each world coordinate; NaN outside the bounding box.
    """
    rows, columns = box_of(wcs, shape)
    y, x = np.mgrid[rows, columns].astype(np.float64)
    found = np.full((wcs.output_frame.naxes, *shape), np.nan)
    if x.size:
        found[:, rows, columns] = wcs(x, y, with_bounding_box=False)
    return found


def continued(planes: Planes, wcs: WCS) -> Planes:
    """Return coordinates of a frame's pixels, also of those that touch the bounding box from outside.

    What drizzling lays down reaches half-way to a pixel's neighbours, so it must know where these lie.

    Parameters
    ----------
    planes : float64 (n_axis, ny, nx)
        NaN outside the bounding box; within it there are two rows and columns at least.
    wcs : gwcs.WCS
        Its bounding box.
    """
    found = planes.copy()
    for axis, box in zip((1, 2), box_of(wcs, (planes.shape[1], planes.shape[2])), strict=True):
        lines = np.moveaxis(found, axis, 0)
        if box.stop - box.start < 2:
            continue
        if box.start > 0:
            lines[box.start - 1] = 2 * lines[box.start] - lines[box.start + 1]
        if box.stop < len(lines):
            lines[box.stop] = 2 * lines[box.stop - 1] - lines[box.stop - 2]
    return found
