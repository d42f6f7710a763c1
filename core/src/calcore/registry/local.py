"""Plugins that are a file: steps and hooks before they are a package.

A file brings its steps, as ``<file>.<class>`` in words with underscores, the hooks that stand in it,
and cases to check steps with, as functions ``<step>_case``. It is imported when somebody names it, and known from then on in this process.
"""

import hashlib
import logging
import re
import sys
from functools import cache
from importlib.metadata import EntryPoint
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from shlex import quote
from types import ModuleType

from calcore.errors import PluginBroken, UsageError
from calcore.registry import installed
from calcore.registry.installed import Found
from calcore.step import Step

_LOG = logging.getLogger(__name__)
_BROUGHT: dict[str, tuple[Found, ...]] = {}
_PLACES: dict[str, Path] = {}
_HOOK = "calcore_impl"
"""Attribute by which pluggy knows our hooks."""


def is_place(word: str, folder: Path = Path()) -> bool:
    """Tell whether a user means a file or a folder, not an installed package.

    A bare word that names a folder in `folder` means it, unless a package of that name is installed.
    """
    if word.endswith(".py") or "/" in word or "\\" in word or word in {".", ".."}:
        return True
    if not (folder / word).is_dir():
        return False
    name = installed.plain(word)
    there = (
        own.source for own in installed.packages() if installed.plain(own.distribution) == name
    )
    package = next(there, "")
    if package and _files(folder / word):
        _LOG.warning(
            f"{word} means the installed {package}; for the folder of that name say ./{word}"
        )
    return not package


def brought(group: str) -> list[Found]:
    """Return what files that were named have brought."""
    return [
        item for items in _BROUGHT.values() for item in items if item.entry_point.group == group
    ]


def forget() -> None:
    """Forget all files."""
    _BROUGHT.clear()
    _PLACES.clear()
    _module.cache_clear()


def add(place: Path) -> tuple[str, ...]:
    """Import a file, or all of a folder but those that begin with an underscore.

    Returns
    -------
    tuple of str
        What the files are called where packages have the names of distributions.

    Raises
    ------
    UsageError
        There is no such file, or the folder has none.
    PluginBroken
        A file cannot be imported, brings nothing, or is called as another one is.
    """
    paths = _files(place)
    if not paths:
        source = (place / "pyproject.toml").is_file()
        remedy = (
            f"; it holds a package's source: pip install -e {quote(str(place))}" if source else ""
        )
        raise UsageError(f"{place} is no file of steps, nor a folder with such files{remedy}")
    return tuple(_add(path.resolve()) for path in paths)


def _files(place: Path) -> list[Path]:
    """Return the files of steps that a place stands for."""
    if place.is_dir():
        return sorted(path for path in place.glob("*.py") if not path.name.startswith("_"))
    return [place] if place.is_file() else []


def _add(path: Path) -> str:
    """Register what a file brings, in place of what it brought before it was changed."""
    if installed.plain(path.stem).partition("-")[0] == installed.CORE:
        raise PluginBroken(f"what {path} brings would be taken for calcore's own; rename the file")
    text = path.read_bytes()
    mark = hashlib.sha256(text).hexdigest()[:12]
    name = path.name
    other = _PLACES.setdefault(name, path)
    if other != path:
        raise PluginBroken(f"two files of steps are called {name}: {other} and {path}; rename one")
    module = _module(path, mark)
    told = name, mark, ()
    owner = path.stem
    things = [
        Found(
            step := f"{owner}.{_in_words(thing.__name__)}",
            *told,
            EntryPoint(step, f"{owner}:{thing.__name__}", "calcore.steps"),
            thing,
        )
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, Step)
        and thing.__module__ == module.__name__
    ]
    for thing in list(things):
        own = getattr(module, f"{thing.name.rpartition('.')[2]}_case", None)
        if callable(own):
            point = EntryPoint(thing.name, f"{owner}:{own.__name__}", "calcore.cases")
            things.append(Found(thing.name, *told, point, own))
    if any(hasattr(thing, _HOOK) for thing in vars(module).values()):
        things.append(Found(name, *told, EntryPoint(name, owner, "calcore.hooks"), module))
    if not things:
        raise PluginBroken(f"{path} brings no step and no hook; see `calcore plugins new`")
    _BROUGHT[name] = tuple(things)
    return name


@cache
def _module(path: Path, mark: str) -> ModuleType:
    name = f"calcore_file_{path.stem}_{mark}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginBroken(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _in_words(name: str) -> str:
    """Return MedianJump as median_jump."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
