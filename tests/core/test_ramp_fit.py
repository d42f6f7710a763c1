"""Ramp fitting by least squares: ramps whose slopes are known, and the step."""

import weakref

import numpy as np
import pytest

from calcore.errors import BadParameter, DataUnusable
from calcore.flags import DQ
from calcore.kernels.ramp_fit_ols import fit_ordinary
from calcore.model import Meta, Ramp, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.steps._reset_level import reset_level
from calcore.steps.detector.ramp_fit import RampFit
from calcore.testing.contract import Case, StepContract

JUMP, DNU, SAT = (np.uint8(bit) for bit in (DQ.JUMP_DET, DQ.DO_NOT_USE, DQ.SATURATED))
TIMES = {"group_time_s": 10.0, "frame_time_s": 10.0}


def lines(slopes, n_group, n_int=1):
    """Return ramps (n_int, n_group, 1, nx) that rise by `slopes` [DN/s] and start at 50 DN."""
    rise = np.asarray(slopes, np.float32) * 10 * np.arange(1, n_group + 1)[:, None]
    return np.broadcast_to((50 + rise)[None, :, None], (n_int, n_group, 1, rise.shape[1])).astype(
        np.float32
    )


def fit(data, groupdq=None, *, gain=2.0, readnoise=6.0, pixeldq=None, **settings):
    shape = data.shape[2:]
    return fit_ordinary(
        data,
        np.zeros(data.shape, np.uint8) if groupdq is None else groupdq,
        np.zeros(shape, np.uint32) if pixeldq is None else pixeldq,
        np.full(shape, gain, np.float32),
        np.full(shape, readnoise, np.float32),
        **{**TIMES, **settings},
    )


@pytest.mark.parametrize("n_group", [2, 3, 10, 25])
def test_straight_lines_give_their_slopes(n_group):
    """At every signal to noise, whatever the weights."""
    slopes = np.array([-0.3, 0, 0.02, 0.5, 3, 20, 400, 9000], np.float32)
    result = fit(lines(slopes, n_group))
    np.testing.assert_allclose(result.rate, slopes[None], rtol=2e-5, atol=2e-6)
    assert not result.dq.any()


def test_variances_are_the_formulas():
    """R = 6 × 2 / √2 electrons, g t = 20, n = 10: 12 (R / g t)² / (n³ - n); rate / (g t (n - 1))."""
    result = fit(lines([5.0], 10))
    read = 12 * (6 * 2 / np.sqrt(2) / 20) ** 2 / 990
    photon = 5 / (20 * 9)
    assert result.var_rnoise[0, 0] == pytest.approx(read, rel=1e-6)
    assert result.var_poisson[0, 0] == pytest.approx(photon, rel=1e-6)
    assert result.err[0, 0] == pytest.approx(np.sqrt(read + photon), rel=1e-6)


def test_averaged_reads_are_less_noisy():
    one = fit(lines([5.0], 10))
    four = fit(lines([5.0], 10), n_frames=4)
    assert four.var_rnoise[0, 0] == pytest.approx(one.var_rnoise[0, 0] / 4)


def test_integrations_average():
    data = np.concatenate([lines([4.0], 6), lines([8.0], 6)])
    result = fit(data)
    assert result.rate[0, 0] == pytest.approx(6)
    np.testing.assert_allclose(result.integrations[0].ravel(), [4, 8], rtol=1e-6)
    assert result.var_rnoise[0, 0] == pytest.approx(result.integrations[3, 0, 0, 0] / 2)


def test_a_jump_starts_a_new_part():
    """Parts of 4 and 6 groups; the jump's group belongs to the second."""
    data = lines([5.0], 10).copy()
    data[0, 4:] += 777
    flags = np.zeros(data.shape, np.uint8)
    flags[0, 4] = JUMP
    result = fit(data, flags)
    assert result.rate[0, 0] == pytest.approx(5, rel=1e-5)
    read = 12 * (6 * 2 / np.sqrt(2) / 20) ** 2
    assert result.var_rnoise[0, 0] == pytest.approx(read / (60 + 210), rel=1e-6)
    assert result.dq[0, 0] == DQ.JUMP_DET


