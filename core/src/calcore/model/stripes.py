"""Sub-arrays that are read in stripes: which line of the detector is which line of the frame.

Lines are what is read along the slow axis. A multi-stripe sub-array is some lines at the corner,
usually reference pixels, and stripes of lines elsewhere, put together to one frame. A super-stripe
sub-array moves its stripe from one integration to the next, until the integrations together have
seen all of it (JWST keyword dictionary, MSTR_RD1 … SSTR_NST; JDox, "Multistripe Subarrays").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from calcore.errors import KeywordInvalid, KeywordMissing
from calcore.model.meta import Meta
from calcore.model.window import Window

_WORDS = {
    "multistripe_reads1": "MSTR_RD1",
    "multistripe_skips1": "MSTR_SK1",
    "multistripe_reads2": "MSTR_RD2",
    "multistripe_skips2": "MSTR_SK2",
    "repeat_stripe": "MSTR_RPT",
    "interleave_reads1": "MSTR_ILV",
    "superstripe_step": "SSTR_STP",
    "num_superstripe": "SSTR_NST",
}
_TELLING = (
    "multistripe_reads1",
    "multistripe_skips1",
    "multistripe_reads2",
    "multistripe_skips2",
    "superstripe_step",
    "num_superstripe",
)
_MOVING = ("superstripe_step", "num_superstripe")


@dataclass(frozen=True)
class Stripe:
    """Lines that are read one after the other.

    Attributes
    ----------
    first, count : int
        Where they begin on the detector, in read-out order from 0, and how many there are.
    position : int
        The position of a super-stripe, from 0, in which they are read.
    leading : bool
        True for the lines at the corner, which every position reads again.
    """

    first: int
    count: int
    position: int = 0
    leading: bool = False

    @property
    def stop(self) -> int:
        """Line after the last."""
        return self.first + self.count


@dataclass(frozen=True)
class Stripes:
    """How a frame is put together from stripes.

    The frame of a super-stripe is that of all its positions side by side, in the order in which
    they are read: what belongs to one integration of the whole sub-array.

    Attributes
    ----------
    stripes : tuple of Stripe
        In read-out order.
    positions : int
        Positions of a super-stripe; 1 where there is none.
    total : int
        Lines of the detector.
    along_rows : bool
        True if lines are rows of the frame, False if they are columns.
    backwards : bool
        True if lines are read towards lower rows or columns.
    whole : bool
        True if a super-stripe is put together to all lines of the detector.
    """

    stripes: tuple[Stripe, ...]
    positions: int
    total: int
    along_rows: bool
    backwards: bool
    whole: bool = False

    @classmethod
    def of(cls, meta: Meta) -> "Stripes | None":
        """Return how an exposure's frame is put together; None if it lies in one piece.

        Raises
        ------
        KeywordMissing, KeywordInvalid
            The header does not say it, or what it says cannot be.
        """
        if not in_stripes(meta):
            return None
        detector = meta.facts.detector
        slow = detector.slow_axis
        axis, total = ("y", detector.rows) if abs(slow) == 2 else ("x", detector.columns)
        positions = _count(meta, "num_superstripe", 0)
        told = {name: _count(meta, name) for name in _WORDS if not name.endswith(_MOVING)}
        told["superstripe_step"] = _count(meta, "superstripe_step", None if positions else 0)
        size, start = meta.whole(f"subarray.{axis}size"), meta.whole(f"subarray.{axis}start", 1)
        whole = str(meta.get("subarray.name")) in detector.whole_superstripes
        told["num_superstripe"] = positions
        return cls.told(told, size=size, start=start, total=total, slow=slow, whole=whole)

    @classmethod
    def told(
        cls, told: Mapping[str, int], *, size: int, start: int, total: int, slow: int, whole: bool
    ) -> "Stripes":
        """Return how a frame is put together.

        Parameters
        ----------
        told : mapping
            Values of MSTR_RD1 … SSTR_NST by their names in the metadata, without ``subarray.``.
        size, start : int
            Lines of the frame of one integration, and SUBSTRT of its axis.
        total : int
            Lines of the detector.
        slow : int
            SLOWAXIS.
        whole : bool
            True if a super-stripe is put together to all lines of the detector.

        Raises
        ------
        KeywordInvalid
            It cannot be.
        """
        values = dict(told)
        positions, step = values.pop("num_superstripe", 0), values.pop("superstripe_step", 0)
        if step and not positions:
            raise KeywordInvalid("SSTR_NST", 0, "1 or more, since SSTR_STP moves the stripe")
        if not (positions or values["multistripe_reads1"] or values["multistripe_reads2"]):
            raise KeywordInvalid("MSTR_RD2", 0, "1 or more, since lines are skipped")
        corner = 0
        if positions and start > 1:
            corner = start - 1 if slow > 0 else total - start + 1 - size
        if size > total or positions > total:  # before anything is made as large
            raise KeywordInvalid(
                "SUBSIZE1, SUBSIZE2 or SSTR_NST", max(size, positions), f"{total} or less"
            )
        stripes = _stripes(size, max(1, positions), step, corner, **values)
        if max(stripe.stop for stripe in stripes) > total or corner < 0:
            raise KeywordInvalid(
                "MSTR_SK1, MSTR_SK2 and SSTR_STP",
                (values["multistripe_skips1"], values["multistripe_skips2"], step),
                f"such that all stripes lie within the detector's {total} lines",
            )
        return cls(stripes, max(1, positions), total, abs(slow) == 2, slow < 0, whole)

    @property
    def n_lines(self) -> int:
        """Lines of the frame, all positions side by side."""
        return sum(stripe.count for stripe in self.stripes)

    @property
    def lines(self) -> NDArray[np.int64]:
        """Line of the detector, in its own order, that each line of the frame is, (n_line)."""
        places = np.concatenate([np.arange(item.first, item.stop) for item in self.stripes])
        return self.total - 1 - places[::-1] if self.backwards else places

    def parts(self, *, apart: bool) -> tuple[slice, ...]:
        """Return the lines of the frame that were read together, in the order of the frame.

        Those of each stripe if `apart`; otherwise those of each position.
        """
        counts = [stripe.count for stripe in self.stripes]
        if not apart:
            size = self.n_lines // self.positions
            counts = [size] * self.positions
        edges = np.cumsum([0, *(counts[::-1] if self.backwards else counts)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(edges))

    def window(self, lines: slice, frame: Window) -> Window:
        """Return some lines of a frame, all along the fast axis."""
        rows, columns = frame.frame_rows, frame.frame_columns
        if self.along_rows:
            return Window(lines.start, lines.stop, 0, columns, rows, columns)
        return Window(0, rows, lines.start, lines.stop, rows, columns)

    def reference_lines(self, meta: Meta) -> tuple[slice, ...]:
        """Return the lines of the frame that are reference pixels on the detector."""
        detector = meta.facts.detector
        low, high = detector.reference_rows if self.along_rows else detector.reference_columns
        lines = self.lines
        found = []
        for part in self.parts(apart=True):
            place = np.flatnonzero((lines[part] < low) | (lines[part] >= self.total - high))
            if place.size:
                found.append(slice(part.start + int(place[0]), part.start + int(place[-1]) + 1))
        return tuple(found)

    @property
    def collated(self) -> tuple[int, NDArray[np.int64]]:
        """The sub-array that all positions have seen together.

        Returns
        -------
        start : int
            Its first line on the detector, from 0.
        source : int64 (n_line)
            Line of the frame of which each of its lines is made; -1 where none was read.
        """
        light = [stripe for stripe in self.stripes if not stripe.leading]
        first, stop = min(stripe.first for stripe in light), max(stripe.stop for stripe in light)
        if self.whole:
            first, stop = 0, self.total
        source = np.full(stop - first, -1)
        line = 0
        for stripe in self.stripes:
            if not stripe.leading:
                here = slice(stripe.first - first, stripe.stop - first)
                source[here] = np.arange(line, line + stripe.count)
            line += stripe.count
        if not self.backwards:
            return first, source
        return self.total - stop, np.where(source < 0, -1, self.n_lines - 1 - source)[::-1]

    def collated_meta(self, meta: Meta) -> Meta:
        """Return the metadata of the sub-array that all positions have seen together."""
        start, source = self.collated
        axis = "y" if self.along_rows else "x"
        size = {f"subarray.{axis}start": start + 1, f"subarray.{axis}size": len(source)}
        return meta.set({f"subarray.{name}": None for name in _WORDS}).set(size)


def in_stripes(meta: Meta) -> bool:
    """Tell whether a header says anything of stripes."""
    return any(meta.get(f"subarray.{name}") for name in _TELLING)


def _count(meta: Meta, name: str, default: int | None = None) -> int:
    """Return a keyword's number, which must not be negative."""
    key, keyword = f"subarray.{name}", _WORDS[name]
    if key not in meta and default is None:
        raise KeywordMissing(key, keyword)
    value = meta.get(key, default)
    if isinstance(value, str | bool) or value != int(value) or value < 0:
        raise KeywordInvalid(keyword, value, "a whole number, 0 or more")
    if name in ("repeat_stripe", "interleave_reads1") and value > 1:
        raise KeywordInvalid(keyword, value, "0 or 1")
    return int(value)


