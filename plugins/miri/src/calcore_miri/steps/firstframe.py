"""Leave out the first group of every integration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference
from calcore.parameters import Doc
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class FirstFrame(Step):
    """Flag the first group as DO_NOT_USE; `rscd` does this today, and more.

    A pixel that is saturated in the third group may keep its first, so that it has two left; it
    becomes FLUX_ESTIMATED.
    """

    bright_use_group1: Annotated[
        bool, Doc("Keep the first group of pixels that are saturated in the third.")
    ] = True

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip ramps that would have too few groups left."""
        del references
        if meta.n_groups < 4:
            raise StepSkipped(f"{meta.n_groups} groups are too few to leave one out; 4 are needed")

    def apply(self, ramp: Ramp) -> Ramp:
        """Flag all pixels but the bright ones."""
        groupdq = ramp.groupdq.copy()
        unusable = np.uint8(DQ.DO_NOT_USE)
        if not self.bright_use_group1:
            groupdq[:, 0] |= unusable
            return ramp.replace(groupdq=groupdq)
        bright = (groupdq[:, 2] & np.uint8(DQ.SATURATED)) != 0
        groupdq[:, 0] |= np.where(bright, np.uint8(0), unusable)
        estimated = np.where(bright.any(axis=0), np.uint32(DQ.FLUX_ESTIMATED), np.uint32(0))
        return ramp.replace(groupdq=groupdq, pixeldq=ramp.pixeldq | estimated)
