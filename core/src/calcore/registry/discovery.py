"""What is installed, by name: steps, instruments, executors, pipelines, commands.

Only here is stevedore used: it finds *the one named X* among entry points and loads it when asked.
Versions come from `importlib.metadata`. A broken or doubled plugin is named with its distribution.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, version
from typing import Any

from stevedore import DriverManager
from stevedore.exception import NoMatches

from calcore.errors import PluginBroken, PluginMissing, UnknownName
from calcore.instrument import Instrument
from calcore.io import keywords

_NAME = re.compile(r"^Name:(.*)$", re.MULTILINE)
KINDS = {
    "calcore.steps": "step",
    "calcore.instruments": "instrument",
    "calcore.executors": "executor",
    "calcore.pipelines": "pipeline",
    "calcore.commands": "command",
    "calcore.products": "product",
    "calcore.hooks": "hook",
}


@dataclass(frozen=True)
class Found:
    """A named thing and the distribution that brings it."""

    name: str
    distribution: str
    version: str
    requires: tuple[str, ...]
    entry_point: EntryPoint

    @property
    def source(self) -> str:
        """Distribution and version, as messages name them."""
        return f"{self.distribution} {self.version}"


@cache
def _everything() -> dict[str, tuple[Found, ...]]:
    """Scan the installed distributions once; stevedore's cached entry points know no versions."""
    found: dict[str, list[Found]] = {group: [] for group in KINDS}
    seen: set[str] = set()
    for distribution in distributions():
        name = _name(distribution)
        if name is None or name in seen:
            continue  # an earlier folder of the path shadows this one
        seen.add(name)
        points = [point for point in distribution.entry_points if point.group in found]
        if not points:
            continue
        installed, requires = distribution.version, tuple(distribution.requires or ())
        for point in points:
            found[point.group].append(Found(point.name, name, installed, requires, point))
    return {group: tuple(sorted(items, key=lambda f: f.name)) for group, items in found.items()}


def _name(distribution: Distribution) -> str | None:
    """Return a distribution's name; all of its metadata would take twenty times as long to read."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    line = _NAME.search(text)
    return line[1].strip() if line else None


def forget() -> None:
    """Look at the installed distributions anew; for tests and long-lived sessions."""
    _everything.cache_clear()


def names(group: str) -> list[Found]:
    """Return what is registered under an entry-point group, by name; nothing is imported."""
    return list(_everything()[group])


def found(group: str, name: str) -> Found:
    """Return the one thing of a name.

    Raises
    ------
    UnknownName
        Nothing has this name.
    PluginBroken
        Two distributions claim it, or the one that does was made for another core.
    """
    matches = [item for item in names(group) if item.name == name]
    if not matches:
        raise UnknownName(KINDS[group], name, [item.name for item in names(group)])
    if len(matches) > 1:
        sources = " and ".join(item.source for item in matches)
        raise PluginBroken(
            f"{KINDS[group]} {name!r} is brought by {sources}; uninstall one of them"
        )
    _check_core(matches[0])
    return matches[0]


def load(group: str, name: str) -> Any:
    """Import the one thing of a name and return it.

    Raises
    ------
    PluginBroken
        It cannot be imported.
    """
    item = found(group, name)
    failures: list[BaseException] = []

    def remember(_manager: Any, _point: Any, error: BaseException) -> None:
        failures.append(error)

    try:
        manager = DriverManager(group, name, on_load_failure_callback=remember)
    except (NoMatches, SystemExit) as error:
        cause = failures[0] if failures else error
        raise PluginBroken(
            f"{KINDS[group]} {name!r} of {item.source} cannot be loaded: {cause}; "
            f"reinstall or uninstall {item.distribution}"
        ) from cause
    return manager.driver


def instrument(name: str, what: str = "the exposure") -> Instrument:
    """Return an instrument by the value of INSTRUME.

    Raises
    ------
    PluginMissing
        Its package is not installed; the message says how to install it.
    """
    key = name.lower()
    installed = {item.name for item in names("calcore.instruments")}
    if key not in installed:
        raise PluginMissing(name, what, installed)
    loaded: Instrument = load("calcore.instruments", key)
    _add_keywords(loaded)
    return loaded


@cache
def _add_keywords(loaded: Instrument) -> None:
    """Add the keywords that only this instrument writes to the table of all."""
    if loaded.file("tables", "keywords.toml").is_file():
        keywords.register(loaded.table("keywords")["keyword"], loaded.distribution)


def _check_core(item: Found) -> None:
    """Refuse a plugin that asks for another version of core, from its metadata alone."""
    if item.distribution == "calcore":
        return
    from packaging.requirements import Requirement  # noqa: PLC0415 - only plugins need it

    installed = version("calcore")
    for text in item.requires:
        requirement = Requirement(text)
        if requirement.name == "calcore" and not requirement.specifier.contains(
            installed, prereleases=True
        ):
            raise PluginBroken(
                f"{item.source} needs calcore{requirement.specifier}, but {installed} is "
                f"installed: pip install --upgrade calcore {item.distribution}"
            )


__all__ = ["Found", "forget", "found", "instrument", "load", "names"]