@cache
def _stripes(
    size: int,
    positions: int,
    step: int,
    corner: int,
    *,
    multistripe_reads1: int,
    multistripe_skips1: int,
    multistripe_reads2: int,
    multistripe_skips2: int,
    repeat_stripe: int,
    interleave_reads1: int,
) -> tuple[Stripe, ...]:
    """Return the stripes of all positions of a frame of `size` lines each."""
    leading, count = multistripe_reads1, multistripe_reads2
    stripes = []
    for position in range(positions):
        if not leading and not count:  # no stripes within the frame; it moves as a whole
            stripes.append(Stripe(corner + position * step, size, position))
            continue
        if not count:
            raise KeywordInvalid("MSTR_RD2", count, "1 or more, since MSTR_RD1 is not 0")
        place, filled, number = corner + leading + multistripe_skips1 + position * step, 0, 0
        while filled < size:
            if leading and (number == 0 or repeat_stripe):
                stripes.append(Stripe(corner, leading, position, leading=True))
                filled += leading
            # The first stripe again, or the next one: the leading lines come first in both cases.
            steps = number if interleave_reads1 or not repeat_stripe else 0
            first = place + steps * (count + multistripe_skips2)
            stripes.append(Stripe(first, count, position))
            filled += count
            number += 1
        if filled != size:
            raise KeywordInvalid(
                "MSTR_RD1 and MSTR_RD2",
                (leading, count),
                f"such that whole stripes fill the frame, which has {size} lines",
            )
        if positions > 1 and number > 1:
            raise KeywordInvalid(
                "MSTR_RD2", count, f"the {size - leading} lines of a frame that MSTR_RD1 leaves: only "
                "one stripe can move, as SSTR_NST says that it does",
            )  # fmt: skip
    moved = count or size
    if positions > 1 and step != moved:
        raise KeywordInvalid("SSTR_STP", step, f"{moved}, the lines of the stripe that it moves")
    return tuple(stripes)
