"""How many pixels carry a flag that they did not carry before.

Flags are looked at eight bytes at a time, as one number of several lanes: eight flags of samples, or two of
pixels. All lanes are counted at once, in the lanes of another such number.
"""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from calcore.kernels._jit import ArrayType, I8x1, helper, kernel, unsigned

Words = Annotated[NDArray[np.uint64], ArrayType(types.uint64, 3)]
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
        The part of each plane that is looked at; start and stop are given.

    Returns
    -------
    int64 (8,) or (32,)
        One number for each bit, the lowest first.
    """
    size = after.dtype.itemsize
    counts = np.zeros(8 * size, np.int64)
    ends = [size * end for end in (columns.start, columns.stop, after.shape[-1])]
    if any(end % _WORD for end in ends):
        before, after = (_padded(planes[..., rows, columns]) for planes in (before, after))
        rows, ends = slice(0, after.shape[-2]), [0, size * after.shape[-1]]
    count: Callable[..., None] = _count8 if size == 1 else _count32
    words = [_words(planes) for planes in (before, after)]
    count(*words, rows.start, rows.stop, ends[0] // _WORD, ends[1] // _WORD, counts)
    return counts


def _words(planes: NDArray[Any]) -> NDArray[np.uint64]:
    """Return planes (..., ny, nx) as planes (n, ny, n_word)."""
    return np.ascontiguousarray(planes).reshape(-1, *planes.shape[-2:]).view(np.uint64)


def _padded(planes: NDArray[Any]) -> NDArray[Any]:
    """Return planes (..., ny, nx) with columns of zeros, so that rows are whole words."""
    more = -planes.shape[-1] % (_WORD // planes.dtype.itemsize)
    return np.pad(planes, [(0, 0)] * (planes.ndim - 1) + [(0, more)])


@helper
def _anything(before: Any, after: Any, plane: int, y: int, start: int, width: int) -> Any:
    """Return all bits that are new anywhere in a row of words."""
    new = np.uint64(0)
    for x in range(width):
        new |= after[plane, y, start + x] & ~before[plane, y, start + x]
    return new


@helper
def _lanes(
    before: Any, after: Any, plane: int, y: int, start: int, width: int, bit: int, ones: Any
) -> Any:
    """Return in how many words of a row a bit is new, for each lane."""
    lanes = np.uint64(0)
    for x in range(width):
        lanes += ((after[plane, y, start + x] & ~before[plane, y, start + x]) >> bit) & ones
    return lanes


@kernel
def _count8(
    before: Words, after: Words, first: int, last: int, left: int, right: int, out: I8x1
) -> None:
    start = unsigned(left)
    for plane in range(unsigned(after.shape[0])):
        for y in range(unsigned(first), unsigned(last)):
            new = _anything(before, after, plane, y, start, unsigned(right - left))
            for bit in range(8):
                if (new >> unsigned(bit)) & _ONES8:
                    for part in range(left, right, _FLUSH):
                        width = unsigned(min(_FLUSH, right - part))
                        lanes = _lanes(
                            before, after, plane, y, unsigned(part), width, unsigned(bit), _ONES8
                        )
                        for pairs in ((lanes & _EVEN), ((lanes >> unsigned(8)) & _EVEN)):
                            for lane in range(4):
                                out[bit] += (pairs >> unsigned(16 * lane)) & unsigned(0xFFFF)


@kernel
def _count32(
    before: Words, after: Words, first: int, last: int, left: int, right: int, out: I8x1
) -> None:
    start, width = unsigned(left), unsigned(right - left)
    for plane in range(unsigned(after.shape[0])):
        for y in range(unsigned(first), unsigned(last)):
            new = _anything(before, after, plane, y, start, width)
            for bit in range(32):
                if (new >> unsigned(bit)) & _ONES32:
                    lanes = _lanes(before, after, plane, y, start, width, unsigned(bit), _ONES32)
                    out[bit] += (lanes & unsigned(0xFFFFFFFF)) + (lanes >> unsigned(32))
