"""Drizzle the pixels of slit images into a cube of two angles and a wavelength.

A pixel is a box: a quadrilateral on the sky times a range of wavelengths. Its weight in a voxel is the
area that both share on the sky times the range they share (Law et al. 2023, AJ 166, 45, section 3),
in units of spaxels and of the plane's thickness.
"""

from dataclasses import dataclass

import numpy as np

from calcore.kernels._jit import F4x1, F8x1, F8x2, F8x3, I4x3, helper, kernel
from calcore.kernels._square import under


@dataclass(frozen=True, eq=False)
class Boxes:
    """Pixels of one exposure as they lie in a cube; places on the sky count spaxels from 0.

    Attributes
    ----------
    x, y : float64 (n_pixel, 4)
        Corners on the sky, around the pixel [spaxel].
    low, high : float64 (n_pixel,)
        Range of wavelengths [um].
    values, variances : float32 (n_pixel,)
        Surface brightness and its variance.
    """

    x: F8x2
    y: F8x2
    low: F8x1
    high: F8x1
    values: F4x1
    variances: F4x1


@dataclass(frozen=True, eq=False)
class Planes:
    """The planes of a cube, by ascending wavelength; they may leave gaps or share ranges.

    Attributes
    ----------
    middle, thickness : float64 (n_plane,)
        Wavelength of each one's middle, and how thick it is [um].
    """

    middle: F8x1
    thickness: F8x1


@dataclass(frozen=True, eq=False)
class CubeSums:
    """What has fallen into each voxel (n_plane, ny, nx) so far.

    Attributes
    ----------
    values, variances, weights : float64
        Sums of weighted values, of variances weighted by squares, and of weights.
    pixels : int32
        How many pixels touch the voxel.
    together, apart : float64 (n_plane,)
        Sums over pixels of the square of their weights' sum in a plane, and of the sum of squares.
    """

    values: F8x3
    variances: F8x3
    weights: F8x3
    pixels: I4x3
    together: F8x1
    apart: F8x1

    @classmethod
    def over(cls, shape: tuple[int, int, int]) -> "CubeSums":
        """Return empty sums."""
        values, variances, weights = np.zeros((3, *shape))
        sums = np.zeros((2, shape[0]))
        return cls(values, variances, weights, np.zeros(shape, np.int32), *sums)

    @property
    def correlation(self) -> F4x1:
        """How much larger errors of sums over many spaxels are than those of independent ones (n_plane,).

        Spaxels share pixels, and pixels that fall into several count in each, but are one (Law et al.
        2023, AJ 166, 45, section 5); 1 where nothing fell.
        """
        some = self.apart > 0
        ratio = np.where(some, self.together, 1.0) / np.where(some, self.apart, 1.0)
        return np.sqrt(ratio).astype(np.float32)

    def add(self, boxes: Boxes, planes: Planes, first: int = 0, last: int | None = None) -> None:
        """Add pixels to the planes from `first` to before `last`, all if none is named.

        Sums over ranges of planes that do not overlap may be made at once, on several threads.
        """
        part = slice(first, last)
        half = planes.thickness / 2
        _drizzle(
            boxes.x, boxes.y, boxes.low, boxes.high, boxes.values, boxes.variances,
            (planes.middle - half)[part], (planes.middle + half)[part],
            self.values[part], self.variances[part], self.weights[part], self.pixels[part],
            self.together[part], self.apart[part],
        )  # fmt: skip


@helper
def _first(position: float) -> int:
    """Return the number of the cell that a position lies in; cell 0 reaches from -0.5 to 0.5."""
    return int(np.floor(position + 0.5))


@kernel
def _drizzle(
    x: F8x2, y: F8x2, low: F8x1, high: F8x1, values: F4x1, variances: F4x1, begins: F8x1,
    ends: F8x1, out_values: F8x3, out_variances: F8x3, out_weights: F8x3, out_pixels: I4x3,
    out_together: F8x1, out_apart: F8x1,
) -> None:  # fmt: skip
    _, rows, columns = out_values.shape
    for n in range(x.shape[0]):
        first_plane = np.searchsorted(ends, low[n], "right")
        last_plane = np.searchsorted(begins, high[n])
        if first_plane >= last_plane:
            continue
        left = right = x[n, 0]
        bottom = top = y[n, 0]
        for corner in range(1, 4):
            left, right = min(left, x[n, corner]), max(right, x[n, corner])
            bottom, top = min(bottom, y[n, corner]), max(top, y[n, corner])
        total = squares = 0.0
        for j in range(max(_first(bottom), 0), min(_first(top), rows - 1) + 1):
            for i in range(max(_first(left), 0), min(_first(right), columns - 1) + 1):
                area = 0.0
                for corner in range(4):
                    after = corner + 1 if corner < 3 else 0
                    area += under(
                        x[n, corner] - i + 0.5, y[n, corner] - j + 0.5,
                        x[n, after] - i + 0.5, y[n, after] - j + 0.5,
                    )  # fmt: skip
                area = abs(area)
                if area <= 0:
                    continue
                total += area
                squares += area * area
                for k in range(first_plane, last_plane):
                    shared = min(high[n], ends[k]) - max(low[n], begins[k])
                    if shared > 0:
                        weight = area * shared / (ends[k] - begins[k])
                        out_values[k, j, i] += weight * values[n]
                        out_variances[k, j, i] += weight * weight * variances[n]
                        out_weights[k, j, i] += weight
                        out_pixels[k, j, i] += 1
        for k in range(first_plane, last_plane):
            part = max(min(high[n], ends[k]) - max(low[n], begins[k]), 0.0) / (ends[k] - begins[k])
            out_together[k] += part * part * total * total
            out_apart[k] += part * part * squares
