"""Parameter references, a TOML file, and the command line or a call, put on top of a pipeline."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calcore.errors import (
    BadParameter,
    BadPipeline,
    FileProblem,
    ReferenceInvalid,
    UnknownName,
    UsageError,
)
from calcore.model import Meta
from calcore.pipeline import Pipeline, edited, with_settings
from calcore.references.parameters import (
    SWITCH,
    Finder,
    Settings,
    parameter_references,
    read_settings,
    switched_off,
)
from calcore.registry import discovery
from calcore.registry.local import is_place
from calcore.registry.manager import named
from calcore.registry.questions import ALIASES
from calcore.run.request import Request

_RAMP = "save_calibrated_ramp"
"""A parameter of the reference pipeline itself that asks for a product."""


@dataclass(frozen=True)
class UserFile:
    """A user's TOML file: settings and edits for all pipelines and for single ones, references.

    ::

        profile = "reference"
        with = ["acme", "./my_step.py"]
        references.dark = "my_dark.fits"
        [set.jump]
        rejection_threshold = 4.5
        [[pipeline.image3.edit]]
        drop = "skymatch"
        [pipeline.image3.set.resample]
        pixfrac = 0.8

    A parameter file of the reference pipeline (ASDF) serves as well: `imported` has its settings,
    of which those that calcore lacks are said and left out.
    """

    origin: str = ""
    everywhere: Mapping[str, Any] = field(default_factory=dict)
    pipelines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    imported: Settings = field(default_factory=dict)
    imported_for: str | None = None
    packages: tuple[str, ...] = ()


def read_user_file(path: Path | None) -> UserFile:
    """Read the user's file, if there is one.

    Raises
    ------
    BadPipeline
        It cannot be read, is not TOML, or has keys or values that mean nothing; or it is called
        ``.asdf`` and is no parameter file.
    UnknownName
        It names a pipeline that is not there.
    """
    if path is None:
        return UserFile()
    if path.suffix == ".asdf":
        try:
            pipeline, settings = read_settings(path, sorted(slot_names()))
        except (FileProblem, ReferenceInvalid) as error:
            raise BadPipeline(str(error)) from error
        return UserFile(origin=str(path), imported=settings, imported_for=pipeline)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadPipeline(f"{path}: cannot be read as TOML: {error}") from error
    packages = _packages(path, content.pop("with", []))
    _check_keys(str(path), content, {*_TYPES, "with"})
    for kind, value in content.get("references", {}).items():
        _check_type(f"{path}: references.{kind}", value, str)
    pipelines = {}
    for name, own in content.get("pipeline", {}).items():
        _check_type(f"{path}: pipeline.{name}", own, dict)
        _check_keys(f"{path}: pipeline.{name}", own, {"set", "edit"})
        pipelines[pipeline_named(name)] = own
    return UserFile(
        origin=str(path),
        everywhere={key: content[key] for key in ("set", "edit") if key in content},
        pipelines=pipelines,
        references=content.get("references", {}),
        profile=content.get("profile"),
        packages=packages,
    )


_TYPES: Mapping[str, type] = {
    "profile": str, "references": dict, "set": dict, "edit": list, "pipeline": dict,
}  # fmt: skip
_SPELLED: Mapping[type, str] = {str: "a text", dict: "a table", list: "a list of tables"}


def packages_of(request: Request, file: UserFile) -> tuple[str, ...]:
    """Return the packages that the user's file and the command line name, by distribution."""
    return named((*file.packages, *request.packages))


def _packages(config: Path, words: Any) -> tuple[str, ...]:
    """Return the packages that a user's file names; places of files are relative to it."""
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise BadPipeline(f"{config}: with must be a list of packages or files, not {words!r}")
    folder = config.absolute().parent
    return tuple(
        str(folder / Path(word).expanduser()) if is_place(word, folder) else word for word in words
    )


def _check_keys(where: str, content: Mapping[str, Any], known: set[str]) -> None:
    """Check the keys of a table, and what kind of value they have."""
    for key, value in content.items():
        if key not in known:
            raise BadPipeline(f"{where}: {UnknownName('key', key, known)}")
        _check_type(f"{where}: {key}", value, _TYPES[key])


