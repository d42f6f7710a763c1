"""Dark exposures: corrected ramps and nothing else."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

import calcore
from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.run import Status, plan, run
from calcore_miri import INSTRUMENT

pytestmark = pytest.mark.usefixtures("miri_references")
ROOT = "jw01234001001_02101_00001_mirimage"


@pytest.fixture(scope="module")
def dark(miri_visit, tmp_path_factory):
    """A raw exposure that calls itself a dark."""
    path = tmp_path_factory.mktemp("dark") / f"{ROOT}_uncal.fits"
    shutil.copy(miri_visit.raw[0], path)
    fits.setval(path, "EXP_TYPE", value="MIR_DARKIMG")
    return path


def test_a_dark_becomes_a_ramp(dark, tmp_path):
    result = run(dark, output=tmp_path, profile="reference")
    assert [(p.pipeline, p.status) for p in result.products] == [("dark", Status.COMPLETE)]
    assert [path.name for path in tmp_path.glob("*.*")] == [f"{ROOT}_dark.fits"]
    assert [slot.name for slot in result.products[0].slots] == [
        "group_scale", "dq_init", "emicorr", "adc_nonlinearity", "saturation", "ipc",
        "firstframe", "lastframe", "reset", "linearity", "rscd",
    ]  # fmt: skip
    raw, made = calcore.open(dark), calcore.open(tmp_path / f"{ROOT}_dark.fits")
    assert made.data.shape == raw.data.shape
    assert made.groupdq[:, -1].all()  # by lastframe
    assert "cal_step.dark_sub" not in made.meta
    assert made.meta["ref_file.reset.name"].startswith("crds://")
    again = run(dark, output=tmp_path, profile="reference")
    assert again.products[0].status is Status.KEPT


def test_the_reference_pipelines_name_is_known(dark, tmp_path):
    result = run(dark, output=tmp_path, pipeline="calwebb_dark")
    assert [outcome.status for outcome in result.products] == [Status.COMPLETE]
    assert [path.name for path in tmp_path.glob("*.*")] == [f"{ROOT}_dark.fits"]


def test_a_dark_ends_before_it_is_subtracted_from_itself(dark, tmp_path):
    """The same steps of stage 1 on the same exposure leave the same ramp."""
    run(dark, output=tmp_path / "dark", profile="reference")
    wishes = {"pipeline": "detector1", "until": "rscd", "profile": "reference"}
    run(dark, output=tmp_path / "ramp", **wishes)
    one = calcore.open(tmp_path / "dark" / f"{ROOT}_dark.fits")
    other = calcore.open(tmp_path / "ramp" / f"{ROOT}_ramp.fits")
    for name in ("data", "groupdq", "pixeldq"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_plan_names_the_product(dark, tmp_path):
    entry = plan(dark, output=tmp_path)[0]
    assert entry.error == ""
    assert [path.name for path in entry.outputs] == [f"{ROOT}_dark.fits"]


def test_there_is_nothing_to_do_at_stage_2(dark, tmp_path):
    result = run(dark, output=tmp_path, stage="2")
    assert [outcome.reason for outcome in result.products] == [
        "MIR_DARKIMG exposures end with stage 1; there is nothing to do at stage 2"
    ]


@pytest.mark.parametrize("name", ["MIR_DARKALL", "MIR_DARKIMG", "MIR_DARKMRS"])
def test_every_kind_of_dark_has_the_same_pipeline(name):
    meta = Meta({"instrument.detector": "MIRIMAGE", "exposure.type": name})
    assert INSTRUMENT.pipeline_of(meta, "1") == "dark"
    with pytest.raises(ModeNotSupported, match="nothing to do at stage 3"):
        INSTRUMENT.pipeline_of(meta, "3")
