"""Start the flags of guide-star exposures from what is known of bad pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

from calcore.errors import StepSkipped
from calcore.model import Meta, Reference
from calcore.step import Rows, Step
from calcore_fgs.guide_star import GuideRamp, Mask, covers, part_of


@dataclass(frozen=True, kw_only=True)
class DqInit(Step):
    """Add the bad-pixel mask to the pixels' flags."""

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip strips laid one after the other, unless the mask is made for them."""
        mask = references["mask"]
        assert isinstance(mask, Mask)
        if not covers(mask.dq, mask, meta):
            raise StepSkipped("the mask is not made for strips laid one after the other")

    def apply(self, ramp: GuideRamp, *, mask: Mask) -> GuideRamp:
        """Combine flags by "or"."""
        return ramp.replace(dq=ramp.dq | part_of(mask.dq, mask, ramp.meta, ramp.frame))
