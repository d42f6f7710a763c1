"""A new package: a step, its test, a hook and entry points, ready to be changed."""

import keyword
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from calcore.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST = 64
"""Characters of a name; wheels and folders made of it must fit in what file systems take."""
_FOLDERS = frozenset({"src", "test", "tests"})
"""Names of folders of every package, or of Python's own tests: imports would find the wrong one."""


def write_package(name: str, folder: Path) -> list[Path]:
    """Write a package that works, in a new folder of its name.

    Parameters
    ----------
    name : str
        What pip shall call it: small letters, digits, hyphens.
    folder : Path
        Where the new folder is made.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    UsageError
        The name will not do, or there is such a folder already.
    """
    module = name.replace("-", "_")
    fault = _fault(name, module)
    if fault:
        raise UsageError(fault)
    to = folder / name
    if to.exists():
        raise UsageError(f"{to} is there already; choose another name, or another folder with -o")
    series = version("calcore").split(".")
    words = {
        "name": name,
        "module": module,
        "version": f">={series[0]}.{series[1]},<{series[0]}.{int(series[1]) + 1}",
        "year": str(datetime.now(UTC).year),
    }
    written = []
    for source in sorted(files(__package__).joinpath("package").iterdir(), key=lambda f: f.name):
        place = source.name.removesuffix(".txt").replace("+", "/").replace("MODULE", module)
        path = to / place
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(source.read_text(encoding="utf-8")).substitute(words)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _fault(name: str, module: str) -> str:
    """Return why a package cannot be called so, in a sentence; empty if it can."""
    if not _NAME.fullmatch(name):
        return f"{name!r} is no name for a package: use small letters, digits and hyphens"
    if len(name) > _LONGEST:
        return f"a name of {len(name)} characters is too long; use at most {_LONGEST}"
    if name == "calcore" or module.startswith("calcore_"):
        return f"{name!r} looks like one of calcore's own packages; choose another name"
    if keyword.iskeyword(module):
        return f"{name!r} is a word of the language Python; choose another name"
    if module in sys.stdlib_module_names or module in _FOLDERS:
        return f"Python would import something else under the name {module!r}; choose another name"
    if _is_installed(name, module):
        return f"{name!r} is the name of a package that is installed here; choose another name"
    return ""


def _is_installed(name: str, module: str) -> bool:
    """Tell whether pip, or an import, knows another package by this name."""
    try:
        distribution(name)
    except PackageNotFoundError:
        spec = find_spec(module)
        return spec is not None and spec.origin is not None  # a mere folder is no package
    return True
