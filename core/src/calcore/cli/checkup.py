"""What `calcore doctor` looks at."""

import os
import platform
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import islice
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

OK, NOTE, WRONG = "ok", "note", "WRONG"
_PATIENCE = 3.0
"""How long a server may take to answer [s]."""
_SERVERLESS = "crds-serverless-mode"
_MANY = 20_000
"""So many files of a cache are counted."""
_GIB = 2**30
_LEAST_DISK, _LEAST_MEMORY = 1, 2
"""Less than this is wrong, or worth a note [GiB]."""
_VARIABLES = ("CRDS_", "NUMBA_", "CALCORE_", "OMP_NUM_THREADS", "XDG_CACHE_HOME", "MPLBACKEND")


@dataclass(frozen=True)
class Finding:
    """What was found: ``ok``, a ``note``, or ``WRONG`` with what would help."""

    state: str
    text: str


def findings(*, server: bool = True) -> list[Finding]:
    """Return what was found; `server` says whether to try and reach that of CRDS."""
    parts = (_installation(), _packages(), _caches(), _crds(server=server), _machine())
    return [finding for part in parts for finding in part]


def settings() -> Iterator[str]:
    """Yield the environment variables that matter here, and the platform."""
    yield f"platform = {platform.platform()}, {platform.machine()}, {os.cpu_count()} cores"
    for name, value in sorted(os.environ.items()):
        if name.startswith(_VARIABLES):
            yield f"{name} = {_without_password(value)}"


def versions() -> Iterator[str]:
    """Yield the packages that bring something, and the libraries they stand on."""
    from calcore.registry import installed
    from calcore.run.manifest import packages

    names = {"calcore", *(package.distribution for package in installed.packages())}
    for name, number in packages(frozenset(names)).items():
        yield f"{name} {number}"


