"""Guide-star exposures: rates of few reads, flags of two axes, tables row for row."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import calcore
from calcore.errors import DataUnusable, ModeNotSupported, ReferenceInvalid, StepSkipped
from calcore.flags import DQ
from calcore.model import Meta, Window
from calcore.run import Status, run
from calcore.testing import Case, StepContract
from calcore_fgs.guide_star import TABLES, Flat, GuideImages, GuideRamp, covers, part_of
from calcore_fgs.kernels.guide_rates import (
    LESSER_OF_TWO,
    customary_error,
    fowler_difference,
    lesser_difference,
    pair_difference,
    standard_error,
)
from calcore_fgs.steps.dq_init import DqInit
from calcore_fgs.steps.flat_field import FlatField
from calcore_fgs.steps.guider_cds import GuiderCds

FILES = runpy.run_path(str(Path(__file__).parents[1] / "guide_star.py"))
SHAPES, TIME = FILES["SHAPES"], FILES["TIME"]
ramp, references, write = FILES["ramp"], FILES["references"], FILES["write"]
MODES = sorted(SHAPES)


@pytest.fixture
def rng():
    return np.random.default_rng(20260101)


@pytest.fixture
def given(rng):
    return references(rng)


def images(flow, given):
    return GuiderCds()(flow, gain=given["gain"], readnoise=given["readnoise"])


class TestDqInitContract(StepContract):
    def case(self):
        mask = references(np.random.default_rng(1))["mask"]
        return Case(DqInit(), ramp("FGS_ACQ1"), {"mask": mask})


class TestGuiderCdsContract(StepContract):
    def case(self):
        known = references(np.random.default_rng(1))
        given = {name: known[name] for name in ("gain", "readnoise")}
        return Case(GuiderCds(standard_errors=True), ramp("FGS_FINEGUIDE"), given)


class TestGuiderCdsOfStripsContract(TestGuiderCdsContract):
    def case(self):
        case = super().case()
        return Case(GuiderCds(), ramp("FGS_ID-STACK"), case.given)


class TestFlatFieldContract(StepContract):
    def case(self):
        known = references(np.random.default_rng(1))
        flow = images(ramp("FGS_TRACK"), known)
        return Case(FlatField(scale_errors=True), flow, {"flat": known["flat"]})


def test_pairs_are_differenced_and_further_groups_left():
    data = np.float32([100, 130, 170]).reshape(1, 3, 1, 1)
    assert pair_difference(data).tolist() == [[[30.0]]]


def test_fowler_sampling_averages_four_reads_at_either_end():
    data = np.float32([1, 2, 3, 6, 50, 100, 10, 20, 30, 40]).reshape(1, 10, 1, 1)
    assert fowler_difference(data).tolist() == [[[25.0 - 3.0]]]


def test_identification_keeps_what_both_integrations_saw():
    data = np.float32([[0, 10], [0, 500], [0, -90]]).reshape(3, 2, 1, 1)
    assert lesser_difference(data).tolist() == [[[10.0]]]


def test_a_nan_read_gives_no_rate():
    data = np.ones((2, 8, 1, 2), np.float32)
    data[1, 1, 0, 0] = np.nan
    assert np.isnan(pair_difference(data)[:, 0, 0]).tolist() == [False, True]
    assert np.isnan(lesser_difference(data)[0, 0]).tolist() == [True, False]
    assert np.isnan(fowler_difference(data)[:, 0, 0]).tolist() == [False, True]


def test_rates_double_when_the_time_halves(given):
    flow = ramp("FGS_ACQ1")
    quick = flow.replace(meta=flow.meta.set({"exposure.group_time": TIME / 2}))
    np.testing.assert_array_equal(2 * images(flow, given).data, images(quick, given).data)


def test_the_customary_error():
    """Two rn^2 / t^2 and signal / gain / t: 2 * 100 / 4 + 60 / 2 / 2 = 65."""
    error = customary_error(np.float32([[[60, -60]]]), np.float32(2), np.float32(10), 2.0)
    np.testing.assert_allclose(error[0, 0] ** 2, [65, 50], rtol=1e-6)


def test_the_standard_error():
    """rn^2 / t^2 and signal / gain / t^2: 100 / 4 + 60 / 2 / 4 = 32.5; four reads: 25 / 4 + 7.5."""
    difference, gain, noise = np.float32([[[60, -60]]]), np.float32(2), np.float32(10)
    error = standard_error(difference, gain, noise, 2.0)
    np.testing.assert_allclose(error[0, 0] ** 2, [32.5, 25], rtol=1e-6)
    fowler = standard_error(difference, gain, noise, 2.0, reads=4)
    np.testing.assert_allclose(fowler[0, 0] ** 2, [13.75, 6.25], rtol=1e-6)
    lesser = standard_error(difference, gain, noise, 2.0, lesser=True)
    np.testing.assert_allclose(lesser, error * LESSER_OF_TWO**0.5, rtol=1e-6)


@pytest.mark.parametrize("gain", [0.0, -1.0, np.nan])
def test_no_standard_error_without_a_gain(gain):
    assert np.isnan(standard_error(np.float32([[[60]]]), np.float32(gain), np.float32(10), 2.0))


@pytest.mark.parametrize("mode", ["FGS_ACQ1", "FGS_ID-IMAGE", "FGS_FINEGUIDE"])
def test_the_standard_error_is_the_scatter(mode, given, rng):
    """Read noise is that of the difference of two reads, so each read has it over sqrt(2)."""
    shape = {"FGS_ACQ1": (4, 2), "FGS_ID-IMAGE": (2, 2), "FGS_FINEGUIDE": (4, 8)}[mode]
    shape = (*shape, 64, 64)
    noise, rate, time = 14.0, 900.0, TIME
    signal = rng.poisson(rate * time, (shape[0], *shape[2:]))
    half = shape[1] // 2
    gathered = np.repeat([0, 1], half)[:, None, None] * signal[:, None]
    data = 1000 + gathered + rng.normal(0, noise / 2**0.5, shape)
    flow = ramp(mode, shape=shape, start=(1, 1)).replace(data=data.astype(np.float32))
    same = {
        "gain": given["gain"].replace(data=np.ones((64, 64), np.float32)),
        "readnoise": given["readnoise"].replace(data=np.full((64, 64), noise, np.float32)),
    }
    result = GuiderCds(standard_errors=True)(flow, **same)
    assert np.std(result.data) / np.sqrt(np.mean(result.err**2)) == pytest.approx(1, abs=0.03)


def test_references_are_laid_where_the_window_is(given):
    flow = ramp("FGS_ACQ1", start=(11, 21))
    flagged = DqInit()(flow, mask=given["mask"])
    np.testing.assert_array_equal(flagged.dq, given["mask"].dq[10:34, 20:44])
    rates = images(flow, given)
    gain, noise = (given[name].data[10:34, 20:44] for name in ("gain", "readnoise"))
    difference = flow.data[:, 1] - flow.data[:, 0]
    np.testing.assert_array_equal(rates.err, customary_error(difference, gain, noise, TIME))


def test_a_reference_that_says_nothing_of_its_place():
    """It is a full frame, unless it has the exposure's size."""
    flow = ramp("FGS_ACQ1", start=(11, 21))
    flat = Flat(meta=Meta(), data=np.arange(24.0 * 24, dtype=np.float32).reshape(24, 24))
    window = Window.whole(24, 24)
    assert part_of(flat.data, flat, flow.meta, window)[0, 0] == 0
    whole = Flat(meta=Meta(), data=np.arange(64.0 * 64, dtype=np.float32).reshape(64, 64))
    assert part_of(whole.data, whole, flow.meta, window)[0, 0] == 10 * 64 + 20


