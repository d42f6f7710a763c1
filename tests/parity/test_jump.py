"""Jump detection against the reference pipeline."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.reference import Gain, ReadNoise
from calcore.steps.detector.jump import Jump

SIZE = 48


@pytest.fixture
def references():
    rng = np.random.default_rng(8)
    gain = rng.uniform(1.6, 2.2, (SIZE, SIZE)).astype(np.float32)
    readnoise = rng.uniform(5, 9, (SIZE, SIZE)).astype(np.float32)
    return {
        "gain": Gain(meta=Meta({}), data=gain),
        "readnoise": ReadNoise(meta=Meta({}), data=readnoise),
    }


def hit_ramp(make_ramp, references, shape, *, seed=1, frames=1, lost=0.0, hits=0.02, **meta):
    """Return ramps of all fluxes, hit again and again, with flags scattered over them."""
    rng = np.random.default_rng(seed)
    gain, noise = references["gain"].data, references["readnoise"].data
    full = (*shape, SIZE, SIZE)
    rate = 10 ** rng.uniform(-2, 3, (SIZE, SIZE))
    counts = rng.poisson(rate * 10, full) + (rng.random(full) < hits) * 10 ** rng.uniform(
        1, 5, full
    )
    data = np.cumsum(counts, axis=1) / gain + rng.normal(0, noise / np.sqrt(2 * frames), full)
    flags = (rng.random(full) < lost) * DQ.DO_NOT_USE
    level = rng.integers(0, 4 * shape[1], (shape[0], 1, SIZE, SIZE))
    flags = flags | (np.arange(shape[1])[:, None, None] >= level) * DQ.SATURATED
    return make_ramp(
        data=data.astype(np.float32), groupdq=flags.astype(np.uint8), shape=full, frames=frames,
        **meta,
    )  # fmt: skip


def compare_jumps(reference_pipeline, compare, ramp, references, **parameters):
    theirs = reference_pipeline.step("JumpStep", ramp, references, **parameters)
    ours = Jump(**parameters)(ramp, **references)
    assert theirs.meta["cal_step.jump"] == "COMPLETE"
    compare.ramps(ours, theirs, ulp=0)
    flagged = int((theirs.groupdq & DQ.JUMP_DET).astype(bool).sum())
    return ours, theirs, flagged


@pytest.mark.parametrize(
    ("shape", "frames"),
    [((1, 3), 1), ((1, 4), 1), ((1, 5), 4), ((1, 10), 1), ((1, 11), 8), ((1, 30), 1), ((2, 3), 1),
     ((3, 6), 1), ((2, 12), 4)],
)  # fmt: skip
def test_both_paths(reference_pipeline, compare, make_ramp, references, shape, frames):
    ramp = hit_ramp(make_ramp, references, shape, frames=frames, lost=0.03)
    ours, theirs, flagged = compare_jumps(reference_pipeline, compare, ramp, references)
    assert flagged > 100
    found = ours.meta["exposure.primary_cosmic_rays"]
    assert found == pytest.approx(theirs.meta["exposure.primary_cosmic_rays"], rel=1e-12)


@pytest.mark.parametrize(
    "parameters",
    [
        {"rejection_threshold": 3.0, "four_group_rejection_threshold": 3.5},
        {"three_group_rejection_threshold": 3.0},
        {"flag_4_neighbors": False},
        {"min_jump_to_flag_neighbors": 20.0, "max_jump_to_flag_neighbors": 100.0},
        {"min_diffs_single_pass": 4},
        {"after_jump_flag_dn1": 20.0, "after_jump_flag_time1": 25.0},
        {
            "after_jump_flag_dn1": 10.0,
            "after_jump_flag_time1": 10.0,
            "after_jump_flag_dn2": 500.0,
            "after_jump_flag_time2": 45.0,
        },
    ],
)
def test_parameters(reference_pipeline, compare, make_ramp, references, parameters):
    ramp = hit_ramp(make_ramp, references, (2, 7), lost=0.02, seed=4)
    compare_jumps(reference_pipeline, compare, ramp, references, **parameters)


@pytest.mark.parametrize("dropped", [(0, 11), (5,), (0, 1, 2), (11,)])
def test_groups_that_all_pixels_lost(reference_pipeline, compare, make_ramp, references, dropped):
    """Ten or eleven groups are left of twelve: the path depends on how many."""
    ramp = hit_ramp(make_ramp, references, (2, 12), seed=6)
    groupdq = ramp.groupdq.copy()
    groupdq[:, list(dropped)] |= np.uint8(DQ.DO_NOT_USE)
    ramp = ramp.replace(groupdq=groupdq)
    ours, theirs, _ = compare_jumps(reference_pipeline, compare, ramp, references)
    found = ours.meta["exposure.primary_cosmic_rays"]
    assert found == pytest.approx(theirs.meta["exposure.primary_cosmic_rays"], rel=1e-12)


def test_too_few_usable_groups(reference_pipeline, compare, make_ramp, references):
    ramp = hit_ramp(make_ramp, references, (1, 4), seed=6)
    groupdq = ramp.groupdq.copy()
    groupdq[:, [0, 3]] |= np.uint8(DQ.DO_NOT_USE)
    ramp = ramp.replace(groupdq=groupdq)
    ours, theirs, flagged = compare_jumps(reference_pipeline, compare, ramp, references)
    assert flagged == 0
    # There the keyword is made of the number -99, here there is none.
    assert theirs.meta["exposure.primary_cosmic_rays"] < 0
    assert "exposure.primary_cosmic_rays" not in ours.meta


def test_pixels_without_gain_or_data(reference_pipeline, compare, make_ramp, references):
    ramp = hit_ramp(make_ramp, references, (1, 8), seed=9)
    gain, readnoise = references["gain"].data.copy(), references["readnoise"].data.copy()
    gain[3], gain[4], gain[5] = 0, np.nan, -1.5
    readnoise[7], readnoise[8] = np.nan, 0
    data = ramp.data.copy()
    data[0, 2, 11], data[0, :, 12] = np.nan, np.nan
    references = {
        "gain": references["gain"].replace(data=gain),
        "readnoise": references["readnoise"].replace(data=readnoise),
    }
    ramp = ramp.replace(data=data)
    ours, _, _ = compare_jumps(reference_pipeline, compare, ramp, references)
    assert (ours.pixeldq[3:6] == DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE).all()


def snowball_flags(shape, *, seed, events=16, lost=0.0, single=0.0):
    """Return flags of ellipses of jumps with saturated cores here and there."""
    rng = np.random.default_rng(seed)
    n_int, n_group, rows, columns = shape
    y, x = np.mgrid[:rows, :columns]
    flags = np.where(rng.random(shape) < single, np.uint8(DQ.JUMP_DET), np.uint8(0))

    def ellipse(row, column, major, minor, angle):
        u = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
        v = -(x - column) * np.sin(angle) + (y - row) * np.cos(angle)
        return (u / major) ** 2 + (v / minor) ** 2 <= 1

    for _ in range(events):
        integration, group = rng.integers(n_int), rng.integers(1, n_group)
        row, column = rng.uniform(5, rows - 5), rng.uniform(5, columns - 5)
        major, angle = rng.uniform(2, 12), rng.uniform(0, 3.2)
        minor = rng.uniform(1.5, major)
        flags[integration, group][ellipse(row, column, major, minor, angle)] |= DQ.JUMP_DET.value
        if rng.random() < 0.8:
            shift = rng.uniform(-1, 1, 2) * major * rng.choice([0.1, 0.8])
            size = rng.uniform(0.3, 0.8)
            start = min(n_group - 1, group + rng.choice([0, 0, 0, 1]))
            core = ellipse(row + shift[0], column + shift[1], major * size, minor * size, angle)
            flags[integration, start:, core] |= np.uint8(DQ.SATURATED)
    flags[rng.random(shape) < lost] |= np.uint8(DQ.DO_NOT_USE)
    flags[(flags & (DQ.SATURATED | DQ.DO_NOT_USE)) != 0] &= np.uint8(0xFF ^ DQ.JUMP_DET)
    return flags


@pytest.mark.parametrize(
    ("shape", "parameters", "flags"),
    [
        ((2, 6, 150, 150), {}, {}),
        ((3, 9, 120, 180), {}, {"events": 40}),
        ((1, 12, 150, 100), {}, {"events": 30, "lost": 0.02}),
        ((2, 6, 150, 150), {}, {"single": 0.02}),
        ((2, 6, 150, 150), {"sat_required_snowball": False}, {}),
        (
            (2, 6, 150, 150),
            {
                "expand_factor": 3.0,
                "min_sat_area": 10.0,
                "min_jump_area": 30.0,
                "sat_expand": 3,
                "max_extended_radius": 10,
                "min_sat_radius_extend": 4.0,
            },
            {},
        ),
        ((2, 9, 150, 150), {"edge_size": 40, "snowball_time_masked_next_int": 45}, {}),
        ((2, 6, 150, 150), {"mask_snowball_core_next_int": False}, {}),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_snowballs(reference_pipeline, compare, make_ramp, shape, parameters, flags, seed):
    size = shape[2:]
    references = {
        "gain": Gain(meta=Meta({}), data=np.full(size, 1.9, np.float32)),
        "readnoise": ReadNoise(meta=Meta({}), data=np.full(size, 6, np.float32)),
    }
    data = np.broadcast_to(np.arange(shape[1])[:, None, None] * 10.0 + 100, shape)
    ramp = make_ramp(
        data=data.astype(np.float32), groupdq=snowball_flags(shape, seed=seed, **flags), shape=shape
    )
    ours, theirs, flagged = compare_jumps(
        reference_pipeline, compare, ramp, references, expand_large_events=True,
        flag_4_neighbors=False, **parameters,
    )  # fmt: skip
    assert flagged > 100
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)
    for name in ("exposure.primary_cosmic_rays", "exposure.extended_emission_events"):
        assert ours.meta[name] == pytest.approx(theirs.meta[name], rel=1e-9)


def test_snowballs_where_too_few_groups_are_usable(reference_pipeline, compare, make_ramp):
    shape = (2, 4, 80, 90)
    groupdq = snowball_flags(shape, seed=5)
    groupdq[0, [0, 3]] = DQ.DO_NOT_USE.value
    ramp = make_ramp(groupdq=groupdq, shape=shape)
    references = flat_references(shape[2:])
    ours, _, _ = compare_jumps(
        reference_pipeline, compare, ramp, references, expand_large_events=True
    )
    assert np.count_nonzero(ours.groupdq != groupdq) > 500


def flat_references(size):
    return {
        "gain": Gain(meta=Meta({}), data=np.full(size, 1.9, np.float32)),
        "readnoise": ReadNoise(meta=Meta({}), data=np.full(size, 6, np.float32)),
    }


def showers_ramp(make_ramp, shape, *, seed, events=6, lost=0.0, hits=0.002, cores=0, **meta):
    """Return ramps with glows that fade, most of them about a hit, and references to go with them."""
    rng = np.random.default_rng(seed)
    n_int, n_group, rows, columns = shape
    size = rows, columns
    y, x = np.mgrid[:rows, :columns]
    gain = rng.uniform(1, 4, size).astype(np.float32)
    noise = rng.uniform(3, 8, size).astype(np.float32)
    rate = np.full(size, 10 ** rng.uniform(0.5, 2.5))
    for _ in range(5):
        row, column = rng.uniform(0, rows), rng.uniform(0, columns)
        distance = np.hypot(y - row, x - column)
        rate += 10 ** rng.uniform(2, 4) * np.exp(-((distance / 4) ** 2))
    counts = rng.poisson(rate, shape).astype(float)
    counts += (rng.random(shape) < hits) * 10 ** rng.uniform(1, 4, shape)
    groups = np.arange(n_group)[:, None, None]
    for _ in range(events):
        integration, group = rng.integers(n_int), rng.integers(1, n_group)
        row, column = rng.uniform(-3, rows + 3), rng.uniform(-3, columns + 3)
        angle, major = rng.uniform(0, 3.14), rng.uniform(3, 14)
        minor = rng.uniform(3, major)
        u = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
        v = -(x - column) * np.sin(angle) + (y - row) * np.cos(angle)
        glow = np.exp(-(((u / major) ** 2 + (v / minor) ** 2) ** 2))
        glow *= rng.uniform(0.7, 4) * np.sqrt(rate + 36)
        since = groups - group
        counts[integration] += np.where(since >= 0, glow * np.exp(-np.maximum(since, 0)), 0)
        if rng.random() < 0.8:
            counts[integration, group, np.hypot(u, v) < 2] += 10 ** rng.uniform(2, 4)
    data = np.cumsum(counts, axis=1) / gain + rng.normal(0, noise / np.sqrt(2), shape)
    groupdq = (rng.random(shape) < lost) * np.uint8(DQ.DO_NOT_USE)
    groupdq[np.maximum.accumulate(data > 2e4, axis=1)] |= np.uint8(DQ.SATURATED)
    if cores:
        groupdq |= snowball_flags(shape, seed=seed, events=cores)
        groupdq[(groupdq & (DQ.SATURATED | DQ.DO_NOT_USE)) != 0] &= np.uint8(0xFF ^ DQ.JUMP_DET)
    pixeldq = np.where(rng.random(size) < 0.01, np.uint32(DQ.DO_NOT_USE), np.uint32(0))
    pixeldq[rng.random(size) < 0.01] |= np.uint32(DQ.HOT)
    pixeldq[:, :4] |= np.uint32(DQ.REFERENCE_PIXEL)
    pixeldq[:, -4:] |= np.uint32(DQ.REFERENCE_PIXEL)
    ramp = make_ramp(
        "MIRIMAGE", data=data.astype(np.float32), groupdq=groupdq, pixeldq=pixeldq, shape=shape,
        **{"frame_time": 3.0, **meta},
    )  # fmt: skip
    references = {
        "gain": Gain(meta=Meta({}), data=gain),
        "readnoise": ReadNoise(meta=Meta({}), data=noise),
    }
    return ramp, references


def compare_showers(reference_pipeline, compare, ramp, references, **parameters):
    """Return how many samples showers flag."""
    given = {"find_showers": True, **parameters}
    ours, theirs, _ = compare_jumps(reference_pipeline, compare, ramp, references, **given)
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)
    if not parameters.get("expand_large_events"):
        # With both, the reference pipeline counts showers alone.
        for name in ("exposure.primary_cosmic_rays", "exposure.extended_emission_events"):
            assert ours.meta[name] == pytest.approx(theirs.meta[name], rel=1e-9)
    plain = Jump(**{**given, "find_showers": False})(ramp, **references)
    return np.count_nonzero(plain.groupdq != ours.groupdq)


@pytest.mark.parametrize(
    ("shape", "make", "parameters"),
    [
        ((1, 12, 96, 88), {}, {}),
        ((3, 6, 70, 100), {"lost": 0.02}, {}),
        ((1, 14, 96, 88), {"lost": 0.03, "hits": 0.01}, {}),
        ((1, 16, 60, 80), {"frames": 4, "frame_time": 0.7}, {"extend_min_area": 40}),
        ((2, 9, 70, 70), {}, {"extend_snr_threshold": 1.5, "extend_min_area": 25}),
        ((1, 12, 96, 88), {}, {"extend_snr_threshold": 0.9, "extend_min_area": 5}),
        ((1, 12, 96, 88), {}, {"extend_inner_radius": 2.0, "extend_outer_radius": 1.5}),
        ((1, 12, 96, 88), {}, {"extend_inner_radius": 0.0, "extend_outer_radius": 3.3}),
        ((1, 12, 96, 88), {}, {"extend_ellipse_expand_ratio": 2.0}),
        ((1, 12, 96, 88), {}, {"max_extended_radius": 7}),
        ((1, 12, 96, 88), {}, {"time_masked_after_shower": 0.0}),
        ((1, 12, 96, 88), {}, {"time_masked_after_shower": 9.0, "flag_4_neighbors": False}),
        ((1, 12, 96, 88), {"frame_time": 0.3}, {"time_masked_after_shower": 2.0}),
        ((1, 12, 96, 88), {}, {"max_shower_amplitude": 0.1}),
        ((2, 8, 96, 88), {"cores": 6}, {"expand_large_events": True, "extend_min_area": 50}),
    ],
)
@pytest.mark.parametrize("seed", [3, 8, 9])
def test_showers(reference_pipeline, compare, make_ramp, shape, make, parameters, seed):
    ramp, references = showers_ramp(make_ramp, shape, seed=seed, events=20, **make)
    assert compare_showers(reference_pipeline, compare, ramp, references, **parameters) > 50


def test_showers_about_pixels_without_gain(reference_pipeline, compare, make_ramp):
    changed = 0
    for seed in range(3):
        ramp, references = showers_ramp(make_ramp, (1, 12, 70, 70), seed=seed, events=12)
        rng = np.random.default_rng(seed)
        gain, noise = references["gain"].data.copy(), references["readnoise"].data.copy()
        odd = rng.random(gain.shape) < 0.03
        gain[odd] = rng.choice([np.nan, 0.0, -1.0, -2.5], odd.sum())
        odd = rng.random(gain.shape) < 0.02
        noise[odd] = rng.choice([np.nan, 0.0], odd.sum())
        references = {
            "gain": references["gain"].replace(data=gain),
            "readnoise": references["readnoise"].replace(data=noise),
        }
        data = ramp.data.copy()
        data[0, 5][rng.random(gain.shape) < 0.02] = np.nan
        changed += compare_showers(
            reference_pipeline, compare, ramp.replace(data=data), references, extend_min_area=40
        )
    assert changed > 1000


@pytest.mark.parametrize("dropped", [(), (0,), (11,), (0, 11), (0, 5, 11)])
def test_showers_need_ten_differences(reference_pipeline, compare, make_ramp, dropped):
    """Of 12 groups; how many are dropped decides."""
    ramp, references = showers_ramp(make_ramp, (1, 12, 70, 70), seed=8, events=10, hits=0.0)
    groupdq = ramp.groupdq.copy()
    groupdq[:, list(dropped)] |= np.uint8(DQ.DO_NOT_USE)
    changed = compare_showers(
        reference_pipeline, compare, ramp.replace(groupdq=groupdq), references, extend_min_area=30
    )
    assert bool(changed) == (len(dropped) < 2)


def test_showers_where_too_few_groups_are_usable(reference_pipeline, compare, make_ramp):
    shape = (12, 4, 60, 60)
    ramp, references = showers_ramp(make_ramp, shape, seed=9, events=10, hits=0.0)
    groupdq = ramp.groupdq.copy()
    groupdq[:, [0]] |= np.uint8(DQ.DO_NOT_USE)
    groupdq[3, 3] |= np.uint8(DQ.DO_NOT_USE)
    ramp = ramp.replace(groupdq=groupdq)
    ours, _, _ = compare_jumps(
        reference_pipeline, compare, ramp, references, find_showers=True, extend_min_area=30
    )
    assert np.count_nonzero(ours.groupdq != groupdq) > 100


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ((100, 3), {}),
        ((99, 4), {}),
        ((110, 5), {"rejection_threshold": 3.0}),
        ((20, 4), {"minimum_sigclip_groups": 20}),
        ((20, 4), {"minimum_sigclip_groups": 21}),
        ((20, 6), {"minimum_sigclip_groups": 118, "only_use_ints": False}),
        ((20, 6), {"minimum_sigclip_groups": 119, "only_use_ints": False}),
        ((1, 40), {"minimum_sigclip_groups": 30, "only_use_ints": False}),
        (
            (30, 5),
            {
                "minimum_sigclip_groups": 30,
                "after_jump_flag_dn1": 20.0,
                "after_jump_flag_time1": 25.0,
            },
        ),
        ((30, 5), {"minimum_sigclip_groups": 30, "flag_4_neighbors": False}),
    ],
)
def test_across_integrations(reference_pipeline, compare, make_ramp, references, shape, parameters):
    ramp = hit_ramp(make_ramp, references, shape, lost=0.02, hits=0.01, seed=5)
    groupdq = ramp.groupdq.copy()
    groupdq[0, -1], groupdq[-1, 0] = DQ.DO_NOT_USE.value, DQ.DO_NOT_USE.value
    gain, readnoise = references["gain"].data.copy(), references["readnoise"].data.copy()
    if "after_jump_flag_dn1" not in parameters:
        # Sizes in DN are turned to electrons by the median gain; here that of positive gains.
        gain[3], gain[4], gain[5] = 0, np.nan, -1.5
    readnoise[7], readnoise[8] = np.nan, 0
    references = {
        "gain": references["gain"].replace(data=gain),
        "readnoise": references["readnoise"].replace(data=readnoise),
    }
    ours, theirs, flagged = compare_jumps(
        reference_pipeline, compare, ramp.replace(groupdq=groupdq), references, **parameters
    )
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)
    assert flagged > 50
    found = ours.meta["exposure.primary_cosmic_rays"]
    assert found == pytest.approx(theirs.meta["exposure.primary_cosmic_rays"], rel=1e-12)


def test_across_integrations_with_two_usable_groups(
    reference_pipeline, compare, make_ramp, references
):
    ramp = hit_ramp(make_ramp, references, (24, 4), hits=0.02, seed=6)
    groupdq = ramp.groupdq.copy()
    groupdq[:, [0, 3]] |= np.uint8(DQ.DO_NOT_USE)
    ramp = ramp.replace(groupdq=groupdq)
    _, _, flagged = compare_jumps(
        reference_pipeline, compare, ramp, references, minimum_sigclip_groups=24
    )
    assert flagged > 50
