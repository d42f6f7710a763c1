"""What a jump takes with it: the pixels beside it, and the groups after it."""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._differences import (
    differences,
    enclose,
    enclosed_median,
    gather,
    median_of,
    median_of_column,
)
from calcore.kernels._jit import (
    F4x1,
    F4x2,
    F4x4,
    I4x1,
    I4x2,
    I8x1,
    U1x1,
    U1x4,
    helper,
    kernel,
    unsigned,
)

_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = np.uint8(DQ.JUMP_DET)
_CHUNK = 32  # pixels whose differences are gathered at once where many have jumps
_BOUNDS = 5  # rows that enclosing their medians takes beside them
_NEAR = np.float32(0.999)  # below this fraction of the least size, single precision decides


@helper
def _is_share(
    data: F4x4, groupdq: U1x4, gain: F4x2, integration: int, group: int, y: int, x: int,
    least: float, out_value: F4x1, out_place: I4x1,
) -> bool:  # fmt: skip
    """Tell whether one of the eight pixels around jumps by `least` or more [electron]."""
    for row in range(max(0, y - 1), min(data.shape[2], y + 2)):
        for column in range(max(0, x - 1), min(data.shape[3], x + 2)):
            electrons = gain[row, column]
            now, before = (
                data[integration, group, row, column],
                data[integration, group - 1, row, column],
            )
            step = (now - before) * electrons
            # A pixel that has saturated jumped by this at least; NaN is no jump.
            if not step >= least or (row == y and column == x):
                continue
            count = differences(data, groupdq, row, column, electrons, out_value, out_place)
            if step - (median_of(out_value, count) if count else np.float32(0)) >= least:
                return True
    return False


@kernel
def _spread(
    data: F4x4,
    groupdq: U1x4,
    gain: F4x2,
    readnoise: F4x2,
    n_frames: float,
    low_ratio: float,
    high_ratio: float,
    corner_ratio: float,
    share: float,
    least: F4x1,
    n_after: I8x1,
    jumped: U1x4,
    out_groupdq: U1x4,
    out_value: F4x2,
    out_place: I4x2,
    out_step: F4x2,
    out_hit: U1x1,
) -> None:
    """Flag the pixels beside jumps of a middling size, and groups after large ones."""
    n_int, n_group, rows, columns = data.shape
    value, room, place, hit = out_value[0], out_value[1], out_place[0], out_hit
    length, every = n_int * (n_group - 1), unsigned(columns)
    bound = out_step[length:]
    frames, smallest = np.float32(n_frames), np.float32(np.inf)
    for test in range(least.size):
        smallest = min(smallest, least[test])
    for y in range(rows):
        for x in range(every):
            hit[x] = 0
        for integration in range(n_int):
            for group in range(n_group):
                for x in range(every):
                    hit[x] |= jumped[integration, group, y, x]
        many = False
        for x in range(columns):
            own = x % _CHUNK
            if own == 0:
                width, struck = min(_CHUNK, columns - x), 0
                for beside in range(width):
                    struck += (hit[x + beside] & _JUMP) != 0
                many = struck * 8 > width
                if many:
                    gather(data, groupdq, gain, y, x, width, out_step)
                    enclose(out_step, length, width, bound)
            if not hit[x] & _JUMP:
                continue
            electrons = gain[y, x]
            if many:
                count = int(bound[0, own])
            else:
                count = differences(data, groupdq, y, x, electrons, value, place)
            if count == 0:
                continue
            if many:
                median = median_of_column(out_step, own, length, bound, room)
            else:
                median = enclosed_median(value, count, room)
            noise = readnoise[y, x] * electrons
            sigma = np.sqrt(abs(median) + noise * noise / frames)
            near = low_ratio * sigma * _NEAR
            for i in range(length if many else count):
                size = (out_step[i, own] if many else value[i]) - median
                if not abs(size) >= near and not size >= smallest:
                    continue  # most differences, whether they are jumps or not
                spreads = low_ratio < abs(size) / sigma < high_ratio
                if many:
                    integration, group = i // (n_group - 1), i % (n_group - 1) + 1
                else:
                    integration, group = place[i] // n_group, place[i] % n_group
                if not jumped[integration, group, y, x] & _JUMP:
                    continue
                if spreads and share > 0:
                    spreads = not _is_share(
                        data, groupdq, gain, integration, group, y, x, abs(size) / share,
                        room, out_place[1],
                    )  # fmt: skip
                if spreads:
                    around = 8 if abs(size) / sigma > corner_ratio else 4
                    for side in range(around):
                        row = y + (side in (0, 4, 5)) - (side in (1, 6, 7))
                        column = x + (side in (2, 4, 6)) - (side in (3, 5, 7))
                        if (
                            0 <= row < rows
                            and 0 <= column < columns
                            and not groupdq[integration, group, row, column] & _UNUSABLE
                        ):
                            out_groupdq[integration, group, row, column] |= _JUMP
                last = group
                for test in range(least.size):
                    if size >= least[test]:
                        last = max(last, group + n_after[test])
                for after in range(group + 1, min(last + 1, n_group)):
                    if not groupdq[integration, after, y, x] & _UNUSABLE:
                        out_groupdq[integration, after, y, x] |= _JUMP


def spread_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    jumped: NDArray[np.uint8],
    *,
    n_frames: int = 1,
    neighbours: tuple[float, float] | None = None,
    corners: float = np.inf,
    share: float = 0.0,
    after: tuple[tuple[float, int], ...] = (),
) -> NDArray[np.uint8]:
    """Flag what a jump takes with it: the four pixels beside it, the groups after it.

    Parameters
    ----------
    data, groupdq, gain, readnoise, n_frames
        As in `calcore.kernels.jump_twopoint.find_jumps`.
    jumped : uint8 (n_int, n_group, ny, nx)
        Flags with jumps.
    neighbours : (float, float), optional
        A jump whose size lies between these [sigma] flags the four pixels beside it: some of its
        charge is seen there, through inter-pixel capacitance, but may be too little to be found.
    corners : float
        A jump that is larger than this, too [sigma] flags the four pixels at its corners as well.
    share : float
        A jump of at most this part of one in the eight pixels around it is what it shares of that
        one, and flags no others.
    after : pairs of (size, number)
        A jump of at least this size [electron] flags so many groups after it.

    Returns
    -------
    uint8 (n_int, n_group, ny, nx)
        Flags; samples with DO_NOT_USE or SATURATED get none.

    Notes
    -----
    The size of a jump is its difference minus the median of all the pixel's usable differences;
    sigma is as there. Pixels beyond the first and last row given are not known: bands
    need one row more on either side, two with `share`.
    """
    out = jumped.copy()
    low, high = neighbours or (np.inf, -np.inf)
    least = np.array([size for size, _ in after], np.float32)
    number = np.array([n for _, n in after], np.int64)
    length = data.shape[0] * (data.shape[1] - 1)
    _spread(
        data, groupdq, gain, readnoise, float(n_frames), low, high, corners, share, least, number,
        jumped, out, np.empty((2, length), np.float32), np.empty((2, length), np.int32),
        np.empty((length + _BOUNDS, _CHUNK), np.float32), np.empty(data.shape[3], np.uint8),
    )  # fmt: skip
    return out
