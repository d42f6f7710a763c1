"""Median of many images, pixel by pixel."""

import numpy as np

from calcore.kernels._jit import F4x1, F4x2, F4x3, kernel


@kernel
def _median(stack: F4x3, lesser_of_two: bool, out_values: F4x1, out: F4x2) -> None:
    images, rows, columns = stack.shape
    for j in range(rows):
        for i in range(columns):
            count = 0
            for k in range(images):
                value = stack[k, j, i]
                if np.isnan(value):
                    continue
                place = count
                while place > 0 and out_values[place - 1] > value:
                    out_values[place] = out_values[place - 1]
                    place -= 1
                out_values[place] = value
                count += 1
            if count == 0:
                out[j, i] = np.nan
            elif count == 2 and lesser_of_two:
                out[j, i] = out_values[0]
            elif count % 2:
                out[j, i] = out_values[count // 2]
            else:
                out[j, i] = np.float32(0.5) * (out_values[count // 2 - 1] + out_values[count // 2])


def median(stack: F4x3, *, lesser_of_two: bool = False) -> F4x2:
    """Return the median over images.

    Parameters
    ----------
    stack : float32 (n_image, ny, nx)
        NaN where an image has no value.
    lesser_of_two : bool
        Where only two images have a value, take the lesser instead of their mean.

    Returns
    -------
    float32 (ny, nx)
        Median of the values there are, the mean of the middle two if their number is even; NaN
        where there are none.
    """
    out = np.empty(stack.shape[1:], np.float32)
    room = np.empty(stack.shape[0], np.float32)
    _median(np.ascontiguousarray(stack), lesser_of_two, room, out)
    return out
