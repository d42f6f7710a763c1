"""Divide guide-star images by the response of pixels relative to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calcore.errors import StepSkipped
from calcore.kernels.flat_field import factor, total_error, variance
from calcore.kernels.multiplicative import multiply
from calcore.model import Meta, Reference
from calcore.parameters import Doc
from calcore.step import Rows, Step
from calcore_fgs.guide_star import Flat, GuideImages, covers, part_of


@dataclass(frozen=True, kw_only=True)
class FlatField(Step):
    """Divide the images by the flat field, and add the flat field's noise to theirs.

    Pixels whose response is unknown (not finite, 0, or flagged NO_FLAT_FIELD or DO_NOT_USE) are
    flagged DO_NOT_USE and keep their rate. Pixels whose rate or error is NaN are NaN in both; flags
    are those of pixels, not of integrations, and do not tell.
    """

    inverse: Annotated[bool, Doc("Undo the correction: multiply by the flat field.")] = False
    scale_errors: Annotated[
        bool,
        Doc("Divide the errors by the flat field, too. The reference pipeline leaves them out."),
    ] = False

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip strips laid one after the other, unless the flat field is made for them."""
        flat = references["flat"]
        assert isinstance(flat, Flat)
        if not covers(flat.data, flat, meta):
            raise StepSkipped("the flat field is not made for strips laid one after the other")

    def apply(self, images: GuideImages, *, flat: Flat) -> GuideImages:
        """Correct signal and errors, and combine flags by "or"."""
        meta, window = images.meta, images.frame
        none = np.zeros(flat.data.shape, np.uint32)
        dq = part_of(none if flat.dq is None else flat.dq, flat, meta, window)
        error = part_of(none if flat.err is None else flat.err, flat, meta, window)
        by, flags = factor(part_of(flat.data, flat, meta, window), dq)
        data = multiply(images.data, by, inverse=self.inverse)
        err = images.err
        if self.scale_errors:
            err = multiply(err, by, inverse=self.inverse)
        if not self.inverse:
            err = total_error([err * err, variance(data, by, error.astype(np.float32))])
        lost = np.isnan(data) | np.isnan(err)
        return images.replace(
            data=np.where(lost, np.float32(np.nan), data),
            err=np.where(lost, np.float32(np.nan), err),
            dq=images.dq | flags,
        )
