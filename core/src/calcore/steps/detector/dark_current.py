"""Subtract the signal that a detector makes in the dark."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid, StepSkipped
from calcore.kernels.frame_averages import average_frames, continue_frames, dark_rate
from calcore.kernels.pedestal import subtract_ramp
from calcore.model import Meta, Ramp, Reference
from calcore.model.exposure import Float, Layer
from calcore.model.reference import Dark, Gain
from calcore.parameters import Doc, If, Range, Unit
from calcore.step import Rows, Step


@dataclass(frozen=True, eq=False)
class DarkResult:
    """A ramp without dark signal, and what was subtracted from each group, to be saved."""

    ramp: Ramp
    subtracted_dark: Annotated[Layer, If("save_dark")]


@dataclass(frozen=True, kw_only=True)
class DarkCurrent(Step):
    """Subtract the dark signal from every group of a ramp.

    A dark whose groups are single frames is averaged as the exposure's groups were. A dark that
    is too short is continued by the line through its last two frames. Where the dark is NaN
    nothing is subtracted. Its flags are added to the pixels'; its noise, common to all groups of
    a pixel, is not propagated.
    """

    unread = frozenset({"dark"})  # it may have many more groups than the exposure

    average_dark_current: Annotated[
        float | None,
        Range(0),
        Unit("electron/s"),
        Doc("Mean dark current, for its photon noise; None takes what the reference says."),
    ] = None
    dark_current_map: Annotated[
        bool,
        Doc(
            "Give each pixel's photon noise its own dark current: that of the reference's AVDRKCUR "
            "image, or the slope of its groups. The reference pipeline takes one number for all."
        ),
    ] = False

    save_dark: Annotated[
        bool, Doc("Write what is subtracted from each group, as product _subtracted_dark.")
    ] = False

    def wanted(self, meta: Meta) -> frozenset[str]:
        """The gain turns slopes into electrons."""
        return super().wanted(meta) - (frozenset() if self.dark_current_map else {"gain"})

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows | None:
        """Every pixel is on its own; what is saved besides is of whole frames."""
        del meta, references
        return None if self.save_dark else Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip if the dark's groups are averages of more frames than the exposure's."""
        dark: Any = references["dark"]
        frames, gap = _pattern(dark.meta, meta)
        if frames > meta.frames_per_group or gap > meta.group_gap:
            raise StepSkipped(
                f"the dark has {frames} frames in a group and {gap} between groups, the exposure "
                f"{meta.frames_per_group} and {meta.group_gap}"
            )
        if dark.data.shape[-3] < 2 and meta.n_groups * meta.frames_per_group > 1:
            raise ReferenceInvalid(
                "the dark has one group; give one with at least 2, so that it can be continued"
            )

    def apply(self, ramp: Ramp, *, dark: Dark, gain: Gain | None = None) -> Ramp | DarkResult:
        """Subtract the dark of each integration."""
        flags = dark.dq[...]
        if flags.ndim > 2:
            flags = np.bitwise_or.reduce(flags.reshape(-1, *flags.shape[-2:]), axis=0)
        result = ramp.replace(
            data=_subtract(ramp, dark),
            pixeldq=ramp.pixeldq | flags,
            average_dark_current=self._current(ramp, dark, gain),
        )
        if not self.save_dark:
            return result
        nothing = ramp.replace(data=np.zeros_like(ramp.data))
        subtracted = -_subtract(nothing, dark)
        return DarkResult(result, Layer(meta=ramp.meta, data=subtracted))

    def _current(self, ramp: Ramp, dark: Dark, gain: Gain | None) -> Float:
        """Return the dark current of each pixel [electron/s]."""
        shape = ramp.data.shape[-2:]
        if self.average_dark_current is not None:
            return np.full(shape, self.average_dark_current, np.float32)
        if self.dark_current_map and dark.average_dark_current is not None:
            return np.maximum(dark.average_dark_current[...], np.float32(0))
        if self.dark_current_map and gain is not None and dark.data.shape[-3] > 1:
            frames, gap = _pattern(dark.meta, ramp.meta)
            return dark_rate(dark.data, ramp.meta.frame_time_s * (frames + gap)) * gain.data
        known = dark.meta.get("exposure.average_dark_current", 0.0)
        return np.full(shape, known, np.float32)


def _pattern(dark: Meta, exposure: Meta) -> tuple[int, int]:
    """Return frames in a group of the dark and between groups; the exposure's if it says nothing."""
    return (
        dark.whole("exposure.nframes", exposure.frames_per_group),
        dark.whole("exposure.groupgap", exposure.group_gap),
    )


def _subtract(ramp: Ramp, dark: Dark) -> NDArray[np.float32]:
    """Subtract the dark in groups like those of the exposure."""
    meta, signal, (n_int, groups) = ramp.meta, dark.data, ramp.data.shape[:2]
    # The first integrations differ; a later segment of an exposure begins behind them.
    first = min(meta.first_integration, signal.shape[0]) - 1 if signal.ndim == 4 else 0
    frames, gap = meta.frames_per_group, meta.group_gap
    same = _pattern(dark.meta, meta) == (frames, gap)
    if same and signal.shape[-3] >= groups:
        return subtract_ramp(ramp.data, signal, first)
    needed = slice((groups - 1) * (frames + gap) + frames)
    stack = signal[first : first + n_int, needed] if signal.ndim == 4 else signal[needed][None]
    if same:
        longer = np.stack([continue_frames(one, groups) for one in stack])
        which = np.minimum(np.arange(n_int), stack.shape[0] - 1)
        remains: Float = (ramp.data - longer[which]).astype(np.float32)
        return remains
    averages = [average_frames(np.ascontiguousarray(one), groups, frames, gap) for one in stack]
    return subtract_ramp(ramp.data, np.stack(averages))
