"""The same command again: what is there, whole and made of the same, stays; all else is made again."""

import os
import shutil
import time
from functools import wraps
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.errors import OutputProblem
from calcore.io._write import ProductWriter
from calcore.io.content import content_of, is_whole
from calcore.registry.installed import Found
from calcore.run import Status, run
from calcore.steps.combination.outlier_detection import OutlierDetection
from calcore.steps.combination.source_catalog import SourceCatalog

pytestmark = pytest.mark.usefixtures("miri_references")
ROOT = "jw01234001001_02101_00001_mirimage"


@pytest.fixture
def made_once(miri_products):
    """The folder of products that nobody touches."""
    return miri_products[0]


@pytest.fixture
def made(made_once, miri_visit, tmp_path):
    """A folder with one exposure's raw file and rates, and who makes these again."""
    folder = tmp_path / "made"
    folder.mkdir()
    for path in (
        miri_visit.raw[0],
        *(made_once / f"{ROOT}_{s}.fits" for s in ("rate", "rateints")),
    ):
        shutil.copy(path, folder)

    def again(**wishes):
        (outcome,) = run(folder, **{"stage": "1", **wishes}).products
        return outcome

    return folder, again


@pytest.fixture
def mosaic(made_once, miri_visit, tmp_path):
    """A folder with the calibrated exposures and what is made of them, and who makes that again."""
    folder = tmp_path / "mosaic"
    folder.mkdir()
    for pattern in ("*_cal.fits", "*-o*", "*_crf.fits"):
        for path in made_once.glob(pattern):
            shutil.copy(path, folder)
    for path in miri_visit.folder.glob("*_asn.json"):
        shutil.copy(path, folder)

    def again(**wishes):
        (outcome,) = run(folder, **{"stage": "3", **wishes}).products
        return outcome

    return folder, again


def test_a_copied_and_touched_folder_is_left_as_it_is(made):
    folder, again = made
    later = time.time() + 100
    os.utime(folder / f"{ROOT}_uncal.fits", (later, later))
    before = content_of(folder / f"{ROOT}_rate.fits")
    assert again().status is Status.KEPT
    assert content_of(folder / f"{ROOT}_rate.fits") == before


def test_a_changed_input_is_told_and_calibrated_anew(made):
    folder, again = made
    before = content_of(folder / f"{ROOT}_rate.fits")
    with fits.open(folder / f"{ROOT}_uncal.fits", mode="update") as raw:
        raw["SCI"].data[0, -1, 20:40] += 50
    outcome = again()
    assert outcome.status is Status.COMPLETE
    assert outcome.why == f"the input {ROOT}_uncal.fits has changed"
    assert content_of(folder / f"{ROOT}_rate.fits") != before
    assert again().status is Status.KEPT


def flipped(path):
    with path.open("r+b") as file:
        file.seek(40000)
        octet = file.read(1)
        file.seek(40000)
        file.write(bytes([octet[0] ^ 1]))


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def without_its_end(path):
    """Cut a file between two extensions, so that it looks whole."""
    os.truncate(path, io.contents(path).extensions[-1].start)


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("suffix", ["rate", "rateints"])
@pytest.mark.parametrize("harm", [flipped, cut, emptied])
def test_a_damaged_product_is_made_again(made, made_once, harm, suffix):
    folder, again = made
    name = f"{ROOT}_{suffix}.fits"
    harm(folder / name)
    outcome = again()
    assert (outcome.status, outcome.why) == (Status.COMPLETE, f"{name} is damaged")
    assert content_of(folder / name) == content_of(made_once / name)
    assert is_whole(folder / name)


def test_a_product_that_lost_its_last_extension_is_not_taken_for_whole(made):
    folder, again = made
    without_its_end(folder / f"{ROOT}_rateints.fits")
    assert again().why == f"{ROOT}_rateints.fits is damaged"
    without_its_end(folder / f"{ROOT}_rate.fits")
    assert "or a piece of one; use --overwrite" in again().reason


def test_a_missing_product_is_made_again(made, made_once):
    folder, again = made
    (folder / f"{ROOT}_rateints.fits").unlink()
    assert again().why == f"{ROOT}_rateints.fits is missing"
    (folder / f"{ROOT}_rate.fits").unlink()
    outcome = again()
    assert (outcome.status, outcome.why) == (Status.COMPLETE, "")
    for name in (f"{ROOT}_rate.fits", f"{ROOT}_rateints.fits"):
        assert content_of(folder / name) == content_of(made_once / name)


