"""1/f noise of lines, seen in what each integration shows beyond what all of them share.

All pixels of a line that an amplifier reads share an offset that is new in every group: the slow part
of its 1/f noise (Schlawin et al. 2020, AJ 160, 231, section 5). The ramps that all integrations have in
common leave it in their residuals, where light falls and where none does. A single integration's own
ramps would take the part of it that grows with time for light: no residual shows that part.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import (
    B1x2,
    F4x2,
    F4x4,
    F8x1,
    F8x2,
    F8x5,
    I8x1,
    U1x4,
    helper,
    kernel,
    unsigned,
)

Values = NDArray[np.float32]
Double = NDArray[np.float64]
Each = Callable[[Callable[[Any], None], Iterable[Any]], None]

_SPOILT = int(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = int(DQ.JUMP_DET)
_CLIP = 5.0
_VARIATION = 0.1
_SIGMA_PER_MAD = 1.4826
_WEIGHT, _RISE, _REST, _RISE_RISE, _RISE_REST = range(5)
_ROWS, _COLUMNS = 4, 512
"""Lines that are worked on together."""


def in_turn(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    """Do some work for each item, one after the other."""
    for item in items:
        work(item)


@dataclass(frozen=True, eq=False)
class LineSums:
    """Sums over the pixels of lines, weighed by one over their variance; bands' sums add up.

    Attributes
    ----------
    sums : float64 (5, n_int, n_group, n_amplifier, n_line)
        Of the weights, of the rise from the group before that all integrations share, of what an
        integration shows beyond it, and of the products of the rise with both.
    """

    sums: Double

    @classmethod
    def zeros(cls, integrations: int, groups: int, amplifiers: int, lines: int) -> "LineSums":
        """Return sums of no pixel."""
        return cls(np.zeros((5, integrations, groups, amplifiers, lines)))

    def add(
        self,
        data: Values,
        groupdq: NDArray[np.uint8],
        good: NDArray[np.bool_],
        gain: Values,
        noise: Values,
        amplifier: NDArray[np.int64],
        *,
        first_line: int,
        along_x: bool,
        each: Each = in_turn,
    ) -> Values:
        """Add the pixels of a part of the frame.

        Parameters
        ----------
        data : float32 (n_int, n_group, ny, nx)
            Signal [DN]; what is no number does not count.
        groupdq : uint8 (n_int, n_group, ny, nx)
            Flags: a difference counts if neither group is DO_NOT_USE or SATURATED, nor the later one
            JUMP_DET.
        good : bool (ny, nx)
            False for pixels that do not count.
        gain, noise : float32 (ny, nx)
            Gain [electron/DN], and noise of the difference of two groups without light [DN]; a pixel
            without a positive one of either does not count.
        amplifier : int64 (nx or ny)
            Which amplifier reads each place along a line.
        first_line : int
            Line of the first row where lines are rows, else of the first column.
        along_x : bool
            True if lines are rows, else columns.
        each : callable
            Does some work for each of several groups of lines, which have nothing in common.

        Returns
        -------
        float32 (ny, nx)
            Mean rise in a group's time that all integrations share [DN]; NaN where unknown.
        """
        rises = np.empty(data.shape[2:], np.float32)
        with np.errstate(invalid="ignore"):
            known = good & (gain > 0) & (noise > 0)
        rows, columns = data.shape[2:]
        wide = min(_COLUMNS, -(-columns // 2))

        def work(start: int) -> None:
            part = start, min(start + _ROWS, rows), 0, columns
            if not along_x:
                part = 0, rows, start, min(start + wide, columns)
            width = part[3] - part[2]
            room = np.empty((len(data), width), np.float32), np.empty((4, width))
            _add(
                data, groupdq, known, gain, noise, amplifier, first_line, along_x, *part,
                self.sums, rises, *room,
            )  # fmt: skip

        each(work, range(0, rows, _ROWS) if along_x else range(0, columns, wide))
        return rises


def line_offsets(sums: Double, dark: float, each: Each = in_turn) -> Double:
    """Return the offsets of lines from what integrations show beyond their common ramps.

    Parameters
    ----------
    sums : float64 (5, n_int, n_group, n_amplifier, n_line)
        As `LineSums` has them.
    dark : float
        Rise in a group's time of pixels that show no source [DN]. What is above it may be brighter or
        fainter in an integration, all by the same factor.
    each : callable
        Does some work for each integration.

    Returns
    -------
    float64 (n_int, n_group, n_amplifier, n_line)
        Offset of each group from the first one [DN], as likely as its size makes it: the variance of
        true offsets is that of the measured ones without that of the pixels' noise. Their mean over
        integrations is 0. Steps to which no pixel counts are 0; one integration has no offsets.
    """
    integrations = sums.shape[1]
    steps, white = np.empty(sums.shape[1:]), np.empty(sums.shape[1:])

    def measure(i: int) -> None:
        steps[i], scale = _steps(sums[:, i], dark)
        white[i] = scale * (1 - 1 / integrations)

    each(measure, range(integrations))
    known = white > 0
    if not known.any():
        return np.zeros_like(steps)
    noise, shown = float(_median(white[known])), steps[known]
    shown -= _median(shown)
    np.abs(shown, out=shown)
    true = max((_SIGMA_PER_MAD * _median(shown)) ** 2 - noise, 0.0)

    def shrink(i: int) -> None:
        likely = known[i] & (true + white[i] > 0)
        share = np.divide(true, true + white[i], out=np.zeros_like(white[i]), where=likely)
        np.cumsum(steps[i] * share, axis=0, out=steps[i])

    each(shrink, range(integrations))
    steps -= steps.mean(axis=0)
    return steps


def _steps(sums: Double, dark: float) -> tuple[Double, Double]:
    """Return the steps of an integration's lines [DN], 0 where unknown, and their variances."""
    weight = sums[_WEIGHT]
    scale = np.divide(1, weight, out=np.zeros_like(weight), where=weight > 0)
    rise, rest = sums[_RISE] * scale, sums[_REST] * scale
    # Within lines, what varies with the light is not confused with the lines' offsets.
    apart = (sums[_RISE_RISE] - rise * sums[_RISE]).sum()
    along = (sums[_RISE_REST] - rise * sums[_REST]).sum()
    excess = along / apart if apart > 0 else 0.0
    return np.where(weight > 0, rest - excess * (rise - dark), 0), scale


