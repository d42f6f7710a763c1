"""Remove periodic electromagnetic interference from ramps."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from calcore.errors import BadParameter, StepSkipped
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.reference import Emi
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step
from calcore_miri.kernels.emi import deviations, subtract_wave
from calcore_miri.steps._interference import Clocks, Known, Sums, Wave

FEWEST_GROUPS = 3
# The frame is summed up in bands of so many rows, whatever bands the runner works on.
BAND = 64
# So many ramps are enough to know how far ramps spread.
ENOUGH = 1 << 17
# Ramps that spread so many times farther than half of all do are left out.
RESTLESS = 2.0


@dataclass(frozen=True)
class Waves:
    """All waves that were found, and the clocks of the frame."""

    clocks: Clocks
    waves: tuple[Wave, ...]


@dataclass(frozen=True, kw_only=True)
class EmiCorr(Step):
    """Fit waves of known frequency and shape to all ramps of an exposure, and subtract them.

    Where in its cycle a wave is when a pixel is read follows from the detector's clocks. All good
    pixels that are read at the same phase are added up, and one wave and a ramp for each phase are
    fitted together; the next frequency is fitted to what is left. Pixels with any flag, and those
    whose ramp spreads over twice the usual range, do not take part. A wave that advances by whole
    cycles from one group to the next is no different from a bias; it is left in.
    """

    algorithm: Annotated[
        Literal["joint", "sequential"],
        Doc("'joint' fits ramps and waves together; 'sequential' is not supported."),
    ] = "joint"
    fit_ints_separately: Annotated[
        bool, Doc("Give the waves an amplitude and a phase of their own in every integration.")
    ] = False
    shared_curve: Annotated[
        bool,
        Doc(
            "Let all ramps of an integration share a departure from straight lines, which "
            "non-linearity and the decay after a reset bring, so that it is not taken for a wave."
        ),
    ] = False
    least_significance: Annotated[
        float, Range(0), Unit("sigma"), Doc("Leave a wave in that stands out less than this.")
    ] = 0.0

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Waves are known; every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip short ramps, and read-outs that the reference does not know."""
        if self.algorithm != "joint":
            raise BadParameter(
                f"emicorr.algorithm {self.algorithm!r} is not supported; use 'joint'"
            )
        if meta.n_groups < FEWEST_GROUPS:
            raise StepSkipped(f"{meta.n_groups} groups are too few to tell a wave from a ramp")
        reference = references["emicorr"]
        assert isinstance(reference, Emi)
        Known.of(meta, reference)

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Return some rows of each band, to see how far ramps spread; then all bands."""
        del meta
        return (*_looks(frame), *_bands(frame))

    def prepare(self, meta: Meta, parts: Iterator[Ramp], *, emicorr: Emi) -> Waves:
        """Find amplitude and phase of each wave."""
        known = Known.of(meta, emicorr)
        first = next(parts)
        spreads = [deviations(first.data).ravel()]
        spreads += [deviations(next(parts).data).ravel() for _ in _looks(first.frame)[1:]]
        finite = np.concatenate(spreads)
        finite = finite[np.isfinite(finite)]
        limit = RESTLESS * float(np.median(finite)) if finite.size else 0.0
        n_int, n_group = first.data.shape[:2]
        sums = Sums(known, n_int, n_group, limit)
        for part in parts:
            sums.add(part)
        waves = sums.waves(
            separately=self.fit_ints_separately,
            shared=self.shared_curve,
            least=self.least_significance,
        )
        return Waves(known.clocks, waves)

    def apply(self, ramp: Ramp, *, waves: Waves, emicorr: Emi) -> Ramp:
        """Subtract the waves from the band."""
        del emicorr
        data = ramp.data
        for wave in waves.waves:
            clean = np.empty_like(data)
            place = waves.clocks.places(wave.frequency_hz, ramp.frame)
            subtract_wave(data, place, wave.start, wave.shape, wave.amplitude, clean)
            data = clean
        return ramp.replace(data=data)


def _bands(frame: Window) -> list[Window]:
    """Return the bands of the frame that is being summed up."""
    rows = frame.frame_rows
    return [frame.with_rows(start, min(start + BAND, rows)) for start in range(0, rows, BAND)]


def _looks(frame: Window) -> list[Window]:
    """Return some rows at the start of each band; all rows of a small frame."""
    height = max(1, BAND // max(1, frame.frame_rows * frame.frame_columns // ENOUGH))
    return [
        band.with_rows(band.row_start, min(band.row_start + height, band.row_stop))
        for band in _bands(frame)
    ]
