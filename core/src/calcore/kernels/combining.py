"""Sums over exposures, from which a mosaic is made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2
from calcore.kernels.drizzling import Drizzled
from calcore.kernels.median import median
from calcore.kernels.sky import clipped_about_median

_ROWS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted sums of what exposures contribute to a mosaic, filled by `add`.

    Attributes
    ----------
    data, weight : float32 (my, mx)
        Sums of weight times data, and of weights.
    variances : list of float32 (my, mx)
        Sums of squared weight times variance.
    variance_weight : float32 (my, mx), optional
        Sum of the weights of variances.
    context : int32 (n_plane, my, mx), optional
        Bit ``n % 32`` of plane ``n // 32`` tells whether exposure n contributed.
    dq : uint32 (my, mx), optional
        Flags of all that contributed.
    """

    data: F4x2
    weight: F4x2
    variances: list[F4x2]
    variance_weight: F4x2 | None
    context: NDArray[np.int32] | None
    dq: NDArray[np.uint32] | None

    @classmethod
    def over(
        cls, shape: tuple[int, int], exposures: int, variances: int, context: bool, flags: bool
    ) -> "Sums":
        """Return empty sums for a mosaic of some shape."""
        planes = (exposures + 31) // 32
        return cls(
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
            [np.zeros(shape, np.float32) for _ in range(variances)],
            np.zeros(shape, np.float32) if variances else None,
            np.zeros((planes, *shape), np.int32) if context else None,
            np.zeros(shape, np.uint32) if flags else None,
        )

    def add(self, part: Drizzled, number: int, variance_weight: F4x2 | float) -> None:
        """Add an exposure: its data, then the square roots of its variances.

        Parameters
        ----------
        part : Drizzled
            The exposure on the part of the grid it covers.
        number : int
            Which exposure, from 0.
        variance_weight : float32 (my, mx) or float
            Weight of its variances.
        """
        place = part.rows, part.columns
        filled = part.weight != 0
        self.data[place] += np.where(filled, part.weight * part.planes[0], np.float32(0))
        self.weight[place] += part.weight
        if self.variance_weight is not None:
            weight = np.broadcast_to(np.float32(variance_weight), filled.shape)
            usable = filled & np.isfinite(weight) & (weight > 0)
            weight = np.where(usable, weight, np.float32(0))
            self.variance_weight[place] += weight
            for total, root in zip(self.variances, part.planes[1:], strict=True):
                total[place] += np.where(usable, (weight * root) ** 2, np.float32(0))
        if self.context is not None:
            bit = np.array(1 << (number % 32), np.uint32).astype(np.int32)
            self.context[number // 32][place] |= np.where(filled, bit, np.int32(0))
        if self.dq is not None and part.dq is not None:
            self.dq[place] |= part.dq

    def result(self, fill: float) -> tuple[F4x2, F4x2, list[F4x2]]:
        """Return the mean, the weight and the variances.

        The mean is `fill` where nothing fell; variances are NaN there.
        """
        empty = self.weight == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(empty, np.float32(fill), self.data / self.weight)
            variances = []
            if self.variance_weight is not None:
                square = self.variance_weight**2
                variances = [
                    np.where(self.variance_weight > 0, total / square, np.float32(np.nan))
                    for total in self.variances
                ]
        return mean, self.weight, variances


def merged(parts: Sequence[Drizzled]) -> Drizzled:
    """Return several detectors' parts of one exposure as one; first planes only."""
    if len(parts) == 1:
        return parts[0]
    rows = slice(min(p.rows.start for p in parts), max(p.rows.stop for p in parts))
    columns = slice(min(p.columns.start for p in parts), max(p.columns.stop for p in parts))
    shape = rows.stop - rows.start, columns.stop - columns.start
    total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for part in parts:
        place = (
            slice(part.rows.start - rows.start, part.rows.stop - rows.start),
            slice(part.columns.start - columns.start, part.columns.stop - columns.start),
        )
        filled = part.weight != 0
        total[place] += np.where(filled, part.weight * part.planes[0], np.float32(0))
        weight[place] += part.weight
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(weight != 0, total / weight, np.float32(np.nan))
    return Drizzled(rows, columns, [mean], weight)


def masked(part: Drizzled, fraction: float) -> Drizzled:
    """Return a part with NaN where its weight is less than a fraction of its typical weight.

    Typical is the mean of all weights above 0 after five rounds of clipping at three standard
    deviations from the median.
    """
    weights = clipped_about_median(part.weight[part.weight > 0], 3.0, 5)
    least = fraction * weights.mean() if weights.size else 0.0
    image = np.where(part.weight < least, np.float32(np.nan), part.planes[0])
    return Drizzled(part.rows, part.columns, [image], part.weight)


def median_of(
    parts: Sequence[Drizzled], shape: tuple[int, int], *, lesser_of_two: bool = False
) -> F4x2:
    """Return the median of exposures on a grid, a few rows at a time.

    Parameters
    ----------
    parts : sequence of Drizzled
        Exposures on the parts of the grid they cover; NaN where they have no value.
    shape : (int, int)
        Rows and columns of the grid.
    lesser_of_two : bool
        See `median`.

    Returns
    -------
    float32 (my, mx)
        NaN where no exposure has a value.
    """
    result = np.empty(shape, np.float32)
    for start in range(0, shape[0], _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, shape[0])
        layers = []
        for part in parts:
            low, high = max(start, part.rows.start), min(stop, part.rows.stop)
            if low < high:
                layer = np.full((stop - start, shape[1]), np.nan, np.float32)
                layer[low - start : high - start, part.columns] = part.planes[0][
                    low - part.rows.start : high - part.rows.start
                ]
                layers.append(layer)
        if not layers:
            result[start:stop] = np.nan
            continue
        result[start:stop] = median(np.stack(layers), lesser_of_two=lesser_of_two)
    return result
