"""Jumps: the kernels on ramps whose jumps are known, and the step."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels._networks import sorting_pairs
from calcore.kernels.jump_spread import spread_jumps
from calcore.kernels.jump_twopoint import find_jumps
from calcore.kernels.snowballs import Snowballs, flag_snowballs
from calcore.model import Meta, Ramp
from calcore.model.reference import Gain, ReadNoise
from calcore.steps.detector.jump import Jump
from calcore.testing.contract import Case, StepContract

JUMP, DNU, SAT = (np.uint8(bit) for bit in (DQ.JUMP_DET, DQ.DO_NOT_USE, DQ.SATURATED))


def sorted_by(pairs, values):
    values = values.copy()
    for low, high in pairs:
        if values[low] > values[high]:
            values[[low, high]] = values[[high, low]]
    return values


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 9, 17, 30])
def test_network_sorts(length):
    values = np.random.default_rng(length).permutation(length)
    np.testing.assert_array_equal(sorted_by(sorting_pairs(length), values), np.arange(length))


def test_network_for_some_ranks_is_smaller_and_right():
    values = np.random.default_rng(1).permutation(19)
    pairs = sorting_pairs(19, (0, 9, 18))
    assert len(pairs) < len(sorting_pairs(19))
    np.testing.assert_array_equal(sorted_by(pairs, values)[[0, 9, 18]], [0, 9, 18])


def ramp_of(differences, shape=(1, 1)):
    """Return a ramp (1, n_group, ny, nx) with the same differences in every pixel [DN]."""
    samples = np.concatenate([[100.0], 100.0 + np.cumsum(differences)])
    return np.broadcast_to(
        samples[None, :, None, None].astype(np.float32), (1, samples.size, *shape)
    ).copy()


def find(data, groupdq=None, gain=1.0, readnoise=3.0, **settings):
    shape = data.shape[2:]
    flags = np.zeros(data.shape, np.uint8) if groupdq is None else groupdq
    return find_jumps(
        data, flags, np.full(shape, gain, np.float32), np.full(shape, readnoise, np.float32),
        **settings,
    )  # fmt: skip


@pytest.mark.parametrize("single_pass", [False, True])
def test_known_jump(single_pass):
    """With nine differences of 16 and one larger: sigma = sqrt(16 + 9) = 5."""
    for size, jumps in ((16 + 4 * 5 - 0.1, 0), (16 + 4 * 5 + 0.1, 1)):
        data = ramp_of([16, 16, 16, size, 16, 16, 16, 16, 16, 16])
        flags, count = find(data, single_pass=single_pass)
        assert (flags[0, :, 0, 0] == np.eye(11, dtype=np.uint8)[4] * JUMP * jumps).all()
        assert count.tolist() == [[jumps]]


def test_several_jumps_are_found_one_after_the_other():
    data = ramp_of([16, 90, 16, 4000, 16, 16, 70, 16])
    flags, count = find(data)
    assert np.flatnonzero(flags[0, :, 0, 0]).tolist() == [2, 4, 7]
    assert count.sum() == 3


@pytest.mark.parametrize(("differences", "sigmas"), [([16, 16], 6), ([16, 16, 16], 5)])
def test_short_ramps_have_thresholds_of_their_own(differences, sigmas):
    for excess, found in ((sigmas * 5 - 0.1, 0), (sigmas * 5 + 0.1, 1)):
        data = ramp_of([*differences[:-1], 16 + excess])
        assert find(data)[1].sum() == found


def test_gain_turns_to_electrons():
    """The same electrons give the same flags whatever the gain."""
    rng = np.random.default_rng(3)
    differences = rng.poisson(40, (8, 16, 16)) + 400 * (rng.random((8, 16, 16)) < 0.05)
    electrons = np.cumsum(differences, axis=0)[None].astype(np.float32)
    one, _ = find(electrons)
    two, _ = find(electrons / 4, gain=4.0, readnoise=0.75)
    np.testing.assert_array_equal(one, two)
    assert one.any()


def test_integrations_share_one_median():
    """A jump in every difference of one integration shows against the others."""
    quiet = ramp_of([16, 16, 16, 16])
    high = ramp_of([90, 90, 16, 16])
    flags, _ = find(np.concatenate([quiet, quiet, high]))
    assert np.argwhere(flags)[:, :2].tolist() == [[2, 1], [2, 2]]


def taken_away(sizes, variance, threshold):
    """Return which of a pixel's sizes are jumps: as the method says it, in the plainest way."""
    left, jumps = list(range(sizes.size)), []
    while len(left) > 3:
        left.sort(key=lambda place: sizes[place])
        median = np.median(sizes[left[:-1]])
        sigma = np.sqrt(median + np.float32(variance))
        rise, fall = (sizes[left[-1]] - median) / sigma, (median - sizes[left[0]]) / sigma
        if not max(rise, fall) > threshold:
            break
        jumps.append(left.pop(-1 if rise >= fall else 0))
    return sorted(jumps)


