"""Subtract the signal that a reset leaves in the groups after it."""

from collections.abc import Mapping
from dataclasses import dataclass

from calcore.kernels.pedestal import subtract_ramp
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Reset as ResetReference
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class Reset(Step):
    """Subtract the reset's decaying signal from the first groups of every integration.

    Integrations count from the first of the exposure, also in a later segment of it; the
    reference's last integration stands for all that follow, and groups beyond its last are left
    alone, as is signal where it is NaN. Its flags are added to the pixels'.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, ramp: Ramp, *, reset: ResetReference) -> Ramp:
        """Subtract the reset's signal [DN]."""
        first = ramp.meta.first_integration - 1
        return ramp.replace(
            data=subtract_ramp(ramp.data, reset.data, first), pixeldq=ramp.pixeldq | reset.dq
        )
