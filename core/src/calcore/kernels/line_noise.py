"""1/f noise of lines, seen in what each integration shows beyond what all of them share.

All pixels of a line that an amplifier reads share an offset that is new in every group: the slow part
of its 1/f noise (Schlawin et al. 2020, AJ 160, 231, section 5). The ramps that all integrations have in
common leave it in their residuals, where light falls and where none does. A single integration's own
ramps would take the part of it that grows with time for light: no residual shows that part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import B1x2, F4x2, F4x4, F8x1, F8x5, I8x1, U1x4, helper, kernel

Values = NDArray[np.float32]
Double = NDArray[np.float64]

_SPOILT = int(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = int(DQ.JUMP_DET)
_CLIP = 5.0
_VARIATION = 0.1
_SIGMA_PER_MAD = 1.4826
_WEIGHT, _RISE, _REST, _RISE_RISE, _RISE_REST = range(5)


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
    ) -> Values:
        """Add the pixels of a band of rows.

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
        amplifier : int64 (nx, or ny of the band)
            Which amplifier reads each place along a line.
        first_line : int
            Line of the band's first row where lines are rows.
        along_x : bool
            True if lines are rows, else columns.

        Returns
        -------
        float32 (ny, nx)
            Mean rise in a group's time that all integrations share [DN]; NaN where unknown.
        """
        rises = np.empty(data.shape[2:], np.float32)
        room = np.empty(data.shape[3]), np.empty(data.shape[3])
        with np.errstate(invalid="ignore"):
            known = good & (gain > 0) & (noise > 0)
        _add(
            data,
            groupdq,
            known,
            gain,
            noise,
            amplifier,
            first_line,
            along_x,
            self.sums,
            rises,
            *room,
        )
        return rises


def line_offsets(sums: Double, dark: float) -> Double:
    """Return the offsets of lines from what integrations show beyond their common ramps.

    Parameters
    ----------
    sums : float64 (5, n_int, n_group, n_amplifier, n_line)
        As `LineSums` has them.
    dark : float
        Rise in a group's time of pixels that show no source [DN]. What is above it may be brighter or
        fainter in an integration, all by the same factor.

    Returns
    -------
    float64 (n_int, n_group, n_amplifier, n_line)
        Offset of each group from the first one [DN], as likely as its size makes it: the variance of
        true offsets is that of the measured ones without that of the pixels' noise. Their mean over
        integrations is 0. Steps to which no pixel counts are 0; one integration has no offsets.
    """
    integrations = sums.shape[1]
    weight = sums[_WEIGHT]
    known = weight > 0
    scale = np.divide(1, weight, out=np.zeros_like(weight), where=known)
    rise, rest = sums[_RISE] * scale, sums[_REST] * scale
    # Within lines, what varies with the light is not confused with the lines' offsets.
    apart = (sums[_RISE_RISE] - rise * sums[_RISE]).sum(axis=(1, 2, 3))
    along = (sums[_RISE_REST] - rise * sums[_REST]).sum(axis=(1, 2, 3))
    excess = np.divide(along, apart, out=np.zeros_like(along), where=apart > 0)
    steps = np.where(known, rest - excess[:, None, None, None] * (rise - dark), 0)
    if integrations < 2 or not known.any():
        return np.zeros_like(steps)
    white = scale * (1 - 1 / integrations)
    middle = np.median(steps[known])
    total = (_SIGMA_PER_MAD * np.median(np.abs(steps[known] - middle))) ** 2
    true = max(total - float(np.median(white[known])), 0.0)
    share = np.divide(
        true, true + white, out=np.zeros_like(white), where=known & (true + white > 0)
    )
    offsets: Double = np.cumsum(steps * share, axis=1)
    offsets -= offsets.mean(axis=0)
    return offsets


@helper
def _counts(data: F4x4, groupdq: U1x4, i: int, g: int, y: int, x: int) -> bool:
    """Return whether a difference to the group before is usable."""
    flags = groupdq[i, g, y, x]
    if (flags | groupdq[i, g - 1, y, x]) & _SPOILT or flags & _JUMP:
        return False
    usable: bool = np.isfinite(data[i, g, y, x] - data[i, g - 1, y, x])
    return usable


@kernel
def _add(data: F4x4, groupdq: U1x4, good: B1x2, gain: F4x2, noise: F4x2, amplifier: I8x1,
         first_line: int, along_x: bool, out_sums: F8x5, out_rises: F4x2, out_mean: F8x1,
         out_count: F8x1) -> None:  # fmt: skip
    integrations, groups, rows, columns = data.shape
    for y in range(rows):
        for x in range(columns):
            out_rises[y, x] = np.nan
        for g in range(1, groups):
            for x in range(columns):
                out_mean[x] = 0.0
                out_count[x] = 0.0
            for i in range(integrations):
                for x in range(columns):
                    if good[y, x] and _counts(data, groupdq, i, g, y, x):
                        out_mean[x] += data[i, g, y, x] - data[i, g - 1, y, x]
                        out_count[x] += 1.0
            for x in range(columns):
                if out_count[x] > 0:
                    out_mean[x] /= out_count[x]
                    if np.isnan(out_rises[y, x]):
                        out_rises[y, x] = 0.0
                    out_rises[y, x] += out_mean[x] / (groups - 1)
            for i in range(integrations):
                for x in range(columns):
                    if out_count[x] < 2 or not _counts(data, groupdq, i, g, y, x):
                        continue
                    rise = out_mean[x]
                    rest = data[i, g, y, x] - data[i, g - 1, y, x] - rise
                    variance = noise[y, x] * noise[y, x] + max(rise, 0.0) / gain[y, x]
                    if abs(rest) > _CLIP * np.sqrt(variance) + _VARIATION * abs(rise):
                        continue
                    part, line = (amplifier[x], first_line + y) if along_x else (amplifier[y], x)
                    weight = 1 / variance
                    out_sums[0, i, g, part, line] += weight
                    out_sums[1, i, g, part, line] += weight * rise
                    out_sums[2, i, g, part, line] += weight * rest
                    out_sums[3, i, g, part, line] += weight * rise * rise
                    out_sums[4, i, g, part, line] += weight * rise * rest
