"""Parameter files that CRDS hands out are settings between the profile's and the user's."""

from dataclasses import replace

import asdf
import pytest

from calcore.errors import BadPipeline, FileInvalid, ReferenceInvalid, ReferenceMissing, UnknownName
from calcore.model import Meta
from calcore.pipeline import Pipeline, Slot, build, parse, with_settings
from calcore.references.parameters import parameter_references, type_of_step
from calcore.run.assemble import BuiltSlot, saving_ramp
from calcore.run.request import Request
from calcore.run.settings import (
    UserFile,
    read_user_file,
    with_parameter_references,
    with_user_settings,
)
from calcore.step import Step

META = Meta({"exposure.type": "X_IMAGE"})
PIPELINE = """
name = "detector1"
stage = "1"
[[slot]]
name = "jump"
[[slot]]
name = "dark_current"
[set.jump]
rejection_threshold = 4.0
four_group_rejection_threshold = 5.0
three_group_rejection_threshold = 6.0
"""


@pytest.fixture(autouse=True)
def _no_switch(monkeypatch):
    monkeypatch.delenv("STPIPE_DISABLE_CRDS_STEPPARS", raising=False)


@pytest.fixture
def folder(tmp_path):
    files = {
        "jump": {"rejection_threshold": 4.5, "four_group_rejection_threshold": 5.5, "skip": True},
        "detector1": {"save_calibrated_ramp": True},
    }
    for name, parameters in files.items():
        tree = {"class": name, "name": name, "parameters": parameters}
        if name == "detector1":
            tree["steps"] = [
                {"name": "jump", "parameters": {"four_group_rejection_threshold": 5.75}},
                {"name": "persistence", "parameters": {"skip": True}},
            ]
        asdf.AsdfFile(tree).write_to(tmp_path / f"{name}.asdf")
    return tmp_path


@pytest.fixture
def find(folder):
    answers = {
        "pars-jumpstep": folder / "jump.asdf",
        "pars-darkcurrentstep": "N/A",
        "pars-detector1pipeline": folder / "detector1.asdf",
    }
    return lambda kind, meta: (answers[kind], "CRDS") if meta is META else None


def pipeline():
    return build(parse(PIPELINE, "core"), exposure_type="X_IMAGE")


@pytest.mark.parametrize(
    ("slot", "kind"),
    [
        ("jump", "pars-jumpstep"),
        ("dark_current", "pars-darkcurrentstep"),
        ("bkg_subtract", "pars-backgroundstep"),
    ],
)
def test_types_are_named_after_the_reference_pipeline_s_classes(slot, kind):
    assert type_of_step(slot) == kind


def test_a_pipeline_s_file_stands_above_the_steps_and_below_the_user(find):
    made = with_parameter_references(pipeline(), META, {}, find)
    jump = made.slot("jump")
    values = {name: (item.value, item.origin) for name, item in jump.settings.items()}
    assert values == {
        "rejection_threshold": (4.5, "crds://jump.asdf"),
        "four_group_rejection_threshold": (5.75, "crds://detector1.asdf"),
        "three_group_rejection_threshold": (6.0, "core"),
    }
    assert jump.runs("skip") is True
    request = Request(settings={"jump.rejection_threshold": 3.5})
    user = with_user_settings(made, request, UserFile())
    assert user.slot("jump").settings["rejection_threshold"].value == 3.5


def test_the_user_s_file_takes_the_place_of_crds_s(find, folder):
    own = folder / "own.asdf"
    asdf.AsdfFile({"parameters": {"rejection_threshold": 9.0}}).write_to(own)
    made = with_parameter_references(pipeline(), META, {"pars-jumpstep": (str(own), "--ref")}, find)
    settings = made.slot("jump").settings
    assert settings["rejection_threshold"].value == 9.0
    assert settings["rejection_threshold"].origin == "own.asdf"


def test_a_value_of_crds_that_cannot_be_is_not_the_user_s_fault(find, folder):
    bad = folder / "bad.asdf"
    asdf.AsdfFile({"parameters": {"skip": "no"}}).write_to(bad)
    with pytest.raises(
        ReferenceInvalid, match=r"jump.skip must be true or false, not 'no' \(given"
    ):
        with_parameter_references(pipeline(), META, {"pars-jumpstep": (bad, "CRDS")}, find)


def test_they_can_be_switched_off(find, monkeypatch):
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "True")
    made = with_parameter_references(pipeline(), META, {}, find)
    assert made.slots == pipeline().slots
    assert made.notes == ("parameter references are switched off by STPIPE_DISABLE_CRDS_STEPPARS",)


def test_without_crds_there_are_none_and_the_plan_says_so():
    def find(kind, meta):
        del kind, meta
        raise ReferenceMissing("CRDS cannot be asked")

    made = with_parameter_references(pipeline(), META, {}, find)
    assert made.slots == pipeline().slots
    assert made.notes == ("parameter references are not looked at: CRDS cannot be asked",)


