"""Sharing pixels among the pixels of another grid by area of overlap, many planes at once.

The square drop of drizzle (Fruchter & Hook 2002, PASP 114, 144, section 2): the corners of a shrunk
pixel are mapped to the output, and the quadrilateral they span covers each output pixel by some area.
The areas are found once and serve all planes. An area is the sum, over the edges of the
quadrilateral, of what lies between the edge and the x axis within the output pixel. Most
quadrilaterals lie over two by two pixels: they are cut by one line across and one up.
"""

from typing import Any

import numpy as np

from calcore.kernels._jit import F4x2, F4x3, F8x1, F8x2, F8x3, helper, kernel, unsigned
from calcore.kernels._square import under

_NOTHING = 1e-12
"""Parts of a pixel that rounding makes of none."""
_AT_ONCE = 64
"""So many quadrilaterals are cut at once, in a table with a column for each and these rows."""
_WHOLE, _COLUMNS, _ROWS, _PARTS, _TABLE = 8, 9, 11, 13, 17


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
    high, low = (start, end) if start > end else (end, start)
    across = high - low if high > low else 1.0
    mean = 0.5 * high * high / across if low < 0.0 else 0.5 * (start + end)
    return mean if high > 0.0 else 0.0


@helper
def _edge(u1: float, v1: float, u2: float, v2: float) -> tuple[float, float, float]:
    """Return what an edge adds to a quadrilateral's areas right of u = 0, above v = 0, and in both.

    By Green's theorem the area right of a line is the integral of the distance to it, where that is
    above 0, along all edges; of that above the other line, along what lies there of them.
    """
    step = v2 - v1
    crossing = u1 - (u2 - u1) * (v1 / (step if step != 0.0 else 1.0))
    start, end = u1 if v1 > 0.0 else crossing, u2 if v2 > 0.0 else crossing
    above = max(v2, 0.0) - max(v1, 0.0)
    return step * _beyond(u1, u2), above * 0.5 * (start + end), above * _beyond(start, end)


