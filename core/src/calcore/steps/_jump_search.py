"""Which of the ways to find jumps an exposure calls for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.jump_across_integrations import clip_jumps
from calcore.kernels.jump_likelihood import find_jumps as find_likely_jumps
from calcore.kernels.jump_twopoint import find_jumps
from calcore.model import Ramp
from calcore.model.reference import Gain, ReadNoise
from calcore.steps._jump_settings import AcrossIntegrations, TwoPoint


@dataclass(frozen=True)
class JumpPlan:
    """What holds for the whole frame.

    Attributes
    ----------
    enough : bool
        Every integration has groups enough to look for jumps.
    single_pass : bool
        Every integration has so many differences that one pass over them does.
    across : bool
        Integrations are so many that they are compared with each other.
    gain : float
        Median gain of the frame [electron/DN]; NaN where nothing asks for it.
    """

    enough: bool
    single_pass: bool
    across: bool
    gain: float


@dataclass(frozen=True, kw_only=True)
class Search(TwoPoint, AcrossIntegrations):
    """Parameters of the search for jumps, and the search itself."""

    def jumps(
        self, ramp: Ramp, gain: Gain, readnoise: ReadNoise, plan: JumpPlan
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Return flags (n_int, n_group, ny, nx) with jumps, and jumps of each pixel (ny, nx)."""
        arrays = ramp.data, ramp.groupdq, gain.data
        meta, n_differences = ramp.meta, ramp.data.shape[1] - 1
        together = 1 if self.rate_change is None else ramp.data.shape[0]
        if plan.across:
            return clip_jumps(
                *arrays, threshold=self.rejection_threshold, together=not self.only_use_ints
            )
        if self.test == "likelihood" and n_differences >= self.min_diffs_likelihood:
            return find_likely_jumps(
                *arrays,
                readnoise.data,
                group_time_s=meta.group_time_s,
                frame_time_s=meta.frame_time_s,
                n_frames=meta.frames_per_group,
                thresholds=self.thresholds,
                heavy=self.heavy(n_differences * together),
                falling=self.falling_rejection_threshold or 0.0,
                rate_change=self.rate_change,
            )
        return find_jumps(
            *arrays,
            readnoise.data,
            n_frames=meta.frames_per_group,
            single_pass=plan.single_pass,
            thresholds=self.thresholds,
        )
