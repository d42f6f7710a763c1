"""The readings of an interleaved exposure: a frame at a time, or a band of rows of all groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.step import Room
from calcore_nirspec.kernels.irs2 import Correction, Layout
from calcore_nirspec.kernels.irs2_readings import group_mean
from calcore_nirspec.kernels.irs2_reference import (
    odd_pairs,
    pair_statistics,
    pairs,
    parity_levels,
)

_BAND = 1 << 24  # [byte] of the groups of a band


@dataclass(frozen=True, eq=False)
class Readings:
    """Frames in memory or in a file.

    Attributes
    ----------
    plane : array or lazy plane (n_int, n_group, n_row, n_column) [DN]
        NaN stands for no reading.
    layout : Layout
        When their rows are read.
    room : Room
        Threads that may be taken.
    levels : array (n_int, n_group, n_row), optional
        What to subtract from rows [DN].
    """

    plane: Any
    layout: Layout
    room: Room
    levels: NDArray[np.float32] | None = None

    def levelled(self, pixeldq: NDArray[np.uint32]) -> "Readings":
        """Return the readings without the levels of outputs' even and odd pixels.

        Pixels that are DO_NOT_USE (n_row, n_column) are left out.
        """
        bad = (pixeldq & np.uint32(DQ.DO_NOT_USE)) != 0
        levels = np.empty(self.plane.shape[:3], np.float32)
        for place in np.ndindex(levels.shape[:2]):
            levels[place] = parity_levels(self.frame(*place), bad, self.layout)
        return Readings(self.plane, self.layout, self.room, levels)

    def frame(self, integration: int, group: int) -> NDArray[np.float32]:
        """Return a frame (n_row, n_column)."""
        values = np.ascontiguousarray(self.plane[integration, group], np.float32)
        return values if self.levels is None else values - self.levels[integration, group, :, None]

    def band(self, integration: int, rows: slice) -> NDArray[np.float32]:
        """Return some rows of all groups (n_group, n_row, n_column)."""
        values = np.ascontiguousarray(self.plane[integration, :, rows], np.float32)
        return values if self.levels is None else values - self.levels[integration, :, rows, None]

    def odd_pairs(self, factor: float, bad_rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return pairs of reference pixels (n_output, n_jump, n_pair) odd in any integration.

        Pairs with one of the `bad_rows` (n_row,) are not looked at.
        """
        rows = pairs(self.layout)
        odd = np.zeros(rows.shape[:3], np.bool_)
        for integration in range(self.plane.shape[0]):
            statistics = np.empty((rows.size // 2, 3))
            look = partial(self._look, integration, rows.reshape(-1, 2), statistics)
            self.room.each(look, self._bands())
            statistics[bad_rows[rows].any(axis=-1).ravel()] = np.nan
            odd |= odd_pairs(statistics.reshape(*odd.shape, 3), factor)
        return odd

    def mean(self, integration: int, sources: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the mean over groups (n_row, n_column) of what is read at `sources` (n_row, 2)."""
        mean = np.empty(self.plane.shape[2:])
        self.room.each(partial(self._average, integration, sources, mean), self._bands())
        return mean

    def corrected(self, correction: Correction) -> Any:
        """Return the plane (n_int, n_group, n_kept, n_column) of corrected frames."""
        integrations, groups, _, columns = self.plane.shape
        shape = (integrations, groups, len(correction.kept), columns)
        data = self.room.plane(shape, np.float32)
        for integration in range(integrations):
            mean = self.mean(integration, correction.sources)
            correct = partial(self._correct, correction, mean, data, integration)
            self.room.each(correct, range(groups))
        return data

    def _bands(self) -> Iterator[slice]:
        """Return bands of rows; no jump is in two of them."""
        _, groups, rows, columns = self.plane.shape
        block = self.layout.normal + self.layout.reference
        height = block * max(1, _BAND // (4 * groups * block * columns))
        return (slice(first, min(first + height, rows)) for first in range(0, rows, height))

    def _correct(
        self,
        correction: Correction,
        mean: NDArray[np.float64],
        out: Any,
        integration: int,
        group: int,
    ) -> None:
        out[integration, group] = correction.of(self.frame(integration, group), mean)

    def _look(
        self, integration: int, rows: NDArray[np.int64], out: NDArray[np.float64], band: slice
    ) -> None:
        here = (rows[:, 0] >= band.start) & (rows[:, 0] < band.stop)
        out[here] = pair_statistics(self.band(integration, band), rows[here] - band.start)

    def _average(
        self, integration: int, sources: NDArray[np.int64], out: NDArray[np.float64], band: slice
    ) -> None:
        own = sources[band]
        first, last = min(band.start, own[own >= 0].min()), max(band.stop - 1, own.max())
        near = np.where(own < 0, -1, own - first)
        group_mean(self.band(integration, slice(first, last + 1)), near, out[band])


def kept(plane: Any, rows: NDArray[np.int64], room: Room) -> Any:
    """Return some rows of a plane (n_int, n_group, n_row, n_column)."""
    result = room.plane((*plane.shape[:2], len(rows), plane.shape[3]), plane.dtype)
    for place in np.ndindex(*plane.shape[:2]):
        result[place] = plane[place][rows]
    return result