def test_another_version_of_who_brings_a_step_makes_it_again(made, monkeypatch):
    _, again = made
    newer = property(lambda self: f"{self.distribution} 9.9")
    with monkeypatch.context() as patch:
        patch.setattr(Found, "source", newer)
        outcome = again()
        assert outcome.status is Status.COMPLETE
        assert "group_scale was brought by calcore 0.1.0, and is by calcore 9.9" in outcome.why
        assert again().status is Status.KEPT
    assert again().status is Status.COMPLETE


def test_a_result_that_was_not_saved_before_is_missing(made):
    folder, again = made
    assert again(save=("linearity",)).why == "the result of linearity was not saved"
    assert (folder / f"{ROOT}_linearity.fits").is_file()
    assert again(save=("linearity",)).status is Status.KEPT
    assert again().status is Status.KEPT


def test_what_was_asked_for_in_another_way_stays_and_is_told(made):
    folder, again = made
    before = content_of(folder / f"{ROOT}_rate.fits")
    refused = again(settings={"jump.rejection_threshold": 5.5}, skip=("ipc",))
    assert refused.status is Status.FAILED
    assert "was made otherwise: jump.rejection_threshold was " in refused.reason
    assert "and is 5.5; use --overwrite to replace it" in refused.reason
    assert content_of(folder / f"{ROOT}_rate.fits") == before


def test_a_wish_that_changes_nothing_is_no_other_way(made):
    _, again = made
    record = io.read_node(made[0] / f"{ROOT}_rate.fits", "calcore")["detector1"]
    jump = next(slot for slot in record["slots"] if slot["name"] == "jump")
    same = {"jump.rejection_threshold": jump["settings"]["rejection_threshold"]}
    assert again(settings=same).status is Status.KEPT


def test_a_file_of_settings_that_changed_makes_it_again(miri_visit, tmp_path):
    config = tmp_path / "mine.toml"

    def again(threshold):
        config.write_text(f"[set.jump]\nrejection_threshold = {threshold}\n")
        wishes = {"stage": "1", "config": config, "output": tmp_path / "out"}
        return run(miri_visit.raw[0], **wishes).products[0]

    assert again(5.0).status is Status.COMPLETE
    assert again(5.0).status is Status.KEPT
    outcome = again(6.0)
    assert outcome.status is Status.COMPLETE
    assert outcome.why == "jump.rejection_threshold was 5.0, and is 6.0"


def test_what_calcore_did_not_make_is_not_replaced(made):
    folder, again = made
    with fits.open(folder / f"{ROOT}_rate.fits") as product:
        theirs = fits.HDUList([hdu.copy() for hdu in product if hdu.name != "ASDF"])
    theirs.writeto(folder / f"{ROOT}_rate.fits", overwrite=True)
    refused = again()
    assert refused.status is Status.FAILED
    assert "is no product of this pipeline, or a piece of one; use --overwrite" in refused.reason


