"""Take the glow of the detector's edges out of ramps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calcore.errors import StepSkipped
from calcore.model import Meta, Ramp, Reference
from calcore.model.exposure import Layer
from calcore.model.reference import Gain, ReadNoise, SceneMask
from calcore.model.reference import PictureFrame as Glow
from calcore.parameters import Doc, If, Range, Unit
from calcore.step import Step
from calcore.steps.scene import background_of, check_answered
from calcore_nirspec.kernels.picture_frame import subtract_picture_frame


@dataclass(frozen=True, eq=False)
class PictureFrameResult:
    """A ramp without the picture frame, and what is to be saved: mask, and what was subtracted."""

    ramp: Ramp
    pctfrm_mask: Annotated[Layer | None, If("save_mask")] = None
    pctfrm_correction: Annotated[Layer | None, If("save_correction")] = None


@dataclass(frozen=True, kw_only=True)
class PictureFrame(Step):
    """Scale the glow of the edges to every group, and subtract it. Full frames only."""

    required = frozenset({"gain", "readnoise"})

    mask_science_regions: Annotated[
        bool, Doc("Leave out where the exposure's mode expects sources.")
    ] = True
    n_sigma: Annotated[
        float, Range(0), Unit("sigma"), Doc("Brighter pixels show a source; 0: none does.")
    ] = 2.0
    save_mask: Annotated[bool, Doc("Write which pixels show background.")] = False
    save_correction: Annotated[bool, Doc("Write what is subtracted from each group.")] = False

    def wanted(self, meta: Meta) -> frozenset[str]:
        """Masks of plugins only where science regions are left out."""
        return super().wanted(meta) - (set() if self.mask_science_regions else {SceneMask.type})

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Look at full frames only, and refuse what nobody can mask."""
        if not meta.is_full_frame:
            raise StepSkipped("only full frames show their edges")
        if self.mask_science_regions:
            check_answered(meta, "picture_frame", set(references))

    def apply(
        self,
        ramp: Ramp,
        *,
        gain: Gain,
        readnoise: ReadNoise,
        glow: Glow,
        scene: SceneMask | None = None,
    ) -> Ramp | PictureFrameResult:
        """Return the ramp without the glow [DN], and what is to be saved."""
        usable = background_of(ramp, gain, readnoise, n_sigma=self.n_sigma, scene=scene)[0]
        data = subtract_picture_frame(ramp.data, glow.data, usable)
        result = ramp.replace(data=data)
        if not (self.save_mask or self.save_correction):
            return result
        mask = Layer(meta=ramp.meta, data=usable.astype(np.float32))
        gone = Layer(meta=ramp.meta, data=ramp.data - data)
        return PictureFrameResult(
            result, mask if self.save_mask else None, gone if self.save_correction else None
        )
