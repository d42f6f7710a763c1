"""The part of a frame that a record holds."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Rows and columns of the exposure's frame, 0-based and half open.

    The frame is what the exposure read out: the full detector or a sub-array of it.
    """

    row_start: int
    row_stop: int
    column_start: int
    column_stop: int
    frame_rows: int
    frame_columns: int

    @classmethod
    def whole(cls, rows: int, columns: int) -> "Window":
        """Return the window that is the whole frame."""
        return cls(0, rows, 0, columns, rows, columns)

    @property
    def rows(self) -> slice:
        """Rows as a slice of the frame."""
        return slice(self.row_start, self.row_stop)

    @property
    def columns(self) -> slice:
        """Columns as a slice of the frame."""
        return slice(self.column_start, self.column_stop)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.row_stop - self.row_start, self.column_stop - self.column_start

    @property
    def is_whole(self) -> bool:
        """True if nothing of the frame is missing."""
        return self.shape == (self.frame_rows, self.frame_columns)

    def with_rows(self, start: int, stop: int) -> "Window":
        """Return the same columns of other rows."""
        return Window(
            start, stop, self.column_start, self.column_stop, self.frame_rows, self.frame_columns
        )

    def with_whole_rows(self) -> "Window":
        """Return the same rows with all columns of the frame."""
        return Window(
            self.row_start,
            self.row_stop,
            0,
            self.frame_columns,
            self.frame_rows,
            self.frame_columns,
        )

    def grown(self, halo: int) -> "Window":
        """Return the window with `halo` more pixels on each side, as far as the frame reaches."""
        return Window(
            max(0, self.row_start - halo),
            min(self.frame_rows, self.row_stop + halo),
            max(0, self.column_start - halo),
            min(self.frame_columns, self.column_stop + halo),
            self.frame_rows,
            self.frame_columns,
        )

    def holds(self, inner: "Window") -> bool:
        """Tell whether the other is a window of the same frame, all of which lies in this one."""
        return (
            (self.frame_rows, self.frame_columns) == (inner.frame_rows, inner.frame_columns)
            and self.row_start <= inner.row_start
            and inner.row_stop <= self.row_stop
            and self.column_start <= inner.column_start
            and inner.column_stop <= self.column_stop
        )

    def common(self, other: "Window") -> "Window | None":
        """Return what two windows of the frame have in common, if anything."""
        top, left = max(self.row_start, other.row_start), max(self.column_start, other.column_start)
        bottom = min(self.row_stop, other.row_stop)
        right = min(self.column_stop, other.column_stop)
        if top >= bottom or left >= right:
            return None
        return Window(top, bottom, left, right, self.frame_rows, self.frame_columns)

    def tiles(self, rows: int, columns: int) -> "Iterator[Window]":
        """Yield parts of at most so many rows and columns, row by row of them."""
        for top in range(self.row_start, self.row_stop, rows):
            bottom = min(top + rows, self.row_stop)
            for left in range(self.column_start, self.column_stop, columns):
                right = min(left + columns, self.column_stop)
                yield Window(top, bottom, left, right, self.frame_rows, self.frame_columns)

    def within(self, outer: "Window") -> tuple[slice, slice]:
        """Return this window's rows and columns as slices of a record that holds `outer`."""
        rows = slice(self.row_start - outer.row_start, self.row_stop - outer.row_start)
        columns = slice(
            self.column_start - outer.column_start, self.column_stop - outer.column_start
        )
        return rows, columns