def test_only_what_is_missing_and_what_is_made_of_it_is_done(miri_products, miri_visit, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(miri_products[0], folder)
    (folder / f"{ROOT}_cal.fits").unlink()
    result = run(miri_visit.folder, instrument="miri", output=folder)
    made = {(o.name, o.pipeline) for o in result.products if o.status is Status.COMPLETE}
    assert made == {(ROOT, "image2")}  # what is made of it holds the same, so all else stays
    assert [o.reason for o in result.products if o.reason] == []


def test_a_product_says_of_what_it_was_made(made):
    folder, _ = made
    tree = io.read_node(folder / f"{ROOT}_rate.fits", "calcore")["detector1"]
    (raw,) = tree["inputs"]["science"]
    assert raw["name"] == f"{ROOT}_uncal.fits"
    assert raw["content"] == content_of(folder / f"{ROOT}_uncal.fits")
    dark = next(slot for slot in tree["slots"] if slot["name"] == "dark_current")
    assert dark["references"]["dark"].startswith("crds://")
    assert dark["contents"]["dark"].startswith("xxh3:")
    assert dark["source"].startswith("calcore ")
    assert tree["context"] == "jwst_0001.pmap"
    assert set(tree["files"]) == {f"{ROOT}_rateints.fits"}


def test_large_files_are_read_once(made, monkeypatch):
    from calcore.io import content

    folder, again = made
    monkeypatch.setattr(content, "_LARGE", 1)
    monkeypatch.setattr(content, "user_cache_path", lambda _name: folder / "cache")
    content._KNOWN.clear()
    assert again().status is Status.KEPT
    content._KNOWN.clear()  # as in another process
    monkeypatch.setattr(content, "_read", lambda path: pytest.fail(f"{path} is read again"))
    assert again().status is Status.KEPT
    values = np.frombuffer((folder / f"{ROOT}_uncal.fits").read_bytes(), np.uint8)
    (folder / f"{ROOT}_uncal.fits").write_bytes(values.tobytes())
    with pytest.raises(pytest.fail.Exception, match="is read again"):
        content.content_of(folder / f"{ROOT}_uncal.fits")


@pytest.mark.parametrize("suffix", ["cat.ecsv", "segm.fits"])
@pytest.mark.parametrize("harm", [cut, emptied, Path.unlink])
def test_a_mosaic_without_its_catalogue_is_made_again(mosaic, made_once, harm, suffix):
    folder, again = mosaic
    (path,) = folder.glob(f"*_{suffix}")
    assert again().status is Status.KEPT
    harm(path)
    how = "missing" if harm is Path.unlink else "damaged"
    outcome = again()
    assert (outcome.status, outcome.why) == (Status.COMPLETE, f"{path.name} is {how}")
    assert content_of(path) == content_of(made_once / path.name)
    assert again().status is Status.KEPT


def test_the_mosaic_is_written_last(mosaic):
    _, again = mosaic
    assert again(overwrite=True).files[-1].name.endswith("_i2d.fits")


def test_a_mosaic_whose_catalogue_could_not_be_made_is_there_but_not_complete(mosaic, monkeypatch):
    folder, again = mosaic

    def broken(self, mosaic, **given):
        raise ValueError("it is cloudy")

    with monkeypatch.context() as patch:
        patch.setattr(SourceCatalog, "apply", broken)
        outcome = again(overwrite=True)
    assert outcome.status is Status.FAILED
    (path,) = folder.glob("*_i2d.fits")
    assert path in outcome.files
    steps = io.read_node(path, "calcore")["image3"]["slots"]
    assert [step["status"] for step in steps if step["name"] == "source_catalog"] == ["not done"]
    outcome = again()
    assert outcome.status is Status.COMPLETE
    assert outcome.why == "source_catalog was not done, and is complete"
    assert again().status is Status.KEPT


@pytest.mark.parametrize("suffix", ["crf", "segm"])
def test_a_mosaic_beside_which_a_file_could_not_be_written_is_made_again(
    mosaic, monkeypatch, suffix
):
    folder, again = mosaic
    *_, lost = sorted(folder.glob(f"*_{suffix}.fits"))
    for old in folder.glob("*_i2d.fits"):
        old.unlink()
    close = ProductWriter.close

    def full(self, *given, **named):
        if self.path == lost:
            self.abort()
            raise OutputProblem(lost, "the disk is full")
        return close(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(ProductWriter, "close", full)
        outcome = again(overwrite=True)
    assert outcome.status is Status.FAILED
    assert "the disk is full" in outcome.reason
    assert lost not in outcome.files
    assert next(folder.glob("*_i2d.fits")) in outcome.files
    assert not list(folder.glob(".*.part"))
    outcome = again()
    assert outcome.status is Status.COMPLETE
    assert lost.name in outcome.why
    assert lost in outcome.files
    assert again().status is Status.KEPT


def test_nothing_is_left_of_an_exposure_that_is_left_out_now(mosaic, monkeypatch):
    folder, again = mosaic
    first, second = sorted(folder.glob("*_crf.fits"))
    apply = OutlierDetection.apply

    @wraps(apply)  # whose signature tells the runner what to give
    def forgetful(self, group, **given):
        return (whole := apply(self, group, **given)).with_members(whole.members[:1])

    monkeypatch.setattr(OutlierDetection, "apply", forgetful)
    assert again(overwrite=True).status is Status.COMPLETE
    assert first.is_file()
    assert not second.exists()
    second.write_text("notes of somebody")
    assert again(overwrite=True).status is Status.COMPLETE
    assert second.is_file()  # what calcore has not made stays


def test_a_step_that_found_nothing_to_do_is_told_and_not_tried_again(mosaic):
    folder, again = mosaic
    wish = {"settings": {"tweakreg.minobj": 10_000}}
    outcome = again(**wish, overwrite=True)
    (path,) = folder.glob("*_i2d.fits")
    steps = {step["name"]: step for step in io.read_node(path, "calcore")["image3"]["slots"]}
    assert outcome.status is Status.COMPLETE
    assert steps["tweakreg"]["status"] == "skipped"
    assert steps["tweakreg"]["reason"]
    assert "cites" not in outcome.account["steps"][0]
    (table,) = folder.glob("*_tweakreg.ecsv")  # tells of each exposure why
    assert table in outcome.files
    facts = io.open(table).table.meta["exposures"]
    assert [one["status"] for one in facts][1] == "FAILED: not enough matches"
    assert again(**wish).status is Status.KEPT


def test_another_exposures_side_product_is_not_taken_for_ones_own(made, made_once):
    folder, again = made
    other = next(path for path in made_once.glob("*_rateints.fits") if ROOT not in path.name)
    shutil.copy(other, folder / f"{ROOT}_rateints.fits")
    outcome = again()
    assert outcome.why == f"{ROOT}_rateints.fits holds what was written as {other.name}"
    assert outcome.status is Status.COMPLETE
    assert again().status is Status.KEPT


def test_stars_can_be_found_as_dots(mosaic):
    folder, again = mosaic
    outcome = again(settings={"source_catalog.starfinder": "dao"}, overwrite=True)
    assert (outcome.status, outcome.reason) == (Status.COMPLETE, "")
    (path,) = folder.glob("*_cat.ecsv")
    assert len(io.open(path).table) > 0


@pytest.mark.filterwarnings("default::calcore.errors.Doubtful")
def test_a_catalogue_that_a_setting_names_is_part_of_what_it_was_made_of(
    mosaic, made_once, tmp_path
):
    _, again = mosaic
    (path,) = made_once.glob("*_cat.ecsv")
    stars = io.open(path).table["sky_centroid"]
    catalogue = tmp_path / "sky.csv"

    def written(number):
        rows = [f"{star.ra.deg},{star.dec.deg}" for star in stars[:number]]
        catalogue.write_text("\n".join(["ra,dec", *rows, ""]))

    wish = {"settings": {"tweakreg.abs_refcat": str(catalogue)}}
    written(-1)
    assert again(**wish, overwrite=True).status is Status.COMPLETE
    assert again(**wish).status is Status.KEPT
    written(None)
    assert again(**wish).why == "the file abs_refcat of tweakreg has changed"


SHUTTERS = """
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from calcore.hooks import hookimpl
from calcore.model import Ramp
from calcore.step import Auxiliary, Step


@dataclass(frozen=True, kw_only=True)
class OpenShutters(Step):
    "Shutters."

    def apply(
        self, ramp: Ramp, *, shutters: Annotated[Path, Auxiliary("instrument.msa_metadata_file")]
    ) -> Ramp:
        return ramp.replace(meta=ramp.meta.set({"target.proposer_name": shutters.read_text()}))


@hookimpl
def calcore_edit_pipeline(pipeline):
    edit = {"insert": "open_shutters", "use": "shutters.open_shutters", "after": "jump"}
    return {"edit": [edit]} if pipeline == "detector1" else None
"""


def test_a_file_that_the_header_names_lies_beside_the_exposure(made, tmp_path):
    folder, again = made
    plugin = tmp_path / "shutters.py"
    plugin.write_text(SHUTTERS)
    wish = {"packages": (str(plugin),), "overwrite": True}
    assert "the keyword MSAMETFL (instrument.msa_metadata_file) is missing" in again(**wish).reason
    with fits.open(folder / f"{ROOT}_uncal.fits", mode="update") as raw:
        raw[0].header["MSAMETFL"] = "shutters.txt"
    reason = again(**wish).reason
    assert "needs the file shutters.txt that the header names" in reason
    assert str(folder) in reason
    (folder / "shutters.txt").write_text("1")
    assert again(**wish).status is Status.COMPLETE
    wish["overwrite"] = False
    assert again(**wish).status is Status.KEPT
    (folder / "shutters.txt").write_text("2")
    assert again(**wish).why == "the file shutters of open_shutters has changed"
