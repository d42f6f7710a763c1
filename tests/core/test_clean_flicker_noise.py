"""The step that takes flicker noise out of ramps: masks, refusals, products."""

import dataclasses

import numpy as np
import pytest

from calcore.errors import (
    BadParameter,
    ModeNotSupported,
    PluginBroken,
    ReferenceMissing,
    ShapesDisagree,
    StepSkipped,
)
from calcore.flags import DQ
from calcore.hooks import hookimpl
from calcore.kernels.median_scene import median_scene
from calcore.model import ExposureType, Facts, Meta
from calcore.model.reference import Flat, Gain, ReadNoise, SceneMask, UserMask
from calcore.registry.manager import manager
from calcore.registry.questions import References
from calcore.run.room import RunnersRoom
from calcore.run.scratch import ScratchPlane
from calcore.steps._flicker_noise import FlickerResult
from calcore.steps.detector.clean_flicker_noise import CleanFlickerNoise
from calcore.testing.contract import Case, StepContract

EMPTY = Meta({})
TIMES = {"exposure__group_time": 10.0, "exposure__frame_time": 10.0}


def references(shape):
    gain = Gain(meta=EMPTY, data=np.full(shape, 2, np.float32))
    return {"gain": gain, "readnoise": ReadNoise(meta=EMPTY, data=np.full(shape, 6, np.float32))}


def striped(detector_ramp, rng, shape=(2, 4, 48, 64), *, along_x=True, **more):
    """A faint sky, one bright source, and stripes; what it should be without them."""
    sky = np.full(shape[2:], 20.0)
    sky[10:14, 10:14] = 4000
    stripes = rng.normal(0, 2, (*shape[:3], 1) if along_x else (*shape[:2], 1, shape[3]))
    true = sky * np.arange(1, shape[1] + 1)[:, None, None] + rng.normal(0, 3, shape)
    return detector_ramp(true + stripes, **TIMES, **more), true


def with_type(ramp, **data):
    kind = ExposureType(name="MODE", data=data)
    return ramp.replace(meta=ramp.meta.with_facts(Facts(ramp.meta.facts.detector, kind)))


def spread(data, true):
    """Scatter of the lines' means of differences, worst integration."""
    left = np.diff(data - true, axis=1).mean(axis=3)
    return float(left.std(axis=2).max())


def test_stripes_go_and_the_first_group_stays(detector_ramp, rng):
    ramp, true = striped(detector_ramp, rng)
    found = CleanFlickerNoise()(ramp, **references((48, 64)))
    assert spread(found.data, true) < 0.35 * spread(ramp.data, true)
    np.testing.assert_array_equal(found.data[:, 0], ramp.data[:, 0])
    np.testing.assert_array_equal(found.groupdq, ramp.groupdq)


def test_the_axis_of_the_noise_is_the_fast_one_unless_the_table_says_otherwise(detector_ramp, rng):
    given = references((48, 64))
    ramp, true = striped(detector_ramp, rng, along_x=False, axes=(-2, -1))
    turned = CleanFlickerNoise()(ramp, **given).data
    before, after = (np.diff(data - true, axis=1).mean(axis=2) for data in (ramp.data, turned))
    assert after.std(axis=2).max() < 0.35 * before.std(axis=2).max()
    facts = ramp.meta.facts
    detector = dataclasses.replace(facts.detector, fast_axis=1, slow_axis=2, flicker_axis=2)
    other = ramp.replace(meta=ramp.meta.with_facts(Facts(detector, facts.exposure_type)))
    np.testing.assert_array_equal(CleanFlickerNoise()(other, **given).data, turned)


def test_amplifiers_of_full_frames_only(detector_ramp, rng):
    ramp, true = striped(detector_ramp, rng, border=0)
    steps = rng.normal(0, 2, (2, 4, 48, 4))
    ramp = ramp.replace(data=ramp.data + np.repeat(steps, 16, axis=3).astype(np.float32))
    given = references((48, 64))
    apart = CleanFlickerNoise(fit_by_channel=True)(ramp, **given).data
    together = CleanFlickerNoise()(ramp, **given).data
    ours, theirs = (np.diff(data - true, axis=1) for data in (apart, together))
    ours, theirs = (left.reshape(2, 3, 48, 4, 16).mean(axis=4) for left in (ours, theirs))
    assert ours.std(axis=(2, 3)).max() < 0.7 * theirs.std(axis=(2, 3)).max()
    part, _ = striped(detector_ramp, rng, size=(96, 128))
    np.testing.assert_array_equal(
        CleanFlickerNoise(fit_by_channel=True)(part, **given).data,
        CleanFlickerNoise()(part, **given).data,
    )


