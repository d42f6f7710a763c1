"""Layers of light on a frame: stars and galaxies under a point-spread function.

The wings of all stars and the galaxies are laid down on a grid of half-pixel steps and convolved with
the point-spread function. A star is laid down with the weights of a cubic spline
and the kernel holds the spline's coefficients, so that the result is the interpolated function
itself, exactly where the star is. The grid of half pixels is kept as its phases on the pixel grid:
a convolution that is wanted at whole pixels only is a sum of one for each phase.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.special import gammaincinv

from calcore.simulate.optics import COARSE, PointSpread, cubic_weights
from calcore.simulate.scene import TRUNCATION

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class GalaxyShape:
    """A Sersic profile in pixels.

    Attributes
    ----------
    to_radii
        From pixel offsets (x, y) to the major and minor axes in half-light radii, axes
        (axis, pixel).
    sersic_index
        1 exponential, 4 de Vaucouleurs.
    """

    to_radii: FloatArray
    sersic_index: float

    @property
    def extent_pixel(self) -> tuple[float, float]:
        """Largest offset in x and in y at which there is light [pixel]."""
        covariance = np.linalg.inv(self.to_radii.T @ self.to_radii)
        x, y = TRUNCATION * np.sqrt(np.diag(covariance))
        return float(x), float(y)

    def brightness(self, dx: FloatArray, dy: FloatArray) -> FloatArray:
        """Return the profile at pixel offsets, 1 at one half-light radius."""
        a = self.to_radii[0, 0] * dx + self.to_radii[0, 1] * dy
        b = self.to_radii[1, 0] * dx + self.to_radii[1, 1] * dy
        radius = np.hypot(a, b)
        steep = float(gammaincinv(2 * self.sersic_index, 0.5))
        light = np.exp(-steep * (radius ** (1 / self.sersic_index) - 1))
        return np.where(radius <= TRUNCATION, light, 0.0)


class Canvas:
    """A frame to lay sources on; `finish` gives the light per pixel.

    Parameters
    ----------
    shape
        Of the frame, (ny, nx).
    spread
        How a point is spread.
    """

    def __init__(self, shape: tuple[int, int], spread: PointSpread) -> None:
        self._shape = shape
        self._spread = spread
        self._margin = spread.half_size + 3  # sources up to here leave light on the frame
        ny, nx = shape
        size = COARSE * (ny + 2 * self._margin), COARSE * (nx + 2 * self._margin)
        self._cores = np.zeros(shape)
        self._points: FloatArray | None = None
        self._extended: FloatArray | None = None
        self._size = size

    def add_stars(self, x: FloatArray, y: FloatArray, light: FloatArray) -> None:
        """Lay down stars at (x, y) [pixel], axis (star,); those far off the frame are left out."""
        ny, nx = self._shape
        reach = self._margin - 2
        near = (x > -reach) & (x < nx - 1 + reach) & (y > -reach) & (y < ny - 1 + reach)
        x, y, light = x[near], y[near], light[near]
        if self._points is None:
            self._points = np.zeros(self._size)
        x_node, x_weight = self._nodes(x)
        y_node, y_weight = self._nodes(y)
        flat = self._points.reshape(-1)
        for j in range(4):
            for i in range(4):
                node = (y_node + j) * self._size[1] + x_node + i
                np.add.at(flat, node, light * y_weight[j] * x_weight[i])
        for x_star, y_star, light_star in zip(x, y, light, strict=True):
            stamp, y_first, x_first = self._spread.core_stamp(float(x_star), float(y_star))
            y_last, x_last = y_first + stamp.shape[0], x_first + stamp.shape[1]
            if y_first >= ny or x_first >= nx or y_last <= 0 or x_last <= 0:
                continue
            rows = slice(max(y_first, 0), min(y_last, ny))
            columns = slice(max(x_first, 0), min(x_last, nx))
            self._cores[rows, columns] += (
                light_star
                * (
                    stamp[
                        rows.start - y_first : rows.stop - y_first,
                        columns.start - x_first : columns.stop - x_first,
                    ]
                )
            )

    def add_galaxy(
        self,
        x: float,
        y: float,
        light: float,
        shape: GalaxyShape,
        lit: tuple[float, float, float, float],
    ) -> float:
        """Lay down a galaxy and return the fraction of its light within the edges `lit`."""
        x_extent, y_extent = shape.extent_pixel
        ny, nx = self._shape
        reach = self._margin
        if not (-reach - x_extent < x < nx + reach + x_extent) or not (
            -reach - y_extent < y < ny + reach + y_extent
        ):
            return 0.0
        columns = self._cells(x, x_extent)
        rows = self._cells(y, y_extent)
        cells = shape.brightness(columns[None, :] - x, rows[:, None] - y)
        _resolve_centre(cells, columns - x, rows - y, shape)
        cells *= 1 / cells.sum()
        left, right, bottom, top = lit
        inside = left - reach < x < right + reach and bottom - reach < y < top + reach
        deep = (
            left + reach + x_extent < x < right - reach - x_extent
            and bottom + reach + y_extent < y < top - reach - y_extent
        )
        fraction = self._spread.enclosed if deep else self._held(cells, columns, rows, lit)
        if not inside and fraction <= 0:
            return 0.0
        if self._extended is None:
            self._extended = np.zeros(self._size)
        x_node = np.rint((columns + self._margin) * COARSE).astype(int)
        y_node = np.rint((rows + self._margin) * COARSE).astype(int)
        x_keep = (x_node >= 0) & (x_node < self._size[1])
        y_keep = (y_node >= 0) & (y_node < self._size[0])
        if x_keep.any() and y_keep.any():
            self._extended[
                y_node[y_keep][0] : y_node[y_keep][-1] + 1,
                x_node[x_keep][0] : x_node[x_keep][-1] + 1,
            ] += light * cells[np.ix_(y_keep, x_keep)]
        return fraction

    def finish(self) -> FloatArray:
        """Return all light per pixel, (ny, nx); the canvas is empty afterwards."""
        ny, nx = self._shape
        frame = tuple(next_fast_len(n // COARSE, real=True) for n in self._size)
        spectrum: NDArray[np.complex128] | None = None
        for name in ("_points", "_extended"):
            grid: FloatArray | None = getattr(self, name)
            if grid is None:
                continue
            kernel = self._spread.wings_spline if name == "_points" else self._spread.whole
            for y_phase in range(COARSE):
                for x_phase in range(COARSE):
                    part = rfft2(grid[y_phase::COARSE, x_phase::COARSE], s=frame)
                    part *= rfft2(_phase(kernel, y_phase, x_phase, frame))
                    if spectrum is None:
                        spectrum = part
                    else:
                        spectrum += part
            setattr(self, name, None)
        image, self._cores = self._cores, np.zeros(self._shape)
        if spectrum is not None:
            wide = irfft2(spectrum, s=frame, overwrite_x=True)
            m = self._margin
            image += wide[m : m + ny, m : m + nx]
        return image

    def _held(
        self,
        cells: FloatArray,
        columns: FloatArray,
        rows: FloatArray,
        lit: tuple[float, float, float, float],
    ) -> float:
        """Return the fraction of a galaxy's light within edges, from blocks of 2 pixels."""
        size = 2 * COARSE
        y_starts, x_starts = (np.arange(0, n, size) for n in cells.shape)
        blocks = np.add.reduceat(np.add.reduceat(cells, y_starts, axis=0), x_starts, axis=1)
        x = columns[x_starts][None, :] + (size - 1) / (2 * COARSE)
        y = rows[y_starts][:, None] + (size - 1) / (2 * COARSE)
        left, right, bottom, top = lit
        held = self._spread.fraction_within(left - x, right - x, bottom - y, top - y)
        return float(np.sum(blocks * held))

    def _nodes(self, place: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Return the first of four nodes of each star along an axis, and their weights."""
        grid = (place + self._margin) * COARSE
        below = np.floor(grid)
        return below.astype(np.int64) - 1, cubic_weights(grid - below)

    def _cells(self, centre: float, extent: float) -> FloatArray:
        """Return the places of the grid's cells over a galaxy [pixel]."""
        first = np.floor((centre - extent) * COARSE)
        last = np.ceil((centre + extent) * COARSE)
        return np.arange(first, last + 1) / COARSE


def _phase(kernel: FloatArray, y_phase: int, x_phase: int, frame: tuple[int, ...]) -> FloatArray:
    """Return the kernel that takes one phase of the grid to whole pixels, its origin at [0, 0].

    Light at step COARSE * j + phase reaches pixel n through the kernel's sample COARSE * (n - j) - phase.
    """
    half = kernel.shape[0] // 2
    result = np.zeros(frame)
    taken = []
    for phase in (y_phase, x_phase):
        first = (half - phase) % COARSE  # sample half + COARSE * k - phase, for all k there are
        samples = np.arange(first, kernel.shape[0], COARSE)
        taken.append((samples, (samples - half + phase) // COARSE))
    (y_samples, y_pixels), (x_samples, x_pixels) = taken
    result[np.ix_(y_pixels % frame[0], x_pixels % frame[1])] = kernel[np.ix_(y_samples, x_samples)]
    return result


def _resolve_centre(
    cells: FloatArray, dx: FloatArray, dy: FloatArray, shape: GalaxyShape, *, finer: int = 10
) -> None:
    """Replace the innermost cells by the mean over `finer` ** 2 places of each.

    A steep profile changes a lot within a cell. The means are shared out to neighbouring
    cells so that the light keeps its centre.
    """
    x_inner, y_inner = (np.flatnonzero(np.abs(offset) < 4.0) for offset in (dx, dy))
    if min(x_inner.size, y_inner.size) < 2:
        return
    x_fine, x_share = _squares(dx[x_inner], finer)
    y_fine, y_share = _squares(dy[y_inner], finer)
    block = cells[y_inner[0] : y_inner[-1] + 1, x_inner[0] : x_inner[-1] + 1]
    # The squares between cells hold half of a cell at the block's rim: the rest stays as it was.
    block *= 1 - np.outer(y_share.sum(axis=1), x_share.sum(axis=1))
    block += y_share @ shape.brightness(x_fine[None, :], y_fine[:, None]) @ x_share.T


def _squares(nodes: FloatArray, finer: int) -> tuple[FloatArray, FloatArray]:
    """Return places between nodes, and what share of each a node takes; axes (node, place)."""
    inside = (np.arange(finer) + 0.5) / finer
    places = nodes[:-1, None] + inside[None, :] / COARSE
    share = np.zeros((nodes.size, *places.shape))
    for square in range(nodes.size - 1):
        share[square, square] = (1 - inside) / finer
        share[square + 1, square] = inside / finer
    return places.ravel(), share.reshape(nodes.size, -1)
