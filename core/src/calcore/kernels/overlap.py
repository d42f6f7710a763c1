"""Sharing pixels among the pixels of another grid by area of overlap, many planes at once.

The square drop of drizzle (Fruchter & Hook 2002, PASP 114, 144, section 2): the corners of a shrunk
pixel are mapped to the output, and the quadrilateral they span covers each output pixel by some area.
The areas are found once and serve all planes. An area is the sum, over the edges of the
quadrilateral, of what lies between the edge and the x axis within the output pixel. Most
quadrilaterals lie over two by two pixels: they are cut by one line across and one up.
"""

import numpy as np

from calcore.kernels._jit import F4x2, F4x3, F8x1, F8x2, F8x3, helper, kernel, unsigned
from calcore.kernels._square import under

_NOTHING = 1e-12
"""Parts of a pixel that rounding makes of none."""


@helper
def _corner(pixel_map: F8x3, axis: int, y: float, x: float) -> float:
    """Return a place of the map between pixels, or a little beyond, by bilinear interpolation."""
    rows, columns = pixel_map.shape[1], pixel_map.shape[2]
    j = min(max(int(np.floor(y)), 0), rows - 2)
    i = min(max(int(np.floor(x)), 0), columns - 2)
    dy, dx = y - j, x - i
    low = pixel_map[axis, j, i] * (1.0 - dx) + pixel_map[axis, j, i + 1] * dx
    high = pixel_map[axis, j + 1, i] * (1.0 - dx) + pixel_map[axis, j + 1, i + 1] * dx
    value: float = low * (1.0 - dy) + high * dy
    return value


@helper
def _corners(pixel_map: F8x3, row: float, out: F8x2) -> None:
    """Fill the corners along one edge of a row of whole pixels, left to right."""
    last = pixel_map.shape[2]
    j = min(max(int(np.floor(row)), 0), pixel_map.shape[1] - 2)
    dy = row - j
    for axis in range(2):
        out[axis, 0] = _corner(pixel_map, axis, row, -0.5)
        out[axis, last] = _corner(pixel_map, axis, row, last - 0.5)
        # What `_corner` makes of all others, many at once.
        for i in range(unsigned(last - 1)):
            low = pixel_map[axis, j, i] * 0.5 + pixel_map[axis, j, i + np.uint64(1)] * 0.5
            high = pixel_map[axis, j + 1, i] * 0.5 + pixel_map[axis, j + 1, i + np.uint64(1)] * 0.5
            out[axis, i + np.uint64(1)] = low * (1.0 - dy) + high * dy


@helper
def _beyond(start: float, end: float) -> float:
    """Return the mean of what is above 0 along a line from one value to another."""
    if start >= 0.0 and end >= 0.0:
        return 0.5 * (start + end)
    if start <= 0.0 and end <= 0.0:
        return 0.0
    high = max(start, end)
    return 0.5 * high * high / abs(start - end)


@helper
def _quarters(x: F8x1, y: F8x1, across: float, up: float, whole: float, out: F8x1) -> None:
    """Fill in the parts of a quadrilateral that two lines make: lower left and right, upper ones.

    By Green's theorem the area right of a line is the integral of the distance to it, where that is
    above 0, along all edges; of that above the other line, along what lies there of them.
    """
    right, above, both = 0.0, 0.0, 0.0
    u1, v1 = x[3] - across, y[3] - up
    for k in range(4):
        u2, v2 = x[k] - across, y[k] - up
        step = v2 - v1
        beyond = _beyond(u1, u2)
        right += step * beyond
        if v1 >= 0.0 and v2 >= 0.0:
            above += step * 0.5 * (u1 + u2)
            both += step * beyond
        elif v1 > 0.0:
            crossing = u1 + (u2 - u1) * (v1 / (v1 - v2))
            above -= v1 * 0.5 * (u1 + crossing)
            both -= v1 * _beyond(u1, crossing)
        elif v2 > 0.0:
            crossing = u1 + (u2 - u1) * (v1 / (v1 - v2))
            above += v2 * 0.5 * (crossing + u2)
            both += v2 * _beyond(crossing, u2)
        u1, v1 = u2, v2
    part = 1.0 / whole
    out[0], out[1] = (whole + right + above - both) * part, (both - right) * part
    out[2], out[3] = (both - above) * part, -both * part


