"""Who answers core's questions: the pluggy manager, filled one plugin at a time."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pluggy

from calcore import hooks
from calcore.errors import CalcoreError, PluginBroken, UnknownName, UsageError
from calcore.registry import discovery, local
from calcore.registry.installed import CORE, plain

_LOG = logging.getLogger(__name__)
_WATCH = frozenset(
    {
        "calcore_after_step", "calcore_before_step", "calcore_diagnose", "calcore_run_finished",
        "calcore_step_failed", "calcore_watch",
    }
)  # fmt: skip
"""Hooks that only look: where one fails that is said, and no product is worse for it."""


def manager(*packages: str) -> pluggy.PluginManager:
    """Return a manager with the hooks of core and of distributions, in the order they are given in.

    Installing a package changes no result by itself: only the exposure's own instrument and what
    a user names are asked.

    Raises
    ------
    PluginBroken
        A plugin cannot be imported or its hooks do not fit; named with distribution and version.
    """
    made = pluggy.PluginManager(hooks.PROJECT)
    made.add_hookspecs(hooks)
    for distribution in dict.fromkeys((CORE, *packages)):
        for item in discovery.names("calcore.hooks"):
            if item.distribution == distribution:
                _register(made, item)
    return made


def named(words: Iterable[str]) -> tuple[str, ...]:
    """Return the distributions that words such as ``acme``, ``acme>=1.2`` or ``./mine.py`` mean.

    Raises
    ------
    UnknownName
        No package of this name has hooks.
    UsageError
        Another version of it is installed, or the file is not there.
    PluginBroken
        The file cannot be imported.
    """
    found: list[str] = []
    for word in words:
        if local.is_place(word):
            found += local.add(Path(word).expanduser())
        else:
            found.append(_package(word))
    return tuple(found)


def _package(word: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    try:
        wanted = Requirement(word)
    except InvalidRequirement as error:
        raise UsageError(f"{word!r} names no package: {error}") from error
    known = {plain(i.distribution): i for i in discovery.names("calcore.hooks")}
    item = known.get(plain(wanted.name))
    if item is None:
        others = [own.distribution for own in known.values() if not own.core]
        raise UnknownName("installed package with hooks", wanted.name, others)
    if not wanted.specifier.contains(item.version, prereleases=True):
        raise UsageError(
            f"{word} is asked for, but {item.source} is installed: pip install {word!r}"
        )
    return item.distribution


def _register(made: pluggy.PluginManager, item: discovery.Found) -> None:
    plugin = discovery.load("calcore.hooks", item.name)
    if inspect.isclass(plugin):
        raise PluginBroken(
            f"the hooks of {item.source} are the class {plugin.__name__}; register an object of it"
        )
    try:
        made.register(_guarded(plugin, item.source), name=item.name)
        made.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        words = str(error).split("\n")[-1] or str(error)
        raise PluginBroken(f"the hooks of {item.source} do not fit calcore's: {words}") from error


class _Hooks:
    """The hooks of a plugin, as its attributes."""


def _guarded(plugin: Any, source: str) -> _Hooks:
    """Return the hooks of a plugin, so wrapped that what they raise is known to be theirs."""
    made = _Hooks()
    for name in dir(plugin):
        hook = None if name.startswith("__") else getattr(plugin, name)
        if inspect.isroutine(hook) and hasattr(hook, "calcore_impl"):
            setattr(made, name, _guard(hook, name, source))
    return made


def _guard(hook: Callable[..., Any], name: str, source: str) -> Callable[..., Any]:
    """Return a hook that names its package where it fails."""
    if inspect.isgeneratorfunction(hook):
        return hook  # wraps the others' answers; pluggy itself says what is wrong with it

    @functools.wraps(hook)
    def guarded(*given: Any, **named: Any) -> Any:
        try:
            return hook(*given, **named)
        except Exception as error:
            text = f"{name} of {source} failed: {type(error).__name__}: {error}"
            if name in _WATCH:
                _LOG.error(text, exc_info=_LOG.isEnabledFor(logging.DEBUG))
                return None
            if isinstance(error, CalcoreError):
                raise
            raise PluginBroken(f"{text}; report it to the authors of {source}") from error

    return guarded
