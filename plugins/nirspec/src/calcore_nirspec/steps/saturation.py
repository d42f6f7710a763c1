"""Flag saturated samples, in interleaved frames too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from calcore.model import Meta, Ramp, Reference
from calcore.model.exposure import Float, GroupFlags
from calcore.model.interleaved import Interleaved
from calcore.model.reference import Saturation as SaturationReference
from calcore.model.reference import Superbias
from calcore.parameters import Doc
from calcore.step import Rows
from calcore.steps.detector.saturation import Saturation as CoreSaturation
from calcore_nirspec.kernels.irs2_saturation import flag_second_saturated


@dataclass(frozen=True, kw_only=True)
class Saturation(CoreSaturation):
    """Flag saturated samples; in IRS2 frames interleaved reference pixels are passed over."""

    only_second_group: Annotated[
        bool,
        Doc(
            "IRS2: of averages look at the second group alone, and call it saturated, as jwst 3.0.0 "
            "does."
        ),
    ] = False

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Neighbours on the detector are farther apart in an interleaved frame."""
        halo = super().rows(meta, references).halo
        interleaved = Interleaved.of(meta)
        return Rows(halo if interleaved is None else halo * interleaved.halo)

    def apply(
        self, ramp: Ramp, *, saturation: SaturationReference, superbias: Superbias | None = None
    ) -> Ramp:
        """Compare each sample of the detector with its pixel's threshold."""
        interleaved = Interleaved.of(ramp.meta)
        if interleaved is None:
            return super().apply(ramp, saturation=saturation, superbias=superbias)
        flagged = super().apply(
            interleaved.stripped(ramp),
            saturation=interleaved.stripped(saturation),
            superbias=None if superbias is None else interleaved.stripped(superbias),
        )
        return interleaved.put_back(ramp, flagged, "groupdq", "pixeldq", "zeroframe")

    def _partly(
        self, part: Ramp, data: Float, groupdq: GroupFlags, threshold: Float, bias: Float
    ) -> GroupFlags:
        if not self.only_second_group or Interleaved.of(part.meta) is None:
            return super()._partly(part, data, groupdq, threshold, bias)
        frames = part.meta.frames_per_group
        return flag_second_saturated(data, groupdq, threshold, bias, self.n_pix_grow_sat, frames)
