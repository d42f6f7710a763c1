"""What is installed, from metadata alone: nothing of any package is imported."""

import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distributions,
    version,
)

from calcore.errors import UnknownName

_LOG = logging.getLogger(__name__)
CORE = "calcore"
OFF = "CALCORE_WITHOUT"
"""Environment variable with the distributions that are to be passed over."""
KINDS = {
    "calcore.steps": "step",
    "calcore.instruments": "instrument",
    "calcore.executors": "executor",
    "calcore.pipelines": "pipeline",
    "calcore.commands": "command",
    "calcore.products": "product",
    "calcore.tables": "table",
    "calcore.cases": "case",
    "calcore.hooks": "hook",
}
_NAME = re.compile(r"^Name:(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """A named thing and the distribution that brings it.

    `thing` is what was found in a file that is no package; what packages bring is imported when
    somebody asks for it.
    """

    name: str
    distribution: str
    version: str
    requires: tuple[str, ...]
    entry_point: EntryPoint
    thing: object = None

    @property
    def source(self) -> str:
        """Distribution and version, as messages name them."""
        return f"{self.distribution} {self.version}"

    @property
    def core(self) -> bool:
        """True for what core brings itself."""
        return self.distribution == CORE


@dataclass(frozen=True)
class Package:
    """A distribution that brings something, and all that it brings."""

    distribution: str
    version: str
    requires: tuple[str, ...]
    things: tuple[Found, ...]
    off: bool = False

    @property
    def source(self) -> str:
        """Distribution and version, as messages name them."""
        return f"{self.distribution} {self.version}"

    @property
    def interface(self) -> str:
        """Which core it was made for, as it says itself; empty for any."""
        from packaging.requirements import Requirement  # noqa: PLC0415 - only plugins need it

        wanted = [Requirement(text) for text in self.requires]
        return next((str(item.specifier) for item in wanted if item.name == CORE), "")


def plain(name: str) -> str:
    """Return a distribution's name as it is compared: Acme_Tools is acme-tools."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def packages() -> tuple[Package, ...]:
    """Scan the installed distributions once; stevedore's cached entry points know no versions."""
    made: list[Package] = []
    seen: set[str] = set()
    off = {plain(name): name for name in re.split(r"[,\s]+", os.environ.get(OFF, "")) if name}
    for distribution in distributions():
        name = _name(distribution)
        if name is None or name in seen:
            continue  # an earlier folder of the path shadows this one
        seen.add(name)
        points = [point for point in distribution.entry_points if point.group in KINDS]
        if not points:
            continue
        told = name, distribution.version, tuple(distribution.requires or ())
        things = tuple(Found(point.name, *told, point) for point in points)
        made.append(Package(*told, things, plain(name) in off and name != CORE))
    known = [package.distribution for package in made if package.distribution != CORE]
    for name in sorted(off.keys() - set(map(plain, known))):
        _LOG.warning("%s: %s", OFF, UnknownName("installed package", off[name], known))
    return tuple(sorted(made, key=lambda package: (package.distribution != CORE, package.source)))


def _name(distribution: Distribution) -> str | None:
    """Return a distribution's name; all of its metadata would take twenty times as long to read."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    line = _NAME.search(text)
    return line[1].strip() if line else None


@cache
def misfit(source: str, requires: tuple[str, ...]) -> str:
    """Return why a distribution was not made for this core, in a sentence; empty if it was."""
    from packaging.requirements import Requirement  # noqa: PLC0415 - only plugins need it

    installed = version(CORE)
    distribution = source.rpartition(" ")[0]
    for text in requires:
        requirement = Requirement(text)
        if requirement.name == CORE and not requirement.specifier.contains(
            installed, prereleases=True
        ):
            return (
                f"{source} needs calcore{requirement.specifier}, but {installed} is "
                f"installed: pip install --upgrade calcore {distribution}"
            )
    return ""


def lacking(requires: Iterable[str]) -> list[str]:
    """Return those requirements that nothing installed meets; of extras none is asked."""
    from packaging.requirements import Requirement  # noqa: PLC0415 - only plugins need it

    missing = []
    for requirement in map(Requirement, requires):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            there = version(requirement.name)
        except PackageNotFoundError:
            missing.append(str(requirement))
            continue
        if not requirement.specifier.contains(there, prereleases=True):
            missing.append(str(requirement))
    return missing


def rivals(group: str, name: str, things: Sequence[Found]) -> str:
    """Return what to do about a name that several distributions claim; empty if all is well.

    Core's names are core's: what others bring under one of them is left aside.
    """
    others = [item.source for item in things if not item.core]
    kind = KINDS[group]
    if len(others) == len(things):
        sources = " and ".join(others)
        return (
            f"{kind} {name!r} is brought by {sources}; uninstall one of them"
            if len(others) > 1
            else ""
        )
    owner = others[0].rpartition(" ")[0] if others else ""
    return (
        f"{kind} {name!r} is core's; the one of {' and '.join(others)} is left aside, until it has "
        f"a name of its own, such as {owner}.{name}"
        if others
        else ""
    )
