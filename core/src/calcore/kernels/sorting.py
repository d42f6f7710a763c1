"""Millions of numbers in ascending order.

A radix sort (Knuth, The Art of Computer Programming 3, algorithm 5.2.5R): numbers are dealt out by their
last digit, then by the one before, and stay in order. Three digits of 11 bits sort four million numbers in
a quarter of the time that comparisons take.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import I8x2, U4x1, helper, kernel

_DIGITS, _BITS = 3, 11


@helper
def _digit(bits: Any, shift: int) -> Any:
    """Return a digit of a number's key.

    Bits of numbers in the order of their bits are positive numbers in ascending order, then
    negative ones in descending order; keys are in the order of the numbers.
    """
    sign = np.uint32(1 << 31)
    key = bits ^ np.uint32(0xFFFFFFFF) if bits & sign else bits ^ sign
    return (key >> np.uint32(shift)) & np.uint32((1 << _BITS) - 1)


@kernel
def _places(values: U4x1, out: I8x2) -> None:
    """Fill in where the first number with each digit goes."""
    for digit in range(_DIGITS):
        for k in range(1 << _BITS):
            out[digit, k] = 0
    for value in values:
        for digit in range(_DIGITS):
            out[digit, _digit(value, digit * _BITS)] += 1
    for digit in range(_DIGITS):
        place = 0
        for k in range(1 << _BITS):
            number = out[digit, k]
            out[digit, k] = place
            place += number


@kernel
def _deal(values: U4x1, shift: int, digit: int, out_places: I8x2, out: U4x1) -> None:
    for value in values:
        k = _digit(value, shift)
        out[out_places[digit, k]] = value
        out_places[digit, k] += 1


def ascending(values: NDArray[np.float32], *, spoilt: bool = False) -> NDArray[np.float32]:
    """Return numbers in ascending order, negative zeros before positive ones.

    Parameters
    ----------
    values : float32 (n,)
        None is NaN.
    spoilt : bool
        Whether the numbers may be lost where they are, which saves memory.

    Returns
    -------
    float32 (n,)
    """
    dealt = np.ascontiguousarray(values).view(np.uint32)
    places = np.empty((_DIGITS, 1 << _BITS), np.int64)
    rooms = np.empty_like(dealt), dealt if spoilt else np.empty_like(dealt)
    _places(dealt, places)
    for digit in range(_DIGITS):
        _deal(dealt, digit * _BITS, digit, places, rooms[digit % 2])
        dealt = rooms[digit % 2]
    return dealt.view(np.float32)
