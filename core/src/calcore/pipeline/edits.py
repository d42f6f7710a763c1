"""Edits of pipelines: insert, drop, replace and move slots."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from calcore.errors import BadPipeline, suggestion
from calcore.pipeline.slots import Pipeline, Slot

EDIT_FLAGS = frozenset({"branch", "optional"})
EDITS: Mapping[str, frozenset[str]] = {
    "insert": frozenset({"use", "before", "after", "status"}) | EDIT_FLAGS,
    "drop": frozenset(),
    "replace": frozenset({"use"}),
    "move": frozenset({"use", "before", "after"}),
}
"""What an edit does, and what else it may say."""


def edit_slot(
    pipeline: Pipeline, edit: Mapping[str, Any], origin: str, owners: dict[str, str]
) -> Pipeline:
    """Insert, drop, replace or move one slot."""
    if not isinstance(edit, Mapping):
        raise BadPipeline(
            f"{origin}: an edit is a table of names, such as {{drop = 'jump'}}; found {edit!r}"
        )
    verbs = [verb for verb in EDITS if verb in edit]
    if len(verbs) != 1:
        raise BadPipeline(
            f"{origin}: an edit needs one of insert, drop, replace, move; found {sorted(edit)}"
        )
    verb = verbs[0]
    name = edit[verb]
    for key in edit:
        if key != verb and key not in EDITS[verb]:
            raise BadPipeline(
                f"{origin}: {verb} = {name!r} takes no {key!r}. {suggestion(key, EDITS[verb])}"
            )
    for key, value in edit.items():
        wanted, words = (bool, "true or false") if key in EDIT_FLAGS else (str, "a name")
        if not isinstance(value, wanted):
            raise BadPipeline(f"{origin}: {key} of an edit must be {words}, not {value!r}")
    if owners.setdefault(name, origin) != origin:
        raise BadPipeline(f"slot {name!r} is edited by {owners[name]} and by {origin}; choose one")
    if verb == "drop":
        slot = pipeline.slot(name)
        return replace(pipeline, slots=tuple(s for s in pipeline.slots if s is not slot))
    if verb == "replace":
        if "use" not in edit:
            raise BadPipeline(f"{origin}: replace = {name!r} needs use = …")
        return pipeline.with_slot(replace(pipeline.slot(name), use=edit["use"]))
    if verb == "insert":
        if any(slot.name == name for slot in pipeline.slots):
            raise BadPipeline(f"{origin}: pipeline {pipeline.name} has a slot {name!r} already")
        slot = Slot(
            name,
            edit.get("use", name),
            edit.get("status", name),
            edit.get("branch", False),
            edit.get("optional", False),
        )
        slots = list(pipeline.slots)
    else:
        slot = pipeline.slot(name)
        slot = replace(slot, use=edit.get("use", slot.use))
        slots = [other for other in pipeline.slots if other.name != name]
    place = [key for key in ("before", "after") if key in edit]
    if len(place) != 1:
        raise BadPipeline(f"{origin}: {verb} = {name!r} needs before = … or after = …")
    neighbour = pipeline.slot(edit[place[0]])
    at = [other.name for other in slots].index(neighbour.name) + (place[0] == "after")
    return replace(pipeline, slots=(*slots[:at], slot, *slots[at:]))
