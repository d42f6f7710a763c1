"""Interference found one wave after the other, by folding: with a known shape, or without."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from math import ceil

import numpy as np
from numpy.typing import NDArray

from calcore.model import Ramp, Window
from calcore_miri.kernels.emi_phased import (
    aligned,
    bins,
    centred,
    folded,
    residuals,
    subtract_steps,
)
from calcore_miri.steps._interference import AMPLIFIERS, CLOCK_S, Clocks, Known, bands_of

MOST_BINS = 500


@dataclass(frozen=True)
class Folding:
    """How waves are folded; numbers that are None follow from the wave.

    Attributes
    ----------
    n_int : int or None
        Integrations that are used, from the first.
    n_bin : int or None
        Bins of phase.
    n_cycle : int or None
        Cycles that are used if `n_int` is None; None uses all integrations.
    scaled : bool
        Whether a known shape is stretched to what was found.
    """

    n_int: int | None
    n_bin: int | None
    n_cycle: int | None
    scaled: bool

    def integrations(self, frequency_hz: float, clocks: Clocks, n_int: int, n_group: int) -> int:
        """Return how many of an exposure's integrations are used."""
        wanted = self.n_int
        if wanted is None:
            if self.n_cycle is None:
                return n_int
            cycles = n_group * clocks.frame * CLOCK_S * frequency_hz
            wanted = max(1, ceil(self.n_cycle / cycles))
        return min(wanted, n_int)

    def bins(self, frequency_hz: float) -> int:
        """Return how many bins there are: by default two samples to each, up to 500."""
        if self.n_bin is not None:
            return self.n_bin
        return max(1, min(MOST_BINS, int(_period(frequency_hz) / 2)))


@dataclass(frozen=True)
class StepWave:
    """A wave given by steps: frequency [Hz], and values [DN] (n_phase,) from phase 0."""

    frequency_hz: float
    table: NDArray[np.float64]

    def subtracted(
        self, data: NDArray[np.float32], clocks: Clocks, frame: Window
    ) -> NDArray[np.float32]:
        """Return a band (n_int, n_group, ny, nx) without the wave."""
        clean = np.empty_like(data)
        n_int, n_group = data.shape[:2]
        starts = np.ascontiguousarray(clocks.frame_clocks(n_int, n_group), np.int64)
        place = np.ascontiguousarray(clocks.sample_clocks(frame), np.int64)
        first = frame.column_start % AMPLIFIERS
        subtract_steps(data, first, place, starts, _period(self.frequency_hz), self.table, clean)
        return clean


def find(
    first: Ramp, parts: Iterator[Ramp], known: Known, folding: Folding
) -> tuple[StepWave, ...]:
    """Find waves, each in what those before it leave.

    Parameters
    ----------
    first, parts : Ramp, iterator over them
        The exposure's bands of rows, the first one apart, again and again.
    known : Known
        Clocks and waves.
    folding : Folding
        How it is done.

    Returns
    -------
    tuple of StepWave
        Those that could be measured: some phases of the others were never read.
    """
    found: list[StepWave] = []
    parts = chain((first,), parts)
    clocks, bands = known.clocks, len(bands_of(first.frame))
    n_int, n_group = first.data.shape[:2]
    for frequency, table in known.waves:
        used = folding.integrations(frequency, clocks, n_int, n_group)
        rows = []
        for part in islice(parts, bands):
            data = np.ascontiguousarray(part.data[:used])
            for wave in found:
                data = wave.subtracted(data, clocks, part.frame)
            rows.append(residuals(data))
        samples = centred(np.concatenate(rows, axis=2))
        n_bin = folding.bins(frequency)
        frame = Window.whole(first.frame.frame_rows, first.frame.frame_columns)
        place = clocks.sample_clocks(frame)
        starts = clocks.frame_clocks(used, n_group)
        period = _period(frequency)
        which = np.empty(samples.shape, np.int64)
        for i in range(used):
            for g in range(n_group):
                which[i, g] = bins(((place + starts[i, g]) / period) % 1.0, n_bin)
        shape = folded(samples, which, n_bin)
        if shape is None:
            continue
        if table is not None:
            shift, factor = aligned(shape, table)
            shape = np.roll(table, -shift) * (factor if folding.scaled else 1.0)
        found.append(StepWave(frequency, np.ascontiguousarray(shape)))
    return tuple(found)


def _period(frequency_hz: float) -> float:
    """Return the period of a wave [clock]."""
    return 1 / frequency_hz / CLOCK_S
