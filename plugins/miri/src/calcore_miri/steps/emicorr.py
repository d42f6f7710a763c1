"""Remove periodic electromagnetic interference from ramps."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.reference import Emi
from calcore.parameters import Doc
from calcore.step import Rows, Step
from calcore_miri.kernels.emi import (
    add_samples,
    add_wave,
    closed,
    fit,
    spread,
    subtract_wave,
)

# Height of the bands in which the frame is summed up; fixed, so that sums never depend on a run.
BAND = 64
BINS = 500
FEWEST_GROUPS = 3
CLOCK_S = 1e-5
# A pixel that varies so many times more than half of all pixels is left out.
RESTLESS = 2.0


@dataclass(frozen=True)
class Wave:
    """One frequency's wave.

    `frequency_hz`; `start` (n_int, n_group) [cycle] is its phase at the first clock of each frame,
    and `values` (n_int, n_phase + 1) [DN] the wave over one period.
    """

    frequency_hz: float
    start: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Waves:
    """What was found: one wave for each frequency."""

    waves: tuple[Wave, ...] = ()


@dataclass(frozen=True)
class Timing:
    """Clocks of 10 microseconds: of a sample, of a row, of a frame; frames between integrations."""

    sample: int
    row: int
    frame: int
    resets: int
    frequencies: tuple[str, ...]

    @classmethod
    def of(cls, meta: Meta, reference: Emi) -> "Timing":
        """Look up the exposure's sub-array and read-out pattern."""
        pattern = str(meta["exposure.readpatt"])
        speed = pattern.removesuffix("R1")
        if speed not in {"FAST", "SLOW"}:
            raise StepSkipped(f"interference cannot be followed in {pattern}, only in single reads")
        name = f"FULL_{speed}" if meta.subarray == "FULL" else meta.subarray
        cases = reference.subarray_cases
        if name not in cases:
            raise StepSkipped(f"the reference has no clocks for {name}")
        case = cases[name]
        names: Any = case["freqs"].get(speed, ())
        if isinstance(names, Mapping):
            names = names.get(meta.detector, ())
        if not names:
            raise StepSkipped(f"the reference has no frequency for {name} read in {pattern}")
        return cls(
            sample=9 if speed == "SLOW" else 1,
            row=int(case["rowclocks"]),
            frame=int(case["frameclocks"]),
            resets=1 if pattern.endswith("R1") else 0,
            frequencies=tuple(names),
        )

    def places(self, frequency_hz: float, frame: Window) -> NDArray[np.float64]:
        """Return phases [cycle] (ny, n_sample) of samples relative to the start of the frame."""
        rows = np.arange(frame.row_start, frame.row_stop)[:, None] * self.row
        samples = np.arange(-(-frame.frame_columns // 4)) * self.sample
        phases: NDArray[np.float64] = (rows + samples) * (CLOCK_S * frequency_hz) % 1.0
        return phases

    def starts(self, frequency_hz: float, n_int: int, n_group: int) -> NDArray[np.float64]:
        """Return phases [cycle] (n_int, n_group) of the first clock of each frame."""
        frames = np.arange(n_int)[:, None] * (n_group + self.resets) + np.arange(n_group)
        phases: NDArray[np.float64] = frames * self.frame * (CLOCK_S * frequency_hz) % 1.0
        return phases


@dataclass(frozen=True, kw_only=True)
class EmiCorr(Step):
    """Fit waves of known frequency and shape to all ramps together, and subtract them.

    The phase of a wave at each sample follows from the read-out's clocks.
    """

    algorithm: Annotated[Literal["joint"], Doc("Fit ramps and waves together.")] = "joint"
    fit_ints_separately: Annotated[
        bool, Doc("Give every integration its own amplitude and phase.")
    ] = False

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Waves are known; every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip read-outs that the reference does not know, and ramps that are too short."""
        if meta.n_groups < FEWEST_GROUPS:
            raise StepSkipped(f"{meta.n_groups} groups are too few to tell a wave from a ramp")
        reference = references["emicorr"]
        assert isinstance(reference, Emi)
        Timing.of(meta, reference)

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Return all bands of the frame, twice: to find restless pixels, and to sum the others."""
        del meta
        for _ in range(2):
            for start in range(0, frame.frame_rows, BAND):
                yield frame.with_rows(start, min(start + BAND, frame.frame_rows))

    def prepare(self, meta: Meta, parts: Iterator[Ramp], *, emicorr: Emi) -> Waves:
        """Find amplitude and phase of each wave."""
        timing = Timing.of(meta, emicorr)
        usable: NDArray[np.uint8] | None = None
        spreads: list[NDArray[np.float32]] = []
        bands: list[Window] = []
        counts: list[NDArray[np.uint8]] = []
        sums: list[NDArray[np.float64]] = []
        frequencies = [float(emicorr.frequencies[name]["frequency"]) for name in timing.frequencies]
        for part in parts:
            if len(spreads) * BAND < part.frame.frame_rows:
                own = np.empty(part.pixeldq.shape, np.float32)
                spread(part.data, own)
                own[part.pixeldq != 0] = np.nan
                spreads.append(own)
                continue
            if usable is None:
                widths = np.concatenate(spreads)
                known = widths[np.isfinite(widths)]
                limit = RESTLESS * np.median(known) if known.size else 0.0
                usable = (widths <= limit).astype(np.uint8)
                shape = (*part.data.shape[:2], BINS, 2)
                sums = [np.zeros(shape) for _ in frequencies]
            bands.append(part.frame)
            own_usable = usable[part.frame.rows]
            count = np.zeros((len(own_usable), -(-own_usable.shape[1] // 4)), np.uint8)
            for frequency, total in zip(frequencies, sums, strict=True):
                place = timing.places(frequency, part.frame)
                add_samples(part.data, own_usable, place, total, count)
            counts.append(count)
        waves: list[Wave] = []
        for k, (name, frequency) in enumerate(zip(timing.frequencies, frequencies, strict=True)):
            form = np.asarray(emicorr.frequencies[name]["phase_amplitudes"], np.float64)
            starts = timing.starts(frequency, *sums[k].shape[:2])
            parts_of = range(len(starts)) if self.fit_ints_separately else (slice(None),)
            values = np.empty((len(starts), len(form) + 1))
            shifted = starts.copy()
            for i in parts_of:
                which = slice(i, i + 1) if isinstance(i, int) else i
                amplitude, shift = fit(sums[k][which], starts[which], form)
                values[which] = amplitude * closed(form)
                shifted[which] = (starts[which] + shift) % 1.0
            waves.append(Wave(frequency, shifted, values))
            for later in range(k + 1, len(frequencies)):
                for band, count in zip(bands, counts, strict=True):
                    add_wave(
                        count, timing.places(frequencies[later], band),
                        timing.places(frequency, band), shifted, -values, sums[later],
                    )  # fmt: skip
        return Waves(tuple(waves))

    def apply(self, ramp: Ramp, *, waves: Waves, emicorr: Emi) -> Ramp:
        """Subtract the waves from the band."""
        timing = Timing.of(ramp.meta, emicorr)
        data = ramp.data
        for wave in waves.waves:
            clean = np.empty_like(data)
            place = timing.places(wave.frequency_hz, ramp.frame)
            subtract_wave(data, place, wave.start, wave.values, clean)
            data = clean
        return ramp.replace(data=data)
