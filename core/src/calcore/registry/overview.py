"""What is installed, for people to read: from metadata alone."""

from collections.abc import Collection, Iterator

from calcore.registry import installed
from calcore.registry.installed import KINDS, OFF, Found, Package

_SHORT = 6
"""So many names of a kind are listed; of more, only the number is told."""


def lines(*, verbose: bool = False, commands: Collection[str] = ()) -> Iterator[str]:
    """Return lines about every package that brings something: core first, then by name.

    Each is told with its version, the core it was made for, what it brings, what of that can take
    the place of a core's step, and what is wrong with it as far as metadata tell. `commands` are
    those that core has.
    """
    packages = installed.packages()
    for package in packages:
        made_for = f"  for calcore {package.interface}" if package.interface else ""
        off = f"  (switched off by {OFF})" if package.off else ""
        yield f"{package.source}{made_for}{off}"
        for group, kind in KINDS.items():
            things = [item for item in package.things if item.entry_point.group == group]
            if things:
                yield _brought(kind, [item.name for item in things], verbose=verbose)
        for text in (*_overrides(package, packages), *_faults(package, packages)):
            yield f"    {text}"
        for item in package.things:
            if item.entry_point.group == "calcore.commands" and item.name in commands:
                yield f"    command {item.name!r} is core's; this one is left aside"


def _brought(kind: str, names: list[str], *, verbose: bool) -> str:
    plural = kind if len(names) == 1 else f"{kind}s"
    shown = ", ".join(sorted(names)) if verbose or len(names) <= _SHORT else ""
    return f"    {len(names)} {plural}{': ' if shown else ''}{shown}"


def _overrides(package: Package, packages: tuple[Package, ...]) -> Iterator[str]:
    """Say which steps have the name of one of core's, and what lets the package edit pipelines."""
    own = {item.name for other in packages for item in other.things if item.core and _is_step(item)}
    groups = {item.entry_point.group for item in package.things}
    instrument = "calcore.instruments" in groups
    when = "for its own exposures" if instrument else "when asked to (edits or --with)"
    for item in package.things:
        _, dot, slot = item.name.rpartition(".")
        if _is_step(item) and dot and slot in own:
            yield f"{item.name} replaces {slot} {when}"
    if not instrument and "calcore.hooks" in groups and package.distribution != installed.CORE:
        yield f"its hooks are asked with --with {package.distribution}"


def _is_step(item: Found) -> bool:
    return item.entry_point.group == "calcore.steps"


def _faults(package: Package, packages: tuple[Package, ...]) -> Iterator[str]:
    """Say what is wrong with a package, as far as metadata tell."""
    if package.distribution == installed.CORE:
        return
    misfit = installed.misfit(package.source, package.requires)
    if misfit:
        yield f"cannot be used: {misfit}"
    missing = installed.lacking(package.requires)
    if missing and not misfit:
        yield f"needs {' and '.join(missing)}, which is not installed"
    for item in package.things:
        group = item.entry_point.group
        claims = [
            other
            for rival in packages
            for other in rival.things
            if (other.entry_point.group, other.name) == (group, item.name) and not rival.off
        ]
        clash = installed.rivals(group, item.name, claims)
        if clash:
            yield clash
