"""Weight pixels near each voxel of a cube by distance (Shepard 1968, modified by Franke & Nielson 1980).

Distances count spaxels and thicknesses of planes; pixels further away than a region of interest do
not count.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F8x1, F8x3, I4x3, kernel
from calcore.kernels.cube_drizzle import CubeSums, Planes


@dataclass(frozen=True, eq=False)
class Points:
    """Pixels of one exposure as points of a cube; places on the sky count spaxels from 0.

    Attributes
    ----------
    x, y : float64 (n_pixel,)
        Where they lie on the sky [spaxel].
    wavelength : float64 (n_pixel,)
        Wavelength [um].
    values, variances : float32 (n_pixel,)
        Surface brightness and its variance.
    """

    x: F8x1
    y: F8x1
    wavelength: F8x1
    values: F4x1
    variances: F4x1


@dataclass(frozen=True, eq=False)
class Nearness:
    """How the weight of a pixel falls with its distance; each takes what is nearest its wavelength.

    Attributes
    ----------
    form : str
        ``emsm``: exp(-d²/scale); ``msm``: d to the negative `scale`.
    wavelength : float64 (n,)
        Where the numbers hold, ascending [um]; of a single one the wavelength does not matter.
    scale : float64 (n,)
        See `form`; squares of spaxels and planes, or a power.
    angle, depth : float64 (n,)
        How far pixels count on the sky [spaxel], and in wavelength [um].
    softening : float64 (n,)
        What `d` to the power `scale` is at least, so that no pixel outweighs all others.
    """

    form: Literal["emsm", "msm"]
    wavelength: F8x1
    scale: F8x1
    angle: F8x1
    depth: F8x1
    softening: F8x1

    def nearest(self, wavelengths: F8x1) -> NDArray[np.intp]:
        """Return which of the numbers hold at some wavelengths."""
        between = (self.wavelength[1:] + self.wavelength[:-1]) / 2
        return np.asarray(np.searchsorted(between, wavelengths))


@kernel
def _weigh(
    x: F8x1, y: F8x1, wavelength: F8x1, values: F4x1, variances: F4x1,
    middle: F8x1, thickness: F8x1,
    exponential: bool, scale: F8x1, angle: F8x1, depth: F8x1, softening: F8x1,
    out_values: F8x3, out_variances: F8x3, out_weights: F8x3, out_pixels: I4x3,
    out_together: F8x1, out_apart: F8x1,
) -> None:  # fmt: skip
    planes, rows, columns = out_values.shape
    for n in range(x.size):
        reach = angle[n]
        low, high = max(int(np.ceil(y[n] - reach)), 0), min(int(np.floor(y[n] + reach)), rows - 1)
        left = max(int(np.ceil(x[n] - reach)), 0)
        right = min(int(np.floor(x[n] + reach)), columns - 1)
        for k in range(np.searchsorted(middle, wavelength[n] - depth[n]), planes):
            away = wavelength[n] - middle[k]
            if -away > depth[n]:
                break
            squared = (away / thickness[k]) * (away / thickness[k])
            total = squares = 0.0
            for j in range(low, high + 1):
                for i in range(left, right + 1):
                    aside = (x[n] - i) * (x[n] - i) + (y[n] - j) * (y[n] - j)
                    if aside > reach * reach:
                        continue
                    square = aside + squared
                    if exponential:
                        weight = np.exp(-square / scale[n])
                    else:
                        weight = 1.0 / max(square ** (0.5 * scale[n]), softening[n])
                    out_values[k, j, i] += weight * values[n]
                    out_variances[k, j, i] += weight * weight * variances[n]
                    out_weights[k, j, i] += weight
                    out_pixels[k, j, i] += 1
                    total += weight
                    squares += weight * weight
            out_together[k] += total * total
            out_apart[k] += squares


def add_points(
    sums: CubeSums,
    points: Points,
    nearness: Nearness,
    planes: Planes,
    first: int = 0,
    last: int | None = None,
) -> None:
    """Add pixels to the planes from `first` to before `last`, all if none is named.

    Sums over ranges of planes that do not overlap may be made at once, on several threads.
    """
    part, own = slice(first, last), nearness.nearest(points.wavelength)
    _weigh(
        points.x, points.y, points.wavelength, points.values, points.variances,
        planes.middle[part], planes.thickness[part], nearness.form == "emsm", nearness.scale[own],
        nearness.angle[own], nearness.depth[own], nearness.softening[own], sums.values[part],
        sums.variances[part], sums.weights[part], sums.pixels[part], sums.together[part],
        sums.apart[part],
    )  # fmt: skip
