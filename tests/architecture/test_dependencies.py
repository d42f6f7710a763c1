"""What the packages ask for: no more than they need, and each from a release that is tested."""

import ast
import tomllib
from importlib.metadata import packages_distributions
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
FOLDERS = ["core", *(f"plugins/{n}" for n in ("nircam", "nirspec", "niriss", "miri", "fgs"))]
PROJECTS = {f: tomllib.loads((ROOT / f / "pyproject.toml").read_text())["project"] for f in FOLDERS}
CORE = Version(PROJECTS["core"]["version"])

# Libraries that no module imports, and why they are needed all the same.
UNSEEN = {
    "asdf-astropy": "asdf finds in it how frames, models and tables are stored",
    "scikit-image": "photutils separates blended sources with it",
    "stdatamodels": "asdf finds in it how the transforms of reference files are stored",
}


@pytest.fixture(scope="module")
def oldest():
    spec = spec_from_file_location("oldest", ROOT / "tests/oldest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def imported(folder):
    """Return the top modules that the sources of a folder import."""
    for path in (ROOT / folder / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_library_is_asked_for_in_vain(folder):
    owners = packages_distributions()
    used = {
        canonicalize_name(owner)
        for name in set(imported(folder))
        for owner in owners.get(name, [name])
    }
    declared = {Requirement(text).name for text in PROJECTS[folder]["dependencies"]}
    assert declared - used - set(UNSEEN) == set()


def test_every_library_has_one_lower_bound(oldest):
    bounds = oldest.lower_bounds()
    assert {"numpy", "asdf", "stdatamodels"} <= set(bounds)
    assert not [name for name in bounds if name.startswith("calcore")]
    assert bounds["asdf"] == "5.4"


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("numpy", "numpy>=2", "a: 'numpy' needs one lower bound"),
        ("numpy>=2", "numpy>=2.1", "b: 'numpy>=2.1', but another package asks for numpy>=2;"),
    ],
)
def test_a_bound_that_would_not_be_tested_is_refused(oldest, tmp_path, first, second, message):
    paths = []
    for name, wish in (("a", first), ("b", second)):
        paths.append(tmp_path / f"{name}.toml")
        paths[-1].write_text(f'[project]\nname = "{name}"\ndependencies = ["{wish}"]\n')
    with pytest.raises(ValueError, match=message):
        oldest.lower_bounds(paths)


@pytest.mark.parametrize("folder", FOLDERS[1:])
def test_an_instrument_works_with_the_core_of_its_series(folder):
    (range_,) = (
        requirement.specifier
        for requirement in map(Requirement, PROJECTS[folder]["dependencies"])
        if requirement.name == "calcore"
    )
    assert CORE in range_
    assert Version(f"{CORE.major}.{CORE.minor + 1}.0") not in range_


def test_core_offers_each_instrument_and_all():
    offered = PROJECTS["core"]["optional-dependencies"]
    assert {
        name: offered[name] for name in offered if name not in {"all", "dask", "gaia", "testing"}
    } == {Path(folder).name: [PROJECTS[folder]["name"]] for folder in FOLDERS[1:]}
    assert sorted(offered["all"]) == sorted(PROJECTS[folder]["name"] for folder in FOLDERS[1:])


def test_all_packages_are_classified_alike():
    (classifiers,) = {tuple(project["classifiers"]) for project in PROJECTS.values()}
    versions = [c.rpartition(" ")[2] for c in classifiers if ":: 3." in c]
    assert versions[0] == PROJECTS["core"]["requires-python"].removeprefix(">=")
