"""What flags a step adds: of samples (integration, group, row, column) and of pixels."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from calcore.flags import DQ
from calcore.model import Group, Parts, Record, Window

Flagged = dict[str, dict[str, int]]
"""By ``"samples"`` or ``"pixels"``: how many got which flag, by its name."""
_PLANES = {"samples": ("groupdq",), "pixels": ("pixeldq", "dq")}


def added(before: Any, after: Any, window: Window | None = None) -> Flagged:
    """Count flags that are there after a step, and were not before.

    Parameters
    ----------
    before, after : record, group, or frozen dataclass of records
        What went into a step and what came out. Of several records the first tells. Frames of
        another size are not compared.
    window : Window, optional
        The part of the frame to look at, where the records hold more.

    Returns
    -------
    dict
        What is new; flags that no element got are left out. Pixels of an image for each integration
        count in each.
    """
    found: Flagged = {}
    for one, other in _pairs(before, after):
        for what, names in _PLANES.items():
            for name, number in _of_planes(_plane(one, names), _plane(other, names), other, window):
                own = found.setdefault(what, {})
                own[name] = own.get(name, 0) + number
    return found


def joined(total: Flagged, more: Mapping[str, Mapping[str, int]]) -> None:
    """Add counts to those that there are."""
    for what, numbers in more.items():
        own = total.setdefault(what, {})
        for name, number in numbers.items():
            own[name] = own.get(name, 0) + number


def _pairs(before: Any, after: Any) -> Iterator[tuple[Record, Record]]:
    if isinstance(before, Group) and isinstance(after, Group):
        if len(before.members) == len(after.members):
            yield from zip(before.members, after.members, strict=True)
            return
        own = {member.meta.get("filename"): member for member in before.members}
        for member in after.members:  # a step may have left some out
            if (other := own.get(member.meta.get("filename"))) is not None:
                yield other, member
        return
    one, other = _first(before), _first(after)
    if one is not None and other is not None:
        yield one, other


def _first(flow: Any) -> Record | None:
    """Return the record, or the first of those that a result is made of."""
    if isinstance(flow, Record):
        return flow
    if isinstance(flow, Group | Parts) or not is_dataclass(flow):
        return None
    parts = (getattr(flow, item.name) for item in fields(flow))
    return next((part for part in parts if isinstance(part, Record)), None)


def _plane(record: Record, names: tuple[str, ...]) -> Any:
    planes = (getattr(record, name, None) for name in names)
    return next((plane for plane in planes if plane is not None), None)


def _of_planes(
    before: Any, after: Any, record: Record, window: Window | None
) -> Iterator[tuple[str, int]]:
    if before is None or after is None or before is after:
        return
    if before.shape != after.shape or before.dtype.newbyteorder("=") != after.dtype:
        return
    from calcore.kernels.flag_counts import count_new_flags  # noqa: PLC0415 - plans need no kernel

    rows, columns = (window or record.frame).within(record.frame)
    total: Any = 0
    for one, other in _in_memory(before, after):
        total = total + count_new_flags(one, other, rows, columns)
    for bit, number in enumerate(np.atleast_1d(total)):
        if number:
            yield DQ(1 << bit).name or str(bit), int(number)


def _in_memory(before: Any, after: Any) -> Iterator[tuple[Any, Any]]:
    """Yield planes as arrays; those that lie in files frame by frame."""
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        yield before, after
        return
    for place in np.ndindex(*after.shape[:-2]):
        yield np.asarray(before[place], after.dtype), np.asarray(after[place])
