"""Sums over exposures, from which a mosaic is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x3, I4x2, kernel
from calcore.kernels.drizzling import Drizzled
from calcore.kernels.each import Each, one_by_one
from calcore.kernels.median import median
from calcore.kernels.ordered import Ascending

_ROWS_AT_ONCE = 64


@kernel
def _add(
    planes: F4x3, weight: F4x2, variance_weight: float, inverse: int, bit: int,
    start: int, stop: int, top: int, left: int,
    out_sum: F4x2, out_weight: F4x2, out_sums: F4x3, out_variance_weight: F4x2, out_context: I4x2,
) -> None:  # fmt: skip
    for j in range(start, stop):
        for i in range(weight.shape[1]):
            own = weight[j, i]
            if own == 0:
                continue
            y, x = top + j, left + i
            out_sum[y, x] += own * planes[0, j, i]
            out_weight[y, x] += own
            if out_context.shape[0] > 0:
                out_context[y, x] |= np.int32(bit)
            if out_sums.shape[0] == 0:
                continue
            known = np.float32(variance_weight)
            if inverse >= 0:
                variance = planes[inverse, j, i] * planes[inverse, j, i]
                known = np.float32(1) / variance if variance > 0 else np.float32(0)
            # Comparisons with NaN are false.
            if 0 < known < np.inf:
                out_variance_weight[y, x] += known
                for k in range(out_sums.shape[0]):
                    part = known * planes[k + 1, j, i]
                    out_sums[k, y, x] += part * part


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted sums of what exposures contribute to a mosaic, filled by `add`.

    Attributes
    ----------
    data, weight : float32 (my, mx)
        Sums of weight times data, and of weights.
    variances : float32 (n, my, mx)
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
    variances: F4x3
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
            np.zeros((variances, *shape), np.float32),
            np.zeros(shape, np.float32) if variances else None,
            np.zeros((planes, *shape), np.int32) if context else None,
            np.zeros(shape, np.uint32) if flags else None,
        )

    def add(
        self,
        part: Drizzled,
        number: int,
        variance_weight: float,
        inverse: int | None = None,
        each: Each = one_by_one,
    ) -> None:
        """Add an exposure: its data, then the square roots of its variances.

        Parameters
        ----------
        part : Drizzled
            The exposure on the part of the grid it covers.
        number : int
            Which exposure, from 0.
        variance_weight : float
            Weight of its variances.
        inverse : int, optional
            Which of its variances is the inverse of that weight instead, from 0.
        each : callable
            Does some work for each item, perhaps on several threads.
        """
        place, rows = (part.rows, part.columns), part.weight.shape[0]
        bit = np.array(1 << (number % 32), np.uint32).astype(np.int32)
        nothing = np.zeros((0, 0))
        known = nothing.astype(np.float32) if self.variance_weight is None else self.variance_weight
        context = nothing.astype(np.int32) if self.context is None else self.context[number // 32]

        def strip(start: int) -> None:
            _add(
                part.planes, part.weight, variance_weight, -1 if inverse is None else inverse + 1,
                int(bit), start, min(start + _ROWS_AT_ONCE, rows), part.rows.start,
                part.columns.start, self.data, self.weight, self.variances, known, context,
            )  # fmt: skip

        each(strip, range(0, rows, _ROWS_AT_ONCE))
        if self.dq is not None and part.dq is not None:
            self.dq[place] |= part.dq

    def result(self, fill: float) -> tuple[F4x2, F4x2, F4x3]:
        """Return the mean, the weight and the variances, in the memory of the sums.

        The mean is `fill` where nothing fell; variances are NaN there.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(self.data, self.weight, out=self.data)
            self.data[self.weight == 0] = fill
            if self.variance_weight is not None:
                unknown = ~(self.variance_weight > 0)
                square = np.square(self.variance_weight, out=self.variance_weight)
                np.divide(self.variances, square, out=self.variances)
                self.variances[:, unknown] = np.nan
        return self.data, self.weight, self.variances


def error(variances: Sequence[F4x2]) -> F4x2:
    """Return the square root of the sum of variances, float32 (my, mx)."""
    total: F4x2 = variances[0].copy()
    for variance in variances[1:]:
        np.add(total, variance, out=total)
    return np.sqrt(total, out=total)


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
    return Drizzled(rows, columns, mean[None], weight)


@dataclass(frozen=True, eq=False)
class Patch:
    """An image on a part of a grid; `image`, float32 (my, mx), may lie in a file."""

    rows: slice
    columns: slice
    image: Any


def masked(part: Drizzled, fraction: float) -> Patch:
    """Return the first plane, NaN where its weight is less than a fraction of its typical weight.

    Typical is the mean of all weights above 0 after five rounds of clipping at three standard
    deviations from the median.
    """
    weights = Ascending.of(part.weight[part.weight > 0])
    least = fraction * weights.mean(weights.clipped(3.0, 5)) if weights.values.size else 0.0
    image = np.where(part.weight < least, np.float32(np.nan), part.planes[0])
    return Patch(part.rows, part.columns, image)


def median_of(
    patches: Sequence[Patch],
    shape: tuple[int, int],
    *,
    lesser_of_two: bool = False,
    each: Each = one_by_one,
) -> F4x2:
    """Return the median of exposures on a grid, a few rows at a time.

    Parameters
    ----------
    patches : sequence of Patch
        Exposures on the parts of the grid they cover; NaN where they have no value.
    shape : (int, int)
        Rows and columns of the grid.
    lesser_of_two : bool
        See `median`.
    each : callable
        Does some work for each item, perhaps on several threads.

    Returns
    -------
    float32 (my, mx)
        NaN where no exposure has a value.
    """
    result = np.empty(shape, np.float32)

    def combine(start: int) -> None:
        stop = min(start + _ROWS_AT_ONCE, shape[0])
        there = [patch for patch in patches if patch.rows.start < stop and start < patch.rows.stop]
        stack = np.full((len(there), stop - start, shape[1]), np.nan, np.float32)
        for layer, patch in zip(stack, there, strict=True):
            top = patch.rows.start
            low, high = max(start, top), min(stop, patch.rows.stop)
            layer[low - start : high - start, patch.columns] = patch.image[low - top : high - top]
        result[start:stop] = median(stack, lesser_of_two=lesser_of_two) if there else np.nan

    each(combine, range(0, shape[0], _ROWS_AT_ONCE))
    return result
