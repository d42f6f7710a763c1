"""Where a frame's reference pixels lie."""

from dataclasses import dataclass

from calcore.model.meta import Meta
from calcore.model.window import Window


@dataclass(frozen=True)
class Border:
    """How many rows and columns at each edge of a frame are reference pixels."""

    bottom: int
    top: int
    left: int
    right: int

    @classmethod
    def of(cls, meta: Meta, frame: Window) -> "Border":
        """Return the part of the detector's border that a frame, maybe a sub-array, contains."""
        detector = meta.facts.detector
        row, column = meta.subarray_origin
        bottom, top = detector.reference_rows
        left, right = detector.reference_columns
        return cls(
            bottom=_overlap(0, bottom, row, frame.frame_rows),
            top=_overlap(detector.rows - top, detector.rows, row, frame.frame_rows),
            left=_overlap(0, left, column, frame.frame_columns),
            right=_overlap(detector.columns - right, detector.columns, column, frame.frame_columns),
        )

    def science(self, frame: Window) -> Window:
        """Return the part of a window that sees light; it may be empty."""
        bottom, top = self.bottom, frame.frame_rows - self.top
        left, right = self.left, frame.frame_columns - self.right
        return Window(
            min(max(bottom, frame.row_start), frame.row_stop),
            max(min(top, frame.row_stop), frame.row_start),
            min(max(left, frame.column_start), frame.column_stop),
            max(min(right, frame.column_stop), frame.column_start),
            frame.frame_rows,
            frame.frame_columns,
        )


def _overlap(start: int, stop: int, origin: int, size: int) -> int:
    """Return how many of the detector's lines from `start` to `stop` lie in the frame."""
    return max(0, min(stop, origin + size) - max(start, origin))
