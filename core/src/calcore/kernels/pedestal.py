"""Images and cubes subtracted from ramps."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x3, kernel


@kernel
def _subtract(data: F4x3, image: F4x2, keep_zero: bool, out: F4x3) -> None:
    planes, rows, columns = data.shape
    for plane in range(planes):
        for y in range(rows):
            for x in range(columns):
                value = data[plane, y, x]
                level = image[y, x]
                if level != level or (keep_zero and value == 0):  # noqa: PLR0124 - NaN
                    level = np.float32(0)
                out[plane, y, x] = value - level


def subtract_image(
    data: NDArray[np.float32], image: NDArray[np.float32], *, keep_zero: bool = False
) -> NDArray[np.float32]:
    """Subtract one image from every plane.

    Parameters
    ----------
    data : float32 (..., ny, nx)
        Signal [DN].
    image : float32 (ny, nx)
        What is subtracted [DN]; nothing where it is NaN.
    keep_zero : bool
        Leave values that are exactly 0, which stand for unusable ones, as they are.

    Returns
    -------
    float32, shape of `data`
    """
    out = np.empty_like(data)
    stack = (-1, *data.shape[-2:])
    _subtract(data.reshape(stack), image, keep_zero, out.reshape(stack))
    return out
