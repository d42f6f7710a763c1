"""Interference: what is known of it before an exposure, and what is learned from one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid, StepSkipped
from calcore.model import Meta, Ramp, Window
from calcore.model.reference import Emi
from calcore_miri.kernels.emi import (
    BINS,
    add_samples,
    add_up,
    add_wave,
    bins,
    deviations,
    fit,
    spline,
    subtract_wave,
)

AMPLIFIERS = 4
CLOCK_S = 1e-5
SLOW_SAMPLES = 9
# The frame is summed up in bands of so many rows.
BAND = 64
# So many ramps are enough to know how far ramps spread.
ENOUGH = 1 << 17
# Ramps that spread so many times farther than half of all do are left out.
RESTLESS = 2.0
# A row that is only reset takes so many clocks.
SKIPPED_ROW = 7
FULL_ROWS = 1024
# Columns beside those at the left edge do not take part, as in the reference pipeline.
LEFT_OUT = slice(4, 12)
PATTERNS = ("FAST", "FASTR1", "SLOW", "SLOWR1")


@dataclass(frozen=True)
class Clocks:
    """Clocks of a sample, of a row and of a frame; frames of reset between integrations."""

    sample: int
    row: int
    frame: int
    resets: int

    def places(self, frequency_hz: float, frame: Window) -> NDArray[np.float64]:
        """Return phases [cycle] (ny, n_sample), 0 to 1, of samples since the frame's start."""
        return _phase(self.sample_clocks(frame), frequency_hz)

    def starts(self, frequency_hz: float, n_int: int, n_group: int) -> NDArray[np.float64]:
        """Return phases [cycle] (n_int, n_group), 0 to 1, of the first clock of each frame."""
        return _phase(self.frame_clocks(n_int, n_group), frequency_hz)

    def sample_clocks(self, frame: Window) -> NDArray[np.intp]:
        """Return clocks (ny, n_sample) from the frame's start to each sample of a window."""
        rows = np.arange(frame.row_start, frame.row_stop)[:, None] * self.row
        samples = np.arange(frame.column_start // AMPLIFIERS, -(-frame.column_stop // AMPLIFIERS))
        return rows + samples * self.sample

    def frame_clocks(self, n_int: int, n_group: int) -> NDArray[np.intp]:
        """Return clocks (n_int, n_group) from the exposure's start to that of each frame."""
        frames = np.arange(n_int)[:, None] * (n_group + self.resets) + np.arange(n_group)
        return frames * self.frame

    @classmethod
    def of(cls, meta: Meta) -> Self:
        """Return the clocks that follow from the time a frame takes (TFRAME).

        Raises
        ------
        StepSkipped
            The groups are no single reads, or the frame takes less time than its rows.
        """
        pattern = _pattern(meta)
        rows = int(meta["subarray.ysize"])
        frame = round(meta.frame_time_s / CLOCK_S)
        row = round((frame - (FULL_ROWS - rows) * SKIPPED_ROW) / rows)
        if row <= 0:
            raise StepSkipped(f"TFRAME of {meta.frame_time_s} s is too short for {rows} rows")
        return cls(_samples(meta, pattern), row, frame, int(pattern.endswith("R1")))


def _phase(clocks: NDArray[np.intp], frequency_hz: float) -> NDArray[np.float64]:
    # Division by the period keeps phases exact where the period is a whole number of clocks.
    cycles: NDArray[np.float64] = clocks / (1 / frequency_hz / CLOCK_S)
    return cycles % 1.0


@dataclass(frozen=True)
class Known:
    """An exposure's clocks, and frequency [Hz] and values [DN] (n_phase,) of each wave.

    Values are None where the shape of a wave is to be measured.
    """

    clocks: Clocks
    waves: tuple[tuple[float, NDArray[np.float64] | None], ...]

    @classmethod
    def of(cls, meta: Meta, reference: Emi) -> Self:
        """Look up what the reference says of an exposure's sub-array and read-out pattern.

        Raises
        ------
        StepSkipped
            The groups are no single reads, or the reference has no wave for this read-out.
        ReferenceInvalid
            The reference does not describe a wave that it lists, or has text for numbers.
        """
        pattern = _pattern(meta)
        speed = pattern.removesuffix("R1")
        name = f"FULL_{speed}" if meta.subarray == "FULL" else meta.subarray
        case = _entry(reference.subarray_cases, name)
        if case is None:
            raise StepSkipped(f"the reference has no clocks for {name}")
        names: Any = _entry(case.get("freqs"), speed)
        if isinstance(names, Mapping):
            names = names.get(meta.detector)
        if not names:
            raise StepSkipped(f"the reference has no wave for {name}, {pattern}, {meta.detector}")
        clocks = Clocks(
            sample=_samples(meta, pattern),
            row=int(_above_0(case, "rowclocks", name)),
            frame=int(_above_0(case, "frameclocks", name)),
            resets=int(pattern.endswith("R1")),
        )
        return cls(clocks, tuple(_wave(reference, name) for name in names))


def _entry(node: Any, name: str) -> Any:
    """Return an entry of a node of the reference, or None; a node must have entries by name.

    Raises
    ------
    ReferenceInvalid
        It has none.
    """
    if not isinstance(node, Mapping):
        raise ReferenceInvalid(
            f"the emicorr reference has a {type(node).__name__} where entries such as {name!r} are "
            "needed; give another file"
        )
    return node.get(name)


def _above_0(node: Any, name: str, of: str) -> float:
    """Return a number above 0 from an entry of the reference.

    Raises
    ------
    ReferenceInvalid
        It is something else.
    """
    value = _entry(node, name)
    if not (isinstance(value, int | float) and 0 < value < np.inf):
        raise ReferenceInvalid(
            f"the emicorr reference says {name} of {of} is {value!r}; a number above 0 is needed"
        )
    return value


def _pattern(meta: Meta) -> str:
    """Return the read-out pattern, in which every group is a single read."""
    pattern = str(meta["exposure.readpatt"])
    if pattern not in PATTERNS:
        raise StepSkipped(f"waves are known in {', '.join(PATTERNS)}, not in {pattern}")
    return pattern


def _samples(meta: Meta, pattern: str) -> int:
    """Return how many clocks the sampling of a pixel takes."""
    return int(meta.get("exposure.nsamples", SLOW_SAMPLES if pattern.startswith("SLOW") else 1))


def _wave(reference: Emi, name: str) -> tuple[float, NDArray[np.float64]]:
    """Return frequency [Hz] and values (n_phase,) of a wave."""
    entry = _entry(reference.frequencies, name)
    if entry is None:
        raise ReferenceInvalid(
            f"the emicorr reference lists wave {name!r} and does not describe it; "
            f"it describes {', '.join(sorted(reference.frequencies))}"
        )
    frequency_hz = _above_0(entry, "frequency", f"wave {name!r}")
    values = np.asarray(entry.get("phase_amplitudes", ()))
    if (
        values.dtype.kind not in "iuf"
        or values.ndim != 1
        or len(values) < 3
        or not np.isfinite(values).all()
    ):
        raise ReferenceInvalid(
            f"the emicorr reference's wave {name!r} has phase_amplitudes of shape {values.shape}; "
            "a row of at least three finite numbers is needed"
        )
    return float(frequency_hz), values.astype(np.float64)


@dataclass(frozen=True)
class Wave:
    """One wave: frequency [Hz], coefficients of its shape (n_phase, 4), factor (n_int, 1).

    `start` (n_int, n_group) is its phase [cycle] at the start of each frame.
    """

    frequency_hz: float
    shape: NDArray[np.float64]
    start: NDArray[np.float64]
    amplitude: NDArray[np.float64]

    def subtracted(
        self, data: NDArray[np.float32], clocks: Clocks, frame: Window
    ) -> NDArray[np.float32]:
        """Return a band (n_int, n_group, ny, nx) without the wave."""
        clean = np.empty_like(data)
        place = clocks.places(self.frequency_hz, frame)
        first = frame.column_start % AMPLIFIERS
        row = np.empty(AMPLIFIERS * place.shape[1], np.float32)
        subtract_wave(data, first, place, self.start, self.shape, self.amplitude, clean, row)
        return clean


class Sums:
    """Adds up an exposure by the phase of each known wave, and fits the waves.

    Ramps that spread farther than `limit` [DN] do not take part, nor do flagged pixels.
    """

    def __init__(self, known: Known, n_int: int, n_group: int, limit: float) -> None:
        self._known, self._limit = known, limit
        self._sums = [np.zeros((n_int, n_group, BINS)) for _ in known.waves]
        self._numbers = [np.zeros((n_int, BINS)) for _ in known.waves]
        self._counts: list[tuple[Window, NDArray[np.uint8]]] = []

    def add(self, part: Ramp) -> None:
        """Add a band of rows."""
        bad = part.pixeldq != 0
        bad[:, LEFT_OUT] = True
        samples, count = add_up(part.data, bad, self._limit)
        self._counts.append((part.frame, count))
        for k, (frequency, _) in enumerate(self._known.waves):
            which = bins(self._known.clocks.places(frequency, part.frame))
            add_samples(samples, count, which, self._sums[k], self._numbers[k])

    def waves(self, *, separately: bool, shared: bool, least: float) -> tuple[Wave, ...]:
        """Return the waves, each fitted to what those before it leave.

        If `separately`, each integration has an amplitude and a phase of its own; `shared` as in
        `fit`. A wave whose significance is below `least` is given the amplitude 0.
        """
        found: list[Wave] = []
        clocks = self._known.clocks
        for k, (frequency, values) in enumerate(self._known.waves):
            assert values is not None  # a wave of unknown shape is not fitted
            shape = spline(values)
            sums = self._sums[k].copy()
            for wave in found:
                for frame, count in self._counts:
                    which = bins(clocks.places(frequency, frame))
                    place = clocks.places(wave.frequency_hz, frame)
                    add_wave(count, which, place, wave.start, wave.shape, -wave.amplitude, sums)
            n_int, n_group = sums.shape[:2]
            start, amplitude = clocks.starts(frequency, n_int, n_group), np.empty((n_int, 1))
            size = 1 if separately else n_int
            for i in range(0, n_int, size):
                some = slice(i, i + size)
                factor, shift, significance = fit(
                    sums[some], self._numbers[k][some], start[some], shape, shared=shared
                )
                amplitude[some] = factor if significance >= least else 0.0
                start[some] = (start[some] + shift) % 1.0
            found.append(Wave(frequency, shape, start, amplitude))
        return tuple(found)


def fitted(
    first: Ramp,
    parts: Iterator[Ramp],
    known: Known,
    *,
    separately: bool,
    shared: bool,
    least: float,
) -> tuple[Wave, ...]:
    """Fit waves and ramps together; `parts` are those of `looks_of` after the first, then bands."""
    looks = chain((first,), islice(parts, len(looks_of(first.frame)) - 1))
    spreads = np.concatenate([deviations(look.data).ravel() for look in looks])
    finite = spreads[np.isfinite(spreads)]
    limit = RESTLESS * float(np.median(finite)) if finite.size else 0.0
    sums = Sums(known, first.data.shape[0], first.data.shape[1], limit)
    for part in parts:
        sums.add(part)
    return sums.waves(separately=separately, shared=shared, least=least)


def bands_of(frame: Window) -> list[Window]:
    """Return the bands of the frame that is being summed up, whatever bands the runner works on."""
    rows = frame.frame_rows
    return [frame.with_rows(start, min(start + BAND, rows)) for start in range(0, rows, BAND)]


def looks_of(frame: Window) -> list[Window]:
    """Return some rows at the start of each band; all rows of a small frame."""
    height = max(1, BAND // max(1, frame.frame_rows * frame.frame_columns // ENOUGH))
    return [
        band.with_rows(band.row_start, min(band.row_start + height, band.row_stop))
        for band in bands_of(frame)
    ]