def _median(values: Double) -> float:
    """Return the median of numbers none of which is NaN, whose order is lost."""
    half = values.size // 2
    values.partition(half)
    above = values[half]
    below = above if values.size % 2 else values[:half].max()
    return float((below + above) / 2)


@helper
def _differ(data: F4x4, groupdq: U1x4, good: B1x2, i: int, g: int, y: int, left: int,
            out_steps: F4x2, out_sum: F8x1, out_count: F8x1) -> None:  # fmt: skip
    """Take the differences to the group before, NaN where they do not count, and sum them."""
    for k in range(unsigned(out_sum.size)):
        x = unsigned(left) + k
        step = data[i, g, y, x] - data[i, g - 1, y, x]
        flags = groupdq[i, g, y, x]
        spoilt = ((flags | groupdq[i, g - 1, y, x]) & _SPOILT) | (flags & _JUMP)
        usable = good[y, x] & (spoilt == 0) & (abs(step) < np.inf)
        out_steps[i, k] = step if usable else np.float32(np.nan)
        out_sum[k] += step if usable else np.float32(0)
        out_count[k] += 1.0 if usable else 0.0


@helper
def _weigh(rise: F8x1, count: F8x1, gain: F4x2, noise: F4x2, y: int, left: int, out_weight: F8x1,
           out_limit: F8x1) -> None:  # fmt: skip
    """Find what pixels weigh, and how far from the common rise they may be (below 0: not at all)."""
    for k in range(unsigned(rise.size)):
        x = unsigned(left) + k
        variance = noise[y, x] * noise[y, x] + max(rise[k], 0.0) / gain[y, x]
        limit = _CLIP * np.sqrt(variance) + _VARIATION * abs(rise[k])
        out_weight[k] = 1 / variance
        out_limit[k] = limit if count[k] >= 2 else -1.0


@helper
def _sum_along(steps: F4x2, rise: F8x1, weight: F8x1, limit: F8x1, amplifier: I8x1,
               i: int, g: int, line: int, left: int, out_sums: F8x5) -> None:  # fmt: skip
    """Add the pixels of a row to the sums of the one line that they are in."""
    for k in range(unsigned(rise.size)):
        rest, part = steps[i, k] - rise[k], amplifier[unsigned(left) + k]
        if abs(rest) <= limit[k]:
            out_sums[_WEIGHT, i, g, part, line] += weight[k]
            out_sums[_RISE, i, g, part, line] += weight[k] * rise[k]
            out_sums[_REST, i, g, part, line] += weight[k] * rest
            out_sums[_RISE_RISE, i, g, part, line] += weight[k] * rise[k] * rise[k]
            out_sums[_RISE_REST, i, g, part, line] += weight[k] * rise[k] * rest


@helper
def _sum_across(steps: F4x2, rise: F8x1, weight: F8x1, limit: F8x1, i: int, g: int, part: int,
                first_line: int, out_sums: F8x5) -> None:  # fmt: skip
    """Add the pixels of a row to the sums of the lines that cross it."""
    for k in range(unsigned(rise.size)):
        line = unsigned(first_line) + k
        rest = steps[i, k] - rise[k]
        counts = abs(rest) <= limit[k]
        own, shown = weight[k] if counts else 0.0, rest if counts else 0.0
        out_sums[_WEIGHT, i, g, part, line] += own
        out_sums[_RISE, i, g, part, line] += own * rise[k]
        out_sums[_REST, i, g, part, line] += own * shown
        out_sums[_RISE_RISE, i, g, part, line] += own * rise[k] * rise[k]
        out_sums[_RISE_REST, i, g, part, line] += own * rise[k] * shown


@kernel
def _add(data: F4x4, groupdq: U1x4, good: B1x2, gain: F4x2, noise: F4x2, amplifier: I8x1,
         first_line: int, along_x: bool, top: int, bottom: int, left: int, right: int,
         out_sums: F8x5, out_rises: F4x2, out_steps: F4x2, out_room: F8x2) -> None:  # fmt: skip
    integrations, groups = data.shape[:2]
    rise, count, weight, limit = out_room[0], out_room[1], out_room[2], out_room[3]
    for y in range(top, bottom):
        for x in range(left, right):
            out_rises[y, x] = np.nan
    for g in range(1, groups):
        for y in range(top, bottom):
            for k in range(right - left):
                rise[k] = 0.0
                count[k] = 0.0
            for i in range(integrations):
                _differ(data, groupdq, good, i, g, y, left, out_steps, rise, count)
            for k in range(right - left):
                if count[k] > 0:
                    x = left + k
                    rise[k] /= count[k]
                    if np.isnan(out_rises[y, x]):
                        out_rises[y, x] = 0.0
                    out_rises[y, x] += rise[k] / (groups - 1)
            _weigh(rise, count, gain, noise, y, left, weight, limit)
            for i in range(integrations):
                if along_x:
                    line = first_line + y
                    _sum_along(
                        out_steps, rise, weight, limit, amplifier, i, g, line, left, out_sums
                    )
                else:
                    part, line = amplifier[y], first_line + left
                    _sum_across(out_steps, rise, weight, limit, i, g, part, line, out_sums)