def test_strips_have_the_mean_gain_and_read_noise(given):
    flow = ramp("FGS_ID-STACK")
    assert not covers(given["gain"].data, given["gain"], flow.meta)
    rates = images(flow, given)
    gain, noise = (np.float32(np.mean(given[name].data)) for name in ("gain", "readnoise"))
    expected = customary_error(lesser_difference(flow.data), gain, noise, TIME)
    np.testing.assert_allclose(rates.err, expected, rtol=1e-6)
    for step, kind in ((DqInit(), "mask"), (FlatField(), "flat")):
        with pytest.raises(StepSkipped, match="not made for strips"):
            step.check(flow.meta, {kind: given[kind]})


def test_references_made_for_strips_are_used(rng):
    own = references(rng, size=72)
    flow = ramp("FGS_ID-STACK")
    DqInit().check(flow.meta, {"mask": own["mask"]})
    np.testing.assert_array_equal(DqInit()(flow, mask=own["mask"]).dq, own["mask"].dq[:, :64])


def test_a_reference_that_does_not_cover_the_window_is_refused(given):
    flow = ramp("FGS_TRACK", start=(40, 3))
    sentence = r"the mask reference covers rows 1 to 64 .* reads rows 40 to 71 and columns 3 to 34"
    with pytest.raises(ReferenceInvalid, match=sentence):
        DqInit().check(flow.meta, {"mask": given["mask"]})