@kernel
def spread(
    planes: F4x3,
    weight: F4x2,
    pixel_map: F8x3,
    origin_x: float,
    origin_y: float,
    pixfrac: float,
    out: F4x3,
    out_weight: F4x2,
) -> None:
    """Add the pixels of several planes to sums over an output grid.

    Parameters
    ----------
    planes : float32 (n_plane, ny, nx)
        What is shared; finite wherever `weight` is not 0.
    weight : float32 (ny, nx)
        Weight of each pixel; one of weight 0 contributes nothing.
    pixel_map : float64 (2, ny, nx)
        Output x and y of each pixel's centre [pixel]; at least two pixels along each axis. A pixel
        beside one that has no place (NaN) has no corner there, and contributes nothing; nor does
        one whose centre lies off the output grid.
    origin_x, origin_y : float
        Output x and y of the first pixel of `out`.
    pixfrac : float
        Side of the shrunk pixel over that of the whole.
    out : float32 (n_plane, my, mx)
        Sums of weight times overlap times value.
    out_weight : float32 (my, mx)
        Sums of weight times overlap; the overlap is the part of the shrunk pixel.
    """
    count, rows, columns = planes.shape
    my, mx = out_weight.shape
    half = 0.5 * pixfrac
    x, y, parts = np.empty(4), np.empty(4), np.empty(4)
    # Whole pixels share their corners with their neighbours.
    shared = pixfrac == 1.0
    below, above = np.empty((2, columns + 1)), np.empty((2, columns + 1))
    if shared:
        _corners(pixel_map, -0.5, above)
    for j in range(rows):
        if shared:
            below, above = above, below
            _corners(pixel_map, j + 0.5, above)
        for i in range(columns):
            centre_x, centre_y = pixel_map[0, j, i] - origin_x, pixel_map[1, j, i] - origin_y
            # Comparisons with NaN are false.
            within = -0.5 <= centre_x <= mx - 0.5 and -0.5 <= centre_y <= my - 0.5
            if weight[j, i] == 0.0 or not within:
                continue
            for k in range(4):
                # Corners in order around the pixel: left bottom, right bottom, right top, left top.
                on_right = 1 if 0 < k < 3 else 0
                if shared:
                    edge = below if k < 2 else above
                    x[k] = edge[0, i + on_right] - origin_x
                    y[k] = edge[1, i + on_right] - origin_y
                else:
                    row = j - half if k < 2 else j + half
                    column = i + half if on_right else i - half
                    x[k] = _corner(pixel_map, 0, row, column) - origin_x
                    y[k] = _corner(pixel_map, 1, row, column) - origin_y
            whole = 0.5 * ((x[1] - x[3]) * (y[0] - y[2]) - (x[0] - x[2]) * (y[1] - y[3]))
            if not abs(whole) > 0.0:
                continue
            left = int(np.floor(min(x[0], x[1], x[2], x[3]) + 0.5))
            right = int(np.floor(max(x[0], x[1], x[2], x[3]) + 0.5))
            low = int(np.floor(min(y[0], y[1], y[2], y[3]) + 0.5))
            high = int(np.floor(max(y[0], y[1], y[2], y[3]) + 0.5))
            two_by_two = right == left + 1 and high == low + 1
            if two_by_two and left >= 0 and low >= 0 and right < mx and high < my:
                _quarters(x, y, right - 0.5, high - 0.5, whole, parts)
                for k in range(4):
                    if parts[k] < _NOTHING:
                        continue
                    row, column = low + k // 2, left + k % 2
                    share = np.float32(parts[k]) * weight[j, i]
                    out_weight[row, column] += share
                    for plane in range(count):
                        out[plane, row, column] += share * planes[plane, j, i]
                continue
            for row in range(max(low, 0), min(high + 1, my)):
                for column in range(max(left, 0), min(right + 1, mx)):
                    area = 0.0
                    for k in range(4):
                        after = k + 1 if k < 3 else 0
                        area += under(
                            x[k] - column + 0.5,
                            y[k] - row + 0.5,
                            x[after] - column + 0.5,
                            y[after] - row + 0.5,
                        )
                    share = np.float32(area / whole) * weight[j, i]
                    if share == 0.0:
                        continue
                    out_weight[row, column] += share
                    for plane in range(count):
                        out[plane, row, column] += share * planes[plane, j, i]
