"""Subtract the bias pattern that a reset leaves."""

from collections.abc import Mapping
from dataclasses import dataclass

from calcore.kernels.pedestal import subtract_image
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Superbias as SuperbiasReference
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class Superbias(Step):
    """Subtract the bias of the first read after a reset from every group.

    A pixel whose bias is NaN keeps its signal. The reference's flags are added to the pixel's. In
    the zero frame an exact 0, which stands for an unusable value, stays 0. The bias' uncertainty,
    common to all groups, does not enter the slope and is not propagated.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, ramp: Ramp, *, superbias: SuperbiasReference) -> Ramp:
        """Subtract the bias [DN]."""
        zeroframe = ramp.zeroframe
        if zeroframe is not None:
            zeroframe = subtract_image(zeroframe, superbias.data, keep_zero=True)
        return ramp.replace(
            data=subtract_image(ramp.data, superbias.data),
            pixeldq=ramp.pixeldq | superbias.dq,
            zeroframe=zeroframe,
        )