@pytest.mark.parametrize(
    ("mode", "shape", "sentence"),
    [
        (
            "FGS_FINEGUIDE",
            (3, 6, 8, 8),
            "FGS_FINEGUIDE rates need 8 groups, and the exposure has 6",
        ),
        ("FGS_ACQ1", (3, 1, 8, 8), "rates need 2 groups, and the exposure has 1"),
        ("FGS_ID-IMAGE", (1, 2, 8, 8), "rates need 2 integrations, and the exposure has 1"),
    ],
)
def test_too_few_reads_are_refused(mode, shape, sentence, given):
    with pytest.raises(DataUnusable, match=sentence):
        images(ramp(mode, shape=shape), given)


def test_other_exposures_are_refused(given):
    flow = ramp("FGS_ACQ1")
    other = flow.replace(meta=ramp("FGS_ACQ1", exposure__type="FGS_IMAGE").meta)
    with pytest.raises(ModeNotSupported, match="FGS_IMAGE exposures are none of a guide star"):
        images(other, given)


def test_unknown_response_is_flagged_and_the_rate_kept(given):
    flow = images(ramp("FGS_ACQ2", start=(1, 1)), given)
    flow.data[1, 3, 3] = np.nan
    result = FlatField()(flow, flat=given["flat"])
    unknown = np.isnan(given["flat"].data[:32, :32]) | (given["flat"].data[:32, :32] == 0)
    unknown |= given["flat"].dq[:32, :32] > 0
    np.testing.assert_array_equal((result.dq & DQ.DO_NOT_USE) > 0, unknown)
    np.testing.assert_array_equal((result.dq & DQ.NO_FLAT_FIELD) > 0, unknown)
    np.testing.assert_array_equal(result.data[0, unknown], flow.data[0, unknown])
    good = ~unknown
    expected = flow.data[0, good] / given["flat"].data[:32, :32][good]
    np.testing.assert_allclose(result.data[0, good], expected, rtol=1e-6)
    assert np.isnan(result.err[1, 3, 3])
    assert np.isfinite(result.data[0]).all()


def test_errors_are_divided_by_the_flat_if_asked(given):
    flow = images(ramp("FGS_ACQ2", start=(1, 1)), given)
    flat = given["flat"].replace(err=None, dq=None)
    plain, scaled = FlatField()(flow, flat=flat), FlatField(scale_errors=True)(flow, flat=flat)
    np.testing.assert_allclose(plain.err, flow.err, rtol=1e-6)
    np.testing.assert_allclose(
        scaled.err * np.abs(flow.data), flow.err * np.abs(scaled.data), rtol=1e-5
    )
    back = FlatField(scale_errors=True, inverse=True)(scaled, flat=flat)
    np.testing.assert_allclose(back.data, flow.data, rtol=1e-6)
    np.testing.assert_allclose(back.err, flow.err, rtol=1e-6)


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """All modes, calibrated: raw files, the folder of products, the run's result."""
    folder = tmp_path_factory.mktemp("guide_star")
    raw, given = write(folder, [ramp(mode) for mode in MODES], references(np.random.default_rng(4)))
    names = {kind: str(path) for kind, path in given.items()}
    out = folder / "out"
    return raw, out, run(list(raw.values()), output=out, references=names), names


