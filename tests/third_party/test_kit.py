"""The kit that ships: a new package that works at once, its certificate, and a step that is a file."""

import re

import pytest


@pytest.fixture(scope="module")
def fresh(clean, tmp_path_factory):
    """Write a new package; return its folder."""
    folder = tmp_path_factory.mktemp("fresh")
    done = clean.calcore("plugins", "new", "spike-finder", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "spike-finder/pyproject.toml" in done.stdout
    return folder / "spike-finder"


@pytest.fixture(scope="module")
def furnished(clean, fresh, installed, tmp_path_factory):
    """The environment with the new package installed as a wheel."""
    folder = tmp_path_factory.mktemp("furnished")
    installed(folder, fresh)
    return clean.with_folder(folder)


def test_the_tests_of_a_new_package_pass_at_once(clean, fresh):
    done = clean.python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=fresh)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout
    told = {path.name for path in fresh.iterdir()}
    assert {"README.md", "CHANGES.md", "pyproject.toml", "src", "tests"} <= told


def test_a_new_package_is_certified_listed_and_used(furnished, visit, tmp_path):
    checked = furnished.calcore("plugins", "check", "spike-finder", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for respect in ("interface", "dependencies", "documentation", "loading", "name", "contract",
                    "bands", "threads", "memory"):  # fmt: skip
        assert re.search(rf"\b{respect} +good ", checked.stdout), respect
    assert "spike-finder: all is good" in checked.stdout
    listed = furnished.calcore("plugins", "list", cwd=tmp_path).stdout
    assert "spike-finder 0.1.0  for calcore <0.2,>=0.1" in listed
    words = ("plan", visit, "--stage", "1", "-q", "--with", "spike-finder")
    done = furnished.calcore(*words, cwd=tmp_path, cache=visit / "crds_cache")
    assert done.returncode == 0, done.stderr
    assert "spike_finder.spikes of spike-finder 0.1.0" in done.stdout


STEP = '''
"""A step in a file."""
from dataclasses import dataclass
from typing import Annotated
import numpy as np
from calcore.hooks import hookimpl
from calcore.model import Ramp
from calcore.parameters import Doc, Unit
from calcore.step import Rows, Step
KEPT = []


@dataclass(frozen=True, kw_only=True)
class AddLevel(Step):
    """Add a level to all samples."""

    level: Annotated[float, Unit("DN"), Doc("What is added.")] = 3.0

    def rows(self, meta, references):
        return Rows()

    def apply(self, ramp: Ramp) -> Ramp:
        {body}


@hookimpl
def calcore_edit_pipeline(pipeline):
    if pipeline == "detector1":
        return {{"edit": [{{"insert": "add_level", "use": "mine.add_level", "after": "saturation"}}]}}
'''
ADD = "return ramp.replace(data=ramp.data + np.float32(self.level))"


def write(tmp_path, body=ADD):
    path = tmp_path / "steps" / "mine.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(STEP.format(body=body))
    return path


def test_a_file_works_before_it_is_a_package(clean, visit, tmp_path):
    write(tmp_path)
    (tmp_path / "mine.toml").write_text('with = ["./steps"]\n[set.add_level]\nlevel = 5.0\n')
    raw = min(visit.glob("*_uncal.fits"))
    cache = visit / "crds_cache"
    words = ("run", raw, "--stage", "1", "--config", "mine.toml", "-o", "out", "--no-pictures")
    done = clean.calcore(*words, cwd=tmp_path, cache=cache)
    assert done.returncode == 0, done.stderr
    shown = clean.calcore("info", min(tmp_path.glob("out/*_rate.fits")), cwd=tmp_path).stdout
    assert re.search(r"add_level +complete +\(mine.add_level of mine.py [0-9a-f]{12}\)", shown)
    # the same is kept; made again after the file has changed, in other processes too
    assert "1 kept" in clean.calcore(*words, cwd=tmp_path, cache=cache).stdout
    write(tmp_path, ADD.replace("self.level", "self.level + 1"))
    words = (*words, "--executor", "processes", "--overwrite")
    again = clean.calcore(*words, cwd=tmp_path, cache=cache)
    assert again.returncode == 0, again.stderr
    assert "1 complete" in again.stdout


def test_a_file_is_named_on_the_command_line_and_described(clean, visit, tmp_path):
    write(tmp_path)
    words = ("plan", visit, "--stage", "1", "-q", "--with", "steps/mine.py")
    done = clean.calcore(*words, cwd=tmp_path, cache=visit / "crds_cache")
    assert done.returncode == 0, done.stderr
    assert "mine.add_level of mine.py" in done.stdout
    shown = clean.calcore("steps", "steps/mine.py", cwd=tmp_path)
    assert "level = 3.0 [DN]" in shown.stdout
    gone = clean.calcore(*words[:-1], "steps/other.py", cwd=tmp_path, cache=visit / "crds_cache")
    assert gone.returncode == 2
    assert "steps/other.py is no file of steps" in gone.stderr


def test_strangers_packages_are_certified(stranger, broken, tmp_path):
    done = stranger.calcore("plugins", "check", "acme", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    done = broken.calcore("plugins", "check", "broken", cwd=tmp_path)
    assert done.returncode == 1
    assert "a-library-that-is-not-there>=2 is not installed" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
