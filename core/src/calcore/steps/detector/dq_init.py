"""Start the flags of pixels and samples from what is known of bad pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Mask, UserFlags
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class DqInit(Step):
    """Add the bad-pixel mask to the pixels' flags, and its DO_NOT_USE to every sample's.

    So are flags of the user's own, given as `user_supplied_dq`: a FITS file with the extension DQ,
    of the exposure's size or, if its header says where, of a larger part of the detector.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, ramp: Ramp, *, mask: Mask, userdq: UserFlags | None = None) -> Ramp:
        """Combine flags by "or"."""
        flags = mask.dq if userdq is None else mask.dq | userdq.dq
        unusable = (flags & np.uint32(DQ.DO_NOT_USE)).astype(np.uint8)
        return ramp.replace(pixeldq=ramp.pixeldq | flags, groupdq=ramp.groupdq | unusable)
