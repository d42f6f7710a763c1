"""Subtract what the reset leaves in the first groups."""

from collections.abc import Mapping
from dataclasses import dataclass

from calcore.kernels.pedestal import subtract_ramp
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Reset as ResetReference
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class Reset(Step):
    """Subtract the decaying signal that follows a reset, for each integration its own.

    The reference's last integration stands for all later ones; a later segment of an exposure
    begins where its first integration stands. Groups beyond the reference's are left. Where the
    reference is NaN nothing is subtracted. Its flags are added to the pixels'.
    """

    unread = frozenset({"reset"})  # it may have many more groups than the exposure

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, ramp: Ramp, *, reset: ResetReference) -> Ramp:
        """Subtract group by group."""
        first = min(ramp.meta.first_integration, reset.data.shape[0]) - 1
        return ramp.replace(
            data=subtract_ramp(ramp.data, reset.data, first),
            pixeldq=ramp.pixeldq | reset.dq[...],
        )
