"""Leave out the last group of every integration."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class LastFrame(Step):
    """Flag the last group as DO_NOT_USE, which the reset of neighbouring rows pulls down."""

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip ramps that would have too few groups left."""
        del references
        if meta.n_groups < 3:
            raise StepSkipped(f"{meta.n_groups} groups are too few to leave one out; 3 are needed")

    def apply(self, ramp: Ramp) -> Ramp:
        """Flag all pixels."""
        groupdq = ramp.groupdq.copy()
        groupdq[:, -1] |= np.uint8(DQ.DO_NOT_USE)
        return ramp.replace(groupdq=groupdq)
