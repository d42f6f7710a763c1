"""Improved reference sampling and subtraction: what outputs share in time is subtracted from all.

In this read-out each output jumps to reference pixels after every few pixels, while the reference
output is read all along. Their readings are put in the order of time, the reference output's gaps
are filled from its own low frequencies, and with a weight for each frequency both say what an output
has drifted (Moseley et al. 2010, Proc. SPIE 7742, 77421B; Rauscher et al. 2017, PASP 129, 105003;
the JWST documentation's page on refpix).

Frames here are planes (n_row, n_column) of a `Layout`; each column is one line of the read-out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F4x2, F8x2, I8x1, kernel
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
        scale, cycles = self.n_sample / (712 * 2048), self.transform.cycles
        order = np.minimum(cycles, self.n_sample - cycles)

        def low(cycles: NDArray[np.float64], start: float) -> NDArray[np.float64]:
            rising = np.clip((cycles - scale * start) / (scale * (_CUT - _PASS)), 0, 1)
            return 0.5 * (1 + np.cos(np.pi * rising))

        high = self.n_sample / 2 - order
        return (low(order.astype(float), _PASS) + low(high, _PASS + 1)).astype(np.float32)

    def half(self, weights: NDArray[np.complex64]) -> Spectrum:
        """Return weights (n_output, n_sample) of all frequencies as spectra of real series.

        What would make a real series complex is left out.
        """
        cycles = self.transform.cycles
        mirrored = np.conj(weights[:, -cycles])
        return np.asarray((weights[:, cycles] + mirrored) * np.complex64(0.5))

    def reference_spectrum(self, frame: Plane) -> Spectrum:
        """Return the spectrum of the reference output, gaps filled."""
        readings = np.zeros(self.n_sample, np.float32)
        own = frame[self.outputs[0]]
        lay_out(own, self.slots, self.line_time, self.forward, readings)
        filled = first_guess(readings, _half_sine())
        shape, gaps = (self.lines, self.line_time), self._gaps
        for _ in range(_ROUNDS):
            smooth = self.transform.inverse(self.transform.forward(filled) * self._filter)
            filled.reshape(shape)[:, gaps] = smooth.reshape(shape)[:, gaps]
        return self.transform.forward(filled)

    def shared(
        self, frame: Plane, output: int, alpha: Spectrum, beta: Spectrum, common: Spectrum
    ) -> Series:
        """Return what an output's reference pixels and the reference output say of it (n_sample,)."""
        series = np.zeros(self.n_sample, np.float32)
        pixel, when = self.echoes
        lay_out(frame[self.outputs[output][pixel]], when, self.line_time, self.forward, series)
        spectrum = self.transform.forward(series)
        spectrum *= beta
        spectrum += common * alpha
        return self.transform.inverse(spectrum)


def _half_sine() -> NDArray[np.float32]:
    place = np.arange(1, 2 * _REACH + 2)
    return np.sin(np.pi * place / (2 * _REACH + 2)).astype(np.float32)


def subtract_drift(frame: Plane, layout: Layout, *, zeros_missing: bool) -> Plane:
    """Return a frame without each output's drift, a line in time through its first and last lines.

    Parameters
    ----------
    frame : array (n_row, n_column) float32 [DN]
        NaN stands for no reading; so does exactly 0 if `zeros_missing`.
    """
    result = np.empty_like(frame)
    ends = np.r_[0:_EDGE, layout.lines - _EDGE : layout.lines]
    places = ends if layout.forward else layout.lines - 1 - ends
    for rows in layout.outputs:
        edge = frame[rows[:, None], places[None, :]].astype(np.float64)
        time = (layout.slots[:, None] + layout.line_time * ends[None, :]).astype(np.float64)
        use = np.isfinite(edge) & ((edge != 0) | (not zeros_missing))
        level, slope = _line(time[use], edge[use])
        remove_line(
            frame, rows, layout.slots, layout.line_time, layout.forward, level, slope,
            zeros_missing, result,
        )  # fmt: skip
    return result


def _line(time: NDArray[np.float64], value: NDArray[np.float64]) -> tuple[float, float]:
    """Return level at time 0 and slope of the least-squares line; zeros where there is none."""
    if value.size < 2:
        return 0.0, 0.0
    middle = time.mean()
    spread = ((time - middle) ** 2).sum()
    slope = float(((time - middle) * value).sum() / spread) if spread > 0 else 0.0
    return float(value.mean() - slope * middle), slope


