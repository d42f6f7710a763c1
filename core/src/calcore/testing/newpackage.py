"""A new package: a step, its test, a hook and entry points, ready to be changed."""

import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from calcore.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


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
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a package: use small letters, digits and hyphens"
        )
    if name == "calcore" or name.replace("_", "-").startswith("calcore-"):
        raise UsageError(f"{name!r} looks like one of calcore's own packages; choose another name")
    to = folder / name
    if to.exists():
        raise UsageError(f"{to} is there already; choose another name, or another folder with -o")
    module = name.replace("-", "_")
    series = version("calcore").split(".")
    words = {
        "name": name,
        "module": module,
        "version": f">={series[0]}.{series[1]},<{series[0]}.{int(series[1]) + 1}",
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
