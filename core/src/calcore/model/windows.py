"""Windows of time of a detector's pixels, as one exposure leaves them to the next."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray

from calcore.model.kept import Kept, place_of
from calcore.model.layout import Plane
from calcore.model.meta import Meta
from calcore.model.window import Window

_COLUMNS = "rows", "cols", "vals"


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows(Kept):
    """When pixels will be over with something.

    In a file they are lists of pixels, as the reference pipeline has them: ``rows`` and ``cols``
    [pixel] count from the corner of the last exposure, ``vals`` are ends [s], ``pers_time`` is the
    length. ``origin`` says where that corner lies on the detector, and ``beyond`` lists the pixels
    that the exposure did not read, counted from the detector's corner.

    Attributes
    ----------
    ends : float64 (ny, nx)
        When windows end, in seconds since 1970 UTC; 0 where there is none.
    seconds : float
        How long windows are [s].
    """

    ends: Annotated[NDArray[np.float64], Plane("ENDS", "f8", required=True)]
    seconds: float

    def tree(self) -> dict[str, Any]:
        """Return what a file holds."""
        place = self._place(self.meta)
        rows, columns = np.nonzero(self.ends)
        inside = (place.row_start <= rows) & (rows < place.row_stop)
        inside &= (place.column_start <= columns) & (columns < place.column_stop)
        origin = place.row_start, place.column_start
        listed = {
            **self._listed(rows[inside], columns[inside], origin),
            "pers_time": int(self.seconds) if self.seconds.is_integer() else self.seconds,
            "origin": list(origin),
        }
        if not inside.all():
            listed["beyond"] = self._listed(rows[~inside], columns[~inside], (0, 0))
        return listed

    def _listed(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], origin: tuple[int, int]
    ) -> dict[str, Any]:
        values = rows - origin[0], columns - origin[1], self.ends[rows, columns]
        return dict(zip(_COLUMNS, values, strict=True))

    @staticmethod
    def _place(meta: Meta) -> Window:
        size = meta.whole("subarray.ysize"), meta.whole("subarray.xsize")
        return place_of(meta, Window.whole(*size))

    @classmethod
    def of(cls, tree: Mapping[str, Any], meta: Meta) -> Self:
        """Return what a file holds; one without an origin is of the exposure's own sub-array.

        Raises
        ------
        LookupError, TypeError, ValueError
            It was written by something else, or lists pixels or times that are not there.
        """
        place = cls._place(meta)
        ends = np.zeros((place.frame_rows, place.frame_columns))
        corner = place.row_start, place.column_start
        lists = [(tree, tree.get("origin", corner))]
        if "beyond" in tree:
            lists.append((tree["beyond"], (0, 0)))
        bounds = ends.shape if "origin" in tree else (place.row_stop, place.column_stop)
        for listed, (row, column) in lists:
            rows, columns, values = (np.asarray(listed[name]) for name in _COLUMNS)
            at = np.stack([rows + row, columns + column]).reshape(2, -1)
            if np.any(at < 0) or np.any(at >= np.array(bounds)[:, None]):
                raise ValueError("it lists pixels that the exposure does not read")
            if not np.all(np.isfinite(values)):
                raise ValueError("it lists times that are no numbers")
            ends[at[0], at[1]] = values
        seconds = float(tree["pers_time"])
        if not 0 < seconds < math.inf:
            raise ValueError(f"its windows are {seconds:g} s long")
        return cls(meta=meta, ends=ends, seconds=seconds)
