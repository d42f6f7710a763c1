"""How a detector is clocked: patterns of frames, times, and which pixel is read when.

The time of a frame follows from its clocks: each row takes the pixels of one amplifier and some
overhead, and each frame some more (JDox, "Understanding Exposure Times"; for detectors that skip
rows: Ressler et al. 2015, PASP 127, 675, section 4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, UnknownName
from calcore.simulate.tables import Detector, Subarray


@dataclass(frozen=True, kw_only=True)
class ReadPattern:
    """How frames make groups.

    Attributes
    ----------
    name
        Value of READPATT.
    frames
        Frames averaged into a group (NFRAMES).
    skip
        Frames dropped after each group (GROUPGAP).
    samples
        Times each pixel is sampled in a frame (NSAMPLES).
    resets
        Frames of reset between integrations (NRESETS).
    interleaved
        Reference pixels are read between the others.
    """

    name: str
    frames: int
    skip: int = 0
    samples: int = 1
    resets: int = 1
    interleaved: bool = False


@dataclass(frozen=True, kw_only=True)
class Jumps:
    """How reference pixels are read between others (Rauscher et al. 2017, PASP 129, 105003).

    Attributes
    ----------
    normal, reference
        Pixels from jump to jump, and reference pixels read at each; the first jump comes after half
        of the pixels, and jumping takes one clock each way.
    end_clocks
        Clocks from the last pixel of a row to the next row.
    """

    normal: int
    reference: int
    end_clocks: int

    def clocks(self, columns: int) -> int:
        """Return the clocks of a row of an output with so many pixels of the detector."""
        return columns // self.normal * (self.normal + self.reference + 2) + self.end_clocks

    def after(self, sample: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when pixels are read that would be read at `sample` without jumps."""
        return sample + (sample + self.normal // 2) // self.normal * (self.reference + 2)

    def slots(self, columns: int) -> NDArray[np.int64]:
        """Return when each pixel of an output is read, reference pixels included."""
        block = self.normal + self.reference
        count, place = np.divmod(np.arange(columns // self.normal * block), block)
        half = self.normal // 2
        later = (place >= half).astype(np.int64) + (place >= half + self.reference)
        return np.asarray(count * (block + 2) + place + later)


@dataclass(frozen=True, kw_only=True)
class Clocking:
    """The clocks of one frame.

    Attributes
    ----------
    outputs
        Amplifiers that read science pixels side by side (NOUTPUTS without a reference output).
    interleaved
        True if neighbours along the fast axis belong to different amplifiers; otherwise each
        amplifier reads a stripe, every second one backwards.
    row_clocks, frame_clocks
        Clocks from one row to the next, and for the whole frame.
    pixel_clocks
        Clocks from one pixel of an amplifier to the next.
    first_clock
        Clocks from the start of a row to its first pixel.
    clock_s
        One clock [s].
    jumps
        How reference pixels are read between the others; None where they are not.
    """

    outputs: int
    interleaved: bool
    row_clocks: int
    frame_clocks: int
    pixel_clocks: int
    first_clock: int
    clock_s: float
    jumps: Jumps | None = None

    @property
    def frame_time_s(self) -> float:
        """Time of a frame [s]."""
        return self.frame_clocks * self.clock_s

    @property
    def row_samples(self) -> int:
        """Pixel times in a row, overhead included."""
        return self.row_clocks // self.pixel_clocks


def clocking(
    table: Mapping[str, Any],
    detector: Detector,
    subarray: Subarray,
    slow: bool,
    *,
    interleaved: bool = False,
) -> Clocking:
    """Work out the clocks of a frame from an instrument's read-out table.

    Parameters
    ----------
    table
        ``[readout]`` of the instrument's ``simulate.toml``.
    detector, subarray
        What is read.
    slow
        True for patterns with several samples a pixel.
    interleaved
        True for patterns that read reference pixels between the others.

    Raises
    ------
    UnknownName
        The table does not know the sub-array.
    BadParameter
        The sub-array cannot be read that way.
    """
    rows = table["subarray"]
    if subarray.name not in rows:
        raise UnknownName(f"sub-array of {detector.name}", subarray.name, rows)
    row = rows[subarray.name]
    outputs = int(row["outputs"])
    fast_size, slow_size = subarray.xsize, subarray.ysize
    if abs(detector.fast_axis) == 2:
        fast_size, slow_size = slow_size, fast_size
    pixel_clocks = int(table["slow_pixel_clocks"]) if slow else 1
    if "row_clocks" in row:
        key = "slow_row_clocks" if slow else "row_clocks"
        if key not in row:
            raise BadParameter(
                f"{subarray.name} of {detector.name} is read with fast patterns only; "
                "choose another pattern or the full frame"
            )
        row_clocks = int(row[key])
    else:
        row_clocks = fast_size // outputs + int(table["row_overhead_clocks"])
    jumps = None
    if interleaved:
        if subarray.shape != detector.full.shape:
            raise BadParameter(
                f"{subarray.name} of {detector.name} is not read with reference pixels between the "
                "others; choose another pattern or the full frame"
            )
        jumps = Jumps(**table["jumps"])
        row_clocks = jumps.clocks(fast_size // outputs)
    extra = int(row.get("extra_rows", 0)) * row_clocks
    if not slow:
        rows_of_frame = detector.ny if abs(detector.fast_axis) == 1 else detector.nx
        extra += int(table.get("skipped_row_clocks", 0)) * (rows_of_frame - slow_size)
    return Clocking(
        outputs=outputs,
        interleaved=bool(table.get("interleaved", False)),
        row_clocks=row_clocks,
        frame_clocks=slow_size * row_clocks + extra,
        pixel_clocks=pixel_clocks,
        first_clock=int(row.get("first_clock", 0)),
        clock_s=float(table["clock_s"]),
        jumps=jumps,
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One exposure in time.

    Attributes
    ----------
    pattern, clocking
        What makes a group and what makes a frame.
    n_ints, n_groups
        Integrations, and groups of each.
    """

    pattern: ReadPattern
    clocking: Clocking
    n_ints: int
    n_groups: int

    def __post_init__(self) -> None:
        """Refuse what cannot be exposed."""
        if self.n_ints < 1 or self.n_groups < 1:
            raise BadParameter(
                f"an exposure needs at least one integration and one group, not {self.n_ints} "
                f"and {self.n_groups}"
            )

    @property
    def frame_time_s(self) -> float:
        """Time of a frame [s] (TFRAME)."""
        return self.clocking.frame_time_s

    @property
    def group_time_s(self) -> float:
        """Time from one group to the next [s] (TGROUP)."""
        return (self.pattern.frames + self.pattern.skip) * self.frame_time_s

    @property
    def frames_per_integration(self) -> int:
        """Frames from the reset to the last read; the last group's gap is not taken."""
        cycle = self.pattern.frames + self.pattern.skip
        return (self.n_groups - 1) * cycle + self.pattern.frames

    @property
    def integration_time_s(self) -> float:
        """Time from the reset to the end of the last read [s] (EFFINTTM)."""
        return self.frames_per_integration * self.frame_time_s

    @property
    def integration_period_s(self) -> float:
        """Time from one integration to the next, resets included [s]."""
        return self.integration_time_s + self.pattern.resets * self.frame_time_s

    @property
    def duration_s(self) -> float:
        """Wall-clock time of the exposure [s] (DURATION)."""
        return self.n_ints * self.integration_period_s

    def group_of_frame(self, frame: int) -> tuple[int, bool]:
        """Return the group that first holds what arrives in a frame, and if the frame is read out."""
        group, place = divmod(frame, self.pattern.frames + self.pattern.skip)
        read = place < self.pattern.frames
        return (group if read else group + 1), read


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadOrder:
    """Which amplifier reads a pixel, and when.

    Frames here are in *read-out orientation*: axis 0 is the row being read (slow), axis 1 the
    place along the row (fast).

    Attributes
    ----------
    shape
        Rows and columns in read-out orientation.
    amplifier
        Amplifier of each column, (columns,).
    sample
        Pixel time within the row of each column, (columns,).
    fast_axis, slow_axis
        How the read-out lies in science orientation (FASTAXIS, SLOWAXIS).
    """

    shape: tuple[int, int]
    amplifier: NDArray[np.int64]
    sample: NDArray[np.int64]
    fast_axis: int
    slow_axis: int

    def to_read_out(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn a frame from science to read-out orientation; a view."""
        frame = np.swapaxes(frame, -1, -2) if abs(self.fast_axis) == 2 else frame
        if self.fast_axis < 0:
            frame = frame[..., ::-1]
        return frame[..., ::-1, :] if self.slow_axis < 0 else frame

    def to_science(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn a frame from read-out to science orientation (..., y, x); a view."""
        if self.fast_axis < 0:
            frame = frame[..., ::-1]
        if self.slow_axis < 0:
            frame = frame[..., ::-1, :]
        return np.swapaxes(frame, -1, -2) if abs(self.fast_axis) == 2 else frame


def read_order(clocks: Clocking, detector: Detector, subarray: Subarray) -> ReadOrder:
    """Lay out amplifiers and times over a sub-array."""
    columns, rows = subarray.xsize, subarray.ysize
    if abs(detector.fast_axis) == 2:
        columns, rows = rows, columns
    place = np.arange(columns)
    if clocks.interleaved:
        amplifier, sample = place % clocks.outputs, place // clocks.outputs
    else:
        width = columns // clocks.outputs
        amplifier, sample = place // width, place % width
        backwards = amplifier % 2 == 1
        sample = np.where(backwards, width - 1 - sample, sample)
        if clocks.jumps is not None:
            sample = clocks.jumps.after(sample)
    return ReadOrder(
        shape=(rows, columns),
        amplifier=amplifier,
        sample=sample,
        fast_axis=detector.fast_axis,
        slow_axis=detector.slow_axis,
    )


def load_patterns(table: Mapping[str, Mapping[str, Any]]) -> Mapping[str, ReadPattern]:
    """Read an instrument's ``readout_patterns.toml``."""
    return {name: ReadPattern(name=name, **row) for name, row in table.items()}
