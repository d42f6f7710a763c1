"""Data-quality flags: one bit, one name, one meaning.

The bits are those of JWST products (documented at
https://jwst-pipeline.readthedocs.io/en/latest/jwst/references_general/references_general.html#data-quality-flags).
Reference files number theirs as they like and say so in a ``DQ_DEF`` table; `remap` translates by name.
"""

from collections.abc import Iterable, Mapping
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from calcore.errors import UnknownFlag


class DQ(IntFlag):
    """Flags of a pixel (32 bits); the first eight are also the flags of a group (8 bits)."""

    GOOD = 0
    DO_NOT_USE = 1 << 0
    SATURATED = 1 << 1
    JUMP_DET = 1 << 2
    DROPOUT = 1 << 3
    OUTLIER = 1 << 4
    PERSISTENCE = 1 << 5
    AD_FLOOR = 1 << 6
    CHARGELOSS = 1 << 7
    RESERVED = 1 << 8
    NON_SCIENCE = 1 << 9
    DEAD = 1 << 10
    HOT = 1 << 11
    WARM = 1 << 12
    LOW_QE = 1 << 13
    RC = 1 << 14
    TELEGRAPH = 1 << 15
    NONLINEAR = 1 << 16
    BAD_REF_PIXEL = 1 << 17
    NO_FLAT_FIELD = 1 << 18
    NO_GAIN_VALUE = 1 << 19
    NO_LIN_CORR = 1 << 20
    NO_SAT_CHECK = 1 << 21
    UNRELIABLE_BIAS = 1 << 22
    UNRELIABLE_DARK = 1 << 23
    UNRELIABLE_SLOPE = 1 << 24
    UNRELIABLE_FLAT = 1 << 25
    OPEN = 1 << 26
    ADJ_OPEN = 1 << 27
    FLUX_ESTIMATED = 1 << 28
    MSA_FAILED_OPEN = 1 << 29
    OTHER_BAD_PIXEL = 1 << 30
    REFERENCE_PIXEL = 1 << 31


ALL_BITS = 0xFFFFFFFF


def interpret(text: str) -> int:
    """Bits named by an expression such as ``"DO_NOT_USE"``, ``"~DO_NOT_USE+NON_SCIENCE"`` or ``"5"``.

    Names (or numbers) are joined by ``+`` or ``,``; a leading ``~`` means every bit but these.

    Raises
    ------
    UnknownFlag
        A name is not a flag.
    """
    text = text.strip()
    if text.startswith("~"):
        return ALL_BITS & ~interpret(text[1:].strip().strip("()"))
    bits = 0
    for word in text.replace(",", "+").split("+"):
        name = word.strip()
        if not name:
            continue
        if name.isdigit():
            bits |= int(name)
        elif name in DQ.__members__:
            bits |= DQ[name]
        else:
            raise UnknownFlag(name, list(DQ.__members__))
    return bits


def remap(
    dq: NDArray[np.generic], definition: Iterable[tuple[int, str]] | Mapping[int, str]
) -> NDArray[np.uint32]:
    """Translate a reference file's flags into `DQ` by the names its ``DQ_DEF`` table gives them.

    Parameters
    ----------
    dq : array, any shape
        Flags as the file numbers them.
    definition : pairs of (value, name)
        Rows of ``DQ_DEF``. Names that `DQ` does not know are dropped, as their meaning is unknown.

    Returns
    -------
    array of uint32, shape of `dq`
        Flags as `DQ` numbers them. Bits without a row in the table are dropped.
    """
    rows = definition.items() if isinstance(definition, Mapping) else definition
    table = [(int(value), int(DQ[name])) for value, name in rows if name in DQ.__members__]
    source = np.asarray(dq).astype(np.uint32)
    if all(value == bit for value, bit in table):
        known = 0
        for value, _ in table:
            known |= value
        return source & np.uint32(known)
    result = np.zeros(source.shape, np.uint32)
    for value, bit in table:
        result[(source & np.uint32(value)) != 0] |= np.uint32(bit)
    return result
