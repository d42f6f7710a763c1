"""Fast evaluation of smooth coordinate transforms on the grid of an image's pixels.

A chain of transforms costs seconds on four million pixels. What it computes is smooth: a distortion
of low degree, and rotations of a small field. So it is evaluated at some hundred Chebyshev nodes, and
on the grid by the Chebyshev series through them, whose error is measured at other points. Where no
series of moderate degree is good enough, every pixel is evaluated directly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

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
_STEPS = 4
_BESIDE = np.array([-1, 0, 1])


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
        return self.at(np.arange(start, ny if stop is None else stop), np.arange(nx))

    def at(self, rows: NDArray[Any], columns: NDArray[Any]) -> Float:
        """Return their values where some rows and columns cross."""
        (ny, nx), y, x = self.shape, rows.astype(np.float64), columns.astype(np.float64)
        return chebyshev.evaluate(self.coefficients, _scaled(y, ny), _scaled(x, nx))


@dataclass(frozen=True, eq=False)
class Direct:
    """Functions of a pixel's position that no series describes: worked out where they are asked for."""

    shape: tuple[int, int]
    function: Function

    def on_rows(self, start: int = 0, stop: int | None = None) -> Float:
        """Return the functions' values at the pixels of some rows: float64 (n_output, ny, nx)."""
        ny, nx = self.shape
        stop = ny if stop is None else stop
        parts = [
            self.at(np.arange(first, min(first + _ROWS_AT_ONCE, stop)), np.arange(nx))
            for first in range(start, stop, _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts, axis=1)

    def at(self, rows: NDArray[Any], columns: NDArray[Any]) -> Float:
        """Return their values where some rows and columns cross."""
        y, x = np.meshgrid(rows.astype(np.float64), columns.astype(np.float64), indexing="ij")
        return np.stack(self.function(x, y))


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


@dataclass(frozen=True, eq=False)
class Tabulated:
    """Functions of a pixel's position whose values are known: float64 (n_output, ny, nx)."""

    values: Float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the frame."""
        _, rows, columns = self.values.shape
        return rows, columns

    def on_rows(self, start: int = 0, stop: int | None = None) -> Float:
        """Return the values at the pixels of some rows: float64 (n_output, ny, nx)."""
        return self.values[:, start:stop].copy()

    def at(self, rows: NDArray[Any], columns: NDArray[Any]) -> Float:
        """Return the values where some rows and columns cross."""
        return self.values[:, rows[:, None], columns]


Places = Surface | Direct | Tabulated
"""What gives functions of a pixel's position."""


def position_of(places: Places, target: Float) -> Float:
    """Return the position whose place in another image is given, by Newton's method.

    Parameters
    ----------
    places : Surface, Direct or Tabulated
        x and y in the other image, which change nearly linearly from pixel to pixel; three rows and
        three columns at least.
    target : float64 (2,)
        x and y there.

    Returns
    -------
    float64 (2,)
        x and y, counted from 0 [pixel]; outside the frame it is extrapolated from the edge. NaN if
        there is no place on the way.
    """
    ny, nx = places.shape
    position = np.array([(nx - 1) / 2, (ny - 1) / 2])
    for _ in range(_STEPS):
        start = np.clip(np.rint(position).astype(int), 1, [nx - 2, ny - 2])
        around = places.at(start[1] + _BESIDE, start[0] + _BESIDE)
        across, along = around[:, 1, 2] - around[:, 1, 0], around[:, 2, 1] - around[:, 0, 1]
        slopes = np.stack([across, along], axis=1) / 2
        if not np.isfinite(around).all() or np.linalg.det(slopes) == 0:
            return np.full(2, np.nan)
        position = start + np.linalg.solve(slopes, target - around[:, 1, 1])
    return position


def described(function: Function, shape: tuple[int, int], tolerance: float) -> Surface | Direct:
    """Return what gives functions of x and y at any pixels, within `tolerance` of the truth.

    Functions that are not smooth are evaluated directly.
    """
    return surface(function, shape, tolerance) or Direct(shape, function)


def on_grid(function: Function, shape: tuple[int, int], tolerance: float) -> Float:
    """Return functions of x and y at all pixels, as `described`: float64 (n_output, ny, nx)."""
    return described(function, shape, tolerance).on_rows()


@dataclass(frozen=True, eq=False)
class PixelMap:
    """Where the pixels of one image fall in another.

    Attributes
    ----------
    places : Surface, Direct or Tabulated
        x and y in the other image, counted from 0 [pixel].
    box : ((float, float), (float, float)), optional
        Lowest and highest x and y of pixels that have a place: the image's bounding box.
    """

    places: Places
    box: tuple[tuple[float, float], tuple[float, float]] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.places.shape

    def on_rows(self, start: int = 0, stop: int | None = None) -> Float:
        """Return the places of the pixels of some rows.

        Returns
        -------
        float64 (2, ny, nx)
            x and y of each pixel's centre, counted from 0 [pixel]; NaN outside the box.
        """
        mapped = self.places.on_rows(start, stop)
        top, bottom, left, right = self._inside()
        mapped[:, : max(top - start, 0)] = mapped[:, max(bottom - start, 0) :] = np.nan
        mapped[:, :, :left] = mapped[:, :, right:] = np.nan
        return mapped

    def extent(self) -> Float:
        """Return the lowest and highest x, and y, of all places.

        Where they are smooth, they fold nowhere, and only the edges of the box are looked at.

        Returns
        -------
        float64 (2, 2)
            The lowest is larger than the highest if no pixel has a place.
        """
        top, bottom, left, right = self._inside()
        limits = np.array([[np.inf, -np.inf], [np.inf, -np.inf]])
        if top >= bottom or left >= right:
            return limits
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        parts = [(rows[[0, -1]], columns), (rows, columns[[0, -1]])]
        if not isinstance(self.places, Surface):
            parts = [(row, columns) for row in np.array_split(rows, -(-rows.size // _ROWS_AT_ONCE))]
        for part in parts:
            places = self.places.at(*part).reshape(2, -1)
            np.fmin(limits[:, 0], np.fmin.reduce(places, axis=1), out=limits[:, 0])
            np.fmax(limits[:, 1], np.fmax.reduce(places, axis=1), out=limits[:, 1])
        return limits

    def _inside(self) -> tuple[int, int, int, int]:
        """Return the first row within the box and the first after it, and the same of columns."""
        ny, nx = self.shape
        if self.box is None:
            return 0, ny, 0, nx
        (x_low, x_high), (y_low, y_high) = self.box
        low_high = (y_low, y_high, ny), (x_low, x_high, nx)
        top, bottom, left, right = (
            min(max(edge, 0), length)
            for low, high, length in low_high
            for edge in (math.ceil(low), math.floor(high) + 1)
        )
        return top, bottom, left, right


def pixel_map(
    source: WCS, target: WCS, shape: tuple[int, int], tolerance: float = PIXEL_TOLERANCE
) -> PixelMap:
    """Return where the pixels of one image fall in another; outside its bounding box they do not.

    Parameters
    ----------
    source, target : gwcs.WCS
        From pixels to the sky; that of `target` has an inverse.
    shape : tuple of int
        Rows and columns of the source.
    tolerance : float
        Largest error allowed [pixel of the target].
    """
    # They are put together once: that takes longer than to evaluate them.
    forward, backward = source.forward_transform, _backward(target)

    def mapped(x: Float, y: Float) -> tuple[Float, ...]:
        return tuple(backward(*forward(x, y)))

    box = source.bounding_box
    return PixelMap(
        described(mapped, shape, tolerance),
        None if box is None else box.bounding_box(order="F"),
    )


def _backward(wcs: WCS) -> Callable[..., Any]:
    """Return what leads from the sky to pixels, by iteration where the transforms have no inverse."""
    try:
        return cast("Callable[..., Any]", wcs.backward_transform)
    except RuntimeError:  # which gwcs raises where a transform has none
        return partial(wcs.invert, with_bounding_box=False)


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
