"""Flag samples at the end of the converter's or the pixel's range."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calcore.flags import DQ
from calcore.kernels.saturation import (
    NO_THRESHOLD,
    clear_saturated,
    flag_partly_saturated,
    flag_saturated,
)
from calcore.model import Meta, Ramp, Reference
from calcore.model.exposure import Float, GroupFlags
from calcore.model.reference import Saturation as SaturationReference
from calcore.model.reference import Superbias
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step
from calcore.steps._stripes import Neighbours


@dataclass(frozen=True, kw_only=True)
class Saturation(Neighbours, Step):
    """Flag saturated samples and those at or below zero, in raw counts.

    From its first saturated group on a pixel is SATURATED to the end of the integration, and so
    are pixels around it. Averages of which only some frames were saturated are DO_NOT_USE. A
    pixel without a threshold (NaN, or flagged NO_SAT_CHECK) is never saturated.
    """

    n_pix_grow_sat: Annotated[
        int, Range(0), Unit("pixel"), Doc("How far saturation spreads around a pixel.")
    ] = 1
    use_readpatt: Annotated[
        bool, Doc("Look for averages of which only the last frames were saturated.")
    ] = True
    count_gaps: Annotated[
        bool,
        Doc(
            "Count the frames dropped between groups when the time of a frame is worked out. "
            "The reference pipeline does not."
        ),
    ] = False

    last_average: Annotated[
        bool,
        Doc(
            "Look at the last group of an integration, too: only some of its frames were saturated "
            "if the signal, rising as before, passed the threshold by the last of them. The "
            "reference pipeline looks at groups that a saturated one follows."
        ),
    ] = False

    def _averages(self, meta: Meta) -> bool:
        return self.use_readpatt and int(meta.get("exposure.nframes", 1)) > 1

    def wanted(self, meta: Meta) -> frozenset[str]:
        """The bias is needed for averaged frames alone."""
        return frozenset({"saturation", "superbias"} if self._averages(meta) else {"saturation"})

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Flags grow once, and those of averages once more."""
        del references
        return Rows(halo=self.n_pix_grow_sat * (2 if self._averages(meta) else 1))

    def apply(
        self, ramp: Ramp, *, saturation: SaturationReference, superbias: Superbias | None = None
    ) -> Ramp:
        """Compare each sample with its pixel's threshold."""
        unchecked = np.uint32(DQ.NO_SAT_CHECK)
        missing = np.isnan(saturation.data)
        flags = saturation.dq | np.where(missing, unchecked, np.uint32(0))
        threshold = np.where(flags & unchecked, np.float32(NO_THRESHOLD), saturation.data)
        groupdq = self.on_stripes(
            lambda _, data, known, limit: flag_saturated(data, known, limit, self.n_pix_grow_sat),
            ramp, ramp.data, ramp.groupdq, threshold,
        )  # fmt: skip
        if self._averages(ramp.meta):
            bias = np.zeros_like(threshold) if superbias is None else superbias.data
            groupdq = self.on_stripes(self._partly, ramp, ramp.data, groupdq, threshold, bias)
        zeroframe = ramp.zeroframe
        if zeroframe is not None:
            zeroframe = self.on_stripes(
                lambda _, first, limit: clear_saturated(first, limit, self.n_pix_grow_sat),
                ramp, zeroframe, threshold,
            )  # fmt: skip
        return ramp.replace(groupdq=groupdq, pixeldq=ramp.pixeldq | flags, zeroframe=zeroframe)

    def _partly(
        self, part: Ramp, data: Float, groupdq: GroupFlags, threshold: Float, bias: Float
    ) -> GroupFlags:
        meta, reach = part.meta, self.n_pix_grow_sat
        gap = meta.group_gap if self.count_gaps else 0
        return flag_partly_saturated(
            data, groupdq, threshold, bias, reach, meta.frames_per_group, gap,
            last=self.last_average,
        )  # fmt: skip