def kernels_folder() -> Path:
    """Return the folder of compiled kernels; no compiler is loaded for it."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("NUMBA_CACHE_DIR") or user_cache_path("calcore") / "kernels")


def kernels_are_kept() -> bool:
    """Tell whether a run has compiled kernels on this machine before."""
    return any(True for _ in _within(kernels_folder(), "*"))


def _judged(fits: bool, text: str, remedy: str) -> Finding:
    return Finding(OK, text) if fits else Finding(WRONG, f"{text}{remedy}")


def _installation() -> Iterator[Finding]:
    """Compare what is installed with what calcore asks for."""
    from packaging.requirements import Requirement

    yield Finding(OK, f"Python {platform.python_version()} at {sys.executable}")
    yield Finding(OK, f"calcore {version('calcore')}")
    for text in requires("calcore") or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        remedy = f": pip install '{requirement}'"
        try:
            there = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(WRONG, f"{requirement.name} is not installed{remedy}")
            continue
        fits = requirement.specifier.contains(there, prereleases=True)
        yield _judged(fits, f"{requirement.name} {there}", f"; calcore needs {requirement}{remedy}")


def _packages() -> Iterator[Finding]:
    """Load everything that packages bring."""
    from calcore.registry import discovery, installed, soundness

    instruments = [item.name for item in discovery.names("calcore.instruments")]
    told = f"instruments: {', '.join(instruments)}" if instruments else "no instrument is installed"
    yield _judged(bool(instruments), told, ": pip install 'calcore[all]'")
    number = sum(len(package.things) for package in installed.packages())
    broken = soundness.broken()
    yield Finding(OK, f"{number} steps, hooks and other parts, {len(broken)} of them broken")
    for message in broken:
        yield Finding(WRONG, message)


def _caches() -> Iterator[Finding]:
    """Look at the folders of compiled kernels and of reference files."""
    kernels = kernels_folder()
    by_whom = "NUMBA_CACHE_DIR" if os.environ.get("NUMBA_CACHE_DIR") else "the default"
    text = f"compiled kernels: {kernels} ({by_whom}), {_content(kernels)}"
    yield _judged(_writable(kernels), text, _unwritable())
    folder, by_whom = _crds_folder()
    text = f"reference files: {folder} ({by_whom}), {_content(folder / 'references')}"
    if _read_only():
        there = folder.is_dir()
        yield _judged(there, f"{text}, read only", ": there is no such folder; set CRDS_PATH")
        return
    yield _judged(_writable(folder), text, _unwritable())


def _crds_folder() -> tuple[Path, str]:
    from platformdirs import user_cache_path

    named = os.environ.get("CRDS_PATH")
    return (
        (Path(named), "CRDS_PATH")
        if named
        else (user_cache_path("calcore") / "crds", "the default")
    )


def _crds(*, server: bool) -> Iterator[Finding]:
    """Look for rules in the cache, and for the server that has the newest."""
    folder, _ = _crds_folder()
    context = os.environ.get("CRDS_CONTEXT")
    yield Finding(OK, f"CRDS context: {context or 'the one in operation (the default)'}")
    rules = folder / "mappings" / "jwst"
    contexts = sorted(path.name for path in islice(_within(rules, "*.pmap"), _MANY))
    if contexts:
        yield Finding(
            OK, f"rules for reference files: {len(contexts)} contexts, {contexts[-1]} last"
        )
    else:
        yield _without_rules(folder)
    if server:
        yield _server(bool(contexts))


def _without_rules(folder: Path) -> Finding:
    """Say what becomes of a cache without rules, which tell the reference files of an exposure."""
    told = "rules for reference files: none yet"
    if not _read_only() and _SERVERLESS not in _address():
        return Finding(NOTE, f"{told}; the first run fetches them")
    barred = "CRDS_READONLY_CACHE" if _read_only() else "CRDS_SERVER_URL"
    return Finding(
        WRONG,
        f"{told} (no .pmap in {folder / 'mappings' / 'jwst'}), and {barred} keeps runs from fetching "
        "them: set CRDS_PATH to a cache that has them, or unset CRDS_READONLY_CACHE and "
        "CRDS_SERVER_URL",
    )


def _address() -> str:
    from calcore.references.crds_store import SERVER

    return os.environ.get("CRDS_SERVER_URL") or SERVER


def _read_only() -> bool:
    return os.environ.get("CRDS_READONLY_CACHE", "0") not in {"", "0"}


def _server(cached: bool) -> Finding:
    """Try to reach the CRDS server, for a short time."""
    address = _address()
    told = f"CRDS server: {_without_password(address)}"
    if _SERVERLESS in address:
        return Finding(OK, f"{told} stands for none: everything comes from the cache")
    said: list[str] = []
    asking = threading.Thread(target=lambda: said.append(_answer(address)), daemon=True)
    asking.start()
    asking.join(_PATIENCE + 0.5)  # looking up a name has no limit of its own
    reason = said[0] if said else f"no answer within {_PATIENCE:g} s"
    if not reason:
        return Finding(OK, f"{told} answers")
    use = "what the cache holds can be used" if cached else "nothing can be fetched without it"
    return Finding(NOTE, f"{told} cannot be reached ({reason}); {use}")


def _answer(address: str) -> str:
    """Return why a server cannot be reached; empty if it can, whatever it says."""
    try:
        if urlsplit(address).scheme not in {"http", "https"}:
            return "this is no web address; set CRDS_SERVER_URL"
        urlopen(address, timeout=_PATIENCE).close()  # noqa: S310 - http and https alone
    except HTTPError as error:
        error.close()
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    return ""


def _machine() -> Iterator[Finding]:
    """Look at cores, memory and disk."""
    total, free = _memory()
    if total:
        state = OK if free > _LEAST_MEMORY * _GIB else NOTE
        few = "" if state == OK else "; runs with fewer --jobs need less"
        yield Finding(
            state, f"memory: {free / _GIB:.1f} GiB of {total / _GIB:.1f} GiB are free{few}"
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding(OK, f"{cores} of {os.cpu_count()} cores may be used")
    seen: set[int] = set()
    for folder in (Path.cwd(), _crds_folder()[0]):
        place = _existing(folder)
        if place.stat().st_dev in seen:
            continue
        seen.add(place.stat().st_dev)
        space = shutil.disk_usage(place).free / _GIB
        text = f"disk: {space:.1f} GiB are free in {place}"
        yield _judged(space > _LEAST_DISK, text, "; make room, or choose another folder")


def _memory() -> tuple[int, int]:
    """Return all and free memory [byte]; zeros where the system does not tell."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
        rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        total, free = (1024 * int(rows[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return 0, 0
    return total, free


def _content(folder: Path) -> str:
    """Return how many files a folder holds, and how large they are."""
    files = list(islice(_within(folder, "**/*"), _MANY))
    if not files:
        return "empty"
    sizes = [path.stat().st_size for path in files if path.is_file()]
    more = "more than " if len(files) == _MANY else ""
    return f"{more}{len(sizes)} files of {sum(sizes) / 1e6:.0f} MB"


def _within(folder: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from folder.glob(pattern)
    except OSError:  # a folder that cannot be looked into, or that goes away meanwhile
        return


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _writable(folder: Path) -> bool:
    """Tell whether a folder can be written to, or made."""
    place = _existing(folder)
    return place.is_dir() and os.access(place, os.W_OK)


def _unwritable() -> str:
    return ", which cannot be written: choose another or its rights"


def _without_password(address: str) -> str:
    """Return an address without the name and password of a user."""
    before, at, after = address.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return f"{scheme}{slashes}{after}" if at and slashes else address