def test_every_mode_becomes_one_calibrated_file(products):
    raw, out, result, _ = products
    assert [outcome.reason for outcome in result.products if outcome.reason] == []
    assert {outcome.pipeline for outcome in result.products} == {"guider"}
    expected = sorted(path.name.replace("_uncal", "_cal") for path in raw.values())
    assert sorted(path.name for path in out.glob("*.*")) == expected


@pytest.mark.parametrize("mode", MODES)
def test_the_product_is_what_the_steps_give(products, mode):
    raw, out, _, _ = products
    flow = calcore.open(raw[mode])
    made = calcore.open(out / raw[mode].name.replace("_uncal", "_cal"))
    assert isinstance(flow, GuideRamp)
    assert isinstance(made, GuideImages)
    known = references(np.random.default_rng(4))
    expected = GuiderCds(standard_errors=True)(
        flow, gain=known["gain"], readnoise=known["readnoise"]
    )
    if mode != "FGS_ID-STACK":
        expected = expected.replace(dq=DqInit()(flow, mask=known["mask"]).dq)
        expected = FlatField(scale_errors=True)(expected, flat=known["flat"])
    for name in ("data", "err", "dq"):
        np.testing.assert_array_equal(getattr(made, name), getattr(expected, name), err_msg=name)
    assert made.dq.shape == flow.data.shape[2:]
    assert made.meta["cal_step.guider_cds"] == "COMPLETE"
    assert made.meta["model_type"] == "GuiderCalModel"
    assert made.meta["bunit_data"] == "DN/s"
    for name in TABLES:
        np.testing.assert_array_equal(getattr(made, name), getattr(flow, name), err_msg=name)


def test_a_product_is_kept_and_can_be_flat_fielded_alone(products, tmp_path):
    raw, out, _, names = products
    again = run(raw["FGS_TRACK"], output=out, references=names)
    assert again.products[0].status is Status.KEPT
    wishes = {"pipeline": "calwebb_guider", "output": tmp_path, "references": names}
    before = run(raw["FGS_TRACK"], skip=["flat_field"], **wishes)
    assert before.exit_status == 0
    rates = next(tmp_path.glob("*.fits"))
    done = run(
        rates, skip=["dq_init", "guider_cds"], pipeline="calwebb_guider",
        output=tmp_path / "again", references=names,
    )  # fmt: skip
    assert [outcome.reason for outcome in done.products] == [""]
    one = calcore.open(tmp_path / "again" / rates.name)
    other = calcore.open(out / rates.name)
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.dq, other.dq)


def test_raw_counts_and_names_with_a_dash_are_read(products, tmp_path):
    raw, out, _, names = products
    source = raw["FGS_FINEGUIDE"]
    path = tmp_path / source.name.replace("_uncal", "-uncal")
    with fits.open(source) as file:
        file["SCI"].data = file["SCI"].data.astype(np.uint16)
        file.writeto(path)
    assert run(path, output=tmp_path, references=names).exit_status == 0
    name = source.name.replace("_uncal", "_cal")
    one, other = calcore.open(tmp_path / name), calcore.open(out / name)
    np.testing.assert_array_equal(one.data, other.data)


def test_there_is_nothing_to_do_at_stage_2(products, tmp_path):
    raw, _, _, names = products
    result = run(raw["FGS_ACQ1"], stage="2", output=tmp_path, references=names)
    assert "FGS_ACQ1 exposures end with stage 1" in result.products[0].reason
