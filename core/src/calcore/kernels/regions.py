"""Connected regions of marked pixels, and the ellipses with their moments."""

from dataclasses import dataclass
from functools import lru_cache
from math import atan2, pi

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F8x2, I4x1, I4x2, U1x1, U1x2, helper, kernel, unsigned

Mask = NDArray[np.bool_]

_STRIDE = 16


@helper
def _filled(rows: I4x1, columns: I4x1, first: int, end: int) -> int:
    """Return the area of a region with its holes; what touches a corner of outside is outside."""
    top, bottom, left, right = rows[first], rows[first], columns[first], columns[first]
    for i in range(first, end):
        top, bottom = min(top, rows[i]), max(bottom, rows[i])
        left, right = min(left, columns[i]), max(right, columns[i])
    height, width = bottom - top + 3, right - left + 3
    state = np.zeros(height * width, np.uint8)
    for i in range(first, end):
        state[(rows[i] - top + 1) * width + columns[i] - left + 1] = 1
    stack = np.empty(height * width, np.int64)
    stack[0] = 0
    state[0] = 2
    waiting, outside = 1, 0
    while waiting > 0:
        waiting -= 1
        y, x = stack[waiting] // width, stack[waiting] % width
        outside += 1
        for v in range(max(0, y - 1), min(height, y + 2)):
            for u in range(max(0, x - 1), min(width, x + 2)):
                if state[v * width + u] == 0:
                    state[v * width + u] = 2
                    stack[waiting] = v * width + u
                    waiting += 1
    area: int = height * width - outside
    return area


@kernel
def _regions(least: float, out_mask: U1x2, out_pixels: I4x2, out_regions: I4x2) -> int:
    """Gather the regions of a mask and clear it; return how many there are.

    Pixels stand one region after the other. `out_pixels` has their rows and columns, `out_regions`
    first and end of each region in them.
    """
    height, width = out_mask.shape
    rows, columns = out_pixels[0], out_pixels[1]
    end, found = 0, 0
    for y in range(height):
        x = -1
        while x < width - 1:
            x += 1
            if x % _STRIDE == 0 and x + _STRIDE <= width:
                # Most pixels are not marked: look at a few at once.
                any_here = np.uint8(0)
                for u in range(unsigned(_STRIDE)):
                    any_here |= out_mask[y, unsigned(x) + u]
                if any_here == 0:
                    x += _STRIDE - 1
                    continue
            if not out_mask[y, x]:
                continue
            first = end
            rows[end], columns[end] = y, x
            out_mask[y, x] = 0
            end += 1
            now = first
            while now < end:
                v0, u0 = rows[now], columns[now]
                now += 1
                for v in range(max(0, v0 - 1), min(height, v0 + 2)):
                    for u in range(max(0, u0 - 1), min(width, u0 + 2)):
                        if out_mask[v, u]:
                            out_mask[v, u] = 0
                            rows[end], columns[end] = v, u
                            end += 1
            if end - first >= least or (
                # Four pixels are the fewest that can enclose another.
                end - first >= 4 and _filled(rows, columns, first, end) >= least
            ):
                out_regions[0, found], out_regions[1, found] = first, end
                found += 1
            else:
                end = first
    return found


@kernel
def _moments(pixels: I4x2, regions: I4x2, out: F8x2) -> None:
    """Centre, half axes of the ellipse (less half a pixel) and angle of each region."""
    for region in range(regions.shape[1]):
        first, end = regions[0, region], regions[1, region]
        y0, x0 = pixels[0, first], pixels[1, first]
        sy, sx, syy, sxx, sxy = 0, 0, 0, 0, 0
        for i in range(first, end):
            y, x = int(pixels[0, i] - y0), int(pixels[1, i] - x0)
            sy += y
            sx += x
            syy += y * y
            sxx += x * x
            sxy += x * y
        n = end - first
        vy, vx = (n * syy - sy * sy) / (n * n), (n * sxx - sx * sx) / (n * n)
        cross = (n * sxy - sy * sx) / (n * n)
        mean, spread = 0.5 * (vy + vx), np.hypot(0.5 * (vy - vx), cross)
        out[0, region], out[1, region] = y0 + sy / n, x0 + sx / n
        out[2, region] = 2 * np.sqrt(mean + spread) - 0.5
        out[3, region] = 2 * np.sqrt(max(mean - spread, 0.0)) - 0.5
        out[4, region] = 0.5 * np.arctan2(2 * cross, vy - vx)


@kernel
def _around(regions: F8x2, points: F8x2, mirrored: bool, out: U1x1) -> None:
    """Mark the regions whose ellipses one of the points, which are sorted by rows, lies in."""
    for region in range(regions.shape[1]):
        y, x, major, minor = (
            regions[0, region],
            regions[1, region],
            regions[2, region],
            regions[3, region],
        )
        cosine, sine = np.cos(regions[4, region]), np.sin(regions[4, region])
        reach = max(abs(major), abs(minor))
        low, high = 0, points.shape[1]
        while low < high:
            middle = (low + high) // 2
            if points[0, middle] < y - reach:
                low = middle + 1
            else:
                high = middle
        while low < points.shape[1] and points[0, low] <= y + reach and not out[region]:
            down, right = points[0, low] - y, points[1, low] - x
            if mirrored:
                down, right = right, down
            along, across = (
                (down * cosine + right * sine) / major,
                (down * sine - right * cosine) / minor,
            )
            out[region] = along * along + across * across < 1
            low += 1