def test_many_differences_are_searched_as_few_are():
    """Pixels with no, few and many jumps, and such as have less than the median."""
    rng = np.random.default_rng(3)
    steps = rng.normal(400, 12, (20, 4, 1, 60)).astype(np.float32)
    for x in range(60):
        where = rng.permutation(80)[: x // 3]
        part = steps[:, :, 0, x].reshape(-1)
        part[where] += rng.choice([900, 300, -380], where.size)
        steps[:, :, 0, x] = part.reshape(20, 4)
    data = np.concatenate([np.zeros((20, 1, 1, 60), np.float32), np.cumsum(steps, 1)], 1)
    found, count = find(data)
    sizes = np.abs(np.diff(data, axis=1)).reshape(80, 60)
    for x in range(60):
        flagged = np.flatnonzero(found[:, 1:, 0, x].reshape(80) & JUMP)
        np.testing.assert_array_equal(flagged, taken_away(sizes[:, x], 9.0, 4.0))
    assert count[0, :3].sum() < 3 < 15 < count[0, -3:].min()


def test_unusable_groups_take_no_part_and_carry_no_jump():
    data = ramp_of([16, 16, 16, 5000, 16, 16, 16])
    flags = np.zeros(data.shape, np.uint8)
    flags[0, 4] = SAT | JUMP
    flags[0, 2] = DNU
    found, _ = find(data, flags)
    np.testing.assert_array_equal(found, flags & ~JUMP)


@pytest.mark.parametrize("single_pass", [False, True])
def test_groups_that_all_pixels_have_lost_are_as_if_they_were_not_there(single_pass):
    rng = np.random.default_rng(7)
    shape = (2, 8, 3, 150)
    data = np.cumsum(rng.poisson(200, shape), axis=1).astype(np.float32)
    data[:, 4:] += 4e3 * (rng.random((2, 1, 3, 150)) < 0.05)
    flags = np.zeros(shape, np.uint8)
    flags[0, :2], flags[1, -1] = DQ.DO_NOT_USE, DQ.DO_NOT_USE
    flags[1, -1, 0, 3] |= DQ.SATURATED
    data[0, :2] = rng.normal(0, 1e5, (2, 3, 150))
    found, count = find(data, flags, single_pass=single_pass)
    # A pixel that has kept a group sends all through the search one by one, with the same result.
    one_kept = flags.copy()
    one_kept[0, :2, 2, 149] = one_kept[1, -1, 2, 149] = 0
    slowly, _ = find(data, one_kept, single_pass=single_pass)
    assert 10 < (found & JUMP != 0).sum() < 100
    assert count.sum() == (found & JUMP != 0).sum()
    np.testing.assert_array_equal(found[:, :, :2], slowly[:, :, :2])
    lost = np.full(shape, DQ.DO_NOT_USE, np.uint8)
    np.testing.assert_array_equal(find(data, lost, single_pass=single_pass)[0], lost)


def test_nan_is_left_out():
    data = ramp_of([16, 16, 16, 16, 500, 16], (2, 3))
    data[0, 1, 0, 0] = np.nan
    data[0, :, 1, 1] = np.nan
    gain = np.ones((2, 3), np.float32)
    gain[1, 2] = np.nan
    found, _ = find_jumps(data, np.zeros(data.shape, np.uint8), gain, gain)
    at = found[0, 5] != 0
    np.testing.assert_array_equal(at, [[True, True, True], [True, False, False]])


def test_neighbours_of_middling_jumps():
    data = ramp_of([16.0] * 12, (9, 9))
    for row, column, excess in ((1, 1, 40), (1, 6, 100), (6, 1, 20000)):
        data[0, 5:, row, column] += excess  # 8, 20 and 4000 sigma
    flags, count = find(data, single_pass=True)
    ones = np.ones((9, 9), np.float32)
    spread = spread_jumps(
        data, np.zeros(data.shape, np.uint8), ones, 3 * ones, flags, neighbours=(10.0, 1000.0)
    )
    assert count.sum() == 3
    assert np.argwhere(spread[0, 5]).tolist() == [
        [0, 6], [1, 1], [1, 5], [1, 6], [1, 7], [2, 6], [6, 1],
    ]  # fmt: skip
    assert not spread[0, [4, 6]].any()


def spread_about(jumps, **settings):
    """Return what jumps at places (y, x) of sizes [electron] flag in the group they are in."""
    data = ramp_of([16] * 5, (7, 7))
    flags = np.zeros(data.shape, np.uint8)
    for (y, x), size in jumps.items():
        data[0, 2:, y, x] += size
        flags[0, 2, y, x] = JUMP
    ones = np.ones((7, 7), np.float32)
    found = spread_jumps(data, flags.copy(), ones, 3 * ones, flags, **settings)
    assert not found[0, [0, 1, 3, 4, 5]].any()
    return {(int(y), int(x)) for y, x in np.argwhere(found[0, 2] & JUMP)}


def test_the_largest_jumps_flag_corners_too():
    for size, number in ((400, 5), (600, 9)):  # sigma is 5
        assert len(spread_about({(3, 3): size}, neighbours=(10, 1e9), corners=100)) == number
    assert len(spread_about({(0, 6): 600}, neighbours=(10, 1e9), corners=100)) == 4


def test_what_neighbours_share_is_not_shared_again():
    hit = {(3, 3): 20000, (3, 4): 100}
    cross = {(3, 3), (2, 3), (4, 3), (3, 2), (3, 4)}
    beyond = {(2, 4), (4, 4), (3, 5)}
    assert spread_about(hit, neighbours=(10, 1e9)) == cross | beyond
    assert spread_about(hit, neighbours=(10, 1e9), share=0.004) == cross | beyond
    assert spread_about(hit, neighbours=(10, 1e9), share=0.006) == cross
    # A pixel that has saturated jumped by what it shows, at least; one that is unknown did not.
    data = ramp_of([16] * 5, (7, 7))
    flags = np.zeros(data.shape, np.uint8)
    data[0, 2:, 3, 3] += 20000
    data[0, 2:, 3, 4] += 100
    flags[0, 2, 3, 4] = JUMP
    flags[0, 2:, 3, 3] = SAT
    ones = np.ones((7, 7), np.float32)
    for value, expected in ((data[0, 2, 3, 3], 1), (np.nan, 4)):
        data[0, 2, 3, 3] = value
        settings = {"neighbours": (10, 1e9), "share": 0.006}
        found = spread_jumps(data, flags, ones, 3 * ones, flags, **settings)
        assert (found[0, 2] & JUMP != 0).sum() == expected


def test_groups_after_large_jumps():
    data = ramp_of([16.0] * 12, (1, 2))
    data[0, 3:, 0, 0] += 100
    data[0, 3:, 0, 1] += 1000
    known = np.zeros(data.shape, np.uint8)
    known[0, 5, 0, 1] = SAT
    ones = np.ones((1, 2), np.float32)
    flags, _ = find_jumps(data, known, ones, 3 * ones, single_pass=True)
    spread = spread_jumps(data, known, ones, 3 * ones, flags, after=((50.0, 1), (500.0, 4)))
    assert np.flatnonzero(spread[0, :, 0, 0] & JUMP).tolist() == [3, 4]
    assert np.flatnonzero(spread[0, :, 0, 1] & JUMP).tolist() == [3, 4, 6, 7]


def exposure(shape=(2, 8, 40, 12), **meta):
    rng = np.random.default_rng(5)
    data = np.cumsum(rng.poisson(30, shape), axis=1) + rng.normal(0, 5, shape)
    hits = rng.random(shape) < 0.01
    data += np.cumsum(hits * 10 ** rng.uniform(1.5, 4, shape), axis=1)
    groupdq = np.where(rng.random(shape) < 0.02, DNU, np.uint8(0))
    values = {
        "exposure.ngroups": shape[1], "exposure.nints": shape[0], "exposure.nframes": 1,
        "exposure.group_time": 10.0, "exposure.frame_time": 10.0, **meta,
    }  # fmt: skip
    ramp = Ramp(
        meta=Meta(values), data=data.astype(np.float32), groupdq=groupdq,
        pixeldq=np.zeros(shape[2:], np.uint32),
    )  # fmt: skip
    gain = rng.uniform(1, 2, shape[2:]).astype(np.float32)
    gain[7, 3] = 0
    noise = np.full(shape[2:], 5, np.float32)
    references = {
        "gain": Gain(meta=Meta({}), data=gain),
        "readnoise": ReadNoise(meta=Meta({}), data=noise),
    }
    return ramp, references


def test_times_beyond_the_exposure_reach_its_last_group():
    ramp, references = exposure()
    whole, endless = (
        Jump(after_jump_flag_dn1=100.0, after_jump_flag_time1=time)(ramp, **references).groupdq
        for time in (80.0, 1e30)
    )
    np.testing.assert_array_equal(endless, whole)


class TestJump(StepContract):
    def case(self):
        ramp, references = exposure()
        return Case(Jump(after_jump_flag_dn1=100.0, after_jump_flag_time1=20.0), ramp, references)


class TestLikelihoodJump(StepContract):
    def case(self):
        ramp, references = exposure()
        step = Jump(
            test="likelihood", min_diffs_likelihood=2, rate_change=0.01, costly_false_jumps=1e-4,
            max_jump_to_flag_neighbors=1e9, min_jump_to_flag_corners=100.0,
            min_share_to_flag_neighbors=0.2,
        )  # fmt: skip
        return Case(step, ramp, references)


class TestSnowballs(StepContract):
    def case(self):
        ramp, references = exposure((2, 6, 60, 60), **{"exposure.group_time": 20.0})
        y, x = np.mgrid[:60, :60]
        groupdq = ramp.groupdq.copy()
        for integration, group, row, column in ((0, 2, 20, 22), (1, 4, 40, 15)):
            distance = np.hypot(y - row, x - column)
            groupdq[integration, group][distance < 7] |= JUMP
            groupdq[integration, group:, distance < 3.5] = SAT
        step = Jump(expand_large_events=True, snowball_time_masked_next_int=70)
        return Case(step, ramp.replace(groupdq=groupdq), references)

    def test_halos_and_cores_grow(self):
        case = self.case()
        plain = Jump()(case.flow, **case.given)
        result = case.step(case.flow, **case.given)
        assert (result.groupdq[0, 2] & JUMP).sum() > 2.5 * (plain.groupdq[0, 2] & JUMP).sum()
        for group in range(2, 6):
            assert (result.groupdq[0, group, 20, 18:27] & SAT).all()
        assert [bool(flags) for flags in result.groupdq[1, :, 20, 22] & JUMP] == [
            False, True, True, False, False, False,
        ]  # fmt: skip
        assert result.meta["exposure.extended_emission_events"] >= 2e6 / (3600 * 10 * 20)
        assert result.meta["exposure.primary_cosmic_rays"] == pytest.approx(
            plain.meta["exposure.primary_cosmic_rays"]
        )


def test_a_track_near_an_edge_is_no_snowball():
    flags = np.zeros((1, 3, 60, 60), np.uint8)
    flags[0, 1, 5:7, 20:32] = JUMP
    y, x = np.mgrid[:60, :60]
    disc = (np.hypot(y - 58, x - 30) < 7) * JUMP  # its core may lie below the frame
    flags[0, 1] |= disc.astype(np.uint8)
    every, both = flag_snowballs(flags, Snowballs())
    grown, one = flag_snowballs(flags, Snowballs(min_edge_radius=3.0))
    assert (both, one) == (2, 1)
    assert np.count_nonzero(every[0, 1, :20]) > 24
    assert np.count_nonzero(grown[0, 1, :20]) == 24
    assert np.array_equal(grown[0, 1, 30:], every[0, 1, 30:])
    assert np.count_nonzero(grown) > 1.5 * np.count_nonzero(flags)


def test_rate_of_hits():
    ramp, references = exposure()
    groupdq = ramp.groupdq.copy()
    groupdq[:, 0] |= DNU
    groupdq[1, 7] |= DNU
    result = Jump(flag_4_neighbors=False)(ramp.replace(groupdq=groupdq), **references)
    hits = ((result.groupdq & JUMP) != 0).sum()
    exposed = (6 + 5) * 10.0 / 1000 * 40 * 12
    assert result.meta["exposure.primary_cosmic_rays"] == pytest.approx(hits / exposed)
    assert not [name for name in result.meta if name.startswith("jump")]


def test_pixels_without_gain_are_flagged():
    ramp, references = exposure()
    result = Jump()(ramp, **references)
    assert result.pixeldq[7, 3] == DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE
    assert np.count_nonzero(result.pixeldq) == 1


def test_more_groups_may_be_asked_for():
    ramp, references = exposure()
    assert (Jump(minimum_groups=8)(ramp, **references).groupdq & JUMP).any()
    result = Jump(minimum_groups=9)(ramp, **references)
    np.testing.assert_array_equal(result.groupdq, ramp.groupdq)
    assert "exposure.primary_cosmic_rays" not in result.meta
    assert result.pixeldq[7, 3] == DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE


def test_two_groups_have_no_jumps():
    ramp, references = exposure((1, 2, 8, 8))
    with pytest.raises(StepSkipped, match="2 groups per integration; jumps need 3"):
        Jump()(ramp, **references)


def test_jumps_of_many_pixels_spread_by_the_median_of_each(rng):
    data = rng.normal(100, 20, (3, 30, 2, 64)).astype(np.float32)
    hit = rng.random(data.shape) < 0.02
    hit[:, 0] = False
    data += (hit * rng.uniform(0, 3000, data.shape)).astype(np.float32)
    data = data.cumsum(axis=1)
    groupdq = np.where(rng.random(data.shape) < 0.02, np.uint8(DQ.DO_NOT_USE), np.uint8(0))
    data[0, 3, 0, 5] = np.nan
    jumped = groupdq | np.where(hit & (groupdq == 0), np.uint8(DQ.JUMP_DET), np.uint8(0))
    gain, readnoise = np.ones((2, 64), np.float32), np.full((2, 64), 10, np.float32)
    found = spread_jumps(data, groupdq, gain, readnoise, jumped, neighbours=(10.0, 50.0))
    usable = np.where(groupdq == 0, data, np.float32(np.nan))
    step = np.diff(usable, axis=1, prepend=np.float32(np.nan))
    median = np.nanmedian(step, axis=(0, 1))
    ratio = abs(step - median) / np.sqrt(abs(median) + 100)
    spreads = (jumped & DQ.JUMP_DET > 0) & (ratio > 10) & (ratio < 50)
    around = np.zeros_like(spreads)
    around[..., 1:, :] |= spreads[..., :-1, :]
    around[..., :-1, :] |= spreads[..., 1:, :]
    around[..., 1:] |= spreads[..., :-1]
    around[..., :-1] |= spreads[..., 1:]
    expected = jumped | np.where(around & (groupdq == 0), np.uint8(DQ.JUMP_DET), np.uint8(0))
    assert spreads.any()
    assert np.array_equal(found, expected)
