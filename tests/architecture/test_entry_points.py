"""What the packages announce is there."""

import dataclasses
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from calcore.instrument import Instrument
from calcore.model import Record
from calcore.parameters import parameters_of
from calcore.step import Step, diet_of

ROOT = Path(__file__).parents[2]
FOLDERS = ["core", *(f"plugins/{n}" for n in ("nircam", "nirspec", "niriss", "miri", "fgs"))]
PROJECTS = {f: tomllib.loads((ROOT / f / "pyproject.toml").read_text())["project"] for f in FOLDERS}


def announced(group=None):
    """Return (folder, group, name, target) of the entry points as the projects write them."""
    return [
        (folder, kind, name, target)
        for folder, project in PROJECTS.items()
        for kind, points in project.get("entry-points", {}).items()
        if group in (None, kind)
        for name, target in points.items()
    ]


def resolve(target):
    module, _, name = target.partition(":")
    thing = import_module(module)
    return getattr(thing, name) if name else thing


STEPS = announced("calcore.steps")


def by_name(point):
    return point[2]


@pytest.mark.parametrize("point", announced(), ids=lambda p: f"{p[1]}:{p[2]}")
def test_every_entry_point_resolves(point):
    assert resolve(point[3]) is not None


@pytest.mark.parametrize("point", announced("calcore.instruments"), ids=by_name)
def test_instruments_are_named_after_their_keyword(point):
    folder, _, name, target = point
    instrument = resolve(target)
    assert isinstance(instrument, Instrument)
    assert instrument.name.lower() == name == Path(folder).name
    assert instrument.distribution == PROJECTS[folder]["name"]
    assert instrument.version == PROJECTS[folder]["version"]


def test_all_five_instruments_are_announced():
    assert {p[2] for p in announced("calcore.instruments")} == {
        "nircam", "nirspec", "niriss", "miri", "fgs",
    }  # fmt: skip


@pytest.mark.parametrize("point", STEPS, ids=by_name)
def test_a_step_is_a_frozen_dataclass_that_says_what_it_needs(point):
    step = resolve(point[3])
    assert issubclass(step, Step)
    assert step.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(step))
    assert step.__doc__
    diet = diet_of(step)
    assert issubclass(diet.flow, Record)
    assert diet.returns is not None


@pytest.mark.parametrize("point", STEPS, ids=by_name)
def test_every_parameter_says_what_it_means_and_accepts_its_default(point):
    step = resolve(point[3])
    for parameter in parameters_of(step).values():
        assert parameter.doc, f"{parameter.name} has no Doc"
        assert parameter.doc.endswith("."), f"the Doc of {parameter.name} is no sentence"
    step()  # checks the defaults against types and ranges


@pytest.mark.parametrize("point", STEPS, ids=by_name)
def test_only_core_gives_steps_bare_names(point):
    folder, _, name, _ = point
    owner, dot, _ = name.rpartition(".")
    assert (owner if dot else "core") == Path(folder).name


def test_every_step_in_the_sources_is_announced():
    known = {resolve(target) for _, _, _, target in STEPS}
    for folder in FOLDERS:
        source = ROOT / folder / "src"
        for path in source.rglob("steps/**/*.py"):
            module = import_module(".".join(path.relative_to(source).with_suffix("").parts))
            for thing in vars(module).values():
                ours = isinstance(thing, type) and thing.__module__ == module.__name__
                if ours and issubclass(thing, Step) and hasattr(thing, "apply"):
                    assert thing in known


def pipelines():
    return [
        path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("pipelines/*.toml"))
    ]


@pytest.mark.parametrize("path", pipelines(), ids=lambda p: f"{p.parts[-4]}-{p.stem}")
def test_pipelines_use_steps_that_are_announced(path):
    content = tomllib.loads(path.read_text())
    known = {name for _, _, name, _ in STEPS}
    edits = [*content.get("edit", [])]
    for entry in content.get("when", []):
        edits += entry.get("edit", [])
    used = [slot.get("use", slot["name"]) for slot in content.get("slot", [])]
    used += [edit.get("use", edit.get("insert")) for edit in edits if "drop" not in edit]
    assert [use for use in used if use is not None and use not in known] == []
