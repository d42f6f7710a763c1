"""Write the oldest releases that the packages say they work with, as constraints for pip.

`make oldest` installs them and runs part of the tests there, so that no lower bound is a guess.
"""

import sys
import tomllib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECTS = [ROOT / "core/pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]


def lower_bounds(paths: Iterable[Path] = PROJECTS) -> dict[str, str]:
    """Return the lower bound of each library that the projects depend on, besides one another.

    Those of extras are among them.

    Raises
    ------
    ValueError
        If a dependency has no lower bound, or two packages give it different ones: only the
        higher one would be tested.
    """
    projects = [tomllib.loads(path.read_text(encoding="utf-8"))["project"] for path in paths]
    ours = {canonicalize_name(project["name"]) for project in projects}
    found: dict[str, str] = {}
    for project in projects:
        extras = project.get("optional-dependencies", {}).values()
        for requirement in map(Requirement, chain(project["dependencies"], *extras)):
            name = canonicalize_name(requirement.name)
            if name in ours or (requirement.marker and not requirement.marker.evaluate()):
                continue
            lower = [part.version for part in requirement.specifier if part.operator == ">="]
            if len(lower) != 1:
                raise ValueError(
                    f"{project['name']}: '{requirement}' needs one lower bound, name>=x"
                )
            if found.setdefault(name, lower[0]) != lower[0]:
                raise ValueError(
                    f"{project['name']}: '{requirement}', but another package asks for "
                    f"{name}>={found[name]}; only one of the two would be tested"
                )
    return found


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}=={version}\n" for name, version in lower_bounds().items())
