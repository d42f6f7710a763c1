"""Weight pixels near each voxel of a cube by distance (Shepard 1968, modified by Franke & Nielson 1980).

Distances count spaxels and planes; pixels further away than a region of interest do not count.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from calcore.kernels._jit import F4x1, F8x1, F8x3, I4x3, kernel
from calcore.kernels.cube_drizzle import CubeSums


@dataclass(frozen=True, eq=False)
class Points:
    """Pixels of one exposure as points of a cube; coordinates count spaxels and planes from 0.

    Attributes
    ----------
    x, y : float64 (n_pixel,)
        Where they lie on the sky [spaxel].
    z : float64 (n_pixel,)
        Wavelength [plane].
    values, variances : float32 (n_pixel,)
        Surface brightness and its variance.
    """

    x: F8x1
    y: F8x1
    z: F8x1
    values: F4x1
    variances: F4x1


@dataclass(frozen=True)
class Nearness:
    """How the weight of a pixel falls with its distance.

    Attributes
    ----------
    form : str
        ``emsm``: exp(-d²/scale); ``msm``: d to the negative `scale`.
    scale : float
        See `form`; squares of spaxels and planes, or a power.
    angle, depth : float
        How far pixels count on the sky [spaxel], and in wavelength [plane].
    softening : float
        What `d` to the power `scale` is at least, so that no pixel outweighs all others.
    """

    form: Literal["emsm", "msm"]
    scale: float
    angle: float
    depth: float
    softening: float = 0.0


@kernel
def _weigh(
    x: F8x1, y: F8x1, z: F8x1, values: F4x1, variances: F4x1, start: int,
    exponential: bool, scale: float, angle: float, depth: float, softening: float,
    out_values: F8x3, out_variances: F8x3, out_weights: F8x3, out_pixels: I4x3,
) -> None:  # fmt: skip
    planes, rows, columns = out_values.shape
    for n in range(x.size):
        first = max(int(np.ceil(z[n] - depth)), start)
        last = min(int(np.floor(z[n] + depth)), start + planes - 1)
        low, high = max(int(np.ceil(y[n] - angle)), 0), min(int(np.floor(y[n] + angle)), rows - 1)
        left = max(int(np.ceil(x[n] - angle)), 0)
        right = min(int(np.floor(x[n] + angle)), columns - 1)
        for k in range(first, last + 1):
            for j in range(low, high + 1):
                for i in range(left, right + 1):
                    aside = (x[n] - i) * (x[n] - i) + (y[n] - j) * (y[n] - j)
                    if aside > angle * angle:
                        continue
                    square = aside + (z[n] - k) * (z[n] - k)
                    if exponential:
                        weight = np.exp(-square / scale)
                    else:
                        weight = 1.0 / max(square ** (0.5 * scale), softening)
                    out_values[k - start, j, i] += weight * values[n]
                    out_variances[k - start, j, i] += weight * weight * variances[n]
                    out_weights[k - start, j, i] += weight
                    out_pixels[k - start, j, i] += 1


def add_points(
    sums: CubeSums, points: Points, nearness: Nearness, first: int = 0, last: int | None = None
) -> None:
    """Add pixels to the planes from `first` to before `last`, all if none is named.

    Sums over ranges of planes that do not overlap may be made at once, on several threads.
    """
    planes = slice(first, last)
    _weigh(
        points.x, points.y, points.z, points.values, points.variances, first,
        nearness.form == "emsm", nearness.scale, nearness.angle, nearness.depth,
        nearness.softening, sums.values[planes], sums.variances[planes], sums.weights[planes],
        sums.pixels[planes],
    )  # fmt: skip
