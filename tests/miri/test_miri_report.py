"""What a run takes down of itself, and the page that is made of it."""

import shutil

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

import calcore
from calcore.cli.app import commands
from calcore.flags import DQ
from calcore.report.account import gather
from calcore.run import Status, run

pytestmark = pytest.mark.usefixtures("miri_references")
ROOT = "jw01234001001_02101_00001_mirimage"


def first(result, pipeline):
    return next(item for item in result.products if item.pipeline == pipeline)


def flagged(outcome):
    return {slot.name: slot.flagged for slot in outcome.slots if slot.flagged}


def test_flags_of_steps_lead_to_those_of_the_product(miri_products):
    folder, result = miri_products
    found = flagged(first(result, "detector1"))
    dq = calcore.open(folder / f"{ROOT}_rate.fits").dq
    for step, flag in (("dq_init", DQ.HOT), ("dq_init", DQ.DEAD), ("ramp_fit", DQ.JUMP_DET)):
        number = found.get(step, {}).get("pixels", {}).get(flag.name, 0)
        assert number == np.count_nonzero(dq & np.uint32(flag)), flag
    assert found["dq_init"]["pixels"]["HOT"] > 0
    unusable = found["lastframe"]["samples"]["DO_NOT_USE"]
    assert unusable == dq.size - found["dq_init"]["pixels"]["DO_NOT_USE"]
    assert "samples" not in found.get("dark_current", {})


@pytest.mark.parametrize(("rows", "jobs"), [(7, 3), (None, 1)])
def test_counts_of_flags_do_not_depend_on_bands_and_threads(
    miri_products, miri_visit, tmp_path, rows, jobs
):
    _, whole = miri_products
    parts = run(miri_visit.raw[0], output=tmp_path, stage="1", band_rows=rows, jobs=jobs)
    assert flagged(first(parts, "detector1")) == flagged(first(whole, "detector1"))


def test_chains_take_in_each_step_that_was_done(miri_products):
    _, result = miri_products
    for outcome in result.products:
        done = [slot.name for slot in outcome.slots if slot.status is Status.COMPLETE]
        assert [name for chain in outcome.chains for name in chain.slots] == done
        assert outcome.chains[-1].slots == ()  # what was written
        assert sum(chain.seconds for chain in outcome.chains) <= outcome.seconds
        assert all((chain.peak_memory or 1 << 30) > 1 << 25 for chain in outcome.chains)


@pytest.fixture
def odd(miri_visit, tmp_path):
    """A raw exposure whose header warrants a warning."""
    path = tmp_path / miri_visit.raw[0].name
    shutil.copy(miri_visit.raw[0], path)
    with fits.open(path, mode="update") as file:
        file[0].header["TGROUP"] *= 1.5
    return path


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_warning_is_told_once_whoever_heard_it(odd, tmp_path, executor, capfd):
    words = ["run", str(odd), "--stage", "1", "-o", str(tmp_path / "out"), "--no-pictures",
             "--executor", executor, "--until", "saturation"]  # fmt: skip
    shown = CliRunner().invoke(commands, words)
    assert shown.exit_code == 0, shown.output
    said = shown.stderr + capfd.readouterr().err  # workers write to that of the process
    assert said.count("TGROUP is") == 1
    assert f"one of them is wrong ({ROOT})" in " ".join(said.split())
    (product,) = gather([tmp_path / "out"]).products
    ((message, source, _),) = product.warnings
    assert message.startswith(odd.name)
    assert source == "calcore.run.header"


def test_what_a_library_says_of_stars_that_do_not_match_is_told_once_as_a_reason(miri_products):
    _, result = miri_products
    mosaic = first(result, "image3")
    (reason,) = [slot.reason for slot in mosaic.slots if slot.name == "tweakreg"]
    assert reason.endswith("_00002_mirimage_cal.fits: not enough matches")
    assert [item for item in mosaic.notices if "matches" in item.message] == []


def test_the_page_of_a_run_shows_exposures_before_and_after(miri_products, tmp_path):
    folder, result = miri_products
    page = tmp_path / "page.html"
    shown = CliRunner().invoke(commands, ["report", str(folder), "-o", str(page)])
    assert shown.exit_code == 0, shown.output
    text = page.read_text(encoding="utf-8")
    for stage in ("raw", "rate", "cal"):
        assert f'alt="{stage} of {ROOT}"' in text
    assert all(outcome.name in text for outcome in result.products)
    assert "Brandt 2024, PASP 136, 045004" in text
    assert "Not recorded" not in text
