"""What steps keep of an exposure for the next one of the same detector."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from calcore.errors import ShapesDisagree
from calcore.model.layout import Plane, fields_of
from calcore.model.meta import Meta
from calcore.model.record import Record
from calcore.model.stripes import in_stripes
from calcore.model.window import Window

_BASE = frozenset(item.name for item in fields(Record))


@dataclass(frozen=True, eq=False, kw_only=True)
class Kept(Record):
    """Base of what a step returns beside the exposure, to be given it back with the next one.

    Between exposures the planes cover the whole detector, whatever sub-arrays are read; a step is
    given, and returns, the rows and columns it works on, as with references. Other fields are
    plain values, and must be the same in all bands.
    """

    def tree(self) -> dict[str, Any]:
        """Return what a file holds, planes of the whole detector: arrays and plain values."""
        names = [item.name for item in fields(self) if item.name not in _BASE]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @classmethod
    def of(cls, tree: Mapping[str, Any], meta: Meta) -> Self:
        """Return what a file holds; `meta` is the exposure's that it is read for.

        Raises
        ------
        LookupError, TypeError, ValueError
            It was written by something else.
        """
        kind: Any = cls
        planes = fields_of(kind, Plane)
        names = [item.name for item in fields(cls) if item.name not in _BASE]
        values = {name: tree[name] for name in names if name in tree}
        for name, plane in planes.items():
            if name in values:
                values[name] = np.ascontiguousarray(values[name], np.dtype(plane.dtype))
        return cls(meta=meta, **values)

    def on_detector(self, before: Self | None) -> Self:
        """Return it with planes of the whole detector.

        Parameters
        ----------
        before : Kept, optional
            What the earlier exposure left, which stays where this one did not look.
        """
        kind: Any = type(self)
        place = place_of(self.meta, self.frame) if fields_of(kind, Plane) else None
        planes = {}
        for name, plane in fields_of(kind, Plane).items():
            values = getattr(self, name)
            if values is None or place is None or place.is_whole:
                continue
            old = getattr(before, name) if before is not None else None
            shape = (*values.shape[:-2], place.frame_rows, place.frame_columns)
            if old is None or old.shape != shape:
                old = np.full(shape, plane.fill or 0, values.dtype)
            whole = old.copy()
            whole[..., place.rows, place.columns] = values
            planes[name] = whole
        return self.replace(window=None, **planes)

    def within(self, meta: Meta, frame: Window) -> Self:
        """Return it with planes cut to an exposure's frame."""
        return self.cut(place_of(meta, frame)).replace(window=None, meta=meta)


def place_of(meta: Meta, frame: Window) -> Window:
    """Return where on the detector a frame lies, as a window of the detector.

    Raises
    ------
    ShapesDisagree
        Of a sub-array that does not lie there in one piece.
    """
    detector = meta.facts.detector
    row, column = meta.subarray_origin
    rows, columns = frame.frame_rows, frame.frame_columns
    fits = row >= 0 and column >= 0 and row + rows <= detector.rows
    if not fits or column + columns > detector.columns or in_stripes(meta):
        raise ShapesDisagree(
            f"the exposure's {rows} rows and {columns} columns do not lie in one piece on detector "
            f"{detector.name}, which has {detector.rows} rows and {detector.columns} columns: what "
            "is kept of a pixel for the next exposure has no place; leave the step out"
        )
    return Window(row, row + rows, column, column + columns, detector.rows, detector.columns)
