"""Reference pixels between others that do not behave, and what stands in for them.

Each jump reads pixels in pairs. A pair whose level, scatter or difference is beyond all others of its
output is replaced by what is read before and after (the JWST documentation's page on refpix).
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x3, F8x2, I8x2, kernel
from calcore_nirspec.kernels.irs2 import Layout

_CLIPPINGS = 5
_EDGE = 4
_SIGMA = 3.0


def pairs(layout: Layout) -> NDArray[np.int64]:
    """Return rows (n_output, n_jump, n_pair, 2) of the frame that are read in pairs, in time."""
    rows = layout.outputs[:, layout.interleaved]
    return rows.reshape(len(rows), -1, layout.reference // 2, 2)


def odd_pairs(statistics: NDArray[np.float64], factor: float) -> NDArray[np.bool_]:
    """Find pairs of reference pixels that stand out in an integration.

    Parameters
    ----------
    statistics : array (n_output, n_jump, n_pair, 3) [DN]
        Mean, standard deviation and mean difference of each pair, as `pair_statistics` has them.
    factor : float
        How far [standard deviations of an output's pairs, clipped there] is too far above the mean.

    Returns
    -------
    array (n_output, n_jump, n_pair) bool
    """
    odd = np.zeros(statistics.shape[:3], np.bool_)
    for statistic in statistics.transpose(3, 0, 1, 2):
        for output, levels in enumerate(statistic):
            centre, scatter = _clipped(levels.ravel(), factor)
            odd[output] |= levels - centre > factor * scatter
    return odd


def _clipped(values: NDArray[np.float64], factor: float) -> tuple[float, float]:
    """Return mean and standard deviation of what lies near the median."""
    kept = values[np.isfinite(values)]
    for _ in range(_CLIPPINGS):
        if not kept.size:
            return np.nan, np.nan
        inside = np.abs(kept - np.median(kept)) <= factor * kept.std()
        if inside.all():
            break
        kept = kept[inside]
    return (float(kept.mean()), float(kept.std())) if kept.size else (np.nan, np.nan)


@kernel
def pair_statistics(frames: F4x3, pairs: I8x2) -> F8x2:
    """Return mean, standard deviation and mean difference (n, 3) of pairs of rows in all groups."""
    n_group, _, n = frames.shape
    result = np.empty((len(pairs), 3))
    for i in range(len(pairs)):
        total = difference = square = 0.0
        count = both = 0
        for g in range(n_group):
            for x in range(n):
                for k in range(2):
                    value = frames[g, pairs[i, k], x]
                    if value == value:  # noqa: PLR0124 - not NaN
                        total += value
                        count += 1
                apart = abs(frames[g, pairs[i, 0], x] - frames[g, pairs[i, 1], x])
                if apart == apart:  # noqa: PLR0124 - not NaN
                    difference += apart
                    both += 1
        mean = total / count if count else np.nan
        for g in range(n_group):
            for k in range(2):
                for x in range(n):
                    value = frames[g, pairs[i, k], x]
                    if value == value:  # noqa: PLR0124 - not NaN
                        square += (value - mean) ** 2
        result[i, 0] = mean
        result[i, 1] = np.sqrt(square / count) if count else np.nan
        result[i, 2] = difference / both if both else np.nan
    return result


def stand_ins(
    layout: Layout,
    odd: NDArray[np.bool_],
    known: NDArray[np.bool_],
    bad_rows: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Say which rows are read in place of rows that are not to be used.

    Parameters
    ----------
    odd, known : array (n_output, n_jump, n_pair) bool
        Pairs that are odd in this exposure, and pairs known to be bad.
    bad_rows : array (n_row,) bool
        Rows, of whatever pixels, that are not to be used either.

    Returns
    -------
    array (n_row, 2)
        The two rows whose mean stands in for a row; itself twice for most. The same row at the jumps
        before and after stands in, where only one is good that one, where both are bad that of the
        jump's other pair, and where that is, too, nothing: -1. As in the reference pipeline, what is
        found to be bad later may stand in: pairs known to be bad are last, each jump's second pair
        after all first ones.
    """
    rows = pairs(layout)
    result = np.repeat(np.arange(layout.outputs.size)[:, None], 2, axis=1)
    first = bad_rows.copy()
    first[rows[odd]] = True
    bad = np.zeros_like(first)
    for found in (
        np.flatnonzero(first),
        *(rows[:, :, k][known[:, :, k]] for k in range(known.shape[2])),
    ):
        fresh = np.setdiff1d(found, np.flatnonzero(bad))
        bad[fresh] = True
        for row in fresh:
            result[row] = _stand_in(row, bad, layout)
    return result


def _stand_in(row: int, bad: NDArray[np.bool_], layout: Layout) -> tuple[int, int]:
    block, length = layout.normal + layout.reference, layout.outputs.shape[1]
    near = [at for at in (row - block, row + block) if at // length == row // length]
    good = [at for at in near if not bad[at]]
    place = row % block - layout.normal // 2
    if not good and 0 <= place < layout.reference:
        other = row - place + (place + layout.reference // 2) % layout.reference
        good = [] if bad[other] else [other]
    return (good[0], good[-1]) if good else (-1, -1)


def parity_levels(
    frame: NDArray[np.float32], bad: NDArray[np.bool_], layout: Layout
) -> NDArray[np.float32]:
    """Return the level (n_row,) of each output's even and odd pixels, one for each row of a frame.

    Levels are clipped means over the first and the last lines, averaged; the first pair of a jump
    counts as even. `bad` (n_row, n_column) pixels are left out.
    """
    from scipy.stats import sigmaclip  # noqa: PLC0415 - loads half of scipy

    result = np.zeros(len(frame), np.float32)
    place = np.arange(layout.outputs.shape[1])
    where = np.flatnonzero(layout.interleaved).reshape(-1, layout.reference)
    parity = place % 2
    parity[where] = np.arange(layout.reference) // 2
    for output in layout.outputs:
        rows = np.sort(output)
        for kind in (0, 1):
            own = rows[parity == kind]
            levels = []
            for ends in (np.s_[:_EDGE], np.s_[-_EDGE:]):
                values = frame[own, ends].astype(np.float64)
                values = values[np.isfinite(values) & ~bad[own, ends]]
                if values.size:
                    levels.append(sigmaclip(values, _SIGMA, _SIGMA).clipped.mean())
            if levels:
                result[own] = np.mean(levels)
    return result