@dataclass(frozen=True, eq=False)
class Regions:
    """Connected regions and their ellipses.

    Attributes
    ----------
    y, x : float64 (n_region,)
        Centres [pixel].
    major, minor : float64 (n_region,)
        Half axes of the ellipse with the region's second moments, less half a pixel [pixel]; a
        region one pixel wide has a minor half axis of -0.5.
    angle : float64 (n_region,)
        From the direction of rows' numbers to the major axis, towards columns' numbers [rad].
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    major: NDArray[np.float64]
    minor: NDArray[np.float64]
    angle: NDArray[np.float64]
    _pixels: NDArray[np.int32]
    _bounds: NDArray[np.int32]

    def __len__(self) -> int:
        return int(self.y.size)

    def around(self, other: "Regions", *, mirrored: bool = False) -> Mask:
        """Return which regions' ellipses the centre of any of the `other` regions lies in.

        With `mirrored`, ellipses are mirrored in the diagonal, about their centres.
        """
        order = np.argsort(other.y)
        out = np.zeros(len(self), np.uint8)
        table = np.stack([self.y, self.x, self.major, self.minor, self.angle])
        _around(table, np.stack([other.y[order], other.x[order]]), mirrored, out)
        return out.view(np.bool_)

    def box(self, number: int | np.intp) -> NDArray[np.float64]:
        """Return region `number` as an image of 0 and 1 that it just fits into."""
        first, end = self._bounds[:, number]
        rows, columns = self._pixels[:, first:end]
        top, left = rows.min(), columns.min()
        image = np.zeros((rows.max() - top + 1, columns.max() - left + 1))
        image[rows - top, columns - left] = 1
        return image

    def ellipse(self, number: int | np.intp, major: float, minor: float) -> "Ellipse":
        """Return the ellipse about region `number` with other half axes [pixel]."""
        image = self.box(number)
        angle = np.deg2rad(np.rad2deg(_orientation(image.shape, image.tobytes()))) % pi
        return Ellipse(
            round(float(self.y[number])), round(float(self.x[number])),
            round(major), round(minor), float(np.cos(angle)), float(np.sin(angle)),
        )  # fmt: skip


@dataclass(frozen=True)
class Ellipse:
    """An ellipse on the grid of pixels: centre, half axes, and direction of the major axis.

    Centre and half axes are rounded to integers. Pixels on the very ellipse fall inside or outside as
    rounding errors decide; moments and trigonometry are those of scikit-image's regionprops and
    draw.ellipse, so that they fall alike.
    """

    y: int
    x: int
    major: int
    minor: int
    cosine: float
    sine: float

    def paint(self, out: NDArray[np.uint8], bit: int, *, unless: int = 0, drop: int = 0) -> None:
        """Set a bit in the pixels of `out` (ny, nx) inside, and clear the bits `drop` in them.

        Pixels that have any of the bits `unless` stay as they are.
        """
        axes = self.y, self.x, self.major, self.minor, self.cosine, self.sine
        _paint(*axes, bit, unless, 0xFF & ~drop, out)


@kernel
def _paint(
    y0: int,
    x0: int,
    major: int,
    minor: int,
    cosine: float,
    sine: float,
    bit: int,
    unless: int,
    kept: int,
    out: U1x2,
) -> None:
    rows, columns = out.shape
    reach = max(abs(major), abs(minor))
    if major == 0 or minor == 0:
        return
    for row in range(max(0, y0 - reach), min(rows, y0 + reach + 1)):
        for column in range(max(0, x0 - reach), min(columns, x0 + reach + 1)):
            y, x = float(row - y0), float(column - x0)
            along, across = (y * cosine + x * sine) / major, (y * sine - x * cosine) / minor
            if along * along + across * across < 1 and not out[row, column] & unless:
                out[row, column] = (out[row, column] & kept) | bit


@lru_cache(4096)
def _orientation(shape: tuple[int, int], content: bytes) -> float:
    """Return the angle of an image's major axis from its second moments [rad]."""
    image = np.frombuffer(content).reshape(shape)

    def moments(y: float, x: float) -> NDArray[np.float64]:
        powers = np.arange(4.0)
        rows = (np.arange(image.shape[0]) - y)[:, None] ** powers
        columns = (np.arange(image.shape[1]) - x)[:, None] ** powers
        result: NDArray[np.float64] = (image.T @ rows).T @ columns
        return result

    raw = moments(0.0, 0.0)
    central = moments(raw[1, 0] / raw[0, 0], raw[0, 1] / raw[0, 0])
    total, mass = central[2, 0] + central[0, 2], central[0, 0]
    down, right = (total - central[2, 0]) / mass, (total - central[0, 2]) / mass
    cross = -central[1, 1] / mass
    if down == right:
        return pi / 4 if cross < 0 else -pi / 4
    return 0.5 * atan2(-2 * cross, right - down)


def find_regions(mask: Mask | NDArray[np.uint8], least: float = 1) -> Regions:
    """Find connected regions, touching at sides or corners.

    Parameters
    ----------
    mask : bool or uint8 (ny, nx)
        Marked pixels.
    least : float
        Smallest area of a region, its holes included [pixel].

    Returns
    -------
    Regions
        In the order of their first pixels.
    """
    marked = np.array(mask, order="C").view(np.uint8)
    count = int(np.count_nonzero(marked))
    pixels = np.empty((2, count), np.int32)
    bounds = np.empty((2, count), np.int32)
    found = _regions(float(least), marked, pixels, bounds)
    bounds = np.ascontiguousarray(bounds[:, :found])
    table = np.empty((5, found))
    _moments(pixels, bounds, table)
    y, x, major, minor, angle = table
    return Regions(y, x, major, minor, angle, pixels, bounds)