def test_a_file_that_the_user_named_must_be_there(find):
    given = {"pars-jumpstep": ("nowhere.asdf", "--ref")}
    with pytest.raises(
        ReferenceMissing, match=r"pars-jumpstep reference nowhere\.asdf .* not there"
    ):
        with_parameter_references(pipeline(), META, given, find)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"meta": {}}, "has no node parameters; give a parameter file"),
        ({"parameters": [1]}, "has no node parameters; give a parameter file"),
    ],
)
def test_a_file_without_parameters_is_refused(find, folder, tree, message):
    path = folder / "bad.asdf"
    asdf.AsdfFile(tree).write_to(path)
    given = {"pars-jumpstep": (str(path), "--ref")}
    with pytest.raises(ReferenceInvalid, match=message):
        parameter_references("detector1", ["jump"], META, given, find)


@pytest.mark.parametrize("steps", [{"jump": {}}, ["jump"]])
def test_steps_must_be_a_list(find, folder, steps):
    path = folder / "bad.asdf"
    asdf.AsdfFile({"steps": steps}).write_to(path)
    given = {"pars-detector1pipeline": (str(path), "--ref")}
    with pytest.raises(ReferenceInvalid, match="the node steps is no list of steps"):
        parameter_references("detector1", ["jump"], META, given, find)


def test_a_file_of_another_kind_is_refused(find, folder):
    path = folder / "text.asdf"
    path.write_text("rejection_threshold: 4")
    given = {"pars-jumpstep": (str(path), "--ref")}
    with pytest.raises(FileInvalid, match="is not an ASDF file"):
        parameter_references("detector1", ["jump"], META, given, find)


def test_what_the_user_calls_wrongly_is_an_error_still(find):
    made = with_parameter_references(pipeline(), META, {}, find)
    with pytest.raises(UnknownName, match="slot"):
        with_user_settings(made, Request(settings={"jmp.rejection_threshold": 1}), UserFile())


def written(path, kind, **tree):
    asdf.AsdfFile({"class": kind, **tree}).write_to(path)
    return path


def test_a_step_s_parameter_file_is_a_configuration(tmp_path):
    path = written(
        tmp_path / "jump.asdf", "jwst.jump.jump_step.JumpStep", name="JumpStep",
        parameters={"rejection_threshold": 7.0, "maximum_cores": "half", "skip": False},
    )  # fmt: skip
    made = with_user_settings(pipeline(), Request(), read_user_file(path))
    setting = made.slot("jump").settings["rejection_threshold"]
    assert (setting.value, setting.origin) == (7.0, str(path))


def test_a_pipeline_s_parameter_file_holds_for_that_pipeline_alone(tmp_path):
    path = written(
        tmp_path / "all.asdf", "jwst.pipeline.Detector1Pipeline", name="detector1",
        parameters={"save_calibrated_ramp": True, "save_results": True},
        steps=[
            {"name": "jump", "parameters": {"rejection_threshold": 7.0, "warp": 9}},
            {"name": "wavecorr", "parameters": {"skip": True}},
        ],
    )  # fmt: skip
    file = read_user_file(path)
    made = with_user_settings(pipeline(), Request(), file)
    assert made.slot("jump").settings["rejection_threshold"].value == 7.0
    assert made.notes == (f"wavecorr (set by {path}) is not a slot of detector1 here",)
    assert made.saves_ramp == str(path)
    other = replace(pipeline(), name="image3")
    assert with_user_settings(other, Request(), file).slot("jump") == pipeline().slot("jump")


def test_the_ramp_that_rates_are_fitted_to_is_saved():
    names = ("dq_init", "jump", "persistence", "ramp_fit", "gain_scale")
    slots = tuple(
        BuiltSlot(Slot(name, name, name), "", Step(), skip="" if name != "persistence" else "no")
        for name in names
    )
    made = saving_ramp(slots, "mine.asdf")
    assert [(b.slot.name, b.slot.runs("suffix")) for b in made if b.slot.runs("save")] == [
        ("jump", "ramp")
    ]
    saved = with_settings(
        Pipeline("detector1", "1", tuple(b.slot for b in slots)), {"jump": {"save": True}}, "the user",
        given=True,
    )  # fmt: skip
    slots = tuple(replace(b, slot=slot) for b, slot in zip(slots, saved.slots, strict=True))
    (note,) = saving_ramp(slots, "mine.asdf")[1].notes
    assert note == "the ramps that mine.asdf asks for are what jump leaves, in _jump"
    assert saving_ramp(slots[3:], "mine.asdf") == slots[3:]


def test_the_command_line_stands_above_an_imported_file(tmp_path):
    path = written(tmp_path / "j.asdf", "JumpStep", parameters={"rejection_threshold": 7.0})
    request = Request(settings={"jump.rejection_threshold": 3.0})
    made = with_user_settings(pipeline(), request, read_user_file(path))
    assert made.slot("jump").settings["rejection_threshold"].value == 3.0


@pytest.mark.parametrize(
    ("kind", "said"),
    [("jwst.cooking.SoupStep", "is of no step or pipeline that calcore knows"),
     ("JumpStep", "has no node parameters")],
)  # fmt: skip
def test_a_file_that_is_no_parameter_file_is_refused(tmp_path, kind, said):
    with pytest.raises(BadPipeline, match=said):
        read_user_file(written(tmp_path / "x.asdf", kind))
