"""A pipeline set as it was when a product was made, whatever defaults have become since."""

from collections.abc import Mapping
from typing import Any

from calcore.parameters import parameters_of
from calcore.pipeline import Pipeline, Slot, with_settings
from calcore.registry.steps import step_class

ORIGIN = "the replayed run"
_OFF = "switched off"


def as_it_was(pipeline: Pipeline, record: Mapping[str, Any]) -> Pipeline:
    """Return a pipeline whose slots have the settings that a product's record tells.

    A setting that the step no longer has is dropped, with a note in the plan; slots that the record
    does not know stay as they are.
    """
    before = {slot["name"]: slot for slot in record["slots"]}
    settings = {
        slot.name: changed
        for slot in pipeline.slots
        if slot.name in before and (changed := _changed(slot, before[slot.name]))
    }
    return with_settings(pipeline, settings, ORIGIN, given=False)


def _changed(slot: Slot, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are now others than they were."""
    kind: Any = step_class(slot.use)
    known = parameters_of(kind)
    changed = {}
    for name, value in before["settings"].items():
        now = slot.settings[name].value if name in slot.settings else None
        if name not in slot.settings and name in known:
            now = known[name].default
        if isinstance(now, float) and isinstance(value, str):
            value = float(value)  # noqa: PLW2901 - JSON has no words for what is not finite
        if name not in known or _listed(now) != _listed(value):
            changed[name] = value
    off = before["status"] == "skipped" and before["reason"].startswith(_OFF)
    runs = before["status"] == "complete" or before.get("tried", False)
    if (off or runs) and slot.runs("skip", default=False) is not off:
        changed["skip"] = off
    return changed


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
