"""Take out what the analogue-digital converters add to their numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.kernels.adc_nonlinearity import subtract_deviation
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import AdcNonlinearity as AdcNonlinearityReference
from calcore.step import Rows, Step

_NUMBERS = 65536
"""Numbers that a converter of 16 bits knows."""


@dataclass(frozen=True, kw_only=True)
class AdcNonlinearity(Step):
    """Subtract the deviation of the converters, a function of the raw number, from every read.

    The reads of an averaged group are told from the rise between groups. In the zero frame an exact
    0, which stands for an unusable value, stays 0.
    """

    cites = ("arXiv 2606.11983",)

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Refuse a table that is no function."""
        del meta
        reference = references.get(AdcNonlinearityReference.type)
        if isinstance(reference, AdcNonlinearityReference):
            _deviation(reference)

    def apply(self, ramp: Ramp, *, adcinl: AdcNonlinearityReference) -> Ramp:
        """Subtract the deviations [DN]."""
        deviation, zeroframe = _deviation(adcinl), ramp.zeroframe
        if zeroframe is not None:
            single = subtract_deviation(zeroframe[:, None], deviation)[:, 0]
            zeroframe = np.where(zeroframe == 0, zeroframe, single)
        data = subtract_deviation(
            ramp.data, deviation, frames=ramp.meta.frames_per_group, gap=ramp.meta.group_gap
        )
        return ramp.replace(data=data, zeroframe=zeroframe)


def _deviation(reference: AdcNonlinearityReference) -> NDArray[np.float32]:
    """Return the deviation of each number that a converter knows [DN].

    Raises
    ------
    ReferenceInvalid
        The table lacks a column, or its numbers do not climb.
    """
    kinds = reference.table.dtype
    names = [name for name in kinds.names or () if kinds[name].kind in "iuf"]
    if not {"counts", "deviation"} <= set(names):
        raise ReferenceInvalid(
            f"reference adcinl: the table has the columns {', '.join(names) or 'none'} of "
            "numbers, and counts and deviation [DN] are needed; add them"
        )
    counts, deviation = (
        np.asarray(reference.table[name], np.float64) for name in ("counts", "deviation")
    )
    known = np.isfinite(counts).all() and np.isfinite(deviation).all()
    if counts.size < 2 or not known or np.any(np.diff(counts) <= 0):
        raise ReferenceInvalid(
            f"reference adcinl: the {counts.size} rows of the table are no function of the raw number: "
            "give two or more, with finite values and climbing counts"
        )
    return np.interp(np.arange(_NUMBERS), counts, deviation).astype(np.float32)