def test_parts_are_weighted_by_read_noise():
    """Three groups with slope 10, six with 20: 18.97436."""
    data = lines([0.0], 10).copy()
    data[0, :3, 0, 0] = [100, 200, 300]
    data[0, 4:, 0, 0] = np.arange(6) * 200
    flags = np.zeros(data.shape, np.uint8)
    flags[0, 3] = DNU
    assert fit(data, flags).rate[0, 0] == pytest.approx(18.97436, rel=1e-6)


def test_saturated_ramps_end():
    data = lines([5.0, 5.0, 5.0], 8).copy()
    flags = np.zeros(data.shape, np.uint8)
    flags[0, 5:, 0, 0] = SAT
    flags[0, 1:, 0, 1] = SAT
    flags[0, :, 0, 2] = SAT
    data[flags != 0] = 9999
    result = fit(data, flags)
    assert result.rate[0, 0] == pytest.approx(5, rel=1e-5)
    assert np.isnan(result.rate[0, 1:]).all()
    assert result.dq[0].tolist() == [SAT, SAT | DNU, SAT | DNU]
    assert (result.err[0, 1:] == 0).all()


def test_one_good_group_if_asked():
    """One group is an average of four reads: it is 2.5 frame times old."""
    data = np.full((1, 5, 1, 1), 100, np.float32)
    flags = np.full(data.shape, SAT)
    flags[0, 0] = 0
    result = fit(
        data, flags, suppress_one_group=False, n_frames=4, frame_time_s=2.0, group_time_s=8.0
    )
    assert result.rate[0, 0] == pytest.approx(100 / 5.0)


def test_zero_frame_replaces_a_saturated_ramp():
    data = np.full((1, 5, 1, 2), 9000, np.float32)
    zeroframe = np.array([[[300, 0]]], np.float32)
    settings = {"n_frames": 4, "frame_time_s": 2.0, "zeroframe": zeroframe}
    flags = np.full(data.shape, SAT)
    result = fit(data, flags, suppress_one_group=False, **settings)
    assert result.rate[0, 0] == pytest.approx(150)
    assert np.isnan(result.rate[0, 1])
    assert np.isnan(fit(data, flags, **settings).rate).all()


def test_nan_and_bad_pixels():
    data = lines([5.0] * 6, 6).copy()
    data[0, 2, 0, 0] = np.nan
    data[0, :, 0, 1] = np.nan
    pixeldq = np.zeros((1, 6), np.uint32)
    pixeldq[0, 2] = DQ.DO_NOT_USE | DQ.DEAD
    gain = np.array([[2, 2, 2, 0, np.nan, np.inf]], np.float32)
    result = fit_ordinary(
        data, np.zeros(data.shape, np.uint8), pixeldq, gain, np.full((1, 6), 6, np.float32), **TIMES
    )
    assert result.rate[0, 0] == pytest.approx(5, rel=1e-5)
    assert np.isnan(result.rate[0, 1:]).all()
    no_gain = DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE
    assert result.dq[0].tolist() == [0, DNU, DQ.DO_NOT_USE | DQ.DEAD, *[no_gain] * 3]


def test_units_scale():
    """Ten times the group time at a tenth of the rate is the same ramp."""
    rng = np.random.default_rng(2)
    data = np.cumsum(rng.poisson(50, (1, 7, 20, 20)), axis=1).astype(np.float32)
    flags = np.where(rng.random(data.shape) < 0.1, JUMP, np.uint8(0))
    fast, slow = fit(data, flags), fit(data, flags, group_time_s=100.0)
    np.testing.assert_allclose(slow.rate, fast.rate / 10, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slow.err, fast.err / 10, rtol=1e-5)


def test_whole_and_broken_ramps_agree():
    """A group before the first that all drop makes no difference to how the others are fitted."""
    rng = np.random.default_rng(4)
    data = np.cumsum(rng.poisson(50, (2, 9, 6, 300)), axis=1).astype(np.float32)
    flags = np.zeros(data.shape, np.uint8)
    flags[:, [0, 8]] = DNU
    together = fit(data, flags)
    flags[0, 0, 0, ::5] = DNU | np.uint8(DQ.CHARGELOSS)  # keeps its pixel from being whole
    apart = fit(data, flags)
    np.testing.assert_allclose(together.rate, apart.rate, rtol=1e-6)
    np.testing.assert_allclose(together.err, apart.err, rtol=1e-6)
    np.testing.assert_array_equal(together.dq, apart.dq)