@pytest.mark.parametrize("size", [(48, 64), (512, 512)])
def test_frequencies_of_full_frames_and_of_sub_arrays(detector_ramp, rng, size):
    ramp, true = striped(detector_ramp, rng, (1, 3, 48, 64), size=size)
    found = CleanFlickerNoise(fit_method="fft")(ramp, **references((48, 64))).data
    # Lines of a full frame are smoothed with their neighbours; a series follows each line.
    wanted = 1.0 if size == (48, 64) else 0.8
    assert spread(found, true) < wanted * spread(ramp.data, true)
    displaced = CleanFlickerNoise(fit_method="fft", displaced_smoothing=True)(
        ramp, **references((48, 64))
    ).data
    assert np.array_equal(displaced, found) == (size != (48, 64))


def test_one_mask_for_each_integration(detector_ramp, rng):
    ramp, _ = striped(detector_ramp, rng)
    ramp.data[1, :, 30:40, 30:40] += np.float32(900) * np.arange(1, 5)[:, None, None]
    saved = CleanFlickerNoise(single_mask=False, save_mask=True)(ramp, **references((48, 64)))
    mask = saved.mask.data
    assert mask.shape == (2, 48, 64)
    assert mask[0, 30:40, 30:40].mean() > 0.9
    assert not mask[1, 30:40, 30:40].any()
    assert not mask[:, 10:14, 10:14].any()


def test_what_is_saved(detector_ramp, rng):
    ramp, _ = striped(detector_ramp, rng)
    given = references((48, 64))
    saved = CleanFlickerNoise(save_mask=True, save_background=True, save_noise=True)(ramp, **given)
    assert isinstance(saved, FlickerResult)
    np.testing.assert_array_equal(saved.ramp.data, CleanFlickerNoise()(ramp, **given).data)
    cleaned = ramp.data - saved.flicker_noise.data
    np.testing.assert_allclose(cleaned, saved.ramp.data, rtol=1e-6)
    np.testing.assert_allclose(saved.flicker_bkg.data[:, 1:], 20, atol=3)
    assert (saved.flicker_bkg.data[:, 0] == 0).all()
    only = CleanFlickerNoise(save_noise=True)(ramp, **given)
    assert only.mask is None
    assert only.flicker_bkg is None


def test_masks_of_users_and_of_plugins(detector_ramp, rng):
    ramp, _ = striped(detector_ramp, rng)
    given = references((48, 64))
    half = np.ones((48, 64), np.float32)
    half[:, 32:] = 0
    user = UserMask(meta=EMPTY, data=half)
    saved = CleanFlickerNoise(save_mask=True)(ramp, mask=user, **given)
    np.testing.assert_array_equal(saved.mask.data, half)
    many = UserMask(meta=EMPTY, data=np.ones((3, 48, 64), np.float32))
    with pytest.raises(ShapesDisagree, match="3 planes for an exposure of 2 integrations"):
        CleanFlickerNoise()(ramp, mask=many, **given)
    spectrum = with_type(ramp, science_mask="slits")
    step = CleanFlickerNoise(mask_science_regions=True, save_mask=True)
    with pytest.raises(ModeNotSupported, match="slits of MODE"):
        step.check(spectrum.meta.set({"exposure.type": "MODE"}), {})
    scene = SceneMask(meta=EMPTY, data=half)
    saved = step(spectrum, scene=scene, **given)
    assert not saved.mask.data[:, :32].any()
    assert saved.mask.data[:, 32:].mean() > 0.9


