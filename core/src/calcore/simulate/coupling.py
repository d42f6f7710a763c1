"""Charge that appears in neighbouring pixels, since their voltages are coupled.

A coupling of voltages acts on what the response has bent (Moore, Ninkov & Forrest 2006, Opt. Eng. 45,
076402).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def couple(
    signal: Float32,
    active: NDArray[np.bool_],
    side: float,
    diagonal: float,
    parts: Sequence[tuple[Any, Any]] | None = None,
) -> Float32:
    """Let each pixel's signal appear in its neighbours.

    The total over the light-sensitive pixels is conserved: what would leave them at an edge stays.
    Reference pixels neither give nor take.

    Parameters
    ----------
    signal : array (ny, nx)
        Any unit.
    active : array of bool (ny, nx)
        Light-sensitive pixels, a filled rectangle.
    side, diagonal : float
        Fraction that goes to each neighbour by a side, and by a corner.
    parts : sequence of index, optional
        Parts of the frame whose pixels are neighbours; all of it if left out.

    Returns
    -------
    array (ny, nx)
    """
    if parts is not None:
        shared = np.empty_like(signal)
        for part in parts:
            shared[part] = couple(signal[part], active[part], side, diagonal)
        return shared
    rows, columns = np.flatnonzero(active.any(axis=1)), np.flatnonzero(active.any(axis=0))
    if len(rows) == 0:
        return signal.copy()
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inner = np.pad(signal[box], 1, mode="edge")
    keep = np.float32(1 - 4 * side - 4 * diagonal)
    mixed = inner[1:-1, 1:-1] * keep
    mixed += np.float32(side) * (inner[:-2, 1:-1] + inner[2:, 1:-1])
    mixed += np.float32(side) * (inner[1:-1, :-2] + inner[1:-1, 2:])
    if diagonal:
        corners = inner[:-2, :-2] + inner[:-2, 2:] + inner[2:, :-2] + inner[2:, 2:]
        mixed += np.float32(diagonal) * corners
    result = signal.copy()
    result[box] = mixed
    return result
