"""Subtract the outputs' drifts that reference pixels show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.clipped_means import single_precision_means
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.border import Border
from calcore.parameters import Doc
from calcore.step import Rows, Step
from calcore_miri.kernels.interleaved_outputs import OUTPUTS, subtract_output_levels


@dataclass(frozen=True)
class OutputLevels:
    """Level of each output [DN] relative to the first group: (n_int, n_group, n_parity, 4)."""

    values: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RefPix(Step):
    """Subtract from every group the change of each output since the first group.

    The reference pixels in the four columns at either end of the rows, one for each output, show
    it. Means without outliers of either end are averaged. Reference pixels that are DO_NOT_USE
    are left out; if an output has none at one end, nothing is subtracted. Sub-arrays do not have
    both ends.
    """

    odd_even_rows: Annotated[
        bool, Doc("Take even and odd rows on their own; they drift differently.")
    ] = True

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Levels are known; every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip sub-arrays."""
        del references
        if not meta.is_full_frame:
            raise StepSkipped("sub-arrays do not have reference pixels at both ends of the rows")

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Columns at either end of the rows."""
        science = Border.of(meta, frame).science(frame)
        rows, columns = frame.frame_rows, frame.frame_columns
        return (
            Window(0, rows, 0, science.column_start, rows, columns),
            Window(0, rows, science.column_stop, columns, rows, columns),
        )

    def prepare(self, meta: Meta, parts: Iterator[Ramp]) -> OutputLevels:
        """Measure the levels."""
        del meta
        ends = [self._levels(part) for part in parts]
        levels = 0.5 * (ends[0] + ends[1])
        incomplete = np.isnan(levels[:, 1:]).any(axis=(1, 2, 3))
        levels[incomplete] = 0
        return OutputLevels(levels.astype(np.float64))

    def apply(self, ramp: Ramp, *, levels: OutputLevels) -> Ramp:
        """Subtract the levels of the band."""
        row, column = ramp.frame.row_start, ramp.frame.column_start
        data = subtract_output_levels(ramp.data, levels.values, row, column)
        return ramp.replace(data=data)

    def _levels(self, part: Ramp) -> NDArray[np.float32]:
        """Return the mean of each output's pixels at one end, for each parity of the row."""
        kinds = 2 if self.odd_even_rows else 1
        rows, columns = part.data.shape[-2:]
        parity = np.arange(rows)[:, None] % kinds
        kind = parity * OUTPUTS + np.arange(columns) % OUTPUTS
        good = (part.pixeldq & np.uint32(DQ.DO_NOT_USE)) == 0
        change = part.data - part.data[:, :1]
        means = single_precision_means(change, good, kind, kinds * OUTPUTS)
        return means.reshape(*means.shape[:2], kinds, OUTPUTS)
