"""Exposures whose integrations are the positions of a super-stripe, taken together."""

from dataclasses import replace
from typing import Any

import numpy as np

from calcore.errors import KeywordInvalid
from calcore.model.exposure import Ramp, Table
from calcore.model.layout import Plane, fields_of
from calcore.model.meta import Meta
from calcore.model.stitched import one_by_one, side_by_side
from calcore.model.stripes import Stripes

_LENGTHS = {
    "exposure.nints": "NINTS",
    "exposure.integration_start": "INTSTART",
    "exposure.integration_end": "INTEND",
}


def taken_together(ramp: Ramp) -> Ramp:
    """Return a ramp whose integrations hold all positions of its super-stripe side by side.

    Any other ramp is returned as it is. Planes that lie in a file stay there.

    Raises
    ------
    KeywordMissing, KeywordInvalid
        The stripes do not fit the frame, or there is part of an integration.
    """
    stripes = Stripes.of(ramp.meta)
    if stripes is None or stripes.positions == 1:
        return ramp
    count = stripes.positions
    if ramp.data.shape[0] % count:
        raise KeywordInvalid(
            "SSTR_NST",
            count,
            f"a divisor of the {ramp.data.shape[0]} integrations that there are: each is one "
            "position of the super-stripe",
        )
    planes: dict[str, Any] = {
        name: side_by_side(plane, stripes, integrations=name != "pixeldq")
        for name in ("data", "groupdq", "pixeldq", "zeroframe")
        if (plane := getattr(ramp, name)) is not None
    }
    meta = integrations_together(ramp.meta)
    tables: dict[str, Any] = {"group": None}  # whose rows are those of positions
    times = ramp.int_times
    known = times is not None and "integration_number" in (times.dtype.names or ())
    if times is not None and known and len(times) % count == 0:
        first = meta.first_integration
        tables["int_times"] = times_together(times, count, first)
        tables["int_times_stripe"] = times_by_stripe(times, count, first)
    return replace(ramp, meta=meta, **planes, **tables)


def taken_apart(ramp: Ramp) -> Ramp:
    """Return a ramp as files have it: one integration for each position of its super-stripe.

    The reverse of `taken_together`, whose flags of pixels now have an axis for positions. Any other
    ramp is returned as it is.
    """
    stripes = Stripes.of(ramp.meta)
    if stripes is None or stripes.positions == 1:
        return ramp
    count = stripes.positions
    kind: Any = type(ramp)
    planes: dict[str, Any] = {
        name: one_by_one(np.asarray(plane), stripes)
        for name in fields_of(kind, Plane)
        if (plane := getattr(ramp, name)) is not None
    }
    lengths = {
        name: (ramp.meta.whole(name) - (before := int(keyword == "INTSTART"))) * count + before
        for name, keyword in _LENGTHS.items()
        if name in ramp.meta
    }
    tables: dict[str, Any] = {}
    if ramp.int_times is not None and ramp.int_times_stripe is not None:
        times = np.zeros(len(ramp.int_times_stripe), ramp.int_times.dtype)
        for name in ramp.int_times.dtype.names or ():
            times[name] = ramp.int_times_stripe[name]
        first = (ramp.meta.first_integration - 1) * count + 1
        times["integration_number"] = np.arange(first, first + len(times))
        tables = {"int_times": times, "int_times_stripe": None}
    return replace(ramp, meta=ramp.meta.set(lengths), window=None, **planes, **tables)


def integrations_together(meta: Meta) -> Meta:
    """Return metadata that count integrations of the whole sub-array, not of its positions.

    Raises
    ------
    KeywordMissing, KeywordInvalid
        The stripes do not fit the frame, or integrations begin or end within one.
    """
    stripes = Stripes.of(meta)
    if stripes is None or stripes.positions == 1:
        return meta
    changes = {}
    for name, keyword in _LENGTHS.items():
        if name not in meta:
            continue
        value, before = meta.whole(name), int(keyword == "INTSTART")
        if (value - before) % stripes.positions:
            rest = f"{before} more than " if before else ""
            raise KeywordInvalid(
                keyword, value, f"{rest}a multiple of SSTR_NST, which is {stripes.positions}"
            )
        changes[name] = (value - before) // stripes.positions + before
    if "exposure.nints" in changes:  # a file that is no segment says so from now on
        changes.setdefault("exposure.integration_start", 1)
        changes.setdefault("exposure.integration_end", changes["exposure.nints"])
    return meta.set(changes)


def times_together(table: Table, count: int, first: int) -> Table:
    """Return the times of whole integrations: start of the first position, end of the last.

    Parameters
    ----------
    table : structured array (n_int * n_position)
        INT_TIMES, a row for each position.
    count : int
        Positions.
    first : int
        Number of the first integration.
    """
    result = table[::count].copy()
    result["integration_number"] = np.arange(first, first + len(result))
    names = set(table.dtype.names or ())
    for scale in ("MJD_UTC", "BJD_TDB"):
        begin, middle, end = (f"int_{which}_{scale}" for which in ("start", "mid", "end"))
        if {begin, middle, end} <= names:
            result[end] = table[end][count - 1 :: count]
            result[middle] = (result[begin] + result[end]) / 2
    return result


def times_by_stripe(table: Table, count: int, first: int) -> Table:
    """Return the times of each position, numbered by integration and position from 1."""
    number = "integration_number"
    names = [name for name in table.dtype.names or () if name != number]
    kinds = [
        (number, "i4"),
        ("stripe_number", "i4"),
        *((name, table.dtype[name]) for name in names),
    ]
    result = np.zeros(len(table), kinds)
    place = np.arange(len(table))
    result[number], result["stripe_number"] = first + place // count, 1 + place % count
    for name in names:
        result[name] = table[name]
    return result
