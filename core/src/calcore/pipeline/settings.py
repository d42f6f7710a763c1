"""Settings of slots: what is the step's own, and what the runner's."""

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

from calcore.errors import BadParameter, BadPipeline
from calcore.model import Record
from calcore.pipeline.slots import Pipeline, Setting

# Keys of a slot that are the runner's, not the step's.
RUNNER_KEYS = frozenset({"skip", "save", "suffix", "override", "state", "save_state"})
_RUNNER_TYPES: Mapping[str, tuple[Any, str]] = {
    "skip": (bool, "true or false"),
    "save": (bool, "true or false"),
    "suffix": (str, "a text"),
    "override": (Mapping, "a table of reference types and files"),
    "state": ((str, PathLike), "a file"),
    "save_state": ((str, PathLike), "a file"),
}
_SPELLINGS = {
    "bkg_list": "members.background",
    "offset_file": "override.useroffsets",
    "persistence_array_file": "state",
    "save_persistence": "save_state",
    "ta_file": "members.target_acquisition",
    "user_background": "override.userbackground",
    "user_mask": "override.usermask",
    "user_supplied_dq": "override.userdq",
    "user_supplied_flat": "override.flat",
    "user_supplied_reffile": "override.emicorr",
}


def with_settings(
    pipeline: Pipeline, settings: Mapping[str, Mapping[str, Any]], origin: str, *, given: bool
) -> Pipeline:
    """Return the pipeline with settings ``{slot: {parameter: value}}`` of one origin."""
    for name, values in settings.items():
        slot = pipeline.slot(name)
        if not isinstance(values, Mapping):
            raise BadPipeline(
                f"{origin}: what is set for {name} must be a table of parameters, not {values!r}"
            )
        own: dict[str, Setting] = {}
        runner: dict[str, Setting] = {}
        for key, value in values.items():
            if key == "override":
                _check_runner(name, key, value, origin)
                for kind, path in value.items():
                    _check_runner(name, f"override.{kind}", path, origin)
                    runner[f"override.{kind}"] = Setting(path, origin, given)
            elif (known := _runner_key(key)) is not None:
                if value is not None:
                    _check_runner(name, known, value, origin)
                    runner[known] = Setting(value, origin, given)
            else:
                own[key] = Setting(value, origin, given)
        changed = replace(slot, settings={**slot.settings, **own}, runner={**slot.runner, **runner})
        pipeline = pipeline.with_slot(changed)
    return pipeline


def _check_runner(slot: str, key: str, value: Any, origin: str) -> None:
    """Check a value of the runner's keys: a word such as "no" would pass for true."""
    kind, words = _RUNNER_TYPES.get(key, ((str, PathLike, Record), "a file"))
    if key.startswith("members."):
        kind, words = (str, PathLike, list, tuple), "a list of files"
    if not isinstance(value, kind):
        raise BadParameter(f"{slot}.{key} must be {words}, not {value!r} (given by {origin})")


def _runner_key(key: str) -> str | None:
    """Return what the runner calls a setting of a slot; None if it is the step's own.

    ``override_flat`` and ``user_supplied_flat`` are how parameter files spell ``override.flat``,
    ``user_mask`` is ``override.usermask``, ``bkg_list`` is ``members.background``, and `_SPELLINGS`
    has the others.
    """
    key = _SPELLINGS.get(key, key)
    if key.startswith("override_"):
        key = f"override.{key.removeprefix('override_')}"
    return key if key in RUNNER_KEYS or key.startswith(("override.", "members.")) else None
