"""Pipelines: ordered lists of slots, written as TOML, edited and set layer by layer.

A slot's name is the word users know (``jump``); its implementation is an entry point (``jump``,
``acme.jump``). All settings belong to the slot, so replacing the implementation keeps the user's.

Layers, lowest first: the step's own default, core's pipeline, the instrument's pipeline, the
profile, parameter references, the user's file, the command line. Each setting remembers who gave it.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

from calcore.errors import BadParameter, BadPipeline, UnknownName
from calcore.model import Record

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
    "persistence_array_file": "state",
    "save_persistence": "save_state",
    "user_mask": "override.usermask",
    "user_supplied_dq": "override.userdq",
    "user_supplied_flat": "override.flat",
    "user_supplied_reffile": "override.emicorr",
}


@dataclass(frozen=True)
class Setting:
    """A value and who gave it; `given` tells that it was the user.

    `elsewhere` tells that it was said of another implementation of the slot, and means nothing to one
    that does not know it: an instrument's, of which core says nothing.
    """

    value: Any
    origin: str
    given: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class Slot:
    """A place in a pipeline.

    Attributes
    ----------
    name, use : str
        The word users know, and the implementation's entry point.
    status : str
        Name under ``cal_step`` of the keyword that says how the step ended.
    branch : bool
        The slot's result is a product of its own; what flows on is what came in.
    optional : bool
        A failure is recorded, and the pipeline goes on without the slot.
    settings : mapping
        Parameters, with who gave them.
    runner : mapping
        ``skip``, ``save``, ``suffix`` and ``override.<type>``; ``members.<role>``, files that are taken
        in place of an association's members of this role; of a step with state also ``state``,
        the file that the first exposures of detectors begin with, and ``save_state``, the one that
        the last ones are added to.
    """

    name: str
    use: str
    status: str
    branch: bool = False
    optional: bool = False
    settings: Mapping[str, Setting] = field(default_factory=dict)
    runner: Mapping[str, Setting] = field(default_factory=dict)

    def runs(self, key: str, default: Any = None) -> Any:
        """Return a value of the runner's keys."""
        return self.runner[key].value if key in self.runner else default


@dataclass(frozen=True)
class Pipeline:
    """Slots in order.

    Attributes
    ----------
    suffix : str
        Names the product that the last slot leaves, if it is one record.
    header : mapping
        Values of keywords (by dotted names) that no slot writes; what a product has already stays.
    notes : tuple of str
        What to tell the user of how it came about.
    """

    name: str
    stage: str
    slots: tuple[Slot, ...]
    suffix: str | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def slot(self, name: str) -> Slot:
        """Return the slot of a name."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise UnknownName(f"slot of pipeline {self.name},", name, [s.name for s in self.slots])


@dataclass(frozen=True)
class Definition:
    """A pipeline file as it was written, and who wrote it."""

    origin: str
    content: Mapping[str, Any]

    @property
    def extends(self) -> str | None:
        """Name of the pipeline this one edits; None for one that stands on its own."""
        name: str | None = self.content.get("extends")
        return name


def parse(text: str, origin: str) -> Definition:
    """Read a pipeline file.

    Raises
    ------
    BadPipeline
        It is not TOML, or has keys that no pipeline has.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPipeline(f"{origin} is not TOML: {error}") from error
    known = {"name", "stage", "suffix", "extends", "slot", "edit", "set", "when", "header"}
    for key in content:
        if key not in known:
            raise BadPipeline(f"{origin}: {UnknownName('key', key, known)}")
    return Definition(origin, content)


def build(
    base: Definition,
    layers: Sequence[Definition] = (),
    *,
    exposure_type: str,
    profile: str = "default",
) -> Pipeline:
    """Return the pipeline for one exposure type and profile: the base, edited by each layer in turn.

    What a file says under ``[[when]] profile = …`` is the profile's word: it comes after what
    every file says for itself.

    Raises
    ------
    BadPipeline, UnknownName
        A file contradicts itself, another one, or names a slot that is not there.
    """
    pipeline = Pipeline(
        name=_need(base, "name"),
        stage=str(_need(base, "stage")),
        suffix=base.content.get("suffix"),
        slots=tuple(_slot(base, entry) for entry in _need(base, "slot")),
    )
    owners: dict[str, str] = {}
    definitions = (base, *layers)
    seen: set[str] = set()
    for definition in definitions:
        pipeline = _apply(pipeline, definition.content, definition.origin, owners)
        for content in _matching(definition, exposure_type, None):
            seen |= {slot.name for slot in pipeline.slots}
            pipeline = _apply(pipeline, content, definition.origin, owners)
        seen |= {slot.name for slot in pipeline.slots}
    # What a profile says of a slot that a later layer has dropped is dropped with it.
    dropped = seen - {slot.name for slot in pipeline.slots}
    for definition in definitions:
        for content in _matching(definition, exposure_type, profile):
            _, origin = _origins(definition, profile)
            settings = {k: v for k, v in content.get("set", {}).items() if k not in dropped}
            told = {**content, "set": settings}
            pipeline = _apply(pipeline, told, origin, owners, owner=definition.origin)
    order = [definition.origin for definition in definitions]
    for slot in pipeline.slots:
        below = definitions[: order.index(owners.get(slot.name, base.origin))]
        origins = {origin for definition in below for origin in _origins(definition, profile)}
        settings = {
            name: replace(setting, elsewhere=setting.origin in origins)
            for name, setting in slot.settings.items()
        }
        pipeline = _swap(pipeline, slot.name, replace(slot, settings=settings))
    return pipeline


