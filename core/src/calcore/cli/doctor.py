"""``calcore doctor``: whether the installation is in order."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import click


@click.command()
def doctor() -> None:
    """Check versions, plugins, reference files' place and folders that must be writable.

    One line each; what is wrong says what would help. The exit status is 1 if anything is.
    """
    wrong = 0
    for ok, text in (*_versions(), *_plugins(), *_references(), *_machine()):
        click.echo(f"{'ok   ' if ok else 'WRONG'}  {text}")
        wrong += not ok
    if wrong:
        raise click.exceptions.Exit(1)


def _versions() -> Iterator[tuple[bool, str]]:
    """Compare what is installed with what calcore asks for."""
    from packaging.requirements import Requirement

    yield True, f"Python {platform.python_version()} at {sys.executable}"
    yield True, f"calcore {version('calcore')}"
    for text in requires("calcore") or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield False, f"{requirement.name} is not installed: pip install '{requirement}'"
            continue
        fits = requirement.specifier.contains(installed, prereleases=True)
        remedy = "" if fits else f"; calcore needs {requirement}: pip install '{requirement}'"
        yield fits, f"{requirement.name} {installed}{remedy}"


def _plugins() -> Iterator[tuple[bool, str]]:
    """Load everything that packages bring."""
    from calcore.errors import PluginBroken
    from calcore.registry import discovery

    instruments = [item.name for item in discovery.names("calcore.instruments")]
    yield (
        bool(instruments),
        (
            f"instruments: {', '.join(instruments)}"
            if instruments
            else "no instrument is installed: pip install 'calcore[all]'"
        ),
    )
    broken: set[str] = set()
    number = 0
    for group in discovery.KINDS:
        for item in discovery.names(group):
            number += 1
            try:
                discovery.load(group, item.name)
            except PluginBroken as error:
                broken.add(str(error))
    yield True, f"{number} steps, hooks and other parts, {len(broken)} of them broken"
    for message in sorted(broken):
        yield False, message


def _references() -> Iterator[tuple[bool, str]]:
    """Say where reference files are looked for."""
    from platformdirs import user_cache_path

    named = os.environ.get("CRDS_PATH")
    folder = Path(named) if named else user_cache_path("calcore") / "crds"
    by_whom = "CRDS_PATH" if named else "the default"
    yield _writable(folder), f"reference files: {folder} ({by_whom}){_remedy(folder)}"
    server = os.environ.get("CRDS_SERVER_URL")
    yield True, f"CRDS server: {server or 'https://jwst-crds.stsci.edu (the default)'}"
    context = os.environ.get("CRDS_CONTEXT")
    yield True, f"CRDS context: {context or 'the one in operation (the default)'}"


def _machine() -> Iterator[tuple[bool, str]]:
    """Look at the folder of compiled kernels, the cores and the disk."""
    from platformdirs import user_cache_path

    named = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(named) if named else user_cache_path("calcore")
    yield _writable(folder), f"compiled kernels: {folder}{_remedy(folder)}"
    yield True, f"{os.cpu_count()} cores"
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    yield free > 1, f"{free:.1f} GiB free in {Path.cwd()}"


def _writable(folder: Path) -> bool:
    """Tell whether a folder can be written to, or made."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    return place.is_dir() and os.access(place, os.W_OK)


def _remedy(folder: Path) -> str:
    return "" if _writable(folder) else ", which cannot be written: choose another or its rights"
