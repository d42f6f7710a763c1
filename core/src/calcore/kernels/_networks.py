"""Sorting networks: which pairs to compare, in which order, to sort many short lists side by side.

A network compares the same pairs whatever the values, so that a processor sorts the differences of
eight or sixteen pixels at once: no branch, and one instruction for all of them.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def sorting_pairs(length: int, wanted: tuple[int, ...] | None = None) -> NDArray[np.int64]:
    """Return the pairs of Batcher's odd-even merge sort for lists of any length.

    Parameters
    ----------
    length : int
        Number of values in a list.
    wanted : tuple of int, optional
        Ranks that must be right in the end, counted from 0; comparisons that none of them depends
        on are left out. All, if not given.

    Returns
    -------
    int64 (n_pair, 2)
        ``(low, high)``: afterwards the smaller of the two values stands at `low`. Read-only.

    Notes
    -----
    K. E. Batcher 1968, AFIPS Spring Joint Computer Conference 32, 307; the iterative form of
    D. E. Knuth, The Art of Computer Programming 3, algorithm 5.2.2M.
    """
    pairs: list[tuple[int, int]] = []
    top = 1 << max(0, (length - 1).bit_length() - 1)
    step = top
    while step > 0:
        distance, offset, other = step, 0, top
        while True:
            pairs += [(i, i + distance) for i in range(length - distance) if i & step == offset]
            if other == step:
                break
            distance, offset, other = other - step, step, other >> 1
        step >>= 1
    if wanted is not None:
        needed = {rank % length for rank in wanted}
        kept = []
        for low, high in reversed(pairs):
            if low in needed or high in needed:
                needed |= {low, high}
                kept.append((low, high))
        pairs = kept[::-1]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    table.flags.writeable = False
    return table