def test_the_flat_says_where_no_science_is(detector_ramp, rng):
    ramp, _ = striped(detector_ramp, rng)
    ramp = with_type(ramp, science_mask="flat")
    dq = np.zeros((48, 64), np.uint32)
    dq[20:30], dq[31] = int(DQ.DO_NOT_USE), int(DQ.NO_FLAT_FIELD)
    flat = Flat(meta=EMPTY, data=np.ones((48, 64), np.float32), err=np.zeros((48, 64)), dq=dq)
    step = CleanFlickerNoise(mask_science_regions=True, save_mask=True)
    assert "flat" in step.wanted(ramp.meta)
    assert "flat" not in CleanFlickerNoise().wanted(ramp.meta)
    mask = step(ramp, flat=flat, **references((48, 64))).mask.data
    assert not mask[20:30].any()
    assert not mask[31].any()
    with pytest.raises(ReferenceMissing, match="needs a flat"):
        step(ramp, **references((48, 64)))


def test_what_is_refused(detector_ramp, rng):
    ramp, _ = striped(detector_ramp, rng)
    given = references((48, 64))
    alone = ramp.replace(
        data=ramp.data[:1], groupdq=ramp.groupdq[:1], meta=ramp.meta.set({"exposure.nints": 1})
    )
    with pytest.raises(BadParameter, match="needs several integrations"):
        CleanFlickerNoise(background_method="median_image")(alone, **given)
    with pytest.raises(StepSkipped, match="is not corrected"):
        CleanFlickerNoise()(
            with_type(
                ramp.replace(meta=ramp.meta.set({"exposure.type": "X"})), flicker_noise=False
            ),
            **given,
        )
    facts = ramp.meta.facts
    turns = dataclasses.replace(facts.detector, interleaved_outputs=True)
    meta = ramp.meta.with_facts(Facts(turns, facts.exposure_type)).set(
        {"instrument.detector": "DETECTOR"}
    )
    with pytest.raises(BadParameter, match="take turns"):
        CleanFlickerNoise(fit_method="fft")(ramp.replace(meta=meta), **given)


def test_a_time_series_tells_its_scene_from_the_noise(detector_ramp, rng):
    shape = (16, 4, 48, 64)
    scene = np.full(shape[2:], 20.0)
    scene[:, 5:60] += 400 * rng.gamma(1, 1, (48, 55))  # light almost everywhere
    brighter = 1 + 0.1 * rng.normal(size=(16, 1, 1, 1))
    true = 20.0 + (scene - 20) * brighter
    true = true * np.arange(1, 5)[:, None, None] + rng.normal(0, 3, shape)
    stripes = rng.normal(0, 10, (*shape[:3], 1))
    ramp = detector_ramp(true + stripes, **TIMES)
    given = references((48, 64))
    series = CleanFlickerNoise(background_method="median_image", n_sigma=0.0)
    usual = CleanFlickerNoise(n_sigma=0.0)
    before = spread(ramp.data, true)
    # What is alike in all integrations stays: a sixteenth of the variance, and medians' own noise.
    assert spread(series(ramp, **given).data, true) < 0.55 * before
    assert spread(usual(ramp, **given).data, true) > before
    saved = CleanFlickerNoise(background_method="median_image", n_sigma=0.0, save_background=True)
    rise = saved(ramp, **given).flicker_bkg.data[:, 2]
    np.testing.assert_allclose(
        rise.mean(axis=(1, 2)), (20 + (scene - 20) * brighter[:, 0]).mean(axis=(1, 2)), rtol=0.02
    )


@pytest.mark.parametrize("background", ["median", "model", "median_image"])
def test_frames_in_files_give_the_same_bits(detector_ramp, rng, background):
    ramp, _ = striped(detector_ramp, rng)
    ramp.data[0, 2, 5, 6] = np.nan
    step = CleanFlickerNoise(background_method=background, save_noise=True)
    expected = step(ramp, **references((48, 64)))
    data = RunnersRoom(budget=0).plane(ramp.data.shape, np.float32)
    for place in np.ndindex(ramp.data.shape[:2]):
        data[place] = ramp.data[place]
    room = RunnersRoom(budget=0)
    found = step(ramp.replace(data=data), **references((48, 64)), room=room)
    assert isinstance(found.ramp.data, ScratchPlane)
    np.testing.assert_array_equal(np.asarray(found.ramp.data), expected.ramp.data)
    np.testing.assert_array_equal(found.flicker_noise.data, expected.flicker_noise.data)
    np.testing.assert_array_equal(expected.flicker_noise.data, ramp.data - expected.ramp.data)


