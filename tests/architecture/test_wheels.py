"""Each package builds a wheel with everything it needs."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

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
        if path.is_file() and path.suffix != ".pyc" and "/." not in str(path.relative_to(source))
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
