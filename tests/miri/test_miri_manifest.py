"""The manifest of a run tells what was done with what; a run is done again as it tells."""

import json
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from calcore import io
from calcore.cli.app import commands
from calcore.errors import FileInvalid, UsageError
from calcore.io.content import content_of
from calcore.parameters import parameters_of
from calcore.report.compare import compare
from calcore.run import Silence, Status, manifest, run
from calcore.steps.detector.jump import Jump

pytestmark = pytest.mark.usefixtures("miri_references")
ROOT = "jw01234001001_02101_00001_mirimage"


def manifests(folder):
    return sorted((folder / "calcore_runs").glob("*.json"))


@pytest.fixture
def done(miri_visit, tmp_path):
    """One exposure's rates, made with a setting, and the run's manifest."""
    wishes = {"stage": "1", "output": tmp_path / "out", "settings": {"jump.min_sat_area": 2.0}}
    result = run(miri_visit.raw[0], **wishes)
    assert result.exit_status == 0
    return result.manifest


@pytest.fixture
def changed(done):
    """Return a function that changes the manifest."""

    def change(how):
        content = json.loads(done.read_text())
        how(content)
        done.write_text(json.dumps(content))
        return done

    return change


def step_of(content, name, product=0):
    return next(step for step in content["products"][product]["steps"] if step["name"] == name)


def test_a_manifest_tells_what_was_done_with_what(done, miri_visit):
    content = manifest.read(done)
    assert manifests(done.parents[1]) == [done]
    assert (content["status"], content["waiting"]) == ("done", [])
    assert content["request"]["inputs"] == [str(miri_visit.raw[0])]
    assert content["request"]["settings"] == {"jump.min_sat_area": 2.0}
    assert content["machine"]["python"] == platform.python_version()
    assert content["packages"]["numpy"] == version("numpy")
    assert content["packages"]["calcore-miri"] == version("calcore-miri")
    assert content["crds"]["contexts"] == ["jwst_0001.pmap"]
    (product,) = content["products"]
    assert (product["name"], product["status"]) == (ROOT, "complete")
    assert {Path(file).name for file in product["files"]} == {
        f"{ROOT}_rate.fits", f"{ROOT}_rateints.fits",
    }  # fmt: skip
    (raw,) = product["inputs"]["science"]
    assert raw == {
        "name": miri_visit.raw[0].name, "content": content_of(miri_visit.raw[0]),
        "path": str(miri_visit.raw[0]),
    }  # fmt: skip
    jump = step_of(content, "jump")
    assert jump["status"] == "complete"
    assert jump["seconds"] > 0
    assert jump["settings"]["min_sat_area"] == {"value": 2.0, "origin": "the Python call"}
    gain = jump["references"]["gain"]
    assert gain["content"] == content_of(gain["path"])
    assert gain["origin"] == "CRDS"
    assert "switched off" in step_of(content, "ipc")["skipped"]


def test_info_shows_a_manifest(done):
    shown = CliRunner().invoke(commands, ["info", str(done)])
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0].endswith(", done")
    assert f"  calcore-miri {version('calcore-miri')}" in lines
    assert any(line.startswith(f"  {ROOT}  detector1  complete  ") for line in lines)


def test_a_run_that_is_stopped_leaves_a_true_manifest(miri_visit, tmp_path):
    seen = []

    class Stop(Silence):
        """Stops when the second product is begun."""

        def product_started(self, name, pipeline):
            seen.extend(manifest.read(path) for path in manifests(tmp_path))
            if seen:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(miri_visit.raw, stage="1", output=tmp_path, progress=Stop())
    assert [content["status"] for content in seen] == ["running"]  # what kill -9 would leave
    content = manifest.read(*manifests(tmp_path))
    assert content["status"] == "interrupted"
    assert [product["name"] for product in content["products"]] == [ROOT]
    assert content["waiting"] == [ROOT.replace("00001_m", "00002_m")]


