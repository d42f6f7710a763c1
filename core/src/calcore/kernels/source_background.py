"""The background under sources, and images smoothed to find them.

The median of boxes, smoothed and interpolated by cubic splines, as SExtractor does it (Bertin & Arnouts
1996, A&AS 117, 393); photutils does the work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photutils.background import Background2D
from scipy.ndimage import correlate1d, zoom

from calcore.kernels.each import Each, one_by_one
from calcore.kernels.ordered import Ascending
from calcore.kernels.sky import clipped_about_median

Mask = NDArray[np.bool_]
SIGMA_PER_FWHM = 1 / (2 * np.sqrt(2 * np.log(2)))
_ROWS_AT_ONCE = 256
_SIGMA, _ROUNDS = 3.0, 5
"""Pixels of a box are clipped about their median, at so many standard deviations, so often."""


@dataclass(frozen=True, eq=False)
class Background:
    """Background of an image and its noise, float (ny, nx) or one number each."""

    level: Any
    noise: Any


def background(data: NDArray[np.float32], hidden: Mask, box: int) -> Background:
    """Return the background of an image: the median of boxes, smoothed and interpolated.

    Parameters
    ----------
    data : float32 (ny, nx)
        Image.
    hidden : bool (ny, nx)
        True for pixels that do not count.
    box : int
        Side of the boxes [pixel].

    Returns
    -------
    Background
        One level for all of the image if so much is hidden that no box is left; NaN if all is.
    """
    size = min(box, data.shape[0]), min(box, data.shape[1])
    try:
        found = Background2D(
            np.where(hidden, np.float32(0), data),
            size,
            mask=hidden,
            sigma_clip=_clipped,
            bkg_estimator=_median,
            bkg_rms_estimator=_deviation,
        )
    except ValueError:
        kept = clipped_about_median(data[~hidden], _SIGMA, _ROUNDS)
        if kept.size == 0:
            return Background(np.nan, np.nan)
        return Background(float(np.median(kept)), float(kept.std()))
    return Background(
        _enlarged(found.background_mesh, size, data.shape),
        _enlarged(found.background_rms_mesh, size, data.shape),
    )


def _rows(boxes: NDArray[np.float32], axis: int | None) -> NDArray[np.float32]:
    """Return boxes as rows: their pixels lie along the last axis, or all are one box."""
    return boxes.reshape(1, -1) if axis is None else boxes.reshape(-1, boxes.shape[-1])


def _clipped(boxes: NDArray[np.float32], *, axis: int | None, **_: Any) -> NDArray[np.float32]:
    """Return what is left of the pixels of each box in ascending order, and NaN behind it.

    Sorted once, what survives is a slice, whose spread is that of sums from here to there.
    """
    kept = np.full_like(boxes, np.nan)
    for row, out in zip(_rows(boxes, axis), _rows(kept, axis), strict=True):
        pixels = Ascending.of(row[~np.isnan(row)])
        left = pixels.values[pixels.clipped(_SIGMA, _ROUNDS)]
        out[: left.size] = left
    return kept


def _middle(ascending: NDArray[np.float32]) -> float:
    size = ascending.size
    return 0.5 * (float(ascending[(size - 1) // 2]) + float(ascending[size // 2]))


def _median(kept: NDArray[np.float32], axis: int | None) -> Any:
    """Return the median of each box of clipped pixels."""
    return _of_each(kept, axis, _middle)


def _deviation(kept: NDArray[np.float32], axis: int | None) -> Any:
    """Return the standard deviation of each box of clipped pixels."""
    return _of_each(kept, axis, lambda pixels: float(pixels.std(dtype=np.float64)))


def _of_each(
    kept: NDArray[np.float32], axis: int | None, what: Callable[[NDArray[np.float32]], float]
) -> Any:
    found = [
        what(row[:number]) if (number := np.count_nonzero(~np.isnan(row))) else np.nan
        for row in _rows(kept, axis)
    ]
    return np.float32(found[0]) if axis is None else np.reshape(found, kept.shape[:-1]).astype("f4")


def _enlarged(
    mesh: NDArray[np.float32], box: tuple[int, int], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return a mesh of boxes as an image, interpolated by cubic splines within the mesh's range.

    This is photutils' own interpolation, done as the product of two matrices, since it works on
    rows and columns apart.
    """
    by_row, by_column = (
        zoom(np.eye(count), (side, 1), order=3, mode="reflect", grid_mode=True)[:length]
        for count, side, length in zip(mesh.shape, box, shape, strict=True)
    )
    image: NDArray[np.float32] = (by_row @ mesh @ by_column.T).astype(np.float32)
    np.clip(image, mesh.min(), mesh.max(), out=image)
    return image


def smoothed(
    data: NDArray[np.float32], hidden: Mask, fwhm: float, each: Each = one_by_one
) -> NDArray[np.float32]:
    """Return an image filtered with a Gaussian; hidden pixels are filled from those around them.

    Parameters
    ----------
    data : float32 (ny, nx)
        Image.
    hidden : bool (ny, nx)
        True for pixels that do not count.
    fwhm : float
        Width of the Gaussian [pixel].
    each : callable
        Does some work for each item, perhaps on several threads.
    """
    sigma = fwhm * SIGMA_PER_FWHM
    radius = int(np.ceil(8 * sigma)) // 2
    profile = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    profile /= profile.sum()
    smooth = np.empty(data.shape, np.float32)

    def strip(first: int) -> None:
        above = min(radius, first)
        rows = slice(first - above, first + _ROWS_AT_ONCE + radius)
        inside = slice(above, above + _ROWS_AT_ONCE)
        total = np.where(hidden[rows], np.float32(0), data[rows])
        weight = (~hidden[rows]).astype(np.float32)
        for axis in (0, 1):
            total = correlate1d(total, profile, axis, mode="constant", cval=0.0)
            weight = correlate1d(weight, profile, axis, mode="constant", cval=1.0)
        total, weight = total[inside], weight[inside]
        with np.errstate(divide="ignore", invalid="ignore"):
            smooth[first : first + _ROWS_AT_ONCE] = np.where(
                weight > 0, total / weight, np.float32(0)
            )

    each(strip, range(0, data.shape[0], _ROWS_AT_ONCE))
    return smooth
