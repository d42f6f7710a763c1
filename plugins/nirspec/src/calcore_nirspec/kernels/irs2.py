"""Improved reference sampling and subtraction: what outputs share in time is subtracted from all.

In this read-out each output jumps to reference pixels after every few pixels, while the reference
output is read all along. Their readings are put in the order of time, the reference output's gaps
are filled from its own low frequencies, and with a weight for each frequency both say what an output
has drifted (Moseley et al. 2010, Proc. SPIE 7742, 77421B; Rauscher et al. 2017, PASP 129, 105003;
the JWST documentation's page on refpix).

Frames here are planes (n_row, n_column) of a `Layout`; each column is one line of the read-out.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calcore_nirspec.kernels.irs2_readings import (
    first_guess,
    fitted_line,
    lay_out,
    put_corrected,
)
from calcore_nirspec.kernels.transform import RealTransform, Series, Spectrum

Plane = NDArray[np.float32]
Mean = NDArray[np.float64]

_EDGE = 4  # [line] at either end of the frame without light, by which a drift is measured
_LINE_END = 8  # [pixel time] from the last pixel of a line to the first of the next one
_REACH = 15  # [pixel time] over which the first guess of a gap looks
_ROUNDS = 3  # of filling gaps with low frequencies
_PASS, _CUT = (
    30268,
    35268,
)  # [cycles in a frame] up to which frequencies fill gaps, and nothing more


@dataclass(frozen=True, eq=False)
class Layout:
    """When each row of an interleaved frame is read.

    Attributes
    ----------
    outputs : array (n_output, n_pixel)
        Rows of the frame that each output reads, in the order of time; the reference output first.
    normal, reference : int
        Pixels between two jumps, and reference pixels at each jump.
    lines : int
        Lines of the read-out, which are columns of the frame.
    forward : bool
        True if lines are read in the order of columns.
    """

    outputs: NDArray[np.int64]
    normal: int
    reference: int
    lines: int
    forward: bool

    @cached_property
    def slots(self) -> NDArray[np.int64]:
        """Time of each pixel of an output within its line [pixel time]; a jump takes one."""
        block, place = np.divmod(np.arange(self.outputs.shape[1]), self.normal + self.reference)
        half = self.normal // 2
        later = (place >= half).astype(np.int64) + (place >= half + self.reference)
        return np.asarray(block * (self.normal + self.reference + 2) + place + later)

    @cached_property
    def interleaved(self) -> NDArray[np.bool_]:
        """Which of an output's pixels are reference pixels between others."""
        place = np.arange(self.outputs.shape[1]) % (self.normal + self.reference)
        half = self.normal // 2
        return (place >= half) & (place < half + self.reference)

    @property
    def line_time(self) -> int:
        """Time from line to line [pixel time]."""
        blocks = int(self.outputs.shape[1]) // (self.normal + self.reference)
        return blocks * (self.normal + self.reference + 2) + _LINE_END

    @property
    def n_sample(self) -> int:
        """Pixel times in a frame."""
        return int(self.line_time * self.lines)

    @property
    def turn(self) -> int:
        """Time from column to column [pixel time]; negative where lines are read backwards."""
        return self.line_time if self.forward else -self.line_time

    def first_times(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when pixels of column 0 are read [pixel time] that are read at slots of a line."""
        return slots if self.forward else slots + self.line_time * (self.lines - 1)

    @cached_property
    def echoes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where an output's reference readings stand in time: which pixel, and when in the line.

        Two pixels are read twice each. The weights are made for readings that stand once more
        before or after the jump, and for the first readings of both pixels before the second.
        """
        pixel = np.flatnonzero(self.interleaved).reshape(-1, self.reference)
        half = self.reference // 2
        order = np.concatenate(
            [np.tile(np.arange(first, 2 * half, half), 2) for first in range(half)]
        )
        start = self.slots[pixel[:, 0]] - half
        when = start[:, None] + np.arange(2 * self.reference)
        return pixel[:, order].ravel(), when.ravel()

    @cached_property
    def _gaps(self) -> NDArray[np.bool_]:
        """Pixel times of a line in which no normal pixel is read."""
        gaps = np.ones(self.line_time, np.bool_)
        gaps[self.slots[~self.interleaved]] = False
        return gaps

    @cached_property
    def transform(self) -> RealTransform:
        """From time to frequency and back."""
        return RealTransform(self.n_sample)

    @cached_property
    def _filter(self) -> NDArray[np.float32]:
        """Share of each frequency that fills gaps: the lowest, and as many of the highest."""
        scale, half = self.n_sample / (712 * 2048), self.n_sample // 2

        def low(cycles: NDArray[np.float64], start: float) -> NDArray[np.float64]:
            rising = np.clip((cycles - scale * start) / (scale * (_CUT - _PASS)), 0, 1)
            return 0.5 * (1 + np.cos(np.pi * rising))

        order = np.arange(half + 1.0)
        share = (low(order, _PASS) + low(half - order, _PASS + 1)).astype(np.float32)
        cycles = self.transform.cycles
        return share[np.minimum(cycles, self.n_sample - cycles)]

    def reference_spectrum(self, frame: Plane, mean: Mean, drift: "Drift") -> Spectrum:
        """Return the spectrum of the reference output, gaps filled."""
        readings = self._in_time(frame, mean, drift, self.outputs[0], self.slots, self.slots)
        filled = first_guess(readings, _half_sine())
        shape, gaps = (self.lines, self.line_time), self._gaps
        for _ in range(_ROUNDS):
            smooth = self.transform.inverse(self.transform.forward(filled) * self._filter)
            filled.reshape(shape)[:, gaps] = smooth.reshape(shape)[:, gaps]
        return self.transform.forward(filled)

    def shared(
        self, frame: Plane, mean: Mean, drift: "Drift", output: int,
        alpha: Spectrum, beta: Spectrum, common: Spectrum,
    ) -> Series:  # fmt: skip
        """Return what an output's reference pixels and the reference output say of it (n_sample,)."""
        pixel, when = self.echoes
        rows = self.outputs[output][pixel]
        readings = self._in_time(frame, mean, drift, rows, self.slots[pixel], when)
        spectrum = self.transform.forward(readings)
        spectrum *= beta
        spectrum += common * alpha
        return self.transform.inverse(spectrum)

    def _in_time(
        self, frame: Plane, mean: Mean, drift: "Drift", rows: NDArray[np.int64],
        read: NDArray[np.int64], put: NDArray[np.int64],
    ) -> Series:  # fmt: skip
        """Return deviations of rows, read at some slots of each line, as a series; 0 elsewhere."""
        series = np.zeros(self.n_sample, np.float32)
        lay_out(
            frame, mean, rows, drift.sources[rows], self.first_times(read), self.turn, drift.level,
            drift.slope, drift.zeros_missing, self.first_times(put), series,
        )  # fmt: skip
        return series


@dataclass(frozen=True, eq=False)
class Drift:
    """What is taken from an output's readings before anything else.

    Attributes
    ----------
    sources : array (n_row, 2)
        The rows whose mean is a row's reading, most often itself twice; -1 for a reading of 0.
    level, slope : float
        A line in time [DN, DN/pixel time].
    zeros_missing : bool
        A reading that is its pixel's mean to the last bit is none; it stays 0.
    """

    sources: NDArray[np.int64]
    level: float
    slope: float
    zeros_missing: bool

    @classmethod
    def of(
        cls, frame: Plane, mean: Mean, layout: Layout, output: int, sources: NDArray[np.int64],
        *, zeros_missing: bool,
    ) -> "Drift":  # fmt: skip
        """Return the line through an output's first and last lines."""
        rows = layout.outputs[output]
        level, slope = fitted_line(
            frame, mean, rows, sources[rows], layout.first_times(layout.slots), layout.turn, _EDGE,
            zeros_missing,
        )[0]  # fmt: skip
        return cls(sources, float(level), float(slope), zeros_missing)


def _half_sine() -> NDArray[np.float32]:
    place = np.arange(1, 2 * _REACH + 2)
    return np.sin(np.pi * place / (2 * _REACH + 2)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Correction:
    """How the frames of an exposure are corrected.

    Attributes
    ----------
    layout : Layout
        When their rows are read.
    sources : array (n_row, 2)
        The rows whose mean is a row's reading, most often itself twice; -1 for a reading of 0.
    alpha, beta : arrays (n_frequency,) complex64, one for each output but the reference output
        Weights of the reference output and of an output's own reference pixels.
    kept : array (n_kept,)
        Rows of the frame that the result has.
    zeros_missing : bool
        Take a reading that is its pixel's mean to the last bit for none.
    """

    layout: Layout
    sources: NDArray[np.int64]
    alpha: list[Spectrum]
    beta: list[Spectrum]
    kept: NDArray[np.int64]
    zeros_missing: bool

    def of(self, frame: Plane, mean: Mean) -> Plane:
        """Return what is kept (n_kept, n_column) of a frame (n_row, n_column), corrected [DN].

        `mean` (n_row, n_column) is that of all frames of the integration, readings as `sources` have
        them. NaN stands for no reading, and stays; the reference output stays as it is.
        """
        layout, sources, zeros_missing = self.layout, self.sources, self.zeros_missing
        drifts = [
            Drift.of(frame, mean, layout, k, sources, zeros_missing=zeros_missing)
            for k in range(len(layout.outputs))
        ]
        common = layout.reference_spectrum(frame, mean, drifts[0])
        targets = np.full(len(frame), -1)
        targets[self.kept] = np.arange(len(self.kept))
        out = np.empty((len(self.kept), frame.shape[1]), np.float32)
        for k, drift in enumerate(drifts):
            wanted = targets[layout.outputs[k]] >= 0
            rows, times = layout.outputs[k][wanted], layout.first_times(layout.slots[wanted])
            if k == 0:
                out[targets[rows]] = frame[rows]
                continue
            series = layout.shared(
                frame, mean, drift, k, self.alpha[k - 1], self.beta[k - 1], common
            )
            put_corrected(
                frame, mean, rows, sources[rows], times, layout.turn, drift.level, drift.slope,
                zeros_missing, series, targets[rows], out,
            )  # fmt: skip
        return out
