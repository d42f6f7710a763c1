"""Subtract the drifts that the reference columns of interleaved amplifiers show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.reference_pixels import clipped_means
from calcore.model import Meta, Ramp, Reference, Window
from calcore.parameters import Doc
from calcore.step import Rows, Step

AMPLIFIERS = 4


@dataclass(frozen=True)
class Levels:
    """Level [DN] (n_int, n_group, 2, 4) of even and odd rows in each amplifier."""

    values: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RefPix(Step):
    """Subtract each amplifier's drift since the first group, by its reference columns.

    Neighbouring columns belong to different amplifiers, and each amplifier has one reference
    column at either side. What the first group has in common with the others is left to the slope's
    intercept, so that the step adds no noise of the first read. Reference pixels that are
    DO_NOT_USE are left out; if an amplifier has none left at one side, the integration is left
    alone. Sub-arrays lack one side and are skipped.
    """

    odd_even_rows: Annotated[
        bool, Doc("Take even and odd rows on their own; they are read with different offsets.")
    ] = True

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Levels are known; every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip sub-arrays."""
        del references
        if not meta.is_full_frame:
            raise StepSkipped("a sub-array has no reference pixels at both sides")

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Return the reference columns at the left and at the right."""
        left, right = meta.facts.detector.reference_columns
        rows, columns = frame.frame_rows, frame.frame_columns
        yield Window(0, rows, 0, left, rows, columns)
        yield Window(0, rows, columns - right, columns, rows, columns)

    def prepare(self, meta: Meta, parts: Iterator[Ramp]) -> Levels:
        """Measure each amplifier's drift since the first group."""
        del meta
        means = [self._means(side) for side in parts]
        values = 0.5 * (means[0] + means[1])
        # An integration is left alone from the first group on in which an amplifier has no level.
        usable = np.isfinite(values).all(axis=2, keepdims=True)
        values = np.where(np.logical_and.accumulate(usable, axis=1), values, 0.0)
        return Levels(values.reshape(*values.shape[:2], 2, AMPLIFIERS))

    def _means(self, side: Ramp) -> NDArray[np.float64]:
        """Return the drifts (n_int, n_group, 8) [DN] at one side: even rows, then odd ones."""
        rows, columns = side.data.shape[-2:]
        row, column = np.mgrid[:rows, :columns]
        amplifier = column % AMPLIFIERS
        good = (side.pixeldq & np.uint32(DQ.DO_NOT_USE)) == 0
        drift = side.data - side.data[:, :1]
        if self.odd_even_rows:
            return clipped_means(drift, good, AMPLIFIERS * (row % 2) + amplifier, 2 * AMPLIFIERS)
        means = clipped_means(drift, good, amplifier, AMPLIFIERS)
        return np.concatenate([means, means], axis=2)

    def apply(self, ramp: Ramp, *, levels: Levels) -> Ramp:
        """Subtract the drift of the band's rows, relative to the first group."""
        frame = ramp.frame
        row = np.arange(frame.row_start, frame.row_stop) % 2
        column = np.arange(frame.column_start, frame.column_stop) % AMPLIFIERS
        first = ramp.data[:, :1]
        drift = levels.values.astype(np.float32)[:, :, row[:, None], column[None, :]]
        data = ((ramp.data - first) - drift) + first
        data[:, 0] = ramp.data[:, 0]
        return ramp.replace(data=data)
