"""A JSON schema of configuration files, by which editors complete names and check values."""

import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from calcore.errors import PluginBroken
from calcore.parameters import Parameter, parameters_of, spell
from calcore.pipeline import EDIT_FLAGS, EDITS
from calcore.registry import discovery
from calcore.registry.steps import step_class

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_FILE: Schema = {"type": "string", "description": "A file."}
_REFERENCES: Schema = {
    "type": "object",
    "description": "Reference files by type; N/A for none.",
    "additionalProperties": _FILE,
}
_RUNNER: Mapping[str, Schema] = {
    "skip": {"type": "boolean", "description": "Leave the step out."},
    "save": {"type": "boolean", "description": "Write the step's result, too."},
    "suffix": {"type": "string", "description": "Suffix of the result's file."},
    "override": _REFERENCES,
    "state": {**_FILE, "description": "What earlier exposures left, to go on from."},
    "save_state": {**_FILE, "description": "Where to leave it for later exposures."},
}
_EDIT_WORDS = {
    "insert": "Name of the new slot.",
    "replace": "Slot that another step shall fill.",
    "move": "Slot to put elsewhere.",
    "drop": "Slot to take out.",
    "use": "The step: jump, or owner.step of a package.",
    "after": "Slot that this one follows.",
    "before": "Slot that this one comes before.",
    "status": "Name of the keyword that says how the step ended.",
    "branch": "The result is a product of its own, on which the next slot of a branch goes on; what flows on is what came in.",
    "optional": "If the step fails, go on without.",
}


def schema() -> Schema:
    """Return the JSON schema of a configuration file, for the steps that are installed.

    Steps of a package that is broken are left out.
    """
    edits = {"set": {"$ref": "#/$defs/settings"}, "edit": _edits()}
    pipelines = sorted({item.name for item in discovery.names("calcore.pipelines")})
    return {
        "$schema": DIALECT,
        "title": "Configuration of calcore",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "profile": {
                "type": "string",
                "description": "Values of settings that belong together: default or reference.",
            },
            "with": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Packages, and files of steps, that may edit pipelines.",
            },
            "references": _REFERENCES,
            **edits,
            "pipeline": {
                "type": "object",
                "description": "Settings and edits of one pipeline alone.",
                "additionalProperties": False,
                "properties": {
                    name: {"type": "object", "additionalProperties": False, "properties": edits}
                    for name in pipelines
                },
            },
        },
        "$defs": {"settings": _settings()},
    }


def _edits() -> Schema:
    """Return the schema of a list of edits."""
    return {
        "type": "array",
        "description": "Changes of the pipeline: one of insert, replace, move and drop each.",
        "items": {"oneOf": [_edit(verb, others) for verb, others in EDITS.items()]},
    }


def _edit(verb: str, others: Iterable[str]) -> Schema:
    placed = [{"required": [word]} for word in ("after", "before") if word in others]
    return {
        "type": "object",
        "properties": {
            word: {
                "type": "boolean" if word in EDIT_FLAGS else "string",
                "description": _EDIT_WORDS[word],
            }
            for word in sorted({verb, *others})
        },
        "required": [verb, "use"] if verb == "replace" else [verb],
        "additionalProperties": False,
        **({"oneOf": placed} if placed else {}),
    }


def _settings() -> Schema:
    """Return the schema of the table ``set``: slots and their parameters."""
    slots: dict[str, list[Any]] = {}
    for item in discovery.names("calcore.steps"):
        try:
            step: Any = step_class(item.name)
        except PluginBroken:
            continue
        slots.setdefault(item.name.rpartition(".")[2], []).append(step)
    return {
        "type": "object",
        "description": "Parameters of steps.",
        "properties": {name: _slot(steps) for name, steps in sorted(slots.items())},
    }


def _slot(steps: Iterable[Any]) -> Schema:
    """Return the schema of a slot's parameters; several steps may fill it."""
    found: dict[str, list[Schema]] = {}
    summaries = []
    for step in steps:
        summaries.append((step.__doc__ or "").partition("\n")[0])
        for parameter in parameters_of(step).values():
            kinds = found.setdefault(parameter.name, [])
            if (kind := _parameter(parameter)) not in kinds:
                kinds.append(kind)
    own = {name: kinds[0] if len(kinds) == 1 else {"anyOf": kinds} for name, kinds in found.items()}
    return {
        "type": "object",
        "description": summaries[0],
        "properties": {**own, **_RUNNER},
        "patternProperties": {"^override_": _FILE},
        "additionalProperties": False,
    }


def _parameter(parameter: Parameter) -> Schema:
    unit = f" [{parameter.unit}]" if parameter.unit else ""
    result = {**_kind(parameter.type), "description": f"{parameter.doc}{unit}"}
    if parameter.default is None or isinstance(parameter.default, bool | int | float | str):
        result["default"] = parameter.default
    limits = {"minimum": parameter.range.low, "maximum": parameter.range.high}
    return {**result, **{name: value for name, value in limits.items() if value is not None}}


def _kind(hint: Any) -> Schema:
    """Return the schema of a type."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_kind(part) for part in parts]}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is tuple:
        if len(parts) == 2 and parts[1] is Ellipsis:
            return {"type": "array", "items": _kind(parts[0])}
        return {"type": "array", "prefixItems": [_kind(part) for part in parts], "items": False}
    if hint is type(None):
        return {"const": "None"}  # TOML has no null
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if isinstance(hint, type) and issubclass(hint, kind):
            return {"type": name}
    return {"type": "string", "description": spell(hint)}
