"""Each package builds a wheel with everything it needs."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "core": "calcore",
    **{f"plugins/{n}": f"calcore_{n}" for n in ("nircam", "nirspec", "niriss", "miri", "fgs")},
}


@pytest.mark.parametrize(("folder", "package"), PACKAGES.items(), ids=PACKAGES.values())
def test_a_wheel_holds_modules_tables_and_entry_points(folder, package, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT / folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert wheel.name == f"{package}-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = f"{package}-{project['version']}.dist-info"
        points = archive.read(f"{info}/entry_points.txt").decode()
    source = ROOT / folder / "src"
    expected = {
        str(path.relative_to(source))
        for path in (source / package).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and "/." not in str(path.relative_to(source))
    }
    assert expected <= names
    assert any(name.endswith(".toml") for name in names) == any(
        name.endswith(".toml") for name in expected
    )
    for group, entries in project["entry-points"].items():
        assert f"[{group}]" in points
        for name, target in entries.items():
            assert f"{name} = {target}" in points


def test_all_packages_have_one_licence_and_one_python():
    for folder in PACKAGES:
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        assert (project["license"], project["requires-python"]) == ("BSD-3-Clause", ">=3.11")
        assert (ROOT / folder / project["readme"]).is_file()
        assert (ROOT / folder / "CHANGES.md").is_file()


@pytest.mark.parametrize(("folder", "package"), PACKAGES.items(), ids=PACKAGES.values())
def test_every_library_that_is_imported_is_a_dependency(folder, package):
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
    declared = {canonicalize_name(Requirement(text).name) for text in asked}
    owners = packages_distributions()
    imported = set()
    for path in (ROOT / folder / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    missing = {
        name
        for name in imported - set(sys.stdlib_module_names) - {package}
        if not {canonicalize_name(owner) for owner in owners.get(name, [name])} & declared
    }
    assert not missing