def exposure(shape=(2, 7, 40, 12)):
    rng = np.random.default_rng(6)
    data = np.cumsum(rng.poisson(30, shape), axis=1) + rng.normal(0, 5, shape)
    bits = np.array([0, 0, 0, 0, 0, JUMP, DNU, SAT], np.uint8)
    groupdq = rng.choice(bits, shape)
    values = {
        "exposure.ngroups": shape[1], "exposure.nints": shape[0], "exposure.nframes": 1,
        "exposure.group_time": 10.0, "exposure.frame_time": 10.0,
    }  # fmt: skip
    ramp = Ramp(
        meta=Meta(values), data=data.astype(np.float32), groupdq=groupdq,
        pixeldq=np.where(rng.random(shape[2:]) < 0.1, np.uint32(DNU), np.uint32(0)),
    )  # fmt: skip
    references = {
        "gain": Gain(meta=Meta({}), data=rng.uniform(1, 2, shape[2:]).astype(np.float32)),
        "readnoise": ReadNoise(meta=Meta({}), data=np.full(shape[2:], 5, np.float32)),
    }
    return ramp, references


class TestRampFit(StepContract):
    def case(self):
        ramp, references = exposure()
        return Case(RampFit(), ramp, references)


class TestTrimmedByLaterRows(StepContract):
    """The first rows have lost groups that later ones have: bands done before are done again."""

    def case(self):
        ramp, references = exposure()
        ramp.groupdq[:, [0, -1]] = DNU | SAT
        ramp.groupdq[:, 1] |= JUMP
        ramp.groupdq[1, 0, 38, 5] = ramp.groupdq[0, -1, 36, 2] = 0
        return Case(RampFit(trim="frame"), ramp, references)

    def test_later_rows_matter(self):
        case = self.case()
        lost = case.flow.groupdq.copy()
        lost[:, [0, -1]] = DNU | SAT
        first = case.step(case.flow, **case.given).rate.dq[:32]
        other = case.step(case.flow.replace(groupdq=lost), **case.given).rate.dq[:32]
        assert (first & SAT != other & SAT).any()


def test_products():
    ramp, references = exposure()
    result = RampFit()(ramp, **references)
    assert result.rate.data.shape == (40, 12)
    assert result.rateints.data.shape == (2, 40, 12)
    assert result.rate.meta["bunit_data"] == result.rateints.meta["bunit_err"] == "DN/s"


def test_rates_beyond_single_precision_are_none():
    ramp, references = exposure()
    data = ramp.data.copy()
    data[:, 3:, :, 5] = 3e38
    step = RampFit()
    meta = ramp.meta.set({"exposure.group_time": 0.1, "exposure.frame_time": 0.1})
    clean = ramp.replace(data=data, groupdq=0 * ramp.groupdq, pixeldq=0 * ramp.pixeldq, meta=meta)
    for rate in (step(clean, **references).rate, step(clean, **references).rateints):
        none = np.zeros(rate.data.shape, bool)
        none[..., 5] = True
        np.testing.assert_array_equal(np.isnan(rate.data), none)
        np.testing.assert_array_equal(rate.dq & DNU != 0, none)
        assert not rate.err[none].any()


@pytest.mark.parametrize("trim", ["frame", "pixel"])
def test_groups_that_all_pixels_lost_leave_no_trace(trim):
    ramp, references = exposure()
    groupdq = np.zeros_like(ramp.groupdq)
    groupdq[:, :2] = DNU | SAT
    groupdq[:, 2] = JUMP
    groupdq[:, 6] = DNU | JUMP
    result = RampFit(trim=trim)(
        ramp.replace(groupdq=groupdq, pixeldq=0 * ramp.pixeldq), **references
    )
    assert np.isfinite(result.rate.data).all()
    assert not result.rate.dq.any()


