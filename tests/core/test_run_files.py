"""Which files a product is written to, and which others it is made of."""

from pathlib import Path

import pytest
from astropy.table import Table

from calcore.model import Meta
from calcore.pipeline import Pipeline, Setting, Slot
from calcore.run.assemble import BuiltSlot
from calcore.run.graph import Job
from calcore.run.outputs import outputs
from calcore.run.record import _named
from calcore.steps.calibration.photom import Photom
from calcore.steps.combination.resample import Resample
from calcore.steps.combination.tweakreg import TweakReg


def job(stage, *science):
    return Job(
        key="own", name="own", stage=stage, pipeline=f"image{stage}", instrument="IMAGINARY",
        meta=Meta({}), members={"science": tuple(map(Path, science))}, folder=Path(),
    )  # fmt: skip


def planned(job, suffix, *steps):
    """Names of the products of steps, each of which is a slot that the one after it takes."""
    saved = {"save": Setting(True, "test"), "suffix": Setting("i2d", "test")}
    built = [
        BuiltSlot(
            Slot("own", "own", "own", branch=isinstance(step, Resample),
                 runner=saved if isinstance(step, Resample) else {}), "", step,
        )
        for step in steps
    ]  # fmt: skip
    pipeline = Pipeline(job.pipeline, job.stage, tuple(one.slot for one in built), suffix=suffix)
    return [path.name for path in outputs(job, pipeline, built)]


@pytest.mark.parametrize("ending", ["ecsv", "csv", "fits"])
def test_tables_end_as_a_setting_says(ending):
    step = TweakReg(save_catalogs=True, save_abs_catalog=True, catalog_format=ending)
    names = planned(job("3", "one_cal.fits", "two_cal.fits"), None, step)
    assert names == ["own_tweakreg.ecsv", f"one_cat.{ending}", f"two_cat.{ending}",
                     "own_refcat.ecsv"]  # fmt: skip


def test_images_of_each_integration_are_not_combined():
    mean = planned(job("2", "own_rate.fits"), "cal", Photom(), Resample())
    assert mean == ["own_i2d.fits", "own_cal.fits"]
    each = planned(job("2", "own_rateints.fits"), "cal", Photom(), Resample())
    assert each == ["own_calints.fits"]


def test_files_that_a_file_lists_count_too(tmp_path):
    (tmp_path / "deep").mkdir()
    Table({"x": [1.0], "y": [2.0]}).write(tmp_path / "deep" / "stars.ecsv")
    (tmp_path / "list.txt").write_text("one_cal.fits deep/stars.ecsv\ntwo_cal.fits lost.ecsv\n"
                                       "three_cal.fits\n")  # fmt: skip
    step = TweakReg(catfile=str(tmp_path / "list.txt"))
    assert dict(_named(BuiltSlot(Slot("own", "own", "own"), "", step))) == {
        "catfile": tmp_path / "list.txt",
        "deep/stars.ecsv of catfile": tmp_path / "deep" / "stars.ecsv",
    }
