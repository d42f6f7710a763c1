"""Take the 1/f noise of lines out of exposures of several integrations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.line_noise import LineSums, line_offsets
from calcore.kernels.reference_pixels import subtract_levels
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.readout import Readout
from calcore.model.reference import Gain, ReadNoise
from calcore.step import ALONE, Room, Rows, Step

_ROWS, _SAMPLES = 32, 1 << 23
"""Largest parts that are looked at together: rows, and samples of all integrations."""
_NARROW = 64
"""Fewest columns of tiles, which steps before may have to look beyond."""
_DARK = 5.0
"""Percentage of pixels that are taken to show no source."""
_UNUSABLE = np.uint32(DQ.DO_NOT_USE | DQ.REFERENCE_PIXEL)


@dataclass(frozen=True, eq=False)
class LineOffsets:
    """Offsets [DN] (n_int, n_group, n_amplifier, n_line) of lines, in the order of the frame."""

    values: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LineNoise(Step):
    """Subtract from each group's lines what the ramps that all integrations share leave in them.

    Sources need no mask: pixels count by one over their variance, and a source that is brighter in
    some integrations is told from lines by its shape along them. What the lines of all
    integrations have in common stays, and so does the mean of all integrations.
    """

    cites = ("Schlawin et al. 2020, AJ 160, 231",)

    required = frozenset({"gain", "readnoise"})
    any_parts = True

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip what has no common ramps, or no difference of groups."""
        del references
        if meta.n_integrations < 2:
            raise StepSkipped("in a single integration residuals do not show what its rates hold")
        if meta.n_groups < 2:
            raise StepSkipped("an exposure with one group per integration has no ramps")

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Offsets are known; every pixel is on its own."""
        del meta, references
        return Rows()

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """All pixels: a few rows at a time, or tiles where these would be very few."""
        samples = meta.n_integrations * meta.n_groups
        rows, columns = min(_SAMPLES // (samples * frame.frame_columns), _ROWS), frame.frame_columns
        if 2 * rows < min(_ROWS, frame.frame_rows):
            rows, columns = _ROWS, max(_SAMPLES // (samples * _ROWS), _NARROW)
        return list(frame.tiles(rows, columns))

    def prepare(
        self,
        meta: Meta,
        parts: Iterator[Ramp],
        *,
        gain: Gain,
        readnoise: ReadNoise,
        room: Room = ALONE,
    ) -> LineOffsets:
        """Measure the offsets of all lines."""
        found: LineSums | None = None
        rises = []
        for part in parts:
            frame = part.frame
            along_x, amplifier = _amplifiers(meta, frame)
            if found is None:
                lines = frame.frame_rows if along_x else frame.frame_columns
                n_int, n_group = part.data.shape[:2]
                found = LineSums.zeros(n_int, n_group, int(amplifier.max()) + 1, lines)
            noise = readnoise.cut(frame).data / np.float32(np.sqrt(meta.frames_per_group))
            rise = found.add(
                part.data, part.groupdq, (part.pixeldq & _UNUSABLE) == 0, gain.cut(frame).data,
                noise, amplifier[frame.columns if along_x else frame.rows],
                first_line=frame.row_start if along_x else frame.column_start,
                along_x=along_x, each=room.each,
            )  # fmt: skip
            rises.append(rise[np.isfinite(rise)])
        assert found is not None
        known = np.concatenate(rises)
        dark = float(np.percentile(known, _DARK)) if known.size else 0.0
        return LineOffsets(line_offsets(found.sums, dark, room.each))

    def apply(self, ramp: Ramp, *, offsets: LineOffsets, gain: Gain, readnoise: ReadNoise) -> Ramp:
        """Subtract the offsets of the band's lines."""
        del gain, readnoise  # `prepare` needs them
        frame = ramp.frame
        along_x, amplifier = _amplifiers(ramp.meta, frame)
        fast, slow = (frame.columns, frame.rows) if along_x else (frame.rows, frame.columns)
        places = amplifier[fast]
        columns = np.zeros((*ramp.data.shape[:2], places.size))
        data = subtract_levels(
            ramp.data, columns, offsets.values[..., slow], places,
            fast_along_x=along_x, first_in_steps=False,
        )  # fmt: skip
        return ramp.replace(data=data)


def _amplifiers(meta: Meta, frame: Window) -> tuple[bool, NDArray[np.int64]]:
    """Return if lines are rows, and which amplifier reads each place along a line of the frame.

    Amplifiers that take turns along a line count as one.
    """
    detector = meta.facts.detector
    readout = Readout.of(meta, frame)
    place = np.arange(readout.n_fast)
    if readout.one_output or detector.interleaved_outputs:
        return readout.fast_along_x, np.zeros_like(place)
    amplifier = (readout.first_fast + place) // readout.amplifier
    return readout.fast_along_x, readout.back_fast(amplifier - amplifier.min())
