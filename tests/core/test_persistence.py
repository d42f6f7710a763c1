"""Samples that follow a saturated or bright one of the same pixel."""

import math

import numpy as np
import pytest
from click.testing import CliRunner

from calcore.cli.app import commands
from calcore.errors import BadParameter, KeywordInvalid, KeywordMissing
from calcore.flags import DQ
from calcore.kernels.persistence import flag_persistence
from calcore.steps.detector.persistence import Persistence, group_times
from calcore.testing.contract import Case, StepContract

FULL, GLOWS = int(DQ.SATURATED), int(DQ.PERSISTENCE)
START = 60000.0
EPOCH = 1677283200.0  # 2023-02-25 in seconds since 1970


def ramp_of(detector_ramp, data, *, start=START, **more):
    return detector_ramp(
        data, exposure__start_time=start, exposure__group_time=10.0,
        exposure__integration_time=10.0 * data.shape[1], **more,
    )  # fmt: skip


def flagged(data, flags, *, seconds=25.0, threshold=math.inf, ends=0.0, times=None):
    """Return the flags of one pixel, (n_int, n_group), read every 10 s."""
    data, flags = np.atleast_2d(data), np.atleast_2d(flags)
    times = 10.0 * (1 + np.arange(data.size).reshape(data.shape)) if times is None else times
    groupdq, left = flag_persistence(
        data[..., None, None].astype(np.float32),
        flags[..., None, None].astype(np.uint8),
        np.asarray(times, float),
        np.full((1, 1), float(ends)),
        seconds,
        threshold,
        GLOWS,
    )
    return (groupdq[..., 0, 0] & GLOWS).astype(bool).squeeze().tolist(), left[0, 0]


def test_a_window_opens_with_the_first_saturated_group_and_lasts_its_seconds():
    flags = [0, FULL, FULL, FULL, FULL, FULL]
    assert flagged(np.zeros(6), flags) == ([False, True, True, True, False, False], 0)
    assert flagged(np.zeros(6), flags, seconds=20.0)[0] == [False, True, True, True, False, False]
    assert flagged(np.zeros(6), flags, seconds=19.9)[0] == [False, True, True, False, False, False]


def test_a_window_goes_on_into_the_next_integration_and_exposure():
    flags = np.zeros((2, 3))
    flags[0, 2] = FULL
    found, left = flagged(np.zeros((2, 3)), flags, seconds=45.0)
    assert found == [[False, False, True], [True, True, True]]
    assert left == 75.0
    assert flagged([0, 0, 0], [0, 0, 0], seconds=45.0, ends=left, times=[[60, 70, 80]]) == (
        [True, True, False],
        0,
    )


def test_each_integration_opens_a_window_of_its_own():
    flags = np.array([[0, FULL, FULL], [0, FULL, FULL]])
    found, left = flagged(np.zeros((2, 3)), flags, seconds=15.0)
    assert found == [[False, True, True], [False, True, True]]
    assert left == 65.0


def test_a_threshold_opens_windows_one_after_the_other():
    data = [0, 2000, 3000, 4000, 5000, 6000]
    assert flagged(data, np.zeros(6), threshold=2000.0, seconds=15.0) == (
        [False, False, True, True, True, True],
        65.0,
    )
    assert flagged(data, np.zeros(6), threshold=9000.0)[0] == [False] * 6
    assert flagged([np.nan] * 6, np.zeros(6), threshold=0.0)[0] == [False] * 6
    assert flagged([0, 9, 0, 0, 0], np.zeros(5), threshold=5.0, seconds=10.0)[0] == [
        False, True, True, False, False,
    ]  # fmt: skip


def test_one_saturated_group_alone_keeps_its_window_open():
    flags = [0, FULL, 0, 0, 0, 0]
    assert flagged(np.zeros(6), flags, seconds=10.0) == ([False, *[True] * 5], 70.0)


def test_windows_of_the_future_are_dropped():
    assert flagged(np.zeros(3), np.zeros(3), ends=35.0) == ([True, True, True], 35.0)
    assert flagged(np.zeros(3), np.zeros(3), ends=35.1)[0] == [False] * 3


def test_a_shift_of_the_clock_changes_nothing(rng):
    data = rng.gamma(0.3, 9000.0, (2, 5, 8, 8)).astype(np.float32)
    flags = ((data > 20000) * FULL).astype(np.uint8)
    times = np.arange(10.0).reshape(2, 5) * 8
    ends = np.where(rng.random((8, 8)) < 0.5, 20.0, 0.0)
    first, left = flag_persistence(data, flags, times, ends, 30.0, 9000.0)
    moved, later = flag_persistence(
        data, flags, times + 4096, np.where(ends > 0, ends + 4096, 0), 30.0, 9000.0
    )
    np.testing.assert_array_equal(first, moved)
    np.testing.assert_array_equal(np.where(left > 0, left + 4096, 0), later)
    assert (first != flags).any()


