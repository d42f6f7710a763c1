"""Whether everything that is installed can be loaded, and is what its entry points say."""

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Any

from calcore import pipeline as pipelines
from calcore.errors import CalcoreError, PluginBroken
from calcore.instrument import Instrument
from calcore.model import Record
from calcore.registry import discovery, installed
from calcore.registry.installed import KINDS, Found
from calcore.registry.manager import manager
from calcore.registry.steps import step_class


def broken(*distributions: str) -> list[str]:
    """Return a sentence for each thing that cannot be used, of some distributions or of all."""
    messages: dict[str, None] = {}
    for package in installed.packages():
        if package.off or (distributions and package.distribution not in distributions):
            continue
        for item in package.things:
            for message in faults(item):
                messages.setdefault(message)
    return list(messages)


def faults(item: Found) -> list[str]:
    """Return what is wrong with a thing, in sentences that name its distribution and version."""
    group = item.entry_point.group
    claims = [
        other
        for package in installed.packages()
        for other in package.things
        if (other.entry_point.group, other.name) == (group, item.name) and not package.off
    ]
    clash = installed.rivals(group, item.name, claims)
    if clash:
        return [] if item.core else [clash]
    try:
        _try(group, item)
    except CalcoreError as error:
        return [str(error)]
    return []


def _try(group: str, item: Found) -> None:
    """Load a thing and look at it.

    Raises
    ------
    CalcoreError
        It cannot be loaded, or is not what its entry point says.
    """
    if group == "calcore.steps":
        step_class(item.name)
    elif group == "calcore.hooks":
        manager(item.distribution)
    else:
        thing = discovery.load(group, item.name)
        wanted, fits = _KINDS[group]
        if not fits(thing):
            raise PluginBroken(
                f"{KINDS[group]} {item.name!r} of {item.source} is no {wanted}, but {thing!r}"
            )
        if group == "calcore.pipelines":
            _read(thing, item)


def _read(file: Any, item: Found) -> None:
    """Parse a pipeline, and check that its steps are there."""
    definition = pipelines.parse(file.read_text(encoding="utf-8"), f"{item.source} {item.name}")
    for slot in definition.content.get("slot", ()):
        discovery.found("calcore.steps", slot.get("use", slot["name"]))


def _is_file(thing: Any) -> bool:
    return isinstance(thing, Traversable) and thing.is_file()


_KINDS: Mapping[str, Any] = {
    "calcore.instruments": ("Instrument", lambda thing: isinstance(thing, Instrument)),
    "calcore.executors": ("function", callable),
    "calcore.pipelines": ("file", _is_file),
    "calcore.commands": ("click command", lambda thing: hasattr(thing, "main")),
    "calcore.products": (
        "record class",
        lambda thing: isinstance(thing, type) and issubclass(thing, Record),
    ),
    "calcore.tables": ("file", _is_file),
    "calcore.cases": ("function", callable),
}
