"""What a mosaic says an exposure should look like."""

import numpy as np

from calcore.kernels._jit import F4x2, F8x3, kernel


@kernel
def _interpolate(image: F4x2, pixel_map: F8x3, out: F4x2) -> None:
    rows, columns = image.shape
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            x, y = pixel_map[0, j, i], pixel_map[1, j, i]
            value = np.float32(np.nan)
            if x >= 0 and y >= 0 and x <= columns - 1 and y <= rows - 1:
                left, low = int(x), int(y)
                # On the last row or column the neighbour beyond would be weighted with 0.
                right, high = min(left + 1, columns - 1), min(low + 1, rows - 1)
                dx, dy = x - left, y - low
                value = np.float32(
                    (1 - dy) * ((1 - dx) * image[low, left] + dx * image[low, right])
                    + dy * ((1 - dx) * image[high, left] + dx * image[high, right])
                )
            out[j, i] = value


def blot(image: F4x2, pixel_map: F8x3) -> F4x2:
    """Interpolate a mosaic bilinearly at the pixels of an exposure.

    Parameters
    ----------
    image : float32 (my, mx)
        Mosaic of surface brightness; NaN spreads to every pixel it would contribute to.
    pixel_map : float64 (2, ny, nx)
        Mosaic x and y of each pixel of the exposure, 0-based [pixel]; NaN gives NaN.

    Returns
    -------
    float32 (ny, nx)
        NaN outside the mosaic.
    """
    out = np.empty(pixel_map.shape[1:], np.float32)
    _interpolate(np.ascontiguousarray(image), pixel_map, out)
    return out
