"""Jumps in ramps, found as outliers among the differences of successive groups.

The two-point difference method of Anderson & Gordon 2011, PASP 123, 1237, as the JWST documentation
describes it: the median of a pixel's differences tells the photon noise that its differences must
have, and a difference that lies too far from the median is a jump.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._differences import differences, median_within, middle, sort_with_places
from calcore.kernels._jit import (
    F4x1,
    F4x2,
    F4x4,
    I4x1,
    I4x2,
    I8x2,
    U1x1,
    U1x4,
    helper,
    kernel,
    unsigned,
)
from calcore.kernels._known_jumps import known_jumps
from calcore.kernels._networks import sorting_pairs
from calcore.kernels._whole import run_width

_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = np.uint8(DQ.JUMP_DET)
_CHUNK = 144  # pixels side by side
_LONG = 48  # differences from which on halving an interval finds the median sooner than sorting
_HALVINGS = 8
_FEW = 8  # jumps of a pixel from which on its differences are sorted
# What is known of a pixel after a first look.
_QUIET, _LOUD, _BROKEN = np.uint8(0), np.uint8(1), np.uint8(2)
_ROOM = 7  # rows of a chunk beside its differences
_NEAR = np.float32(0.999)  # below this fraction of the threshold, single precision decides


@helper
def _iterate(
    value: F4x1, place: I4x1, count: int, noise: float, thresholds: F4x1, under: float,
    above: float, found: I4x1, room: F4x1,
) -> int:  # fmt: skip
    """Take the worst of a pixel's differences away as long as it is too far from the median.

    Returns how many are jumps; their places stand in `found`. The median of all but the largest
    lies between two values.
    """
    for i in range(count):
        value[i] = abs(value[i])
    jumps = 0
    # Few of many are jumps: looking for the largest each time is done sooner than sorting.
    while count > _LONG and jumps < _FEW:
        last, worst, least = count - 1, 0, value[0]
        for i in range(1, count):
            worst = i if value[i] > value[worst] else worst
            least = min(least, value[i])
        value[worst], value[last] = value[last], value[worst]
        place[worst], place[last] = place[last], place[worst]
        median = median_within(value, last, under, above, room)
        sigma = np.sqrt(median + noise)
        rise, fall = (value[last] - median) / sigma, (median - least) / sigma
        if not max(rise, fall) > thresholds[0]:
            return jumps
        if fall > rise:
            break
        found[jumps] = place[last]
        jumps += 1
        count, under = last, -np.inf
    sort_with_places(value, place, count)
    first = 0
    while count > 1:
        # The largest is left out of the median: it may be the jump that is looked for.
        median = middle(value, first, count if count == 3 else count - 1)
        threshold = thresholds[max(0, 4 - count)]
        sigma = np.sqrt(median + noise)
        above = (value[first + count - 1] - median) / sigma
        below = (median - value[first]) / sigma
        if not max(above, below) > threshold:
            break
        if above >= below:
            found[jumps] = place[first + count - 1]
        else:
            found[jumps] = place[first]
            first += 1
        jumps += 1
        count -= 1
    return jumps


@helper
def _one_pass(
    value: F4x1,
    place: I4x1,
    count: int,
    noise: float,
    threshold: float,
    least: float,
    largest: float,
    found: I4x1,
    room: F4x1,
) -> int:
    """Compare every difference with the median of all, which lies between two; see `_iterate`."""
    jumps = 0
    if count > 0:
        median = median_within(value, count, least, largest, room)
        sigma = np.sqrt(abs(median) + noise)
        for i in range(count):
            if abs(value[i] - median) / sigma > threshold:
                found[jumps] = place[i]
                jumps += 1
    return jumps


@helper
def _sort(ranked: F4x2, pairs: I8x2, width: int) -> None:
    """Bring the ranks that matter of pixels side by side to their places."""
    for pair in range(pairs.shape[0]):
        i, j = pairs[pair, 0], pairs[pair, 1]
        for x in range(width):
            a, b = ranked[i, x], ranked[j, x]
            ranked[i, x] = min(b, a)
            ranked[j, x] = max(a, b)


@helper
def _enclose(ranked: F4x2, length: int, low: int, high: int, width: int) -> None:
    """Find the extremes of pixels side by side, and an interval with the values of two ranks.

    Rows after the values: least and largest value, ends of the interval, and room for two more.
    """
    least, largest, left, right = (
        ranked[length], ranked[length + 1], ranked[length + 2], ranked[length + 3]
    )  # fmt: skip
    middle, below = ranked[length + 4], ranked[length + 5]
    for x in range(width):
        least[x], largest[x] = ranked[0, x], ranked[0, x]
    for row in range(1, length):
        for x in range(width):
            least[x] = min(least[x], ranked[row, x])
            largest[x] = max(largest[x], ranked[row, x])
    for x in range(width):
        left[x], right[x] = least[x], largest[x]
    for _ in range(_HALVINGS):
        for x in range(width):
            middle[x] = (left[x] + right[x]) * np.float32(0.5)
            below[x] = 0
        for row in range(0, length - 3, 4):
            # Four at a time, since what is counted must be fetched and put back.
            for x in range(width):
                some = np.float32(ranked[row, x] <= middle[x])
                some += np.float32(ranked[row + 1, x] <= middle[x])
                some += np.float32(ranked[row + 2, x] <= middle[x])
                below[x] += some + np.float32(ranked[row + 3, x] <= middle[x])
        for row in range(length // 4 * 4, length):
            for x in range(width):
                below[x] += np.float32(ranked[row, x] <= middle[x])
        for x in range(width):
            right[x] = middle[x] if below[x] > high else right[x]
            left[x] = middle[x] if below[x] <= low else left[x]


@helper
def _gather(ranked: F4x2, x: int, spans: I8x2, n_group: int, value: F4x1, place: I4x1) -> int:
    """Collect the differences of a pixel without flags from what lies near; see `differences`."""
    count = 0
    for integration in range(spans.shape[0]):
        for group in range(spans[integration, 0] + 1, spans[integration, 1]):
            value[count] = ranked[count, x]
            place[count] = integration * n_group + group
            count += 1
    return count


@kernel
def _find(
    data: F4x4,
    groupdq: U1x4,
    gain: F4x2,
    readnoise: F4x2,
    pairs: I8x2,
    spans: I8x2,
    n_frames: float,
    single_pass: bool,
    thresholds: F4x1,
    out_groupdq: U1x4,
    out_count: I4x2,
    out_ranked: F4x2,
    out_value: F4x2,
    out_place: I4x2,
    out_odd: U1x1,
) -> None:
    n_int, n_group, rows, columns = data.shape
    length = out_ranked.shape[0] - _ROOM
    ranked, total = out_ranked, out_ranked[length + 6]
    # Extremes, and what the two values around the median lie between.
    least, largest, left, right = (
        ranked[length], ranked[length + 1], ranked[length + 2], ranked[length + 3]
    )  # fmt: skip
    odd, place, found = out_odd, out_place[0], out_place[1]
    value, room = out_value[0], out_value[1]
    # Ranks of the median, of all or of all but the largest, where every difference is usable.
    kept = length if single_pass or length == 3 else length - 1
    low, high = (kept - 1) // 2, kept // 2
    threshold = thresholds[0 if single_pass else max(0, 4 - length)]
    near = (threshold * _NEAR) * (threshold * _NEAR)
    frames, half = np.float32(n_frames), np.float32(0.5)
    # A single pass looks at signed differences, the iteration at their sizes, max(d, -d).
    mirror = np.float32(1 if single_pass else -1)
    step = run_width(columns, _CHUNK)
    for y in range(rows):
        for start in range(0, columns, step):
            width = min(step, columns - start)
            at, wide = unsigned(start), unsigned(width)
            for x in range(wide):
                odd[x] = 0
                total[x] = 0
            row = 0
            for integration in range(n_int):
                first, end = spans[integration, 0], spans[integration, 1]
                for group in range(first, end):
                    for x in range(wide):
                        odd[x] |= groupdq[integration, group, y, at + x]
                    if group == first:
                        continue
                    here = unsigned(row)
                    for x in range(wide):
                        # The electrons before are worked out anew: with few arrays to a loop, many
                        # pixels are done at once.
                        now = data[integration, group, y, at + x] * gain[y, at + x]
                        difference = now - data[integration, group - 1, y, at + x] * gain[y, at + x]
                        out_ranked[here, x] = difference
                    for x in range(wide):
                        difference = out_ranked[here, x]
                        total[x] += difference
                        other = mirror * difference
                        out_ranked[here, x] = max(difference, other)
                    row += 1
            if length < _LONG:
                _sort(ranked, pairs, width)
                for x in range(wide):
                    least[x], largest[x] = ranked[0, x], ranked[length - 1, x]
                    left[x], right[x] = ranked[low, x], ranked[high, x]
                    left[x] = (left[x] + right[x]) * half
                    right[x] = left[x]
            else:
                _enclose(ranked, length, low, high, width)
            for x in range(wide):
                # Most pixels have neither flags nor anything near the threshold.
                noise = readnoise[y, at + x] * gain[y, at + x]
                worst = max(right[x] - least[x], largest[x] - left[x])
                photons = max(left[x], -right[x], np.float32(0))
                quiet = worst * worst <= near * (photons + noise * noise / frames)
                whole = odd[x] & _UNUSABLE == 0 and total[x] - total[x] == 0
                odd[x] = (_QUIET if quiet else _LOUD) if whole else _BROKEN
            for x in range(width):
                if odd[x] == _QUIET:
                    continue
                noise = readnoise[y, start + x] * gain[y, start + x]
                noise = noise * noise / frames
                enclosed = odd[x] == _LOUD and length >= _LONG
                if enclosed:
                    count = _gather(ranked, x, spans, n_group, value, place)
                else:
                    electrons = gain[y, start + x]
                    count = differences(data, groupdq, y, start + x, electrons, value, place)
                under = float(left[x]) if enclosed else -np.inf
                above = float(right[x]) if enclosed else np.inf
                if single_pass:
                    jumps = _one_pass(
                        value, place, count, noise, thresholds[0], under, above, found, room
                    )
                else:
                    jumps = _iterate(
                        value, place, count, noise, thresholds, under, above, found, room
                    )
                out_count[y, start + x] += jumps
                for jump in range(jumps):
                    integration, group = found[jump] // n_group, found[jump] % n_group
                    out_groupdq[integration, group, y, start + x] |= _JUMP


def find_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    n_frames: int = 1,
    single_pass: bool = False,
    thresholds: tuple[float, float, float] = (4.0, 5.0, 6.0),
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Flag differences between groups that are too far from a pixel's median difference.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A value that is not finite takes no part.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of each sample. Groups with DO_NOT_USE or SATURATED take no part, and carry no
        JUMP_DET in the result.
    gain : float32 (ny, nx)
        Gain [electron/DN]; no jumps are found where it is NaN.
    readnoise : float32 (ny, nx)
        Noise of the difference of two reads [DN]; no jumps are found where it is NaN.
    n_frames : int
        Reads averaged into a group.
    single_pass : bool
        Compare every difference once with the median of all. Otherwise take the worst difference
        away and look again, with sizes of differences instead of signed differences, and the
        largest left out of the median.
    thresholds : (float, float, float)
        Largest deviation that is no jump [sigma], where at least four, three, two differences are
        left; a single pass uses the first.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags with JUMP_DET in the first group after a jump.
    count : int32 (ny, nx)
        Jumps of each pixel, those known before included.

    Notes
    -----
    The variance of a difference is the median (as photons) plus the square of the read noise
    over `n_frames`. A pixel's differences from all its integrations have one median.
    """
    out, count = known_jumps(groupdq)
    spans = _spans(groupdq)
    length = int(np.maximum(spans[:, 1] - spans[:, 0] - 1, 0).sum())
    if length > 1:
        kept = length if single_pass or length == 3 else length - 1
        ranks = (0, (kept - 1) // 2, kept // 2, length - 1)
        pairs = sorting_pairs(length if length < _LONG else 1, ranks)
        longest = data.shape[0] * (data.shape[1] - 1)
        _find(
            data, groupdq, gain, readnoise, pairs, spans, float(n_frames), single_pass,
            np.array(thresholds, np.float32), out, count, np.empty((length + _ROOM, _CHUNK), np.float32),
            np.empty((2, longest), np.float32), np.empty((2, longest), np.int32),
            np.empty(_CHUNK, np.uint8),
        )  # fmt: skip
    return out, count


def _spans(groupdq: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return first group and end of what some pixel has of each integration: int64 (n_int, 2)."""
    usable = ~np.bitwise_and.reduce(groupdq, axis=(2, 3)) & np.uint8(DQ.DO_NOT_USE)
    end = usable.shape[1] - usable[:, ::-1].argmax(axis=1)
    spans = np.stack([usable.argmax(axis=1), end], axis=1)
    spans[~usable.any(axis=1)] = 0
    return spans.astype(np.int64)