@kernel
def remove_line(
    frame: F4x2, rows: I8x1, slots: I8x1, line_time: int, forward: bool, level: float, slope: float,
    zeros_missing: bool, out: F4x2,
) -> None:  # fmt: skip
    """Subtract a line in time from some rows; readings that are none stay."""
    n = frame.shape[1]
    for i in range(len(rows)):
        row = rows[i]
        for line in range(n):
            x = line if forward else n - 1 - line
            value = frame[row, x]
            if value != 0 or not zeros_missing:
                value -= np.float32(level + slope * (slots[i] + line_time * line))
            out[row, x] = value


@kernel
def lay_out(values: F4x2, slots: I8x1, line_time: int, forward: bool, out: F4x1) -> None:
    """Put rows (n_pixel, n_line) into the order of time; what is no number is left out."""
    n = values.shape[1]
    for start in range(0, n, 16):
        for i in range(len(slots)):
            for line in range(start, min(start + 16, n)):
                value = values[i, line if forward else n - 1 - line]
                if value == value:  # noqa: PLR0124 - not NaN
                    out[line * line_time + slots[i]] = value


@kernel
def first_guess(series: F4x1, weight: F4x1) -> F4x1:
    """Return a series (n_line * n_gap,) whose zeros are weighted means of their surroundings.

    The series is taken for periodic. A stretch of zeros longer than the weights stays 0.
    """
    n, reach = len(series), len(weight) // 2
    result = np.empty(n, np.float32)
    for i in range(n):
        result[i] = series[i]
        if series[i] == 0:
            total = norm = 0.0
            for k in range(len(weight)):
                value = series[(i + k - reach + n) % n]
                if value != 0:
                    total += weight[k] * value
                    norm += weight[k]
            if norm > 0:
                result[i] = np.float32(total / norm)
    return result


def group_mean(frames: Iterable[Plane]) -> Mean:
    """Return the mean over groups (n_row, n_column) of what is a number; NaN where nothing is."""
    total: Mean | None = None
    count: Plane | None = None
    for frame in frames:
        if total is None or count is None:
            total, count = np.zeros(frame.shape), np.zeros_like(frame)
        add_known(frame, total, count)
    if total is None or count is None:
        raise ValueError("an integration has at least one group")
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count)


@kernel
def add_known(frame: F4x2, out_total: F8x2, out_count: F4x2) -> None:
    """Add what is a number to a sum, and count it."""
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            value = frame[y, x]
            if value == value:  # noqa: PLR0124 - not NaN
                out_total[y, x] += value
                out_count[y, x] += np.float32(1)


@kernel
def deviation(frame: F4x2, mean: F8x2) -> F4x2:
    """Return a group less the mean over groups; exactly 0 only where both are the same."""
    result = np.empty_like(frame)
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            result[y, x] = np.float32(frame[y, x] - mean[y, x])
    return result


@kernel
def put_corrected(
    frame: F4x2, mean: F8x2, shared: F4x1, rows: I8x1, targets: I8x1, slots: I8x1, line_time: int,
    forward: bool, out: F4x2,
) -> None:  # fmt: skip
    """Write rows less what is shared, with their mean over groups, to rows of the output."""
    n = frame.shape[1]
    for start in range(0, n, 16):
        for i in range(len(rows)):
            for line in range(start, min(start + 16, n)):
                x = line if forward else n - 1 - line
                value = frame[rows[i], x] - shared[line * line_time + slots[i]]
                out[targets[i], x] = value + mean[rows[i], x]


def corrected(
    frames: Iterable[Plane], mean: Mean, layout: Layout, alpha: Spectrum, beta: Spectrum,
    targets: NDArray[np.int64], out: NDArray[np.float32], *, zeros_missing: bool,
) -> None:  # fmt: skip
    """Correct the groups of an integration, one after another.

    Parameters
    ----------
    frames : iterable of arrays (n_row, n_column) float32 [DN]
        The groups, good reference pixels throughout.
    mean : array (n_row, n_column) [DN]
        Their mean.
    alpha, beta : arrays (n_output - 1, n_frequency) complex64
        Weights of the reference output and of an output's own reference pixels.
    targets : array (n_row,)
        Row of the output that a row goes to, -1 for none.
    out : array (n_group, n_row_out, n_column) float32
        Where to.
    zeros_missing : bool
        Take a reading that is its pixel's mean to the last bit for none.
    """
    for group, plane in enumerate(frames):
        frame = subtract_drift(deviation(plane, mean), layout, zeros_missing=zeros_missing)
        common = layout.reference_spectrum(frame)
        for k in range(len(alpha)):
            series = layout.shared(frame, k + 1, alpha[k], beta[k], common)
            rows = layout.outputs[k + 1]
            wanted = targets[rows] >= 0
            put_corrected(
                frame, mean, series, rows[wanted], targets[rows[wanted]], layout.slots[wanted],
                layout.line_time, layout.forward, out[group],
            )  # fmt: skip
