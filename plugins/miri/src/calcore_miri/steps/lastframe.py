"""Leave out the last group."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class LastFrame(Step):
    """Flag the last group of every integration, which the reset of the rows before it disturbs.

    Ramps of two groups or fewer are left alone, since nothing would remain to fit.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip ramps that are too short to lose a group."""
        del references
        if meta.n_groups <= 2:
            raise StepSkipped(f"{meta.n_groups} groups are too few to leave out the last")

    def apply(self, ramp: Ramp) -> Ramp:
        """Flag the last group DO_NOT_USE."""
        groupdq = ramp.groupdq.copy()
        groupdq[:, -1] |= np.uint8(DQ.DO_NOT_USE)
        return ramp.replace(groupdq=groupdq)
