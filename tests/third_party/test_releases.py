"""Packages are released alone: which versions go together, and what is said when they do not.

A core supports every plugin whose requirement its own version meets; a plugin's requirement ends
where the interface may change, at the next minor version. The oldest and the newest such plugin are
built from the tree with other versions.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins" / "miri"
CORE = ROOT / "core"
PACKAGES = [CORE, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]


def project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Return a function that copies a package with another version and requirement of core."""

    def make(folder, version, core=None):
        copy = tmp_path_factory.mktemp("release") / folder.name
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        text = (copy / "pyproject.toml").read_text()
        text = re.sub(
            r'^version = ".*"$', f'version = "{version}"', text, count=1, flags=re.MULTILINE
        )
        for path in copy.glob("src/*/__init__.py"):
            code = path.read_text()
            path.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', code))
        if core is not None:
            text, changed = re.subn(r'"calcore>=[^"]*"', f'"calcore{core}"', text)
            assert changed == 1
        (copy / "pyproject.toml").write_text(text)
        return copy

    return make


SERIES = ".".join(project(CORE)["version"].split(".")[:2])
NEXT = f"{SERIES.split('.')[0]}.{int(SERIES.split('.')[1]) + 1}"
NOW = f">={SERIES},<{NEXT}"


@pytest.mark.parametrize("version", [f"{SERIES}.0", "7.0.0"])
def test_a_plugin_of_any_version_works_with_a_core_that_it_asks_for(
    shadowed, release, visit, tmp_path, version
):
    """The oldest of the series, and one that counts its releases on its own."""
    there = shadowed(release(PLUGIN, version, NOW))
    raw = min(visit.glob("*_uncal.fits"))
    done = there.calcore(
        "run", raw, "--stage", "1", "-o", "out", "--no-pictures", cwd=tmp_path,
        cache=visit / "crds_cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (rate,) = (tmp_path / "out").glob("*_rate.fits")
    assert f"calcore-miri {version}" in there.calcore("info", rate, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("folder", "version", "core", "sentence"),
    [
        (PLUGIN, f"{NEXT}.0", f">={NEXT}", f"calcore-miri {NEXT}.0 needs calcore>={NEXT}, but "),
        (CORE, f"{NEXT}.0", None, f"but {NEXT}.0 is installed: pip install --upgrade calcore"),
    ],
    ids=["plugin too new", "core too new"],
)
def test_a_mismatch_is_a_sentence_and_harms_nothing_else(
    shadowed, release, visit, tmp_path, folder, version, core, sentence
):
    there = shadowed(release(folder, version, core))
    raw = min(visit.glob("*_uncal.fits"))
    done = there.calcore("run", raw, "--stage", "1", "-o", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "calcore-miri" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob("*.fits"))
    assert there.calcore("steps", "jump", cwd=tmp_path).returncode == 0
    listed = there.calcore("plugins", cwd=tmp_path)
    assert f"calcore {version}" in listed.stdout or f"calcore-miri {version}" in listed.stdout


def wheels(folder, *packages):
    """Build wheels into a folder."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-build-isolation", "--wheel-dir", folder, *packages],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return folder


def would_install(folder, wish):
    """Ask pip what it would install from the wheels of a folder, beside what is there."""
    return subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--find-links", folder,
         "--disable-pip-version-check", wish],
        check=False, capture_output=True, text=True,
    )  # fmt: skip


def test_an_extra_brings_the_instrument_and_pip_refuses_what_does_not_fit(release, tmp_path):
    series = f"{SERIES}.99"
    fitting = wheels(tmp_path / "a", release(CORE, series), release(PLUGIN, series, NOW))
    done = would_install(fitting, f"calcore[miri]=={series}")
    assert done.returncode == 0, done.stderr
    assert f"calcore-miri-{series}" not in done.stdout  # the one that is there fits
    done = would_install(fitting, f"calcore-miri=={series}")
    assert f"Would install calcore-miri-{series}" in done.stdout
    other = wheels(tmp_path / "b", release(PLUGIN, f"{NEXT}.0", f">={NEXT}"))
    done = would_install(other, f"calcore-miri=={NEXT}.0")
    assert done.returncode != 0
    assert f"calcore>={NEXT}" in done.stderr


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_each_package_has_a_changelog_of_its_own(folder, tmp_path):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__", "src"))
    package = next(path.name for path in (folder / "src").iterdir() if path.is_dir())
    (copy / "src" / package).mkdir(parents=True)
    fragments = [path.read_text() for path in (copy / "changes").glob("[0-9]*.md")]
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--yes", "--version", "9.9.9",
         "--date", "2030-01-01", "--dir", str(copy), "--config", str(copy / "pyproject.toml")],
        cwd=copy, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    news = (copy / "CHANGES.md").read_text()
    assert "## 9.9.9 (2030-01-01)" in news
    for fragment in fragments:
        assert " ".join(fragment.split())[:40] in " ".join(news.split())