@helper
def _ends(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    """Return the first and the last pixel that four coordinates lie in."""
    low, high = min(a, b, c, d), max(a, b, c, d)
    return float(np.floor(low + 0.5)), float(np.floor(high + 0.5))


@helper
def _at(row: int, i: int) -> Any:
    """Return where a pixel stands in a row of the table."""
    return np.uint64(row * _AT_ONCE) + np.uint64(i)


@helper
def _some(part: float) -> float:
    """Return a part of a pixel, unless rounding made it of none."""
    return part if part >= _NOTHING else 0.0


@helper
def _cut(out: F8x1) -> None:
    """Cut quadrilaterals by the line between the two columns, and the two rows, that they lie over.

    The first rows of the table are given: x, then y, of the corners in order. Filled in are the area,
    negative if they run against the clock; first and last column, first and last row; and the parts
    at the lower left, lower right, upper left and upper right, which mean something where there are
    two columns and two rows. No branch, and one array whose rows have a known length: so many
    pixels are worked out at once.
    """
    for i in range(unsigned(_AT_ONCE)):
        x0, x1, x2, x3 = out[_at(0, i)], out[_at(1, i)], out[_at(2, i)], out[_at(3, i)]
        y0, y1, y2, y3 = out[_at(4, i)], out[_at(5, i)], out[_at(6, i)], out[_at(7, i)]
        whole = 0.5 * ((x1 - x3) * (y0 - y2) - (x0 - x2) * (y1 - y3))
        left, last_x = _ends(x0, x1, x2, x3)
        low, last_y = _ends(y0, y1, y2, y3)
        across, up = last_x - 0.5, last_y - 0.5
        u0, u1, u2, u3 = x0 - across, x1 - across, x2 - across, x3 - across
        v0, v1, v2, v3 = y0 - up, y1 - up, y2 - up, y3 - up
        right_0, above_0, both_0 = _edge(u3, v3, u0, v0)
        right_1, above_1, both_1 = _edge(u0, v0, u1, v1)
        right_2, above_2, both_2 = _edge(u1, v1, u2, v2)
        right_3, above_3, both_3 = _edge(u2, v2, u3, v3)
        right = right_0 + right_1 + right_2 + right_3
        above = above_0 + above_1 + above_2 + above_3
        both = both_0 + both_1 + both_2 + both_3
        part = 1.0 / whole
        out[_at(_WHOLE, i)] = whole
        out[_at(_COLUMNS, i)], out[_at(_COLUMNS + 1, i)] = left, last_x
        out[_at(_ROWS, i)], out[_at(_ROWS + 1, i)] = low, last_y
        out[_at(_PARTS, i)] = _some((whole + right + above - both) * part)
        out[_at(_PARTS + 1, i)] = _some((both - right) * part)
        out[_at(_PARTS + 2, i)] = _some((both - above) * part)
        out[_at(_PARTS + 3, i)] = _some(-both * part)


@helper
def _shares(table: F8x1, i: int, weight: Any) -> tuple[Any, Any, Any, Any]:
    """Return what a pixel of some weight adds to those at the lower left and right, upper ones."""
    return (
        np.float32(table[_at(_PARTS, i)]) * weight,
        np.float32(table[_at(_PARTS + 1, i)]) * weight,
        np.float32(table[_at(_PARTS + 2, i)]) * weight,
        np.float32(table[_at(_PARTS + 3, i)]) * weight,
    )


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
    table = np.zeros(_TABLE * _AT_ONCE)
    # Whole pixels share their corners with their neighbours.
    shared = pixfrac == 1.0
    below, above = np.empty((2, columns + 1)), np.empty((2, columns + 1))
    if shared:
        _corners(pixel_map, -0.5, above)
    for j in range(rows):
        if shared:
            below, above = above, below
            _corners(pixel_map, j + 0.5, above)
        for start in range(0, columns, _AT_ONCE):
            stop = min(start + _AT_ONCE, columns)
            for k in range(4):
                # Corners in order around the pixel: left bottom, right bottom, right top, left top.
                right_of = 1 if 0 < k < 3 else 0
                row, edge = j + (-half if k < 2 else half), below if k < 2 else above
                for i in range(unsigned(stop - start)):
                    if shared:
                        at = np.uint64(start + right_of) + i
                        table[_at(k, i)] = edge[0, at] - origin_x
                        table[_at(4 + k, i)] = edge[1, at] - origin_y
                    else:
                        column = start + i + (half if right_of else -half)
                        table[_at(k, i)] = _corner(pixel_map, 0, row, column) - origin_x
                        table[_at(4 + k, i)] = _corner(pixel_map, 1, row, column) - origin_y
            _cut(table)
            for i in range(start, stop):
                centre_x, centre_y = pixel_map[0, j, i] - origin_x, pixel_map[1, j, i] - origin_y
                # Comparisons with NaN are false.
                within = -0.5 <= centre_x <= mx - 0.5 and -0.5 <= centre_y <= my - 0.5
                whole = table[_at(_WHOLE, i - start)]
                if weight[j, i] == 0.0 or not within or not abs(whole) > 0.0:
                    continue
                left = int(table[_at(_COLUMNS, i - start)])
                right = int(table[_at(_COLUMNS + 1, i - start)])
                low = int(table[_at(_ROWS, i - start)])
                high = int(table[_at(_ROWS + 1, i - start)])
                two_by_two = right == left + 1 and high == low + 1
                if two_by_two and left >= 0 and low >= 0 and right < mx and high < my:
                    one, two, three, four = _shares(table, i - start, weight[j, i])
                    here, there = np.uint64(left), np.uint64(right)
                    lower, upper = np.uint64(low), np.uint64(high)
                    out_weight[lower, here] += one
                    out_weight[lower, there] += two
                    out_weight[upper, here] += three
                    out_weight[upper, there] += four
                    for plane in range(unsigned(count)):
                        value = planes[plane, j, i]
                        out[plane, lower, here] += one * value
                        out[plane, lower, there] += two * value
                        out[plane, upper, here] += three * value
                        out[plane, upper, there] += four * value
                    continue
                for row in range(max(low, 0), min(high + 1, my)):
                    for column in range(max(left, 0), min(right + 1, mx)):
                        area = 0.0
                        for k in range(4):
                            after = k + 1 if k < 3 else 0
                            area += under(
                                table[_at(k, i - start)] - column + 0.5,
                                table[_at(4 + k, i - start)] - row + 0.5,
                                table[_at(after, i - start)] - column + 0.5,
                                table[_at(4 + after, i - start)] - row + 0.5,
                            )
                        share = np.float32(area / whole) * weight[j, i]
                        if share == 0.0:
                            continue
                        out_weight[row, column] += share
                        for plane in range(count):
                            out[plane, row, column] += share * planes[plane, j, i]