def test_nothing_to_fit_is_said():
    ramp, references = exposure()
    with pytest.raises(DataUnusable, match="no pixel has a count rate: every ramp is saturated"):
        RampFit()(ramp.replace(groupdq=np.full_like(ramp.groupdq, SAT)), **references)
    lost = np.full_like(ramp.groupdq, DNU)
    lost[:, 3] = 0
    with pytest.raises(DataUnusable, match="1 groups are left after those that every pixel"):
        RampFit(trim="frame")(ramp.replace(groupdq=lost), **references)


def test_a_joint_fit_says_that_it_has_nothing_more_to_save():
    with pytest.raises(
        BadParameter, match="nothing more to save; set joint to false for chi square"
    ):
        RampFit(algorithm="LIKELY", joint=True, save_opt=True)
    assert RampFit(algorithm="OLS_C", joint=True, save_opt=True).save_opt


class TestWithTheResetLevel(StepContract):
    """The level is measured over the frame, and bands take it from there."""

    def case(self):
        ramp, references = exposure()
        return Case(RampFit(algorithm="LIKELY", joint=True, reset_prior=2), ramp, references)


class TestEachByLikelihood(StepContract):
    def case(self):
        ramp, references = exposure()
        return Case(RampFit(algorithm="LIKELY"), ramp, references)


def settled(n_group, level=3.0, noise=15.0, shape=(48, 64), seed=2):
    """Return ramps whose level after the reset scatters [DN], and their references."""
    rng = np.random.default_rng(seed)
    ramp, _ = exposure()
    gain, read = 2.0, 8.0
    full = (1, n_group, *shape)
    rate = rng.gamma(1.0, 3.0, shape)
    electrons = np.cumsum(rng.poisson(rate * ramp.meta.group_time_s, full), axis=1)
    data = electrons / gain + rng.normal(level, noise, shape) + rng.normal(0, read / gain, full)
    references = {
        "gain": Gain(meta=Meta({}), data=np.full(shape, gain, np.float32)),
        "readnoise": ReadNoise(
            meta=Meta({}), data=np.full(shape, read * 2**0.5 / gain, np.float32)
        ),
    }
    return Ramp(
        meta=ramp.meta,
        data=data.astype(np.float32),
        groupdq=np.zeros(full, np.uint8),
        pixeldq=np.zeros(shape, np.uint32),
    ), references


@pytest.mark.parametrize("n_group", [2, 3, 8])
def test_the_level_is_what_ramps_show(n_group):
    ramp, references = settled(n_group)
    ramp.data[..., 5] += 4000  # bad columns and hits do not count
    ramp.groupdq[:, 1, 7] = SAT
    level = reset_level([ramp], **references, noise_electron=28.0)
    assert level.mean_dn == pytest.approx(3.0, abs=1.5)
    assert level.noise_dn == pytest.approx(15.0, rel=0.1 if n_group == 2 else 0.05)


def test_where_no_ramp_shows_the_level_its_noise_is_that_given():
    ramp, references = settled(1)
    level = reset_level([ramp], **references, noise_electron=28.0)
    assert (level.mean_dn, level.noise_dn) == (0.0, 14.0)


def test_no_part_is_kept_while_the_next_is_made():
    ramp, references = settled(3)
    made, alive = [], []

    def parts():
        for start in range(0, 48, 8):
            alive.append(sum(part() is not None for part in made))
            part = ramp.cut(Window(start, start + 8, 0, 64, 48, 64))
            made.append(weakref.ref(part))
            yield part
            del part

    step = RampFit(algorithm="LIKELY", joint=True, reset_prior=2)
    assert step.prepare(ramp.meta, parts(), **references).level is not None
    assert alive == [0] * 6


def test_ramps_saturated_early_have_a_rate_if_asked_for():
    ramp, references = settled(6)
    groupdq = ramp.groupdq.copy()
    groupdq[:, 1:, :4] = SAT
    ramp = ramp.replace(groupdq=groupdq)
    without = RampFit(algorithm="LIKELY", joint=True)(ramp, **references).rate
    result = RampFit(algorithm="LIKELY", joint=True, reset_prior=2)(ramp, **references).rate
    assert np.isnan(without.data[:4]).all()
    assert (without.dq[:4] == DNU | SAT).all()
    assert np.isfinite(result.data).all()
    assert (result.dq[:4] == SAT).all()
    np.testing.assert_array_equal(result.data[4:], without.data[4:])
    assert (result.err[:4] > result.err[4:].max()).all()
