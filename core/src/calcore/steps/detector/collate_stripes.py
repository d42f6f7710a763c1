"""Put the positions of a super-stripe together to one frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference
from calcore.model.layout import Plane, fields_of
from calcore.model.stripes import Stripes
from calcore.step import Step


@dataclass(frozen=True, kw_only=True)
class CollateStripes(Step):
    """Put the lines that the positions of a super-stripe have read where they lie on the detector.

    What all positions read again at the corner has served its purpose and is left out. Lines that
    no position has read are NaN, and flagged as reference pixels.
    """

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip frames that lie together."""
        del references
        stripes = Stripes.of(meta)
        if stripes is None or stripes.positions == 1:
            raise StepSkipped("the exposure is not read in super-stripes")

    def outgoing(self, meta: Meta) -> Meta:
        """The sub-array is that which all positions have seen."""
        stripes = Stripes.of(meta)
        assert stripes is not None
        return stripes.collated_meta(meta)

    def apply(self, ramp: Ramp) -> Ramp:
        """Gather lines of all planes."""
        stripes = Stripes.of(ramp.meta)
        assert stripes is not None
        _, source = stripes.collated
        axis = -2 if stripes.along_rows else -1
        kind: Any = type(ramp)
        planes = {
            name: _gathered(plane, source, axis, _MISSING.get(name, 0))
            for name in fields_of(kind, Plane)
            if (plane := getattr(ramp, name)) is not None
        }
        return ramp.replace(meta=self.outgoing(ramp.meta), window=None, **planes)


_MISSING = {"data": np.nan, "pixeldq": int(DQ.REFERENCE_PIXEL)}


def _gathered(
    plane: NDArray[Any], source: NDArray[np.int64], axis: int, missing: float
) -> NDArray[Any]:
    """Return lines of a plane in another order; `missing` where the source is -1."""
    result = np.take(plane, np.maximum(source, 0), axis=axis)
    absent = np.flatnonzero(source < 0)
    where = (..., absent, slice(None)) if axis == -2 else (..., absent)
    result[where] = missing
    return np.ascontiguousarray(result)
