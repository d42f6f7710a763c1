"""Frames whose rows hold more than the detector: reference pixels read again and again between others.

Such a read-out (Rauscher et al. 2017, PASP 129, 105003) jumps to reference pixels after every few
pixels, and keeps the reference output beside the others. Until the reference pixels have served
their purpose the frame is taller than the detector.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.model.layout import Plane, fields_of
from calcore.model.meta import Meta
from calcore.model.record import Record
from calcore.model.window import Window

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, eq=False)
class Interleaved:
    """The rows of an interleaved frame.

    Attributes
    ----------
    rows : int
        Rows of the frame.
    science : array (n_row,)
        Rows that are rows of the detector, in ascending order.
    normal, reference : int
        Pixels that an output reads between two jumps, and reference pixels read at each jump; the
        first jump is after half of the pixels.
    first : bool
        True if the reference output stands before the other outputs, False if after them.
    """

    rows: int
    science: NDArray[np.int64]
    normal: int
    reference: int
    first: bool

    @classmethod
    def of(cls, meta: Meta) -> "Interleaved | None":
        """Return the layout of an exposure as it is now, or None if it has the detector's rows."""
        detector = meta.facts.detector
        table = detector.interleaved
        if not table or meta.get("exposure.readpatt") not in table["patterns"]:
            return None
        if meta.get("cal_step.refpix") == "COMPLETE":
            return None
        return cls.laid_out(
            table["normal"],
            table["reference"],
            rows=detector.rows,
            outputs=detector.outputs,
            first=table["reference_output"] == "first",
        )

    @classmethod
    def laid_out(
        cls, normal: int, reference: int, *, rows: int, outputs: int, first: bool
    ) -> "Interleaved":
        """Return the layout of a detector of `rows` rows that some outputs share."""
        block = normal + reference
        output = rows // outputs // normal * block
        place = np.arange(output) % block
        half = normal // 2
        own = np.flatnonzero((place < half) | (place >= half + reference))
        starts = output * (np.arange(outputs) + first)
        science = (starts[:, None] + own).ravel()
        return cls(output * (outputs + 1), science, normal, reference, first)

    @property
    def halo(self) -> int:
        """Rows between two neighbours on the detector, at most."""
        return self.reference + 1

    def within(self, frame: Window) -> tuple[NDArray[np.int64], Window]:
        """Return which rows of a window are the detector's, and their window on the detector."""
        start, stop = np.searchsorted(self.science, [frame.row_start, frame.row_stop])
        window = Window(
            int(start), int(stop), frame.column_start, frame.column_stop,
            len(self.science), frame.frame_columns,
        )  # fmt: skip
        return self.science[start:stop] - frame.row_start, window

    def stripped(self, record: R, **given: NDArray[Any]) -> R:
        """Return the detector's rows of a record, as contiguous arrays; some planes may be given."""
        where, window = self.within(record.frame)
        planes = {
            name: np.take(plane, where, axis=-2)
            for name, plane in _planes(record).items()
            if name not in given
        }
        return record.replace(window=window, **planes, **given)

    def put_back(self, record: R, part: Record, *names: str) -> R:
        """Return a record with named planes of `part` in the detector's rows, and its metadata."""
        where, _ = self.within(record.frame)
        planes: dict[str, Any] = {}
        for name in names:
            if getattr(record, name) is not None:
                planes[name] = getattr(record, name).copy()
                planes[name][..., where, :] = getattr(part, name)
        return record.replace(meta=part.meta, **planes)

    def spread(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return a plane of the detector on the frame; elsewhere NaN, or 0 where that cannot be."""
        empty = np.nan if plane.dtype.kind == "f" else 0
        shape = (*plane.shape[:-2], self.rows, plane.shape[-1])
        result = np.full(shape, empty, plane.dtype.newbyteorder("="))
        result[..., self.science, :] = plane
        return result


def _planes(record: Record) -> dict[str, Any]:
    kind: Any = type(record)
    planes = {name: getattr(record, name) for name in fields_of(kind, Plane)}
    return {name: plane for name, plane in planes.items() if plane is not None}
