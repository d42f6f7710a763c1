"""Images as files store them: big-endian, unsigned integers as signed ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.io._cards import Card

_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
_ZERO = {"u2": ("i2", 1 << 15), "u4": ("i4", 1 << 31), "u8": ("i8", 1 << 63)}

Storage = tuple[np.dtype[Any], int]
"""Element type in the file, and its zero point."""


def storage(annotated: str, given: np.dtype[Any] | None = None) -> Storage:
    """Return how a plane is stored: as its annotation says, or as raw counts if it holds such."""
    code = annotated
    if given is not None and np.dtype(given) == np.uint16:
        code = "u2"  # raw counts
    code, zero = _ZERO.get(code, (code, 0))
    return np.dtype(f">{code}"), zero


def encoded(values: NDArray[Any], stored: Storage) -> NDArray[Any]:
    """Return values as they lie in the file."""
    dtype, zero = stored
    if not zero:
        return values.astype(dtype)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    flipped: NDArray[Any] = values.astype(unsigned, copy=False) ^ unsigned.type(zero)
    return flipped.astype(unsigned.newbyteorder(">"))


def image_cards(name: str, shape: tuple[int, ...], stored: Storage, own: list[Card]) -> list[Card]:
    """Return the header of an image extension."""
    dtype, zero = stored
    return [
        Card("XTENSION", "IMAGE", "image extension"),
        Card("BITPIX", _BITPIX[dtype.str[1:]]),
        Card("NAXIS", len(shape)),
        *(Card(f"NAXIS{axis}", size) for axis, size in enumerate(shape[::-1], 1)),
        Card("PCOUNT", 0),
        Card("GCOUNT", 1),
        Card("EXTNAME", name),
        Card("EXTVER", 1),
        *([Card("BSCALE", 1), Card("BZERO", zero)] if zero else []),
        *own,
    ]
