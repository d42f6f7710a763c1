"""Drizzling: the one place that calls the drizzle package.

Variable-pixel linear reconstruction (Fruchter & Hook 2002, PASP 114, 144,
https://doi.org/10.1086/338393): each input pixel, shrunk by `pixfrac`, is laid over the output grid
and shared among output pixels by area of overlap. Data are surface brightness: an output pixel is the
mean of what fell on it, weighted by weight times overlap. Square drops, which nearly all mosaics are
made with, go through a kernel of our own that shares out all planes of an exposure at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from drizzle.resample import Drizzle
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x3, F8x2, F8x3, kernel
from calcore.kernels.overlap import spread

Shape = Literal["square", "gaussian", "point", "turbo", "lanczos2", "lanczos3"]


@dataclass(frozen=True)
class Drop:
    """Shape of what an input pixel is shrunk to.

    `pixel_scale_ratio` is the linear size of an output pixel over that of an input pixel, which all
    shapes but the square and the point need to know.
    """

    kernel: Shape = "square"
    pixfrac: float = 1.0
    pixel_scale_ratio: float = 1.0


@dataclass(frozen=True, eq=False)
class Drizzled:
    """One exposure on a part of the output grid.

    Attributes
    ----------
    rows, columns : slice
        The part of the grid; nothing fell outside it.
    planes : float32 (n, my, mx)
        Weighted means of each plane; NaN where nothing fell.
    weight : float32 (my, mx)
        Sum of weight times overlap.
    dq : uint32 (my, mx), optional
        Flags of all that contributed, joined by "or".
    """

    rows: slice
    columns: slice
    planes: F4x3
    weight: F4x2
    dq: NDArray[np.uint32] | None = None


@dataclass(frozen=True, eq=False)
class Strip:
    """Some rows of an exposure.

    Attributes
    ----------
    planes : sequence of float32 (ny, nx)
        Surface brightness, or what else is to be averaged; finite wherever `weight` is not 0.
    weight : float32 (ny, nx)
        Weight of each pixel; a pixel of weight 0 contributes nothing. Rows beyond the strip only
        lend their pixels' places to those beside them, and have weight 0.
    pixel_map : float64 (2, ny, nx)
        Output x and y of each pixel's centre, 0-based [pixel]; NaN where a pixel has none. A pixel
        whose centre lies off the grid contributes nothing.
    dq : uint32 (ny, nx), optional
        Flags.
    """

    planes: Sequence[F4x2] | F4x3
    weight: F4x2
    pixel_map: F8x3
    dq: NDArray[np.uint32] | None = None


def drizzle(
    planes: Sequence[F4x2] | F4x3,
    weight: F4x2,
    pixel_map: F8x3,
    shape: tuple[int, int],
    drop: Drop,
    dq: NDArray[np.uint32] | None = None,
) -> Drizzled:
    """Drizzle the planes of one exposure, all with the same weights.

    Parameters
    ----------
    planes, weight, pixel_map, dq
        All rows of the exposure; see `Strip`.
    shape : (int, int)
        Rows and columns of the output grid.
    drop : Drop
        What pixels are shrunk to.
    """
    limits = np.empty((2, 2))
    _extent(pixel_map, limits)
    strip = Strip(planes, weight, pixel_map, dq)
    return drizzle_strips((strip,), len(planes), window(limits, shape, drop), drop)


def drizzle_strips(
    strips: Iterable[Strip], count: int, part: tuple[slice, slice], drop: Drop
) -> Drizzled:
    """Drizzle an exposure strip by strip: square drops; others want all of it in one.

    Parameters
    ----------
    strips : iterable of Strip
        Rows of the exposure, from the first on.
    count : int
        How many planes they have.
    part : (slice, slice)
        Rows and columns of the grid that the exposure can reach; see `window`.
    drop : Drop
        What pixels are shrunk to.
    """
    rows, columns = part
    size = rows.stop - rows.start, columns.stop - columns.start
    sums, total = np.zeros((count, *size), np.float32), np.zeros(size, np.float32)
    for strip in strips:
        if drop.kernel != "square" or strip.dq is not None or min(strip.weight.shape) < 2:
            return _by_package(strip, part, drop)
        spread(
            np.asarray(strip.planes), strip.weight, strip.pixel_map,
            float(columns.start), float(rows.start), drop.pixfrac, sums, total,
        )  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        sums /= total
    return Drizzled(rows, columns, sums, total)


def _by_package(strip: Strip, part: tuple[slice, slice], drop: Drop) -> Drizzled:
    """Drizzle an exposure with the drizzle package."""
    rows, columns = part
    size = rows.stop - rows.start, columns.stop - columns.start
    local = np.moveaxis(strip.pixel_map, 0, -1) - np.array([columns.start, rows.start], np.float64)
    results: list[F4x2] = []
    total = np.zeros(size, np.float32)
    flags = None if strip.dq is None else np.zeros(size, np.uint32)
    used = strip.weight != 0
    for number, plane in enumerate(strip.planes):
        image, total = np.zeros(size, np.float32), np.zeros(size, np.float32)
        first = number == 0
        Drizzle(
            kernel=drop.kernel,
            fillval="INDEF",
            out_img=image,
            out_wht=total,
            out_dq=flags if first else None,
            disable_ctx=True,
        ).add_image(
            np.where(used, plane, np.float32(0)),
            exptime=1.0,
            pixmap=np.ascontiguousarray(local),
            weight_map=strip.weight,
            dq=strip.dq if first else None,
            iscale=1.0,
            pixel_scale_ratio=drop.pixel_scale_ratio,
            pixfrac=drop.pixfrac,
            in_units="cps",
        )
        image[total == 0] = np.nan
        results.append(image)
    return Drizzled(rows, columns, np.stack(results), total, flags)


def window(extent: F8x2, shape: tuple[int, int], drop: Drop) -> tuple[slice, slice]:
    """Return the rows and columns of the grid that an exposure can reach; at least one of each.

    Parameters
    ----------
    extent : float64 (2, 2)
        Lowest and highest x, and y, of its pixels' centres [pixel]; the lowest is larger than the
        highest if none has a place.
    shape : (int, int)
        Rows and columns of the grid.
    drop : Drop
        What pixels are shrunk to.
    """
    # A drop reaches less than a diagonal of its pixel, whose size is that of the map's steps;
    # the wide shapes reach three input pixels, measured in output pixels.
    reach = 2.0
    if drop.kernel not in {"square", "point", "turbo"}:
        reach += 4.0
    reach = reach / min(drop.pixel_scale_ratio, 1.0) + 1.0
    found = []
    for (low, high), length in zip(extent[::-1], shape, strict=True):
        if low > high:  # no pixel has a place
            found.append(slice(0, 1))
            continue
        start = int(np.clip(low - reach, 0, length - 1))
        stop = int(np.clip(high + reach + 1, start + 1, length))
        found.append(slice(start, stop))
    return found[0], found[1]


@kernel
def _extent(pixel_map: F8x3, out: F8x2) -> None:
    """Find the smallest and largest x and y of a map; the smallest is larger if there is none."""
    axes, rows, columns = pixel_map.shape
    for axis in range(axes):
        low, high = np.inf, -np.inf
        for j in range(rows):
            for i in range(columns):
                value = pixel_map[axis, j, i]
                # Comparisons with NaN are false.
                if value < low:  # noqa: PLR1730 - min() would keep a NaN
                    low = value
                if value > high:  # noqa: PLR1730 - likewise
                    high = value
        out[axis, 0], out[axis, 1] = low, high