def test_each_run_in_a_folder_has_a_manifest_of_its_own(miri_visit, tmp_path):
    for path in miri_visit.raw:
        run(path, stage="1", output=tmp_path)
    assert len(manifests(tmp_path)) == 2
    again = run(miri_visit.raw, stage="1", output=tmp_path)
    assert {outcome.status for outcome in again.products} == {Status.KEPT}
    assert again.manifest is None  # it did nothing
    assert len(manifests(tmp_path)) == 2
    shutil.rmtree(tmp_path / "calcore_runs")
    whole = manifest.read(run(miri_visit.raw, stage="1", output=tmp_path).manifest)
    assert [product["status"] for product in whole["products"]] == ["kept", "kept"]
    assert all(product["steps"] for product in whole["products"])


def test_a_manifest_that_cannot_be_written_is_told_and_done_without(miri_visit, tmp_path, caplog):
    (tmp_path / "calcore_runs").touch()
    result = run(miri_visit.raw[0], stage="1", output=tmp_path)
    assert (result.exit_status, result.manifest) == (0, None)
    assert "this run has no manifest" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no manifest of a run: Expecting"),
        ("[]", "has no key calcore_manifest"),
        ('{"calcore_manifest": 99}', "is of form 99, not 1"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FileInvalid, match=message):
        run(replay=path)


def test_a_replay_makes_the_same_products(done, tmp_path):
    result = run(replay=done, output=tmp_path / "again")
    assert (result.exit_status, result.differences) == (0, ())
    for suffix in ("rate", "rateints"):
        name = f"{ROOT}_{suffix}.fits"
        assert content_of(tmp_path / "again" / name) == content_of(done.parents[1] / name)
    here = run(replay=done)
    assert [outcome.status for outcome in here.products] == [Status.KEPT]


def test_the_command_line_replays(done, tmp_path):
    def ask(*words):
        return CliRunner().invoke(commands, ["run", "--replay", str(done), *words])

    told = ask("-o", str(tmp_path / "again"), "--no-pictures")
    assert told.exit_code == 0
    assert (tmp_path / "again" / f"{ROOT}_rate.fits").is_file()
    refused = CliRunner().invoke(commands, ["run", "--replay", str(done), "--stage", "2"])
    assert refused.exit_code == 2
    assert "stage cannot be chosen beside a replay" in refused.stderr


def test_a_replay_says_what_is_otherwise_on_this_machine(changed, caplog):
    def older(content):
        content["machine"]["python"] = "3.9.1"
        content["packages"] |= {"numpy": "1.0", "calcore-herschel": "2.0"}
        step_of(content, "jump")["references"]["gain"]["content"] = "xxh3:other"

    result = run(replay=changed(older))
    expected = [
        f"python was 3.9.1, and is {platform.python_version()}",
        "calcore-herschel 2.0 is not installed",
        f"numpy was 1.0, and is {version('numpy')}",
        f"{ROOT}: the gain reference of jump has changed",
    ]
    assert list(result.differences) == expected
    for words in expected:
        assert caplog.text.count(words) == 1


def test_a_replay_keeps_what_were_defaults_then(changed, tmp_path):
    default = parameters_of(Jump)["after_jump_flag_time1"].default
    assert default != 12.5

    def other(content):
        step_of(content, "jump")["settings"]["after_jump_flag_time1"]["value"] = 12.5
        step_of(content, "jump")["settings"]["forgotten"] = {"value": 1, "origin": "x"}

    path = changed(other)
    result = run(replay=path, output=tmp_path / "again")
    tree = io.read_node(tmp_path / "again" / f"{ROOT}_rate.fits", "calcore")["detector1"]
    jump = next(slot for slot in tree["slots"] if slot["name"] == "jump")
    assert jump["settings"]["after_jump_flag_time1"] == 12.5
    assert jump["origins"]["after_jump_flag_time1"] == "the replayed run"
    assert result.differences == (f"{ROOT}: jump.forgotten was 1, and is not there",)


