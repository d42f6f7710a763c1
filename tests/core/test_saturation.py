"""Saturated samples, those below the converter's range, and partly saturated averages."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels.saturation import flag_saturated
from calcore.model import Meta
from calcore.model.reference import Saturation as SaturationReference
from calcore.model.reference import Superbias
from calcore.steps.detector.saturation import Saturation
from calcore.testing.contract import Case, StepContract

SAT, DNU = int(DQ.SATURATED), int(DQ.DO_NOT_USE)
SHAPE = (20, 24)


def reference(threshold=1000.0, dq=None):
    data = np.full(SHAPE, threshold, np.float32)
    return SaturationReference(
        meta=Meta({}), data=data, dq=np.zeros(SHAPE, np.uint32) if dq is None else dq
    )


def bias(level=0.0):
    flags = np.zeros(SHAPE, np.uint32)
    return Superbias(meta=Meta({}), data=np.full(SHAPE, level, np.float32), dq=flags)


def quiet(groups=5):
    return np.full((1, groups, *SHAPE), 100.0, np.float32)


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_saturation_lasts_and_spreads(detector_ramp, reach):
    data = quiet()
    data[0, 2, 10, 12] = 1000
    result = Saturation(n_pix_grow_sat=reach)(detector_ramp(data), saturation=reference())
    expected = np.zeros(data.shape, np.uint8)
    expected[0, 2:, 10 - reach : 11 + reach, 12 - reach : 13 + reach] = SAT
    np.testing.assert_array_equal(result.groupdq, expected)


def test_spreading_stops_at_the_edge(detector_ramp):
    data = quiet(1)
    data[0, 0, 0, 0] = data[0, 0, -1, -1] = 2000
    result = Saturation(n_pix_grow_sat=2)(detector_ramp(data), saturation=reference())
    assert np.argwhere(result.groupdq[0, 0]).sum() == 9 * 2 + 9 * (18 + 22)


def test_integrations_begin_anew(detector_ramp):
    data = np.concatenate([quiet(), quiet()])
    data[0, 0, 5, 5] = 5000
    result = Saturation()(detector_ramp(data), saturation=reference())
    assert (result.groupdq[0, :, 5, 5] == SAT).all()
    assert (result.groupdq[1] == 0).all()


def test_zero_and_less_are_below_the_range(detector_ramp):
    data = quiet()
    data[0, 1, 3, 3:5] = 0, -7
    result = Saturation()(detector_ramp(data), saturation=reference())
    assert (result.groupdq[0, :, 3, 3:5] == [[0], [DQ.AD_FLOOR | DNU], [0], [0], [0]]).all()


def test_nan_is_not_saturated(detector_ramp):
    data = quiet()
    data[0, 1, 3, 3] = np.nan
    result = Saturation()(detector_ramp(data), saturation=reference())
    assert (result.groupdq == 0).all()


@pytest.mark.parametrize("how", ["NaN", "flag"])
def test_pixels_without_a_threshold(detector_ramp, how):
    saturation = reference()
    if how == "NaN":
        saturation.data[4, 4] = np.nan
    else:
        saturation.dq[4, 4] = DQ.NO_SAT_CHECK
    data = quiet()
    data[0, :, 4, 4] = 60000
    result = Saturation()(detector_ramp(data), saturation=saturation)
    assert (result.groupdq == 0).all()
    assert result.pixeldq[4, 4] == DQ.NO_SAT_CHECK


def test_flags_that_came_with_the_data_spread_in_their_own_group(detector_ramp):
    groupdq = np.zeros((1, 5, *SHAPE), np.uint8)
    groupdq[0, 1, 8, 8] = SAT
    ramp = detector_ramp(quiet(), groupdq=groupdq)
    result = Saturation()(ramp, saturation=reference())
    assert np.sum(result.groupdq == SAT) == 9
    assert np.sum(result.groupdq[0, 1] == SAT) == 9


def average(frames, rate, threshold):
    """Means of clipped frames of a steady ramp, and how many frames of each group were clipped."""
    reads = rate * np.arange(1, 6 * frames + 1, dtype=float)
    groups = np.minimum(reads, threshold).reshape(6, frames)
    return groups.mean(axis=1), (reads >= threshold).reshape(6, frames).sum(axis=1)


@pytest.mark.parametrize("rate", [38.0, 43.0, 55.0])
def test_partly_saturated_averages_are_not_used(detector_ramp, rate):
    frames = 8
    means, clipped = average(frames, rate, 1000.0)
    data = np.full((1, 6, *SHAPE), 1.0)
    data[0, :, 9, 9] = means
    ramp = detector_ramp(data, frames=frames)
    # Frames are clipped at the threshold, so only the mean of wholly clipped groups reaches it.
    result = Saturation(n_pix_grow_sat=0)(ramp, saturation=reference(), superbias=bias())
    flags = result.groupdq[0, :, 9, 9]
    assert ((flags & SAT != 0) == (clipped == frames)).all()
    assert ((flags & DNU != 0) == ((clipped > 0) & (clipped < frames))).all()
    plain = Saturation(n_pix_grow_sat=0, use_readpatt=False)(ramp, saturation=reference())
    assert (plain.groupdq & DNU == 0).all()


@pytest.mark.parametrize("frames", [2, 4, 8])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_last_average_is_looked_at_too(detector_ramp, frames, groups):
    """However many of the last group's frames were clipped, and only then."""
    level = 200.0
    for clipped in range(frames):
        last = groups * frames
        rate = (1000 - level) / (last - clipped + 0.5)  # the frame after the last whole one is over
        reads = level + rate * np.arange(1, last + 1)
        data = np.full((1, groups, *SHAPE), level)
        data[0, :, 9, 9] = np.minimum(reads, 1000).reshape(groups, frames).mean(axis=1)
        ramp = detector_ramp(data, frames=frames)
        given = {"saturation": reference(), "superbias": bias(level)}
        flags = Saturation(n_pix_grow_sat=0, last_average=True)(ramp, **given).groupdq
        wanted = np.zeros((1, groups, *SHAPE))
        wanted[0, -1, 9, 9] = DNU if clipped else 0
        np.testing.assert_array_equal(flags, wanted)
        plain = Saturation(n_pix_grow_sat=0)(ramp, **given).groupdq
        assert plain[0, -1, 9, 9] == 0