def test_flags_of_other_kinds_stay_and_mean_nothing(detector_ramp):
    data = np.zeros((1, 4, 8, 8))
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 1, 2, 3] = DQ.DO_NOT_USE | DQ.JUMP_DET
    groupdq[0, 1:, 4, 4] = FULL | DQ.DO_NOT_USE
    ramp = ramp_of(detector_ramp, data, groupdq=groupdq)
    result = Persistence(persistence_time=10.0)(ramp)
    expected = groupdq.copy()
    expected[0, 1:3, 4, 4] |= GLOWS
    np.testing.assert_array_equal(result.ramp.groupdq, expected)
    unused = Persistence(persistence_time=10.0, persistence_dnu=True)(ramp).ramp.groupdq
    expected[0, 1:3, 4, 4] |= int(DQ.DO_NOT_USE)
    np.testing.assert_array_equal(unused, expected)
    for name in ("data", "pixeldq"):
        np.testing.assert_array_equal(getattr(result.ramp, name), getattr(ramp, name))


def test_what_is_kept_is_in_seconds_since_1970_and_fits_another_length(detector_ramp):
    data = np.zeros((1, 3, 8, 8))
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 2, 5, 6] = FULL
    kept = Persistence(persistence_time=100.0)(ramp_of(detector_ramp, data, groupdq=groupdq))
    expected = np.zeros((8, 8))
    expected[5, 6] = EPOCH + 30 + 100
    np.testing.assert_array_equal(kept.windows.ends, expected)
    later = ramp_of(detector_ramp, data, start=START + 60 / 86400)
    for seconds, groups in ((100.0, 3), (51.0, 2), (41.0, 1), (30.0, 0)):
        found = Persistence(persistence_time=seconds)(later, windows=kept.windows).ramp.groupdq
        assert (found[0, :, 5, 6] == [GLOWS] * groups + [0] * (3 - groups)).all()
        assert (found != 0).sum() == groups


def test_integrations_begin_when_the_table_says(detector_ramp):
    data = np.zeros((2, 3, 8, 8))
    kinds = [("integration_number", "i4"), ("int_start_MJD_UTC", "f8")]
    table = np.array([(n + 1, START + n * 0.5) for n in range(5)], kinds)
    ramp = ramp_of(detector_ramp, data, exposure__integration_start=4)
    listed = group_times(ramp.replace(int_times=table))
    np.testing.assert_allclose(listed - EPOCH, [[129610, 129620, 129630], [172810, 172820, 172830]])
    table["int_start_MJD_UTC"][4] = 0.0
    half = group_times(ramp.replace(int_times=table))
    np.testing.assert_allclose(half[1] - EPOCH, [4 * 30 + 10, 4 * 30 + 20, 4 * 30 + 30])
    alone = group_times(ramp)
    np.testing.assert_allclose(alone[:, 0] - EPOCH, [3 * 30 + 10, 4 * 30 + 10])


def test_a_length_must_be_given(detector_ramp):
    ramp = ramp_of(detector_ramp, np.zeros((1, 3, 8, 8)))
    with pytest.raises(BadParameter, match=r"persistence_time is None.*persistence_time=1000, or"):
        Persistence()(ramp)
    with pytest.raises(BadParameter, match=r"persistence_time is 0; it must lie in 1"):
        Persistence(persistence_time=0)


def test_an_exposure_must_say_when_it_began(detector_ramp):
    ramp = detector_ramp(np.zeros((1, 3, 8, 8)), exposure__group_time=10.0)
    with pytest.raises(KeywordMissing, match="start_time is missing; add it"):
        Persistence(persistence_time=10)(ramp)
    nowhen = ramp.replace(meta=ramp.meta.set({"exposure.start_time": math.nan}))
    with pytest.raises(KeywordInvalid, match=r"start_time is nan, but must be a date \(MJD\)"):
        Persistence(persistence_time=10)(nowhen)


def test_its_description_says_that_it_has_state():
    shown = CliRunner().invoke(commands, ["steps", "persistence"]).output
    assert "goes on from the previous exposure of the detector; state and" in shown
    assert "persistence_time = None [s]  float or None, 1 to 1e+08" in shown


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        data = np.cumsum(rng.gamma(0.2, 9000, (2, 4, 20, 24)), axis=1)
        groupdq = ((data > 20000) * FULL).astype(np.uint8)
        step = Persistence(persistence_time=35.0, dn_threshold=9000.0)
        before = step(ramp_of(detector_ramp, data[:, :, ::-1], start=START - 0.001))
        self.ramp = ramp_of(detector_ramp, data, groupdq=groupdq)
        self.case_ = Case(step, self.ramp, {"windows": before.windows})
        assert before.windows.ends.any()

    def case(self):
        return self.case_
