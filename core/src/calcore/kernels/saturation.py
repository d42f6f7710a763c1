"""Which samples of a ramp are saturated, or below the converter's range."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F4x2, F4x3, F4x4, U1x1, U1x2, U1x3, U1x4, helper, kernel

SATURATED = 2
DO_NOT_USE = 1
AD_FLOOR_UNUSABLE = 64 | DO_NOT_USE
# What the converter never reaches; the threshold of pixels that are not checked.
NO_THRESHOLD = 65536.0


@helper
def _grow(source: U1x2, reach: int, out: U1x2, out_wide: U1x1) -> None:
    """Set the bits of every pixel of `source` in the box around it."""
    rows, columns = source.shape
    for y in range(rows):
        any_here = np.uint8(0)
        for x in range(columns):
            any_here |= source[y, x]
        if any_here == 0:
            continue
        for x in range(columns):
            out_wide[x] = source[y, x]
        for shift in range(1, reach + 1):
            for x in range(columns - shift):
                out_wide[x + shift] |= source[y, x]
            for x in range(columns - shift):
                out_wide[x] |= source[y, x + shift]
        for v in range(max(0, y - reach), min(rows, y + reach + 1)):
            for x in range(columns):
                out[v, x] |= out_wide[x]


@kernel
def _flag(data: F4x4, groupdq: U1x4, threshold: F4x2, reach: int, out: U1x4, out_so_far: U1x2,
          out_source: U1x2, out_wide: U1x1) -> None:  # fmt: skip
    integrations, groups, rows, columns = data.shape
    for i in range(integrations):
        for y in range(rows):
            for x in range(columns):
                out_so_far[y, x] = 0
        for g in range(groups):
            for y in range(rows):
                for x in range(columns):
                    value = data[i, g, y, x]
                    known = groupdq[i, g, y, x]
                    over = np.uint8(SATURATED) if value >= threshold[y, x] else np.uint8(0)
                    over |= out_so_far[y, x]
                    out_so_far[y, x] = over
                    # Flags that came with the data grow too, but last only for their own group.
                    out_source[y, x] = over | (known & np.uint8(SATURATED))
                    low = np.uint8(AD_FLOOR_UNUSABLE) if value <= 0 else np.uint8(0)
                    out[i, g, y, x] = known | low
            _grow(out_source, reach, out[i, g], out_wide)


@kernel
def _flag_partial(data: F4x3, threshold: F4x2, shares: F4x1, reach: int, out: U1x3,
                  out_source: U1x2, out_wide: U1x1) -> None:  # fmt: skip
    groups, rows, columns = data.shape
    for back in range(groups - 1):
        g = groups - 2 - back
        share = shares[g]
        found = np.uint8(0)
        for y in range(rows):
            for x in range(columns):
                later = out[g + 1, y, x] & np.uint8(SATURATED)
                now = out[g, y, x] & np.uint8(SATURATED | DO_NOT_USE)
                high = data[g, y, x] >= threshold[y, x] * share
                partly = np.uint8(DO_NOT_USE) if high and later != 0 and now == 0 else np.uint8(0)
                out_source[y, x] = partly
                found |= partly
        if found:
            _grow(out_source, reach, out[g], out_wide)


@kernel
def _flag_last(data: F4x3, threshold: F4x2, before: F4x2, ahead: float, reach: int, out: U1x3,
               out_source: U1x2, out_wide: U1x1) -> None:  # fmt: skip
    groups, rows, columns = data.shape
    last, rise = groups - 1, np.float32(ahead)
    for y in range(rows):
        for x in range(columns):
            value, known = data[last, y, x], out[last, y, x] & np.uint8(SATURATED | DO_NOT_USE)
            high = value + (value - before[y, x]) * rise >= threshold[y, x]
            out_source[y, x] = np.uint8(DO_NOT_USE) if high and known == 0 else np.uint8(0)
    _grow(out_source, reach, out[last], out_wide)


@kernel
def _flag_second(data: F4x3, threshold: F4x2, bias: F4x2, mean_first: float, last_third: float,
                 frames: int, out: U1x3) -> None:  # fmt: skip
    _, rows, columns = data.shape
    for y in range(rows):
        new = np.uint8(0)
        for x in range(columns):
            new |= out[2, y, x] & ~out[1, y, x]
        if new & SATURATED == 0:
            continue
        for x in range(columns):
            if out[2, y, x] & ~out[1, y, x] & SATURATED == 0:
                continue
            first = data[0, y, x]
            expected = (first - bias[y, x]) / np.float32(mean_first) * np.float32(last_third)
            expected += bias[y, x]
            room = (threshold[y, x] - first) / np.float32(frames)
            if expected < threshold[y, x] and data[1, y, x] - first > room:
                out[1, y, x] |= np.uint8(DO_NOT_USE)


@kernel
def _zero(zeroframe: F4x3, threshold: F4x2, reach: int, out: F4x3) -> None:
    integrations, rows, columns = zeroframe.shape
    for i in range(integrations):
        for y in range(rows):
            for x in range(columns):
                value = zeroframe[i, y, x]
                out[i, y, x] = np.float32(0) if value <= 0 else value
        for y in range(rows):
            for x in range(columns):
                if zeroframe[i, y, x] >= threshold[y, x]:
                    for v in range(max(0, y - reach), min(rows, y + reach + 1)):
                        for u in range(max(0, x - reach), min(columns, x + reach + 1)):
                            out[i, v, u] = np.float32(0)


def flag_saturated(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    threshold: NDArray[np.float32],
    reach: int,
) -> NDArray[np.uint8]:
    """Flag saturated samples, all later ones of their integration, and pixels around them.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Raw signal [DN]. A sample that is NaN is not saturated.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags so far. Samples that are SATURATED already make their neighbours so in that group.
    threshold : float32 (ny, nx)
        Smallest saturated signal [DN].
    reach : int
        How far the flags of a group grow, in a square box [pixel].

    Returns
    -------
    uint8 (n_int, n_group, ny, nx)
        `groupdq` with SATURATED, and AD_FLOOR and DO_NOT_USE where the signal is 0 or less.
    """
    out = np.empty_like(groupdq)
    size = data.shape[-2:]
    scratch = np.empty(size, np.uint8), np.empty(size, np.uint8), np.empty(size[1], np.uint8)
    _flag(data, groupdq, threshold, reach, out, *scratch)
    return out


def flag_partly_saturated(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    threshold: NDArray[np.float32],
    bias: NDArray[np.float32],
    reach: int,
    frames: int,
    gap: int,
    *,
    last: bool = False,
) -> NDArray[np.uint8]:
    """Flag averages of several frames of which only the last were saturated, by DO_NOT_USE.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Raw signal [DN].
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags as `flag_saturated` returns them.
    threshold, bias : float32 (ny, nx)
        Smallest saturated signal, and signal at the reset [DN]. A pixel whose threshold is
        NO_THRESHOLD has no frames that were saturated.
    reach : int
        How far these flags grow, in a square box [pixel].
    frames, gap : int
        Frames averaged into a group, and frames dropped after it.
    last : bool
        Whether to look at the last group, too, which no other follows.

    Returns
    -------
    uint8 (n_int, n_group, ny, nx)
        A group before a saturated one is flagged if a steady signal with its mean would have
        passed the threshold by its last frame. The second of three groups is flagged as well if
        the third is saturated although the first foretells that it should not be, and the second
        rose by more than one saturated frame explains: a hit of unknown time. The last group is
        flagged if a signal that rises as it did before has passed the threshold by the last frame.
    """
    n_group = data.shape[1]
    out = groupdq.copy()
    begin = np.arange(n_group) * (frames + gap)
    shares = ((begin + (frames + 1) / 2) / (begin + frames)).astype(np.float32)
    source = np.empty(data.shape[-2:], np.uint8)
    wide = np.empty(data.shape[-1], np.uint8)
    checked = np.where(threshold < NO_THRESHOLD, threshold, np.float32(np.inf))
    for i in range(data.shape[0]):
        _flag_partial(data[i], checked, shares, reach, out[i], source, wide)
        if n_group > 2:
            mean, end = (frames + 1) / 2, float(begin[2] + frames)
            _flag_second(data[i], threshold, bias, mean, end, frames, out[i])
        if last:
            before, since = (data[i, -2], frames + gap) if n_group > 1 else (bias, (frames + 1) / 2)
            ahead = (frames - 1) / 2 / since
            _flag_last(data[i], checked, before, ahead, reach, out[i], source, wide)
    return out


def clear_saturated(
    zeroframe: NDArray[np.float32], threshold: NDArray[np.float32], reach: int
) -> NDArray[np.float32]:
    """Set a first read to 0 where it cannot be used.

    Parameters
    ----------
    zeroframe : float32 (n_int, ny, nx)
        First read of each integration [DN].
    threshold : float32 (ny, nx)
        Smallest saturated signal [DN].
    reach : int
        How far saturation spreads, in a square box [pixel].

    Returns
    -------
    float32 (n_int, ny, nx)
        0 where the signal is saturated, next to such a pixel, or not positive.
    """
    out = np.empty_like(zeroframe)
    _zero(zeroframe, threshold, reach, out)
    return out
