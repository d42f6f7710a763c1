"""In which order a frame's pixels are read, and by how many amplifiers."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.model.border import Border
from calcore.model.meta import Meta
from calcore.model.window import Window

A = TypeVar("A", bound=np.generic)


@dataclass(frozen=True)
class Readout:
    """Geometry of a frame, maybe a sub-array, as the read-out sees it.

    In read-out order the last axis is the one that is read fast, and both run in the direction of
    reading. Lines are what is read along the slow axis.

    Attributes
    ----------
    fast, slow : int
        FASTAXIS and SLOWAXIS: 1 is x, 2 is y, negative towards lower numbers.
    n_fast, n_slow : int
        Size of the frame along the axes.
    first_fast, first_slow : int
        Place of its first column and line on the detector, in read-out order.
    total_slow : int
        Lines of the detector.
    amplifier : int
        Columns of the detector that one amplifier reads.
    one_output : bool
        True for a sub-array that one amplifier reads as a whole.
    edges, ends : tuple of Window
        Reference pixels at the first and last lines, and at the ends of all lines.
    dark : int
        Columns at the left and at the right that serve as reference pixels, flagged or not.
    """

    fast: int
    slow: int
    n_fast: int
    n_slow: int
    first_fast: int
    first_slow: int
    total_slow: int
    amplifier: int
    one_output: bool
    edges: tuple[Window, ...]
    ends: tuple[Window, ...]
    dark: int = 0

    @classmethod
    def of(cls, meta: Meta, frame: Window) -> "Readout":
        """Return the read-out of an exposure, of which `frame` may be a part."""
        detector = meta.facts.detector
        whole = Window.whole(frame.frame_rows, frame.frame_columns)
        along_x = abs(detector.fast_axis) == 1
        row, column = meta.subarray_origin
        starts = (column, row) if along_x else (row, column)
        sizes = (
            (whole.frame_columns, whole.frame_rows)
            if along_x
            else (whole.frame_rows, whole.frame_columns)
        )
        totals = (detector.columns, detector.rows) if along_x else (detector.rows, detector.columns)
        directions = detector.fast_axis, detector.slow_axis
        firsts = [
            start if direction > 0 else total - start - size
            for start, size, total, direction in zip(starts, sizes, totals, directions, strict=True)
        ]
        border = Border.of(meta, whole)
        dark = detector.dark_columns.get(str(meta.get("subarray.name")), 0)
        border = replace(border, left=max(border.left, dark), right=max(border.right, dark))
        edges, ends = _strips(border, whole, directions, along_x=along_x)
        outputs = int(meta.get("exposure.noutputs", detector.outputs))
        return cls(
            fast=detector.fast_axis,
            slow=detector.slow_axis,
            n_fast=sizes[0],
            n_slow=sizes[1],
            first_fast=firsts[0],
            first_slow=firsts[1],
            total_slow=totals[1],
            amplifier=totals[0] // detector.outputs,
            one_output=outputs != detector.outputs and sizes != totals,
            edges=edges,
            ends=ends,
            dark=dark,
        )

    @property
    def fast_along_x(self) -> bool:
        """True if x is read fast."""
        return abs(self.fast) == 1

    @cached_property
    def _steps(self) -> tuple[int, int]:
        return (1 if self.slow > 0 else -1), (1 if self.fast > 0 else -1)

    def turn(self, plane: NDArray[A]) -> NDArray[A]:
        """Return planes (..., ny, nx) in read-out order, as a view."""
        if not self.fast_along_x:
            plane = plane.swapaxes(-1, -2)
        slow, fast = self._steps
        return plane[..., ::slow, ::fast]

    def turned_back(self, plane: NDArray[A]) -> NDArray[A]:
        """Return planes (..., n_slow, n_fast) in read-out order as the frame has them."""
        slow, fast = self._steps
        plane = plane[..., ::slow, ::fast]
        return np.ascontiguousarray(plane if self.fast_along_x else plane.swapaxes(-1, -2))

    def back_fast(self, levels: NDArray[A]) -> NDArray[A]:
        """Return values along the fast axis (..., n_fast) in the order of the frame's axis."""
        return np.ascontiguousarray(levels[..., :: self._steps[1]])

    def back_slow(self, levels: NDArray[A]) -> NDArray[A]:
        """Return values along the slow axis (..., n_slow) in the order of the frame's axis."""
        return np.ascontiguousarray(levels[..., :: self._steps[0]])

    def is_dark(self, window: Window) -> NDArray[np.bool_]:
        """Return which of a window's columns serve as reference pixels, (1, nx)."""
        column = np.arange(window.column_start, window.column_stop)
        inner = (column >= self.dark) & (column < window.frame_columns - self.dark)
        return ~inner[None, :]

    def fast_places(self, window: Window) -> NDArray[Any]:
        """Return places along the fast axis, in read-out order, of a window's columns."""
        part = window.columns if self.fast_along_x else window.rows
        return _places(part, self.n_fast, self._steps[1])

    def order(self, window: Window) -> NDArray[Any]:
        """Return the order in which a window's pixels are read, in read-out order of its axes."""
        part = window.rows if self.fast_along_x else window.columns
        lines = _places(part, self.n_slow, self._steps[0])
        order: NDArray[Any] = lines[:, None] * self.n_fast + self.fast_places(window)
        return order


def _places(part: slice, size: int, step: int) -> NDArray[Any]:
    where = np.arange(part.start, part.stop)
    return where if step > 0 else size - 1 - where[::-1]


def _strips(
    border: Border, frame: Window, directions: tuple[int, int], *, along_x: bool
) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
    """Return the reference pixels at the first and last lines, and at the lines' ends."""
    n_row, n_column = frame.frame_rows, frame.frame_columns
    rows = [
        Window(start, stop, 0, n_column, n_row, n_column)
        for start, stop in ((0, border.bottom), (n_row - border.top, n_row))
        if stop > start
    ]
    columns = [
        Window(0, n_row, start, stop, n_row, n_column)
        for start, stop in ((0, border.left), (n_column - border.right, n_column))
        if stop > start
    ]
    edges, ends = (rows, columns) if along_x else (columns, rows)
    fast, slow = directions
    return tuple(edges[:: 1 if slow > 0 else -1]), tuple(ends[:: 1 if fast > 0 else -1])
