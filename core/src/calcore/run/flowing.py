"""What flows through a product's slots: a record, a set, parts, or several results of a step."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from calcore.model import Group, Parts, Record
from calcore.run.assemble import BuiltSlot


def suits(flow: Any, built: BuiltSlot) -> bool:
    """Tell whether a step can work on what flows, as it is or made into what it wants."""
    if isinstance(flow, Group):
        flow = flow.members[0]
    if isinstance(flow, Parts):
        flow = next(iter(flow.parts.values()), None)
    elif built.diet.parted:
        return False
    wanted: Any = built.diet.flow
    return isinstance(flow, wanted) or issubclass(wanted, type(flow))


def meta_of(flow: Any, before: Any = None) -> Any:
    """Return the metadata of a record, of a group's first member, or of a result's first record.

    A result that is all tables has those of what was there `before`.
    """
    if isinstance(flow, Record):
        return flow.meta
    if isinstance(flow, Group):
        return flow.members[0].meta
    if isinstance(flow, Parts):
        return next(iter(flow.parts.values())).meta
    parts = [part for item in fields(flow) if isinstance(part := getattr(flow, item.name), Record)]
    return parts[0].meta if parts else meta_of(before)


def told_apart(result: Any, built: BuiltSlot) -> tuple[Any, dict[str, Any]]:
    """Part what flows on from what is only saved.

    Of a result made of several records, the one that is of the kind the step works on flows on; the
    others are products. Where none is, as after a fit of ramps, all that later steps work on flow on.
    Of what a step on a set returns, the set of such records flows on.
    """
    if isinstance(result, Record | Group | Parts) or not is_dataclass(result):
        return result, {}
    if built.diet.grouped:
        held = {item.name: getattr(result, item.name) for item in fields(result)}
        sets = [name for name, part in held.items() if _is_set_of(part, built.diet.flow)]
        if len(sets) != 1:
            return result, {}
        return held.pop(sets[0]), {name: part for name, part in held.items() if part is not None}
    parts = {
        item.name: part
        for item in fields(result)
        if isinstance(part := getattr(result, item.name), Record)
    }
    own = [name for name, part in parts.items() if isinstance(part, built.diet.flow)]
    if len(own) == 1:
        return parts.pop(own[0]), parts
    aside = {name: part for name, part in parts.items() if part.aside}
    whole: Any = result  # a dataclass, not the class of one
    return replace(whole, **dict.fromkeys(aside)), aside


def _is_set_of(part: Any, kind: Any) -> bool:
    return isinstance(part, Group) and all(isinstance(member, kind) for member in part.members)


def marked(flow: Any, built: BuiltSlot, status: str) -> Any:
    """Write how a slot ended, and what it used, into the metadata of all that flows."""
    changes: dict[str, Any] = {f"cal_step.{built.slot.status}": status}
    if status != "SKIPPED":
        for kind, choice in built.choices.items():
            changes[f"ref_file.{kind}.name"] = choice.name

    def with_status(part: Any) -> Any:
        if isinstance(part, Group):
            return part.with_members([with_status(member) for member in part.members])
        if isinstance(part, Parts):
            return Parts({word: with_status(one) for word, one in part.parts.items()})
        return part.replace(meta=part.meta.set(changes)) if isinstance(part, Record) else part

    if isinstance(flow, Record | Group | Parts):
        return with_status(flow)
    return replace(
        flow, **{item.name: with_status(getattr(flow, item.name)) for item in fields(flow)}
    )
