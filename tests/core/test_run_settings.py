"""The user's file is checked before anything rests on it."""

import pytest

from calcore.errors import BadPipeline, UnknownName
from calcore.pipeline import build as build_pipeline
from calcore.pipeline import parse
from calcore.run import Request
from calcore.run.settings import read_user_file, with_user_settings


def read(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return read_user_file(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "cannot be read as TOML"),
        ("foo = 1", r"There is no key 'foo'. Known: edit, pipeline"),
        ("set = 5", "set must be a table, not 5"),
        ("edit = 3", "edit must be a list of tables, not 3"),
        ("profile = 3", "profile must be a text, not 3"),
        ("references.dark = 5", "references.dark must be a text, not 5"),
        ("pipeline = []", "pipeline must be a table"),
        ("pipeline.detector1 = 3", "pipeline.detector1 must be a table, not 3"),
        ("pipeline.detector1.references = {}", "There is no key 'references'"),
    ],
)
def test_wrong_values_are_refused_with_the_file(tmp_path, text, message):
    with pytest.raises(BadPipeline, match=f"mine.toml.*{message}"):
        read(tmp_path, text)


def test_pipelines_go_by_the_reference_pipeline_s_names_too(tmp_path):
    file = read(tmp_path, "pipeline.calwebb_detector1.set.jump.skip = true")
    assert file.pipelines == {"detector1": {"set": {"jump": {"skip": True}}}}


def test_an_unknown_pipeline_is_an_error(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'detector1'"):
        read(tmp_path, "pipeline.detector2.set.jump.skip = true")
    base = parse('name = "detector1"\nstage = "1"\n[[slot]]\nname = "jump"', "core")
    made = build_pipeline(base, exposure_type="IMAGE")
    request = Request(settings={"detektor1:jump.skip": True})
    with pytest.raises(UnknownName, match="Did you mean 'detector1'"):
        with_user_settings(made, request, read_user_file(None))


@pytest.mark.parametrize("where", ["set", "pipeline.detector1.set"])
def test_a_file_may_set_what_it_inserts(tmp_path, where):
    base = parse('name = "detector1"\nstage = "1"\n[[slot]]\nname = "jump"', "core")
    made = build_pipeline(base, exposure_type="IMAGE")
    edit = '[[pipeline.detector1.edit]]\ninsert = "own"\nuse = "acme.own"\nafter = "jump"\n'
    file = read(tmp_path, f"{edit}[{where}.own]\nthreshold = 5.0\n")
    slot = with_user_settings(made, Request(), file).slot("own")
    assert slot.settings["threshold"].value == 5.0
    assert slot.settings["threshold"].given


def test_places_of_steps_are_relative_to_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "steps").mkdir()
    (tmp_path / "mine.toml").write_text('with = ["steps", "./one.py", "~/two.py", "acme"]\n')
    assert read_user_file(tmp_path / "mine.toml").packages == (
        f"{tmp_path}/steps", f"{tmp_path}/one.py", f"{tmp_path}/home/two.py", "acme",
    )  # fmt: skip
