"""Cosmic rays as differences that stand out from the pixel's median difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Gain, ReadNoise
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class MedianJump(Step):
    """Flag differences of groups that stand out from the pixel's median difference."""

    rejection_threshold: Annotated[
        float, Range(0), Unit("sigma"), Doc("A difference this far above the median is a hit.")
    ] = 5.0
    smallest_noise: Annotated[
        float, Range(0), Unit("DN"), Doc("The noise of a difference is taken to be no less.")
    ] = 1.0

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Each pixel for itself."""
        del meta, references
        return Rows(halo=0)

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """A median needs three groups at least."""
        del references
        if meta.n_groups < 3:
            raise StepSkipped(f"{meta.n_groups} groups are too few for a median difference")

    def apply(self, ramp: Ramp, *, gain: Gain, readnoise: ReadNoise) -> Ramp:
        """Return the ramp with JUMP_DET set in the group after each hit."""
        difference = np.diff(ramp.data, axis=1)
        median = np.median(difference, axis=1, keepdims=True)
        photons = np.maximum(median, 0) / gain.data
        noise = np.sqrt(photons + readnoise.data**2)
        noise = np.maximum(noise, np.float32(self.smallest_noise))
        groupdq = ramp.groupdq.copy()
        hit = difference - median > self.rejection_threshold * noise
        groupdq[:, 1:][hit] |= np.uint8(DQ.JUMP_DET)
        return ramp.replace(groupdq=groupdq)
