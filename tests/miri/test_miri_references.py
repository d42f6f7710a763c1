"""What a run needs can be fetched, checked and taken to a machine with no network."""

import shutil
import tarfile

import pytest
from astropy.io import fits
from click.testing import CliRunner

import calcore
from calcore import io
from calcore.cli.app import commands
from calcore.errors import ReferenceMissing
from calcore.references.crds_store import Crds

pytestmark = pytest.mark.usefixtures("miri_references")


def calcore_references(*words):
    return CliRunner().invoke(commands, ["references", *map(str, words)])


def test_without_a_word_they_are_listed(miri_visit):
    shown = calcore_references(miri_visit.folder)
    assert shown.exit_code == 0, shown.output
    assert shown.output == calcore_references("list", miri_visit.folder).output
    assert "gain" in shown.output
    assert "(CRDS)" in shown.output


def test_what_is_fetched_is_said(miri_visit):
    shown = calcore_references("fetch", miri_visit.folder, "--stage", "1")
    assert shown.exit_code == 0, shown.output
    assert f"are in {miri_visit.folder / 'crds_cache'}" in shown.output


def test_a_bundle_serves_a_machine_with_no_other_references(miri_visit, tmp_path, monkeypatch):
    target = tmp_path / "bundle.tar"
    shown = calcore_references("bundle", miri_visit.folder, "--to", target)
    assert shown.exit_code == 0, shown.output
    with tarfile.open(target) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "bundle"))
    made = calcore.run(miri_visit.raw[0], output=tmp_path / "out")
    assert [(item.name, item.reason) for item in made.products if item.exit_status] == []
    with fits.open(next((tmp_path / "out").glob("*_cal.fits"))) as product:
        assert product[0].header["R_FLAT"].startswith("crds://")
        assert product[0].header["S_PHOTOM"] == "COMPLETE"


def test_a_damaged_reference_is_found_and_one_from_elsewhere_named(miri_visit, tmp_path):
    cache = miri_visit.folder / "crds_cache" / "references" / "jwst"
    gain = next(cache.rglob("*gain*.fits"))
    copy = tmp_path / gain.name
    shutil.copy(gain, copy)
    given = (miri_visit.raw[0], "--stage", "1", "--ref", f"gain={copy}")
    shown = calcore_references("check", *given)
    assert shown.exit_code == 0, shown.output
    assert f"ok     gain  {copy.name}  data " in shown.output
    shown = calcore_references("bundle", *given, "--to", tmp_path / "bundle")
    assert f"{copy} is no file of CRDS; take it along yourself" in shown.output

    with fits.open(copy, mode="update") as file:
        file["SCI"].data[:] = float("nan")
    shown = calcore_references("check", *given)
    assert shown.exit_code == 1
    assert f"{copy}: data has no finite number" in shown.output


def test_where_no_rule_fits_the_keywords_are_named_that_rules_look_at(miri_visit):
    meta = io.read_meta(miri_visit.raw[0]).set({"observation.date": "1990-01-01"})
    with pytest.raises(ReferenceMissing, match=r"\(the rules look at .*DATE-OBS = 1990-01-01"):
        Crds().calcore_find_reference("gain", meta)
