"""How many pixels carry a flag that they did not carry before.

Flags are looked at eight bytes at a time, as one number of several lanes: eight flags of samples, or two of
pixels. All lanes are counted at once, in the lanes of another such number.
"""

from collections.abc import Callable
from math import prod
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import ArrayType, I8x1, helper, kernel, unsigned

Words = Annotated[NDArray[np.uint64], ArrayType("uint64", 2)]
_WORD = 8
_FLUSH = 255  # so many times one lane of eight bits can count
_ONES8, _ONES32 = np.uint64(0x0101010101010101), np.uint64(0x0000000100000001)
_EVEN = np.uint64(0x00FF00FF00FF00FF)


def count_new_flags(
    before: NDArray[Any], after: NDArray[Any], rows: slice, columns: slice
) -> NDArray[np.int64]:
    """Count, for each bit, the elements of planes that carry it after, and did not before.

    Parameters
    ----------
    before, after : uint8 or uint32 (..., ny, nx)
        Flags of the same elements.
    rows, columns : slice
        The part of each plane that is looked at.

    Returns
    -------
    int64 (8,) or (32,)
        One number for each bit, the lowest first.
    """
    kind = after.dtype
    counts = np.zeros(8 * kind.itemsize, np.int64)
    within = np.zeros(after.shape[-2:], kind)
    within[rows, columns] = np.iinfo(kind).max
    count: Callable[..., None] = _count8 if kind.itemsize == 1 else _count32
    count(*(_words(planes) for planes in (before, after, within)), counts)
    return counts


def _words(planes: NDArray[Any]) -> NDArray[np.uint64]:
    """Return planes (..., ny, nx) as words (n, n_word), with zeros where they do not fill the last."""
    flat = np.ascontiguousarray(planes).reshape(-1, prod(planes.shape[-2:]))
    more = -flat.shape[1] % (_WORD // flat.itemsize)
    if more:
        flat = np.pad(flat, [(0, 0), (0, more)])
    return flat.view(np.uint64)


@helper
def _anything(before: Any, after: Any, within: Any, plane: int, start: int, width: int) -> Any:
    """Return all bits that are new anywhere in some words."""
    new = np.uint64(0)
    for k in range(width):
        new |= after[plane, start + k] & ~before[plane, start + k] & within[0, start + k]
    return new


@helper
def _lanes(
    before: Any, after: Any, within: Any, plane: int, start: int, width: int, bit: int, ones: Any
) -> Any:
    """Return in how many of some words a bit is new, for each lane."""
    lanes = np.uint64(0)
    for k in range(width):
        new = after[plane, start + k] & ~before[plane, start + k] & within[0, start + k]
        lanes += (new >> bit) & ones
    return lanes


@kernel
def _count8(before: Words, after: Words, within: Words, out: I8x1) -> None:
    words = after.shape[1]
    for plane in range(unsigned(after.shape[0])):
        for first in range(0, words, _FLUSH):
            start, width = unsigned(first), unsigned(min(_FLUSH, words - first))
            new = _anything(before, after, within, plane, start, width)
            for bit in range(8):
                if (new >> unsigned(bit)) & _ONES8:
                    lanes = _lanes(
                        before, after, within, plane, start, width, unsigned(bit), _ONES8
                    )
                    for pairs in ((lanes & _EVEN), ((lanes >> unsigned(8)) & _EVEN)):
                        for lane in range(4):
                            out[bit] += (pairs >> unsigned(16 * lane)) & unsigned(0xFFFF)


@kernel
def _count32(before: Words, after: Words, within: Words, out: I8x1) -> None:
    words = after.shape[1]
    for plane in range(unsigned(after.shape[0])):
        for first in range(0, words, _FLUSH):
            start, width = unsigned(first), unsigned(min(_FLUSH, words - first))
            new = _anything(before, after, within, plane, start, width)
            for bit in range(32):
                if (new >> unsigned(bit)) & _ONES32:
                    lanes = _lanes(
                        before, after, within, plane, start, width, unsigned(bit), _ONES32
                    )
                    out[bit] += (lanes & unsigned(0xFFFFFFFF)) + (lanes >> unsigned(32))
