"""Subtract the electronics' drifts that reference pixels show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels import reference_pixels as kernels
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.readout import Readout
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step

Levels = NDArray[np.float64]
Signal = NDArray[np.float32]


@dataclass(frozen=True)
class Drifts:
    """Levels [DN] (n_int, n_group, n) of the frame's columns and rows as the read-out counts them.

    They stand in the order of the frame's axes; `columns` belong to the axis that is read fast.
    None is no correction. A zero frame's levels follow those of the groups.
    """

    columns: Levels | None = None
    rows: Levels | None = None


@dataclass(frozen=True, kw_only=True)
class RefPix(Step):
    """Subtract the levels of amplifiers, of even and odd columns, and of rows from every group.

    A frame that all amplifiers read takes the level of each amplifier's columns from the reference
    pixels at the first and last lines, and that of each line from those at its ends, smoothed
    along the lines. A sub-array that one amplifier reads takes one level from all it has.
    Reference pixels that are DO_NOT_USE are left out. Without any, nothing is subtracted.
    """

    odd_even_columns: Annotated[
        bool, Doc("Take even and odd columns on their own; they have electronics of their own.")
    ] = True
    use_side_ref_pixels: Annotated[
        bool, Doc("Follow the drift from line to line by the reference pixels at their ends.")
    ] = True
    side_smoothing_length: Annotated[
        int, Range(1), Unit("line"), Doc("Lines in the running median of the ends.")
    ] = 11
    side_gain: Annotated[
        float, Range(0), Doc("Share of the drift seen at the ends that other pixels have.")
    ] = 1.0

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Levels are known; every pixel is on its own."""
        del meta, references
        return Rows()

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Edges along which lines are read, then the ends of the lines."""
        readout = Readout.of(meta, frame)
        return (*readout.edges, *readout.ends)

    def prepare(self, meta: Meta, parts: Iterator[Ramp]) -> Drifts:
        """Measure the levels."""
        first = next(parts, None)
        if first is None:
            return Drifts()
        readout = Readout.of(meta, Window.whole(first.frame.frame_rows, first.frame.frame_columns))
        if readout.one_output:
            return self._common(readout, [first, *parts])
        return self._by_amplifier(readout, first, parts)

    def apply(self, ramp: Ramp, *, drifts: Drifts) -> Ramp:
        """Subtract the levels of the band."""
        if drifts.columns is None:
            return ramp
        frame = ramp.frame
        along_x = Readout.of(ramp.meta, frame).fast_along_x
        fast, slow = (frame.columns, frame.rows) if along_x else (frame.rows, frame.columns)
        columns = drifts.columns[..., fast]
        rows = None if drifts.rows is None else drifts.rows[..., slow]

        def subtract(data: Signal, groups: slice, *, first: bool) -> Signal:
            own = None if rows is None else rows[:, groups]
            return kernels.subtract_levels(
                data, columns[:, groups], own, fast_along_x=along_x, first_in_steps=first
            )

        zeroframe = ramp.zeroframe
        if zeroframe is not None:
            corrected = subtract(zeroframe[:, None], slice(-1, None), first=False)[:, 0]
            zeroframe = np.where(zeroframe == 0, zeroframe, corrected)
        data = subtract(ramp.data, slice(ramp.data.shape[1]), first=True)
        return ramp.replace(data=data, zeroframe=zeroframe)

    def _by_amplifier(self, readout: Readout, first: Ramp, parts: Iterator[Ramp]) -> Drifts:
        """Levels of the columns of each amplifier, then of the lines."""
        edges, part = [], first
        for _ in readout.edges:
            edges.append((readout.turn(_signal(part)), readout.turn(_good(part))))
            part = next(parts, part)
        columns = np.zeros((*_signal(first).shape[:2], readout.n_fast))
        if edges:
            columns = kernels.column_levels(
                edges, readout.first_fast, readout.amplifier, odd_even=self.odd_even_columns,
                single=not self.use_side_ref_pixels,
            )  # fmt: skip
        rows = None
        if self.use_side_ref_pixels and readout.ends:
            sides = []
            for _ in readout.ends:
                where = readout.fast_places(part.frame)
                values = readout.turn(_signal(part)) - columns[:, :, None, where]
                values[0, 0] = values[0, 0].astype(np.float32)
                sides.append(np.where(readout.turn(_good(part)), values, np.nan))
                part = next(parts, part)
            length, total = self.side_smoothing_length, readout.total_slow
            levels = kernels.row_levels(sides, readout.first_slow, total, length, self.side_gain)
            rows = readout.back_slow(levels)
        return Drifts(readout.back_fast(columns), rows)

    def _common(self, readout: Readout, parts: list[Ramp]) -> Drifts:
        """Levels of even and odd columns from all reference pixels together."""
        values, places = [], []
        for part in parts:
            usable = (part.pixeldq & np.uint32(DQ.REFERENCE_PIXEL)) != 0
            good = readout.turn(_good(part) & (usable | readout.is_dark(part.frame)))
            values.append(readout.turn(_signal(part))[..., good])
            places.append(readout.order(part.frame)[good])
        # Corners lie in two parts; each pixel counts once.
        place, which = np.unique(np.concatenate(places), return_index=True)
        signal, column = np.concatenate(values, axis=-1)[..., which], place % readout.n_fast
        odd_even = self.odd_even_columns
        levels = kernels.common_levels(signal, column, readout.n_fast, odd_even=odd_even)
        return Drifts(readout.back_fast(levels))


def _signal(part: Ramp) -> Signal:
    """Return the groups, and after them the zero frame if there is one."""
    if part.zeroframe is None:
        return part.data
    return np.concatenate([part.data, part.zeroframe[:, None]], axis=1)


def _good(part: Ramp) -> NDArray[np.bool_]:
    good: NDArray[np.bool_] = (part.pixeldq & np.uint32(DQ.DO_NOT_USE)) == 0
    return good
