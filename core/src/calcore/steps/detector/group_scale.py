"""Undo the on-board division of averaged frames."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calcore.errors import StepSkipped
from calcore.model import Meta, Ramp, Reference
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class GroupScale(Step):
    """Scale groups whose frames were averaged by a divisor other than their number.

    The electronics sums NFRAMES frames and divides by FRMDIVSR, a power of two. Where these
    differ, every group is multiplied by FRMDIVSR / NFRAMES. The zero frame is one read and stays.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip if frames were divided by their number, or if the divisor is not known."""
        del references
        divisor = meta.get("exposure.frame_divisor")
        frames = meta.get("exposure.nframes")
        if divisor is None or frames is None:
            raise StepSkipped("the divisor of averaged frames (FRMDIVSR) is not known")
        if divisor == frames:
            raise StepSkipped("frames were divided by their number")

    def apply(self, ramp: Ramp) -> Ramp:
        """Multiply the groups."""
        factor = ramp.meta["exposure.frame_divisor"] / ramp.meta.frames_per_group
        return ramp.replace(data=ramp.data * np.float32(factor))
