"""Leave out the first group."""

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
    """Flag the first group of every integration, which the reset before it still disturbs.

    Ramps of three groups or fewer are left alone, since too little would remain to fit.
    """

    bright_use_group1: Annotated[
        bool, Doc("Keep the first group where the third is saturated; little else is left there.")
    ] = True

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip ramps that are too short to lose a group."""
        del references
        if meta.n_groups <= 3:
            raise StepSkipped(f"{meta.n_groups} groups are too few to leave out the first")

    def apply(self, ramp: Ramp) -> Ramp:
        """Flag the first group DO_NOT_USE."""
        groupdq = ramp.groupdq.copy()
        flag = np.full(groupdq[:, 0].shape, np.uint8(DQ.DO_NOT_USE))
        if self.bright_use_group1:
            flag[(groupdq[:, 2] & np.uint8(DQ.SATURATED)) != 0] = 0
        groupdq[:, 0] |= flag
        return ramp.replace(groupdq=groupdq)