def test_flags_of_the_last_average_grow(detector_ramp):
    data = np.full((1, 2, *SHAPE), 1.0)
    data[0, :, 9, 9] = 400, 950
    ramp = detector_ramp(data, frames=4)
    step = Saturation(n_pix_grow_sat=1, last_average=True)
    flags = step(ramp, saturation=reference(), superbias=bias()).groupdq
    assert (flags[0, 1, 8:11, 8:11] == DNU).all()
    assert np.count_nonzero(flags) == 9


def test_a_hit_in_the_second_of_three_groups(detector_ramp):
    """A jump that begins within group 2 saturates group 3 alone; group 2's mean is no one's."""
    data = np.full((1, 3, *SHAPE), 210.0)
    data[0, :, 9, 9] = 210, 450, 1000
    ramp = detector_ramp(data, frames=4)
    step = Saturation(n_pix_grow_sat=0)
    result = step(ramp, saturation=reference(), superbias=bias(200.0))
    assert result.groupdq[0, :, 9, 9].tolist() == [0, DNU, SAT]
    data[0, 1, 9, 9] = 230
    result = step(detector_ramp(data, frames=4), saturation=reference(), superbias=bias(200.0))
    assert result.groupdq[0, :, 9, 9].tolist() == [0, 0, SAT]


def test_gaps_between_groups_shorten_the_part_of_a_group(detector_ramp):
    """After long gaps the frames of a group are alike, and its mean is close to its last."""
    data = np.full((1, 3, *SHAPE), 1.0)
    data[0, :, 9, 9] = 300, 900, 1000
    ramp = detector_ramp(data, frames=4, gap=16)
    given = {"saturation": reference(), "superbias": bias()}
    flags = [
        Saturation(n_pix_grow_sat=0, count_gaps=count)(ramp, **given).groupdq[0, 1, 9, 9]
        for count in (False, True)
    ]
    assert flags == [DNU, 0]


def test_zero_frame_is_cleared(detector_ramp):
    zeroframe = np.full((1, *SHAPE), 50.0)
    zeroframe[0, 10, 10], zeroframe[0, 3, 3] = 1500, -2
    ramp = detector_ramp(quiet(), zeroframe=zeroframe)
    result = Saturation()(ramp, saturation=reference()).zeroframe
    assert (result[0, 9:12, 9:12] == 0).all()
    assert result[0, 3, 3] == 0
    assert np.sum(result == 50) == result.size - 10


def test_kernel_leaves_its_inputs(rng):
    data = rng.uniform(-10, 2000, (1, 4, *SHAPE)).astype(np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    before = data.copy()
    flag_saturated(data, groupdq, np.full(SHAPE, 1000, np.float32), 1)
    np.testing.assert_array_equal(data, before)
    assert (groupdq == 0).all()


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        data = np.cumsum(rng.gamma(0.1, 1500, (2, 4, *SHAPE)), axis=1) + 1
        self.ramp = detector_ramp(data, frames=4, zeroframe=data[:, 0])

    def case(self):
        step = Saturation(n_pix_grow_sat=2, last_average=True)
        return Case(step, self.ramp, {"saturation": reference(), "superbias": bias()})
