"""Fast evaluation of smooth coordinate transforms on the grid of an image's pixels.

A chain of transforms costs seconds on four million pixels. What it computes is smooth: a distortion
of low degree, and rotations of a small field. So it is evaluated at some hundred Chebyshev nodes, and
on the grid by the Chebyshev series through them, whose error is measured at other points. Where no
series of moderate degree is good enough, every pixel is evaluated directly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from gwcs import WCS
from numpy.typing import NDArray

from calcore.kernels import chebyshev
from calcore.wcs.area import pixel_scale

Float = NDArray[np.float64]
Function = Callable[[Float, Float], tuple[Float, ...]]
"""From x and y [pixel], arrays of one shape, to one or more arrays of that shape."""

PIXEL_TOLERANCE = 1e-6
"""Error that nobody will notice [pixel]."""

_NODES = (8, 12, 16, 24, 32)
_ROWS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Surface:
    """Smooth functions of a pixel's position in a frame.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the frame.
    coefficients : float64 (n_output, n_y, n_x)
        Factors of Chebyshev polynomials over the frame, for each function.
    error : float
        Largest error found where it was looked for, in the functions' unit.
    """

    shape: tuple[int, int]
    coefficients: Float
    error: float

    def on_rows(self, start: int = 0, stop: int | None = None) -> Float:
        """Return the functions' values at the pixels of some rows: float64 (n_output, ny, nx)."""
        ny, nx = self.shape
        rows = np.arange(start, ny if stop is None else stop, dtype=np.float64)
        columns = np.arange(nx, dtype=np.float64)
        return chebyshev.evaluate(self.coefficients, _scaled(rows, ny), _scaled(columns, nx))


def surface(function: Function, shape: tuple[int, int], tolerance: float) -> Surface | None:
    """Return Chebyshev series for smooth functions of x and y over a frame.

    Parameters
    ----------
    function : callable
        Takes x and y [pixel], counted from 0.
    shape : tuple of int
        Rows and columns of the frame.
    tolerance : float
        Largest error allowed, in the functions' unit.

    Returns
    -------
    Surface or None
        None if 32 nodes along each axis are not enough, or if a function is not finite everywhere.
    """
    ny, nx = shape
    for n in _NODES:
        node = chebyshev.nodes(n)
        y, x = np.meshgrid(_unscaled(node, ny), _unscaled(node, nx), indexing="ij")
        samples = np.ascontiguousarray(np.stack(function(x, y)), dtype=np.float64)
        if not np.isfinite(samples).all():
            return None
        coefficients = chebyshev.interpolate(samples)
        # Errors are largest half-way between nodes, and at the edges.
        between = np.cos(np.linspace(0.0, np.pi, n + 1))
        y, x = np.meshgrid(_unscaled(between, ny), _unscaled(between, nx), indexing="ij")
        true = np.stack(function(x, y))
        error = float(np.max(np.abs(chebyshev.evaluate(coefficients, between, between) - true)))
        if error <= tolerance:
            return Surface(shape, coefficients, error)
    return None


def on_grid(function: Function, shape: tuple[int, int], tolerance: float) -> Float:
    """Return smooth functions of x and y at all pixels: float64 (n_output, ny, nx).

    They are within `tolerance` of the truth; functions that are not smooth are evaluated directly.
    """
    smooth = surface(function, shape, tolerance)
    if smooth is not None:
        return smooth.on_rows()
    ny, nx = shape
    parts = []
    for start in range(0, ny, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, ny), dtype=np.float64)
        y, x = np.meshgrid(rows, np.arange(nx, dtype=np.float64), indexing="ij")
        parts.append(np.stack(function(x, y)))
    return np.concatenate(parts, axis=1)


def pixel_map(
    source: WCS, target: WCS, shape: tuple[int, int], tolerance: float = PIXEL_TOLERANCE
) -> Float:
    """Return where the pixels of one image fall in another.

    Parameters
    ----------
    source, target : gwcs.WCS
        From pixels to the sky; that of `target` has an inverse. Bounding boxes are disregarded.
    shape : tuple of int
        Rows and columns of the source.
    tolerance : float
        Largest error allowed [pixel of the target].

    Returns
    -------
    float64 (2, ny, nx)
        x and y in the target, counted from 0 [pixel].
    """

    def mapped(x: Float, y: Float) -> tuple[Float, ...]:
        sky = source(x, y, with_bounding_box=False)
        return tuple(target.invert(*sky, with_bounding_box=False))

    return on_grid(mapped, shape, tolerance)


def sky_grid(wcs: WCS, shape: tuple[int, int], tolerance: float = PIXEL_TOLERANCE) -> Float:
    """Return the sky positions of all pixels, also outside the bounding box.

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels to the sky [deg].
    shape : tuple of int
        Rows and columns.
    tolerance : float
        Largest error allowed [pixel].

    Returns
    -------
    float64 (2, ny, nx)
        Right ascension in [0, 360) and declination [deg].
    """

    def direction(x: Float, y: Float) -> tuple[Float, ...]:
        # Unit vectors are smooth across RA 0 and at the poles.
        longitude, latitude = np.radians(wcs(x, y, with_bounding_box=False))
        across = np.cos(latitude)
        return across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)

    scale = np.radians(pixel_scale(wcs, shape[1] / 2, shape[0] / 2) / 3600)
    x, y, z = on_grid(direction, shape, tolerance * float(scale))
    longitude = np.degrees(np.arctan2(y, x)) % 360.0
    return np.stack([longitude, np.degrees(np.arctan2(z, np.hypot(x, y)))])


def _scaled(pixels: Float, n: int) -> Float:
    """Return pixels of an axis of length `n` scaled to [-1, 1] at the outer edges."""
    return (pixels - (n - 1) / 2) / (n / 2)


def _unscaled(values: Float, n: int) -> Float:
    return values * (n / 2) + (n - 1) / 2
