"""Pixels that glow after a bright exposure, by what the exposure before has left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.model import Kept, Meta, Ramp, Reference
from calcore.model.layout import Plane
from calcore.parameters import Doc, Unit
from calcore.step import Rows, State, Step


@dataclass(frozen=True, eq=False, kw_only=True)
class Brightest(Kept):
    """The largest signal of a pixel in the last exposure [DN]."""

    data: Annotated[NDArray[np.float32], Plane("BRIGHTEST", "f4")]


@dataclass(frozen=True)
class Flagged:
    """Ramps with flags, and what the next exposure must know of this one."""

    ramp: Ramp
    brightest: Brightest


@dataclass(frozen=True, kw_only=True)
class Afterglow(Step):
    """Flag pixels that were bright in the previous exposure."""

    threshold: Annotated[float, Unit("DN"), Doc("Signal that glows in the next exposure.")] = 3e4

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Each pixel for itself."""
        del meta, references
        return Rows()

    def apply(self, ramp: Ramp, *, before: State[Brightest] = None) -> Flagged:
        """Compare with the exposure before, and remember this one."""
        pixeldq = ramp.pixeldq.copy()
        if before is not None:
            pixeldq[before.data > self.threshold] |= np.uint32(DQ.PERSISTENCE)
        largest = ramp.data.max(axis=(0, 1))
        kept = Brightest(meta=ramp.meta, window=ramp.window, data=largest)
        return Flagged(ramp.replace(pixeldq=pixeldq), kept)