def _check_type(where: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise BadPipeline(f"{where} must be {_SPELLED[kind]}, not {value!r}")


def pipeline_named(name: str) -> str:
    """Return a pipeline's own name for one that users or the reference pipeline know.

    Raises
    ------
    UnknownName
        There is no such pipeline.
    """
    own = ALIASES.get(name, name)
    known = {item.name for item in discovery.names("calcore.pipelines")}
    if own not in known:
        raise UnknownName("pipeline", name, known)
    return own


def references_of(request: Request, file: UserFile) -> dict[str, tuple[Any, str]]:
    """Return the references that the user gave for all slots, by type, and where they are named."""
    given: dict[str, tuple[Any, str]] = {
        kind: (value, file.origin) for kind, value in file.references.items()
    }
    return given | {kind: (value, "--ref") for kind, value in request.references.items()}


def with_parameter_references(
    pipeline: Pipeline, meta: Meta, overrides: Mapping[str, tuple[Any, str]], find: Finder
) -> Pipeline:
    """Return a pipeline with the settings that CRDS hands out for the exposure (``pars-*``).

    Raises
    ------
    FileInvalid, ReferenceInvalid
        A file is no parameter file, or has a value that cannot be.
    ReferenceMissing
        One that the user named is not there.
    """
    if switched_off():
        note = f"parameter references are switched off by {SWITCH}"
        return replace(pipeline, notes=(*pipeline.notes, note))
    slots = [slot.name for slot in pipeline.slots]
    layers, notes = parameter_references(pipeline.name, slots, meta, overrides, find)
    for origin, settings in layers:
        try:
            pipeline = with_settings(pipeline, settings, origin, given=False)
        except (BadParameter, BadPipeline) as error:  # not for the user to mend
            raise ReferenceInvalid(str(error)) from error
    return replace(pipeline, notes=(*pipeline.notes, *notes))


def with_user_settings(pipeline: Pipeline, request: Request, file: UserFile) -> Pipeline:
    """Return a pipeline with the user's file, and the command line or the call, on top.

    A slot that this pipeline lacks but calcore knows is left out: another one may have it. One that
    nobody knows is an error.
    """
    pipeline = _with_imported(pipeline, file)
    contents = file.everywhere, file.pipelines.get(pipeline.name, {})
    for content in contents:  # first, since a file may set what it inserts
        pipeline = edited(pipeline, {"edit": content.get("edit", ())}, file.origin)
    for content in contents:
        kept = _known(pipeline, content.get("set", {}))
        pipeline = edited(pipeline, {"set": kept}, file.origin)
    settings = _known(pipeline, wished(request, pipeline.name))
    pipeline = with_settings(pipeline, settings, request.asked_by, given=True)
    return _between(pipeline, request)


def slots_named(request: Request, file: UserFile, pipelines: Iterable[str]) -> dict[str, str]:
    """Return the slots of these pipelines that the user sets something of, and where."""
    named = dict.fromkeys(file.everywhere.get("set", {}), file.origin)
    if file.imported_for is None:
        named |= dict.fromkeys(file.imported, file.origin)
    for pipeline in pipelines:
        own = file.pipelines.get(pipeline, {})
        named |= dict.fromkeys(own.get("set", {}), file.origin)
        named |= dict.fromkeys(wished(request, pipeline), request.asked_by)
    return named


def _with_imported(pipeline: Pipeline, file: UserFile) -> Pipeline:
    """Return a pipeline with the settings of a parameter file of the reference pipeline."""
    if file.imported_for not in (None, pipeline.name.replace("-", "")):
        return pipeline
    here = {slot.name for slot in pipeline.slots}
    kept = {name: values for name, values in file.imported.items() if name in here}
    notes = [
        f"{name} (set by {file.origin}) is not a slot of {pipeline.name} here"
        for name in file.imported
        if name and name not in here and file.imported_for is not None
    ]
    pipeline = with_settings(pipeline, kept, file.origin, given=False)
    ramp = file.origin if file.imported.get("", {}).get(_RAMP) else ""
    return replace(pipeline, notes=(*pipeline.notes, *notes), saves_ramp=ramp)


def wished(request: Request, pipeline: str) -> dict[str, dict[str, Any]]:
    """Return what is set, skipped and saved by the command line or a call, as settings of slots."""
    settings: dict[str, dict[str, Any]] = {}
    for path, value in request.settings.items():
        scope, colon, name = path.rpartition(":")
        if colon and pipeline_named(scope) != pipeline:
            continue
        slot, dot, parameter = name.partition(".")
        if not dot:
            raise BadPipeline(f"{path!r} must be written [PIPELINE:]SLOT.PARAMETER=VALUE")
        settings.setdefault(slot, {})[parameter] = value
    for slot in request.skip:
        settings.setdefault(slot, {})["skip"] = True
    for slot in request.save:
        settings.setdefault(slot, {})["save"] = True
    return settings


def _known(
    pipeline: Pipeline, settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Return the settings of slots that are here; those of slots elsewhere are left out."""
    here = {slot.name for slot in pipeline.slots}
    elsewhere = slot_names()
    for name in settings:
        if name not in here | elsewhere:
            raise UnknownName("slot", name, here | elsewhere)
    return {name: values for name, values in settings.items() if name in here}


def slot_names() -> set[str]:
    """Return every slot name that calcore knows: those of steps, without their owner."""
    return {item.name.rpartition(".")[2] for item in discovery.names("calcore.steps")}


def _between(pipeline: Pipeline, request: Request) -> Pipeline:
    """Leave out the slots before ``--from`` and after ``--until``.

    Raises
    ------
    UsageError
        The one comes after the other.
    """
    names = [slot.name for slot in pipeline.slots]
    first, last = 0, len(names)
    if request.start is not None:
        _require(request.start, names)
        if request.start in names:
            first = names.index(request.start)
    if request.until is not None:
        _require(request.until, names)
        if request.until in names:
            last = names.index(request.until) + 1
    if first >= last > 0:
        raise UsageError(
            f"nothing lies between --from {request.start} and --until {request.until}: "
            f"{pipeline.name} does {request.until} before {request.start}; exchange them"
        )
    return replace(pipeline, slots=pipeline.slots[first:last])


def _require(name: str, names: Iterable[str]) -> None:
    if name not in names and name not in slot_names():
        raise UnknownName("slot", name, names)
