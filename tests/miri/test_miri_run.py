"""Whole runs on a simulated visit: products, plans, what is kept, and what goes wrong."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import calcore
from calcore import io
from calcore.errors import (
    FileInvalid,
    NoScienceData,
    OutputProblem,
    PluginMissing,
    UnknownName,
    UsageError,
)
from calcore.run import Status, plan, run, step

pytestmark = pytest.mark.usefixtures("miri_references")
ROOT = "jw01234001001_02101_00001_mirimage"


def test_a_folder_becomes_a_mosaic_and_a_catalogue(miri_products):
    folder, result = miri_products
    assert [outcome.reason for outcome in result.products if outcome.reason] == []
    assert result.exit_status == 0
    suffixes = {path.name.rpartition("_")[2] for path in folder.iterdir()}
    assert {
        "rate.fits",
        "rateints.fits",
        "cal.fits",
        "crf.fits",
        "i2d.fits",
        "cat.ecsv",
    } <= suffixes


def test_stage_1_differs_from_cores_in_steps_and_order(miri_products):
    _, result = miri_products
    slots = [slot.name for slot in result.products[0].slots]
    assert "superbias" not in slots
    assert slots.index("refpix") > slots.index("dark_current") > slots.index("rscd")
    assert slots.index("lastframe") < slots.index("linearity")


def test_products_say_how_they_were_made(miri_products):
    folder, _ = miri_products
    rate = calcore.open(folder / f"{ROOT}_rate.fits")
    assert rate.meta["cal_step.jump"] == "COMPLETE"
    assert rate.meta["ref_file.dark.name"].startswith("crds://jwst_miri_dark")
    assert rate.meta["ref_file.crds.context_used"] == "jwst_0001.pmap"
    image = calcore.open(folder / f"{ROOT}_cal.fits")
    assert image.meta["bunit_data"] == "MJy/sr"
    assert np.isfinite(image.wcs(5.0, 7.0)).all()


def test_a_product_made_in_just_this_way_is_kept(miri_products, miri_visit):
    folder, _ = miri_products
    again = run(miri_visit.folder, instrument="miri", output=folder, stage="1")
    assert {outcome.status for outcome in again.products} == {Status.KEPT}


def test_a_plan_names_all_files_that_are_written(miri_products, miri_visit):
    folder, made = miri_products
    plans = plan(miri_visit.folder, instrument="miri", output=folder)
    written = {f"{one.name} {one.pipeline}": set(one.files) for one in made.products}
    planned = {f"{one.name} {one.pipeline}": set(one.outputs) for one in plans}
    assert planned == written
    assert any(path.name.endswith("_tweakreg.ecsv") for one in plans for path in one.outputs)
    assert any(path.name.endswith("_crf.fits") for one in plans for path in one.outputs)
    (first, *_) = run(miri_visit.folder, instrument="miri", output=folder, stage="2").products
    assert (first.status, set(first.files)) == (Status.KEPT, set(plans[1].outputs))


@pytest.mark.parametrize(
    ("until", "settings", "suffixes"),
    [
        ("linearity", {"linearity.save": True, "linearity.suffix": "lin"}, "lin ramp"),
        ("dark_current", {"dark_current.save_dark": True}, "ramp subtracted_dark"),
        (None, {"ramp_fit.algorithm": "OLS_C", "ramp_fit.save_opt": True}, "fitopt rate rateints"),
        (None, {"ramp_fit.save": True}, "rate rateints ramp_fit ramp_fitints"),
        (None, {"persistence.skip": False, "persistence.persistence_time": 9}, "rate rateints x"),
    ],
)
def test_a_plan_knows_what_settings_lead_to(miri_visit, tmp_path, until, settings, suffixes):
    wishes = {"stage": "1", "output": tmp_path, "until": until, "settings": settings}
    (entry,) = plan(miri_visit.raw[0], **wishes)
    state = tmp_path / f"{ROOT}_persistence.asdf"
    expected = {
        state if suffix == "x" else tmp_path / f"{ROOT}_{suffix}.fits"
        for suffix in suffixes.split()
    }
    assert set(entry.outputs) == expected
    run(miri_visit.raw[0], **wishes)
    assert {path for path in tmp_path.iterdir() if path.is_file()} == expected


def test_what_cannot_be_written_is_said_before_the_first_pixel(miri_products, tmp_path):
    rates = sorted(miri_products[0].glob("*_rate.fits"))
    (tmp_path / f"{ROOT}_i2d.fits").mkdir()
    first, second = run(rates, stage="2", output=tmp_path).products
    assert "_i2d.fits: is a folder, and a product is to be called so; remove it" in first.reason
    assert (first.slots, first.files, second.status) == ((), (), Status.COMPLETE)
    with pytest.raises(OutputProblem, match=r"_i2d.fits: is not a folder; choose another with -o"):
        run(rates, stage="2", output=second.files[0])


def test_a_product_made_otherwise_is_refused_unless_it_may_be_overwritten(miri_visit, tmp_path):
    wishes = {"output": tmp_path, "stage": "1"}
    assert run(miri_visit.raw[0], **wishes).exit_status == 0
    other = {**wishes, "settings": {"jump.rejection_threshold": 5.0}}
    refused = run(miri_visit.raw[0], **other)
    assert refused.products[0].status is Status.FAILED
    assert "use --overwrite" in refused.products[0].reason
    assert run(miri_visit.raw[0], overwrite=True, **other).exit_status == 0


@pytest.mark.parametrize("rows", [1, 7, 64])
@pytest.mark.parametrize("jobs", [1, 3])
def test_bands_and_threads_do_not_change_a_bit(miri_products, miri_visit, tmp_path, rows, jobs):
    folder, _ = miri_products
    run(miri_visit.raw[0], output=tmp_path, stage="1", band_rows=rows, jobs=jobs)
    assert_same_products(folder, tmp_path)


def test_tiles_and_scratch_files_do_not_change_a_bit(
    miri_products, miri_visit, tmp_path, monkeypatch
):
    for name, value in (("_BAND", 1), ("_HELD", 1 << 18), ("_LOW", 1), ("_NARROW", 1)):
        monkeypatch.setattr(f"calcore.run.bands.{name}", value)
    monkeypatch.setattr("calcore.run.execute._WRITTEN", 1)
    run(miri_visit.raw[0], output=tmp_path, stage="1", jobs=2)
    assert_same_products(miri_products[0], tmp_path)


def assert_same_products(one_folder, other_folder):
    for suffix in ("rate", "rateints"):
        one = calcore.open(one_folder / f"{ROOT}_{suffix}.fits")
        other = calcore.open(other_folder / f"{ROOT}_{suffix}.fits")
        for name in ("data", "err", "dq", "var_poisson", "var_rnoise"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_the_plan_shows_every_value_and_who_gave_it(miri_visit, tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("[set.jump]\nrejection_threshold = 4.5\n")
    plans = plan(
        miri_visit.raw[0],
        stage="1",
        config=config,
        settings={"jump.flag_4_neighbors": False},
        profile="reference",
    )
    assert [entry.error for entry in plans] == [""]
    jump = next(slot for slot in plans[0].slots if slot.name == "jump")
    assert jump.settings["rejection_threshold"].value == 4.5
    assert jump.settings["rejection_threshold"].origin.endswith("mine.toml")
    assert jump.settings["flag_4_neighbors"].origin == "the Python call"
    assert jump.settings["minimum_groups"].origin == "default of the step"
    assert jump.references["gain"].origin == "CRDS"
    assert plans[0].slots[1].by_rows == 0


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"settings": {"jmp.rejection_threshold": 5.0}}, "Did you mean 'jump'"),
        ({"settings": {"jump.rejection_treshold": 5.0}}, "Did you mean 'rejection_threshold'"),
        ({"settings": {"jump.rejection_threshold": "five"}}, "must be float, not 'five'"),
        ({"settings": {"jump.rejection_threshold": -1.0}}, "must lie in 0 to inf"),
        ({"skip": ("jmp",)}, "Did you mean 'jump'"),
        ({"until": "rampfit"}, "Did you mean 'ramp_fit'"),
        ({"profile": "referense"}, "Did you mean 'reference'"),
        ({"pipeline": "detector"}, "Did you mean 'detector1'"),
        ({"start": "ramp_fit", "until": "jump"}, "detector1 does jump before ramp_fit; exchange"),
        ({"start": "tweakreg", "until": "jump"}, "does jump before image3 does tweakreg; exchange"),
        ({"stage": "1", "until": "tweakreg"}, "--until tweakreg: this is no step of detector1;"),
        ({"settings": {"tweakreg.no": 1}}, "There is no parameter of step tweakreg: 'no'"),
        ({"settings": {"image3:resample.pixfrac": 2}}, "pixfrac is 2; it must lie in 0 to 1"),
        ({"references": {"gain": "none.fits"}}, "gain reference none.fits .* is not there"),
        ({"references": {"dakr": "N/A"}}, "no type of reference 'dakr'. Did you mean 'dark'"),
        ({"settings": {"jump.override_gain": "no.fits"}}, "gain reference no.fits .* not there"),
    ],
)
@pytest.mark.parametrize("does", [run, plan])
def test_mistakes_are_found_before_the_first_pixel(miri_visit, tmp_path, does, wishes, message):
    with pytest.raises(UsageError, match=message):
        does(miri_visit.folder, output=tmp_path / "out", **wishes)
    assert list(tmp_path.iterdir()) == []


def test_a_product_that_wants_a_reference_fails_before_the_first_pixel(miri_visit, tmp_path):
    wishes = {"stage": "1", "output": tmp_path, "references": {"gain": "N/A"}}
    (outcome,) = run(miri_visit.raw[0], **wishes).products
    assert "cannot work without a gain reference (N/A by --ref)" in outcome.reason
    assert list(tmp_path.iterdir()) == []


def test_who_says_that_there_is_no_reference_is_told(miri_visit, tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text('references.dark = "N/A"\n')
    (entry,) = plan(miri_visit.raw[0], stage="1", config=config)
    dark = next(slot for slot in entry.slots if slot.name == "dark_current")
    assert dark.skip == f"no dark reference (N/A by {config})"


@pytest.mark.parametrize(("stage", "noted"), [("1", True), ("all", False)])
def test_a_slot_that_no_product_passes_is_a_note(miri_visit, stage, noted):
    plans = plan(miri_visit.folder, stage=stage, settings={"tweakreg.skip": True})
    told = ("tweakreg (set by the Python call) is no step of what is made",)
    assert {entry.notes for entry in plans} == {told if noted else ()}


def test_the_stages_after_the_last_step_are_left_out(miri_visit):
    plans = plan(miri_visit.folder, until="assign_wcs")
    assert {entry.pipeline for entry in plans} == {"detector1", "image2"}
    assert {entry.slots[-1].name for entry in plans} == {"gain_scale", "assign_wcs"}


def test_one_step_on_one_file(miri_visit, tmp_path):
    result = step("dq_init", miri_visit.raw[0], output=tmp_path)
    assert result.exit_status == 0
    ramp = calcore.open(tmp_path / f"{ROOT}_dq_init.fits")
    raw = calcore.open(miri_visit.raw[0])
    assert np.array_equal(ramp.data, raw.data)
    assert ramp.pixeldq.any()


def test_slots_between_from_and_until(miri_visit, tmp_path):
    result = run(miri_visit.raw[0], stage="1", output=tmp_path, until="linearity")
    assert result.products[0].slots[-1].name == "linearity"
    middle = tmp_path / f"{ROOT}_ramp.fits"
    assert calcore.open(middle).meta["cal_step.linearity"] == "COMPLETE"


def test_one_bad_exposure_does_not_stop_the_others(miri_visit, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    good = shutil.copy(miri_visit.raw[0], folder)
    bad = folder / miri_visit.raw[1].name
    bad.write_bytes(miri_visit.raw[1].read_bytes()[:60000])
    result = run(folder, stage="1", output=tmp_path / "out")
    assert result.exit_status == 1
    statuses = {outcome.name: outcome.status for outcome in result.products}
    assert sorted(status.name for status in statuses.values()) == ["COMPLETE", "FAILED"]
    failed = next(o for o in result.products if o.status is Status.FAILED)
    assert bad.name in failed.reason
    assert Path(good).name[:20] in "".join(p.name for p in (tmp_path / "out").iterdir())


def test_inputs_that_are_not_there(tmp_path):
    with pytest.raises(FileInvalid, match="is not there"):
        run(tmp_path / "x_uncal.fits")
    with pytest.raises(NoScienceData, match="no exposures of miri"):
        run(tmp_path, instrument="miri")
    with pytest.raises(PluginMissing, match="pip install calcore-herschel"):
        run(tmp_path, instrument="herschel")


def test_several_processes_make_the_same_products(miri_products, miri_visit, tmp_path):
    folder, _ = miri_products
    result = run(
        miri_visit.folder,
        instrument="miri",
        output=tmp_path,
        executor="processes",
        jobs=2,
        stage="2",
    )
    assert result.exit_status == 0, result
    one = calcore.open(folder / f"{ROOT}_cal.fits")
    other = calcore.open(tmp_path / f"{ROOT}_cal.fits")
    np.testing.assert_array_equal(one.data, other.data)


def test_an_unknown_executor_is_refused(miri_visit):
    with pytest.raises(UnknownName, match="Did you mean 'serial'"):
        run(miri_visit.raw[0], executor="serail")


def test_hooks_are_told_and_may_judge(miri_visit, tmp_path, monkeypatch):
    from calcore.hooks import hookimpl
    from calcore.registry import manager as registry_manager
    from calcore.run import choice

    seen = []

    class Observer:
        """Watches one slot and judges rates."""

        @hookimpl
        def calcore_watch(self):
            return ["linearity"]

        @hookimpl
        def calcore_after_step(self, slot, record, tally):
            seen.append((slot, None if record is None else record.data.shape, dict(tally)))

        @hookimpl
        def calcore_diagnose(self, suffix, record):
            if suffix == "rate":
                return [("fraction of NaN", float(np.isnan(record.data).mean()), 0.0, -1.0)]
            return None

    def with_observer(*names):
        made = registry_manager.manager(*names)
        made.register(Observer())
        return made

    monkeypatch.setattr(choice, "manager", with_observer)
    outcome = run(miri_visit.raw[0], stage="1", output=tmp_path).products[0]
    assert outcome.status is Status.COMPLETE
    assert [figure.good for figure in outcome.figures] == [False]
    frames = {slot: shape for slot, shape, _ in seen}
    assert frames["linearity"] == calcore.open(miri_visit.raw[0]).data.shape
    assert frames["jump"] is None
    assert "ramp_fit" in frames


def test_a_cluster_makes_the_same_products(miri_products, miri_visit, tmp_path, monkeypatch):
    """Workers elsewhere begin in other folders: names are made whole for them."""
    import distributed

    monkeypatch.chdir(miri_visit.folder)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        monkeypatch.chdir(miri_visit.folder.parent)
        result = run(
            miri_visit.folder.name,
            stage="2",
            output=tmp_path,
            executor="dask",
            scheduler=cluster.scheduler_address,
        )
    assert result.exit_status == 0, result
    folder, _ = miri_products
    one = calcore.open(folder / f"{ROOT}_cal.fits")
    other = calcore.open(tmp_path / f"{ROOT}_cal.fits")
    np.testing.assert_array_equal(one.data, other.data)


def test_a_scheduler_needs_an_executor_that_takes_one(miri_visit):
    with pytest.raises(UsageError, match="serial takes no scheduler; say --executor dask, too"):
        run(miri_visit.raw[0], scheduler="tcp://127.0.0.1:9")


def test_a_target_that_moves_is_not_aligned_by_its_stars(miri_products, miri_visit, tmp_path):
    folder, _ = miri_products
    shutil.copy(miri_visit.association, tmp_path)
    for path in folder.glob("*_cal.fits"):
        image = calcore.open(path)
        ra, dec = (float(value) for value in image.wcs(36.0, 32.0))
        moving = {"target.type": "MOVING", "wcsinfo.mt_ra": ra, "wcsinfo.mt_dec": dec}
        io.write(image.replace(meta=image.meta.set(moving)), tmp_path / path.name)
    (outcome,) = run(tmp_path, stage="3").products
    assert [slot.name for slot in outcome.slots][:2] == ["assign_mtwcs", "skymatch"]
    mosaic = calcore.open(next(tmp_path.glob("*_i2d.fits"))).meta
    assert (mosaic["cal_step.assign_mtwcs"], "cal_step.tweakreg" in mosaic) == ("COMPLETE", False)
    mean = mosaic["wcsinfo.mt_avra"], mosaic["wcsinfo.mt_avdec"]
    for path in tmp_path.glob("*_crf.fits"):
        assert calcore.open(path).wcs(36.0, 32.0) == pytest.approx(mean, abs=1e-9)