def test_a_series_without_a_source_or_without_a_rate_has_no_excess(rng):
    data = np.cumsum(rng.normal(5, 3, (6, 3, 20, 30)), axis=1).astype(np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[:, 1, 4, 4] = int(DQ.SATURATED)
    rates = data[:, -1] / np.float32(20)
    found = median_scene(data, groupdq, rates, 10.0)
    assert (found.excess == 0).all()
    np.testing.assert_allclose(found.rises[1:].mean(), 5, atol=0.3)
    assert (found.rises[:, 4, 4] == 0).all()
    assert (median_scene(data, groupdq, rates * np.float32(np.nan), 10.0).excess == 0).all()


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 3e38, 0])
@pytest.mark.parametrize(
    "settings",
    [
        {"fit_histogram": True, "background_method": "model"},
        {"fit_method": "fft"},
        {"background_method": "median_image", "single_mask": False},
    ],
)
def test_samples_that_cannot_be_do_no_harm(detector_ramp, rng, spoilt, settings):
    ramp, _ = striped(detector_ramp, rng)
    ramp.data[rng.random(ramp.data.shape) < 0.05] = spoilt
    ramp.data[:, :, :3] = spoilt
    found = CleanFlickerNoise(**settings)(ramp, **references((48, 64))).data
    same = np.isfinite(found) == np.isfinite(ramp.data)
    assert same.mean() > 0.999  # sums of the largest numbers there are may overflow


def test_settings_that_suit_the_data(detector_ramp, rng):
    ramp, _ = striped(detector_ramp, rng)
    slope = (np.arange(64) * np.arange(1, 5)[:, None, None] * 5).astype(np.float32)
    ramp = ramp.replace(data=ramp.data + slope)
    given = references((48, 64))
    response = rng.normal(1, 0.01, (48, 64)).astype(np.float32)
    zero = np.zeros((48, 64), np.uint32)
    flat = Flat(meta=EMPTY, data=response, err=zero.astype(np.float32), dq=zero)
    auto = CleanFlickerNoise(autoparam=True)
    # Nothing is known of the mode: settings stay what they are, and no flat is asked for.
    np.testing.assert_array_equal(auto(ramp, **given).data, CleanFlickerNoise()(ramp, **given).data)
    limits = {"masked": 0.5, "offset": 1e3, "scatter": 1e3, "slope": 1e-5, "steep": 1e-5}
    known = with_type(ramp, flicker_limits={**limits, "slope_ratio": 5, "scatter_across": False})
    assert "flat" in auto.wanted(known.meta)
    assert "flat" not in auto.wanted(ramp.meta)
    with pytest.raises(ReferenceMissing, match="needs a flat for apply_flat_field, autoparam"):
        auto.check(known.meta, given)
    chosen = CleanFlickerNoise(background_method="model", apply_flat_field=True)
    np.testing.assert_array_equal(
        auto(known, flat=flat, **given).data, chosen(known, flat=flat, **given).data
    )


class _Answers:
    def __init__(self, mask):
        self.mask = mask

    @hookimpl
    def calcore_mask(self, meta):
        del meta
        return self.mask


def test_answers_of_plugins_add_up():
    plugins = manager()
    find = References(plugins)
    assert find("scenemask", EMPTY) == ("N/A", "nobody")
    assert find("usermask", EMPTY) == ("N/A", "nobody")
    first, second = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    first[0], second[:, 2] = True, True
    for answer in (first, second, None):
        plugins.register(_Answers(answer))
    mask, origin = find("scenemask", EMPTY)
    np.testing.assert_array_equal(mask.data, first | second)
    assert origin == "calcore_mask"
    plugins.register(_Answers(np.zeros((2, 2), bool)))
    with pytest.raises(PluginBroken, match="different shapes"):
        find("scenemask", EMPTY)


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        self.ramp, _ = striped(detector_ramp, rng)

    def case(self):
        return Case(CleanFlickerNoise(), self.ramp, references((48, 64)))
