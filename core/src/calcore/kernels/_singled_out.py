"""Ramps that need a closer look, copied out so that all samples of a pixel lie side by side.

In a band the samples of a pixel lie a plane apart: a kernel that walks along one ramp after the other
waits for memory most of the time, the longer the series the more.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PIECE = 1 << 20  # samples that the processor's cache holds with their flags


def pieces(odd: NDArray[np.uint8], samples: int) -> Iterator[NDArray[np.intp]]:
    """Yield the places of the pixels that are not 0 in `odd` (ny, nx), some at a time.

    Parameters
    ----------
    odd : uint8 (ny, nx)
        Pixels to look at.
    samples : int
        Samples of a pixel.
    """
    places = np.flatnonzero(odd)
    step = max(64, _PIECE // max(samples, 1))
    for start in range(0, places.size, step):
        yield places[start : start + step]


def flat(planes: NDArray[Any]) -> NDArray[Any]:
    """Return contiguous planes (..., ny, nx) as (..., n_pixel), without a copy."""
    return planes.reshape(*planes.shape[:-2], planes.shape[-2] * planes.shape[-1])


def pixels_of(planes: NDArray[Any], places: NDArray[np.intp]) -> NDArray[Any]:
    """Return pixels (n_pixel, ...) of planes (..., ny, nx), each with its samples side by side."""
    lead = planes.shape[:-2]
    flat = planes.reshape(-1, planes.shape[-2] * planes.shape[-1])
    return np.ascontiguousarray(flat[:, places].T).reshape(places.size, *lead)


def planes_of(planes: NDArray[Any], places: NDArray[np.intp]) -> NDArray[Any]:
    """Return planes (..., 1, n_pixel) with nothing but some pixels of planes (..., ny, nx)."""
    flat = planes.reshape(*planes.shape[:-2], 1, planes.shape[-2] * planes.shape[-1])
    return np.take(flat, places, axis=-1)


def put_back(pixels: NDArray[Any], places: NDArray[np.intp], out: NDArray[Any]) -> None:
    """Write pixels (n_pixel, ...) to their places in contiguous planes (..., ny, nx)."""
    flat = out.reshape(-1, out.shape[-2] * out.shape[-1])
    flat[:, places] = pixels.reshape(places.size, -1).T