def test_a_replay_looks_for_inputs_where_the_user_says(changed, miri_visit, tmp_path):
    def elsewhere(content):
        (raw,) = content["products"][0]["inputs"]["science"]
        raw["path"] = "/not/there.fits"
        raw["content"] = "xxh3:other"

    path = changed(elsewhere)
    with pytest.raises(UsageError, match=r"none of the inputs of .*json is there; name them"):
        run(replay=path, output=tmp_path / "again")
    result = run(miri_visit.folder, replay=path, output=tmp_path / "again")
    assert result.exit_status == 0
    assert result.differences[0].endswith("is not what was used, but another of this name")


def test_what_a_manifest_tells_cannot_be_chosen_anew(done):
    with pytest.raises(UsageError, match=r"profile and skip cannot be chosen beside a replay"):
        run(replay=done, skip=["ipc"], profile="reference")


def test_the_file_of_settings_need_not_be_there_any_more(miri_visit, tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("[set.jump]\nrejection_threshold = 5.0\n[[edit]]\ndrop = 'rscd'\n"
                      .replace("[[edit]]", "[[pipeline.detector1.edit]]"))  # fmt: skip
    first = run(miri_visit.raw[0], stage="1", output=tmp_path / "out", config=config)
    assert first.exit_status == 0
    config.unlink()
    for told in (first.manifest, tmp_path / "out" / f"{ROOT}_rate.fits"):
        result = run(miri_visit.raw[0], replay=told, output=tmp_path / told.suffix[1:])
        assert [outcome.reason for outcome in result.products] == [""]
        assert not [words for words in result.differences if "rscd" in words]
        (pair, _) = compare(tmp_path / "out", tmp_path / told.suffix[1:])
        assert pair.same


def test_a_mosaic_tells_enough_to_be_made_again(miri_products, tmp_path):
    """From its members alone: the association and the manifest are gone."""
    folder, _ = miri_products
    mosaic = next(folder.glob("*o001*_i2d.fits"))
    members = tmp_path / "members"
    members.mkdir()
    for path in folder.glob("*_cal.fits"):
        shutil.copy(path, members)
    result = run(members, replay=mosaic, output=tmp_path / "again")
    assert (result.exit_status, result.differences) == (0, ())
    (outcome,) = result.products
    assert outcome.pipeline == "image3"
    (pair,) = compare(mosaic, tmp_path / "again" / mosaic.name)
    assert pair.found == ()


def test_a_product_whose_input_is_gone_is_made_of_a_rawer_one(miri_products, miri_visit, tmp_path):
    cal = miri_products[0] / f"{ROOT}_cal.fits"
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(cal, alone)
    result = run(miri_visit.raw[0], replay=alone / cal.name, output=tmp_path / "again")
    assert result.exit_status == 0
    assert result.differences[0].startswith(f"{ROOT}_rate.fits is not there; it is made of")
    assert content_of(tmp_path / "again" / cal.name) == content_of(cal)


def test_what_tells_nothing_is_refused(miri_visit, tmp_path):
    with pytest.raises(FileInvalid, match="does not tell how it was made; give a manifest"):
        run(replay=miri_visit.raw[0])
    path = next(miri_visit.folder.glob("*_asn.json"))
    with pytest.raises(FileInvalid, match="is no manifest that this calcore reads"):
        run(replay=path)


def test_the_context_of_the_replayed_run_is_put_back(done, monkeypatch):
    monkeypatch.delenv("CRDS_CONTEXT", raising=False)
    run(replay=done)
    assert "CRDS_CONTEXT" not in os.environ
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_9999.pmap")
    assert run(replay=done).exit_status == 0  # it is that of the run, for as long
    assert os.environ["CRDS_CONTEXT"] == "jwst_9999.pmap"
