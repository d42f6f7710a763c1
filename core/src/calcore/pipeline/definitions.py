"""Pipelines as files: read, and built layer by layer for an exposure."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from calcore.errors import BadPipeline, UnknownName
from calcore.pipeline.edits import edit_slot
from calcore.pipeline.settings import with_settings
from calcore.pipeline.slots import Pipeline, Slot


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
    target_type: str = "",
    profile: str = "default",
) -> Pipeline:
    """Return the pipeline for an exposure and a profile: the base, edited by each layer in turn.

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
        for content in _matching(definition, exposure_type, target_type, None):
            seen |= {slot.name for slot in pipeline.slots}
            pipeline = _apply(pipeline, content, definition.origin, owners)
        seen |= {slot.name for slot in pipeline.slots}
    # What a profile says of a slot that a later layer has dropped is dropped with it.
    dropped = seen - {slot.name for slot in pipeline.slots}
    for definition in definitions:
        for content in _matching(definition, exposure_type, target_type, profile):
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
        pipeline = pipeline.with_slot(replace(slot, settings=settings))
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
    definition: Definition, exposure_type: str, target_type: str, profile: str | None
) -> list[Mapping[str, Any]]:
    """Return the ``[[when]]`` entries that hold; those of a profile only if one is asked for."""
    found = []
    for entry in definition.content.get("when", ()):
        known = {"exposure_type", "target_type", "profile", "set", "edit", "header"}
        for key in entry:
            if key not in known:
                raise BadPipeline(f"{definition.origin}: {UnknownName('condition', key, known)}")
        right_profile = (
            "profile" not in entry
            if profile is None
            else profile in _listed(entry.get("profile", ()))
        )
        right_type = exposure_type in _listed(entry.get("exposure_type", exposure_type))
        right_target = target_type in _listed(entry.get("target_type", target_type))
        if right_profile and right_type and right_target:
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
        pipeline = edit_slot(pipeline, edit, owner or origin, owners)
    header = {**pipeline.header, **content.get("header", {})}
    pipeline = replace(pipeline, header=header)
    return with_settings(pipeline, content.get("set", {}), origin, given=given)