def _origins(definition: Definition, profile: str) -> tuple[str, str]:
    """Return how a file is named as the origin of its settings, and of those of a profile."""
    return definition.origin, f"profile {profile} ({definition.origin})"


def profiles(definitions: Sequence[Definition]) -> set[str]:
    """Return the profiles that pipeline files define, and the default."""
    named = {"default"}
    for definition in definitions:
        for entry in definition.content.get("when", ()):
            named |= set(_listed(entry.get("profile", ())))
    return named


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
        pipeline = _swap(pipeline, name, changed)
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


def edited(
    pipeline: Pipeline,
    content: Mapping[str, Any],
    origin: str,
    owners: dict[str, str] | None = None,
) -> Pipeline:
    """Return the pipeline with the edits and settings of a user's file or a package's hook.

    `owners` says who has edited which slot; no two of those who share it may edit the same.
    """
    return _apply(pipeline, content, origin, {} if owners is None else owners, given=True)


def _need(definition: Definition, key: str) -> Any:
    if key not in definition.content:
        raise BadPipeline(f"{definition.origin}: the key {key!r} is missing")
    return definition.content[key]


def _slot(definition: Definition, entry: Mapping[str, Any]) -> Slot:
    known = {"name", "use", "status", "branch", "optional"}
    for key in entry:
        if key not in known:
            raise BadPipeline(f"{definition.origin}: {UnknownName('key of a slot', key, known)}")
    name = entry["name"]
    return Slot(
        name=name,
        use=entry.get("use", name),
        status=entry.get("status", name),
        branch=entry.get("branch", False),
        optional=entry.get("optional", False),
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _matching(
    definition: Definition, exposure_type: str, profile: str | None
) -> list[Mapping[str, Any]]:
    """Return the ``[[when]]`` entries that hold; those of a profile only if one is asked for."""
    found = []
    for entry in definition.content.get("when", ()):
        known = {"exposure_type", "profile", "set", "edit"}
        for key in entry:
            if key not in known:
                raise BadPipeline(f"{definition.origin}: {UnknownName('condition', key, known)}")
        right_profile = (
            "profile" not in entry
            if profile is None
            else profile in _listed(entry.get("profile", ()))
        )
        right_type = exposure_type in _listed(entry.get("exposure_type", exposure_type))
        if right_profile and right_type:
            found.append(entry)
    return found


def _apply(
    pipeline: Pipeline,
    content: Mapping[str, Any],
    origin: str,
    owners: dict[str, str],
    *,
    owner: str = "",
    given: bool = False,
) -> Pipeline:
    for edit in content.get("edit", ()):
        pipeline = _edit(pipeline, edit, owner or origin, owners)
    header = {**pipeline.header, **content.get("header", {})}
    pipeline = replace(pipeline, header=header)
    return with_settings(pipeline, content.get("set", {}), origin, given=given)


def _edit(
    pipeline: Pipeline, edit: Mapping[str, Any], origin: str, owners: dict[str, str]
) -> Pipeline:
    """Insert, drop, replace or move one slot."""
    if not isinstance(edit, Mapping) or not all(
        isinstance(value, bool if key in {"branch", "optional"} else str)
        for key, value in edit.items()
    ):
        raise BadPipeline(
            f"{origin}: an edit is a table of names, such as {{drop = 'jump'}}; found {edit!r}"
        )
    verbs = [verb for verb in ("insert", "drop", "replace", "move") if verb in edit]
    if len(verbs) != 1:
        raise BadPipeline(
            f"{origin}: an edit needs one of insert, drop, replace, move; found {sorted(edit)}"
        )
    verb = verbs[0]
    name = edit[verb]
    if owners.setdefault(name, origin) != origin:
        raise BadPipeline(f"slot {name!r} is edited by {owners[name]} and by {origin}; choose one")
    if verb == "drop":
        slot = pipeline.slot(name)
        return replace(pipeline, slots=tuple(s for s in pipeline.slots if s is not slot))
    if verb == "replace":
        if "use" not in edit:
            raise BadPipeline(f"{origin}: replace = {name!r} needs use = …")
        return _swap(pipeline, name, replace(pipeline.slot(name), use=edit["use"]))
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


def _swap(pipeline: Pipeline, name: str, slot: Slot) -> Pipeline:
    return replace(
        pipeline, slots=tuple(slot if other.name == name else other for other in pipeline.slots)
    )
