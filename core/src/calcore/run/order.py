"""Whether each slot can work on what the slots before it leave."""

import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Union, get_args, get_origin, get_type_hints

from calcore.errors import BadPipeline
from calcore.model import Group, Parts, Record
from calcore.pipeline import Pipeline
from calcore.run.assemble import BuiltSlot


def fitting(pipeline: Pipeline, slots: Sequence[BuiltSlot]) -> tuple[BuiltSlot, ...]:
    """Compare what steps return with what those after them take; return the slots.

    What a step's signature leaves open is believed. A step that works on what one that is left out
    would have left is left out, too.

    Raises
    ------
    BadPipeline
        A step stands where something else flows than it works on.
    """
    trunk: tuple[frozenset[type[Record]], str] = frozenset(), ""
    branch, several = trunk, False
    found: list[BuiltSlot] = []
    for built in slots:
        found.append(built)
        if built.step is None or built.skip:
            continue
        wanted: Any = built.diet.flow
        flowing, last = branch if built.slot.branch else trunk
        suits = not isinstance(wanted, type) or any(_fit(kind, wanted) for kind in flowing)
        if flowing and not suits and not built.slot.branch:  # what stands on a branch is skipped
            if without := _left_out(found[:-1], wanted):
                found[-1] = replace(built, skip=without)
                continue
            raise BadPipeline(
                f"step {built.slot.name} of {pipeline.name} works on {wanted.__name__} records, but "
                f"{last} leaves {' and '.join(sorted(kind.__name__ for kind in flowing))}; "
                "move one of them, or leave this one out, too"
            )
        if several and built.diet.state is not None:
            raise BadPipeline(
                f"step {built.slot.name} of {pipeline.name} keeps something of one record for the "
                f"next exposure, but {last} leaves several; move one of them"
            )
        branch = _records(built.diet.returns), built.slot.name
        if not built.slot.branch:
            several = _leaves_several(built)
            trunk = branch
    return tuple(found)


def _left_out(slots: Sequence[BuiltSlot], wanted: type) -> str:
    """Return which step that is left out would have made some records, and why; empty if none."""
    for built in reversed(slots):
        makes = _records(built.diet.returns) if built.step is not None and built.skip else ()
        if any(_fit(kind, wanted) for kind in makes):
            return f"{built.slot.name} is left out: {built.skip}"
    return ""


def _leaves_several(built: BuiltSlot) -> bool:
    """Tell whether several records flow on from a step, as rates from a fit of ramps."""
    if not is_dataclass(built.diet.returns) or built.diet.state is not None:
        return False
    return not _records(built.diet.returns) <= {built.diet.returns}


def _fit(flowing: type, wanted: type) -> bool:
    """Tell whether a step takes a record, as it is or made into what it wants."""
    return issubclass(flowing, wanted) or issubclass(wanted, flowing)


def _records(hint: Any) -> frozenset[type[Record]]:
    """Return the record classes that a returned value holds; none if that is left open."""
    if get_origin(hint) in (Union, types.UnionType, Group, Parts):
        return frozenset().union(*(_records(part) for part in get_args(hint)))
    if not isinstance(hint, type):
        return frozenset()
    if issubclass(hint, Record):
        return frozenset({hint})
    if not is_dataclass(hint):
        return frozenset()
    hints = get_type_hints(hint)
    return frozenset().union(*(_records(hints[item.name]) for item in fields(hint)))
