"""What is installed, by name: steps, instruments, executors, pipelines, commands.

Only here is stevedore used: it finds *the one named X* among entry points and loads it when asked.
Versions come from `importlib.metadata`. A broken or doubled plugin is named with its distribution.
"""

import logging
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from stevedore import DriverManager
from stevedore.exception import NoMatches

from calcore.errors import PluginBroken, PluginMissing, UnknownName
from calcore.instrument import Instrument
from calcore.io import keywords
from calcore.registry import installed, local
from calcore.registry.installed import KINDS, Found

_LOG = logging.getLogger(__name__)


@cache
def _everything() -> Mapping[str, tuple[Found, ...]]:
    """Return what installed packages bring, by group and name."""
    found: dict[str, list[Found]] = {group: [] for group in KINDS}
    for package in installed.packages():
        for item in package.things:
            if not package.off:
                found[item.entry_point.group].append(item)
    return {group: tuple(sorted(items, key=lambda f: f.name)) for group, items in found.items()}


def forget() -> None:
    """Look at the installed distributions anew; for tests and long-lived sessions."""
    installed.packages.cache_clear()
    installed.misfit.cache_clear()
    _everything.cache_clear()
    _with_tables.cache_clear()
    local.forget()


def names(group: str) -> list[Found]:
    """Return what is registered under an entry-point group, by name; nothing is imported.

    What claims one of core's names is left out.
    """
    every = _claims(group)
    own = {item.name for item in every if item.core}
    return [item for item in every if item.core or item.name not in own]


def _claims(group: str) -> list[Found]:
    return [*_everything()[group], *local.brought(group)]


def found(group: str, name: str) -> Found:
    """Return the one thing of a name.

    Raises
    ------
    UnknownName
        Nothing has this name.
    PluginBroken
        Two distributions claim it, or the one that does was made for another core.
    """
    matches = [item for item in _claims(group) if item.name == name]
    if not matches:
        raise UnknownName(KINDS[group], name, [item.name for item in names(group)])
    own = [item for item in matches if item.core]
    clash = installed.rivals(group, name, matches)
    if clash and not own:
        raise PluginBroken(clash)
    if clash:
        _say_once(clash)
    item = (own or matches)[0]
    misfit = "" if item.core else installed.misfit(item.source, item.requires)
    if misfit:
        raise PluginBroken(misfit)
    return item


@cache
def _say_once(message: str) -> None:
    _LOG.warning(message)


def load(group: str, name: str) -> Any:
    """Import the one thing of a name and return it.

    Raises
    ------
    PluginBroken
        It cannot be imported.
    """
    item = found(group, name)
    if item.thing is not None:
        return item.thing
    failures: list[BaseException] = []

    def remember(_manager: Any, _point: Any, error: BaseException) -> None:
        failures.append(error)

    try:
        if _count(group, name) > 1:  # stevedore would import what is left aside, too
            return item.entry_point.load()
        try:
            return DriverManager(group, name, on_load_failure_callback=remember).driver
        except NoMatches:
            if failures:
                raise
            # The list that stevedore has kept was made amid pip's work.
            return item.entry_point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything
        cause = failures[0] if failures else error
        missing = installed.lacking(item.requires) if isinstance(cause, ImportError) else []
        remedy = (
            f"it needs {' and '.join(missing)}: pip install {' '.join(map(repr, missing))}"
            if missing
            else f"reinstall or uninstall {item.distribution}"
        )
        raise PluginBroken(
            f"{KINDS[group]} {name!r} of {item.source} cannot be loaded: "
            f"{type(cause).__name__}: {cause}; {remedy}"
        ) from cause


def _count(group: str, name: str) -> int:
    """Return how many installed packages claim a name, those that are switched off included."""
    points = [thing.entry_point for package in installed.packages() for thing in package.things]
    return [(point.group, point.name) for point in points].count((group, name))


def instrument(name: str, what: str = "the exposure") -> Instrument:
    """Return an instrument by the value of INSTRUME.

    Raises
    ------
    PluginMissing
        Its package is not installed; the message says how to install it.
    """
    key = name.lower()
    there = {item.name for item in names("calcore.instruments")}
    if key not in there:
        raise PluginMissing(name, what, there)
    loaded: Instrument = load("calcore.instruments", key)
    _add_keywords(loaded)
    return _with_tables(loaded)


@cache
def _with_tables(loaded: Instrument) -> Instrument:
    """Add what packages bring as ``owner.<instrument>.exposure_types`` or ``….keywords``.

    What cannot be added is left aside with a sentence: exposures that need it say what they lack.
    """
    for item in names("calcore.tables"):
        try:
            loaded = _extended(loaded, item)
        except PluginBroken as error:
            _say_once(str(error))
    return loaded


def _extended(loaded: Instrument, item: Found) -> Instrument:
    """Return an instrument with what a package adds to its tables, if it is meant."""
    _, _, place = item.name.partition(".")
    key, _, table = place.partition(".")
    if key != loaded.name.lower():
        return loaded
    if table not in {"exposure_types", "keywords"}:
        raise PluginBroken(
            f"table {item.name!r} of {item.source} adds to {table!r}, which takes no rows of others; "
            "name it owner.instrument.exposure_types or owner.instrument.keywords"
        )
    try:
        rows = tomllib.loads(load("calcore.tables", item.name).read_text(encoding="utf-8"))
        if table == "exposure_types":
            return loaded.with_rows(table, rows, item.source)
        keywords.register(rows["keyword"], item.source)
    except (OSError, KeyError, AttributeError, tomllib.TOMLDecodeError) as error:
        raise PluginBroken(
            f"table {item.name!r} of {item.source} cannot be read: {error}"
        ) from error
    return loaded


@cache
def _add_keywords(loaded: Instrument) -> None:
    """Add the keywords that only this instrument writes to the table of all."""
    if loaded.file("tables", "keywords.toml").is_file():
        keywords.register(loaded.table("keywords")["keyword"], loaded.distribution)


__all__ = ["KINDS", "Found", "forget", "found", "instrument", "load", "names"]
