"""Start the flags of pixels and samples from what is known of bad pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Mask
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class DqInit(Step):
    """Add the bad-pixel mask to the pixels' flags, and its DO_NOT_USE to every sample's."""

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, ramp: Ramp, *, mask: Mask) -> Ramp:
        """Combine flags by "or"."""
        unusable = (mask.dq & np.uint32(DQ.DO_NOT_USE)).astype(np.uint8)
        return ramp.replace(pixeldq=ramp.pixeldq | mask.dq, groupdq=ramp.groupdq | unusable)
