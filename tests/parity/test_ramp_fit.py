"""Ramp fitting against the reference pipeline."""

import itertools

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.reference import Gain, ReadNoise
from calcore.steps.detector.ramp_fit import RampFit

AVERAGED = {"frames": 4, "gap": 1}


def references_of(size, seed=3):
    rng = np.random.default_rng(seed)
    return {
        "gain": Gain(meta=Meta({}), data=rng.uniform(1.6, 2.2, size).astype(np.float32)),
        "readnoise": ReadNoise(meta=Meta({}), data=rng.uniform(5, 9, size).astype(np.float32)),
    }


def flagged_ramp(make_ramp, references, shape, *, seed=1, jumps=0.0, lost=0.0, saturated=0.0,
                 persistent=0.0, groupdq=None, faintest=-2, brightest=4, **more):  # fmt: skip
    """Return ramps of all fluxes with flags scattered over them."""
    rng = np.random.default_rng(seed)
    gain, noise = references["gain"].data, references["readnoise"].data
    full = (*shape, *gain.shape)
    rate = 10 ** rng.uniform(faintest, brightest, gain.shape)
    data = np.cumsum(rng.poisson(rate * 10, full), axis=1) / gain
    data += rng.normal(0, noise / np.sqrt(2), full)
    if groupdq is None:
        chances = {DQ.JUMP_DET: jumps, DQ.DO_NOT_USE: lost, DQ.PERSISTENCE: persistent}
        groupdq = sum(int(bit) * (rng.random(full) < chance) for bit, chance in chances.items())
        level = rng.integers(0, shape[1], (shape[0], 1, *gain.shape))
        level[rng.random(level.shape) > saturated] = shape[1]
        groupdq = groupdq | DQ.SATURATED * (np.arange(shape[1])[:, None, None] >= level)
    return make_ramp(
        data=data.astype(np.float32), groupdq=groupdq.astype(np.uint8), shape=full, **more
    )


def assert_equal_rates(ours, theirs):
    np.testing.assert_array_equal(ours.dq, theirs.dq)
    np.testing.assert_array_equal(np.isnan(ours.data), np.isnan(theirs.data))
    known = np.isfinite(theirs.data)
    limit = 1e-4 * np.nan_to_num(theirs.err) + 1e-6 * np.abs(theirs.data)
    assert (np.abs(ours.data - theirs.data)[known] <= limit[known]).all()
    for name in ("err", "var_poisson", "var_rnoise"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-12, err_msg=name)


def compare_fits(reference_pipeline, ramp, references, ours=None, **parameters):
    theirs = reference_pipeline.steps("RampFitStep", ramp, references, **parameters)
    mine = RampFit(**parameters, **(ours or {}))(ramp, **references)
    reference_pipeline.compare.records(mine.rate, theirs[0])
    reference_pipeline.compare.records(mine.rateints, theirs[1])
    assert_equal_rates(mine.rate, theirs[0])
    assert_equal_rates(mine.rateints, theirs[1])
    for result, answer in ((mine.rate, theirs[0]), (mine.rateints, theirs[1])):
        for name in ("bunit_data", "bunit_err"):
            assert result.meta[name] == answer.meta[name]
    return mine, theirs


@pytest.mark.parametrize(
    ("shape", "flags", "more"),
    [
        ((1, 10), {}, {}),
        ((2, 5), {}, AVERAGED),
        ((1, 8), {"jumps": 0.15}, {}),
        ((3, 8), {"jumps": 0.15, "lost": 0.1, "saturated": 0.3, "persistent": 0.1}, {}),
        ((2, 9), {"jumps": 0.1, "lost": 0.1, "saturated": 0.3, "persistent": 0.1}, AVERAGED),
        ((1, 60), {"jumps": 0.05, "saturated": 0.2}, {}),
    ],
)
@pytest.mark.parametrize("suppress", [True, False])
def test_scattered_flags(reference_pipeline, make_ramp, shape, flags, more, suppress):
    references = references_of((40, 40))
    ramp = flagged_ramp(make_ramp, references, shape, **flags, **more)
    compare_fits(reference_pipeline, ramp, references, suppress_one_group=suppress)


@pytest.mark.parametrize("algorithm", ["OLS_C", "LIKELY"])
@pytest.mark.parametrize("shape", [(1, 10), (1, 11), (1, 12), (110, 5)])
def test_differences_about_ten_and_many_integrations(
    reference_pipeline, make_ramp, shape, algorithm
):
    references = references_of((10, 10))
    ramp = flagged_ramp(
        make_ramp, references, shape, jumps=0.05, saturated=0.2, faintest=0, brightest=2
    )
    if algorithm == "OLS_C":
        compare_fits(reference_pipeline, ramp, references)
    elif shape[0] == 1:  # of so many ramps one in each pixel has two differences
        compare_likely(reference_pipeline, ramp, references)
    else:
        whole = ramp.replace(groupdq=np.zeros_like(ramp.groupdq))
        compare_likely(reference_pipeline, whole, references)


@pytest.mark.parametrize("suppress", [True, False])
@pytest.mark.parametrize("n_int", [1, 2])
@pytest.mark.parametrize("n_group", [1, 2, 3, 4])
def test_every_combination_of_flags(reference_pipeline, make_ramp, n_group, n_int, suppress):
    """Short ramps with all combinations of flags; a second integration has none."""
    rows = list(itertools.product((0, 1, 2, 4, 5, 6, 32), repeat=n_group))
    side = int(np.ceil(np.sqrt(len(rows))))
    groupdq = np.zeros((n_int, n_group, side * side), np.uint8)
    groupdq[0, :, : len(rows)] = np.array(rows).T
    groupdq = groupdq.reshape(n_int, n_group, side, side)
    references = references_of((side, side))
    ramp = flagged_ramp(
        make_ramp, references, (n_int, n_group), groupdq=groupdq, faintest=1, brightest=2,
        **AVERAGED,
    )  # fmt: skip
    compare_fits(reference_pipeline, ramp, references, suppress_one_group=suppress)


def test_flags_of_pixels(reference_pipeline, make_ramp):
    references = references_of((24, 24))
    ramp = flagged_ramp(make_ramp, references, (2, 6), jumps=0.1, lost=0.05, saturated=0.1)
    bits = [0, DQ.DO_NOT_USE, DQ.JUMP_DET, DQ.HOT, DQ.REFERENCE_PIXEL, DQ.NON_SCIENCE]
    pixeldq = np.random.default_rng(2).choice(np.array(bits, np.uint32), (24, 24))
    gain = references["gain"].data.copy()
    gain[2], gain[3], gain[4] = 0, np.nan, -1
    references["gain"] = references["gain"].replace(data=gain)
    mine, _ = compare_fits(reference_pipeline, ramp.replace(pixeldq=pixeldq), references)
    assert (mine.rate.dq[2:5] & DQ.NO_GAIN_VALUE).all()


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_read_noise_that_is_not_known(reference_pipeline, make_ramp, groups):
    """There are no rates; we say so in the flags, which jwst leaves to later steps."""
    references = references_of((16, 16))
    ramp = flagged_ramp(make_ramp, references, (2, groups), saturated=0.1)
    noise = references["readnoise"].data.copy()
    noise[3] = np.nan
    references["readnoise"] = references["readnoise"].replace(data=noise)
    theirs = reference_pipeline.steps("RampFitStep", ramp, references)
    mine = RampFit()(ramp, **references)
    for result, answer in ((mine.rate, theirs[0]), (mine.rateints, theirs[1])):
        assert np.isnan(answer.data[..., 3, :]).all()
        answer.arrays["dq"] = answer.dq | np.isnan(answer.data) * np.uint32(DQ.DO_NOT_USE)
        assert_equal_rates(result, answer)


def test_charge_that_migrated(reference_pipeline, make_ramp):
    """Groups lost to charge migration count for the read-noise variance, not for the rate."""
    references = references_of((24, 24))
    ramp = flagged_ramp(make_ramp, references, (2, 8), jumps=0.05, lost=0.05, saturated=0.1)
    level = np.random.default_rng(1).integers(1, 10, (24, 24))
    lost = DQ.CHARGELOSS | DQ.DO_NOT_USE
    groupdq = ramp.groupdq | (np.uint8(lost) * (np.arange(8)[:, None, None] >= level)).astype(
        np.uint8
    )
    bits = [0, 0, 0, DQ.DO_NOT_USE, DQ.HOT]
    pixeldq = np.random.default_rng(3).choice(np.array(bits, np.uint32), (24, 24))
    ramp = ramp.replace(groupdq=groupdq, pixeldq=pixeldq)
    compare_fits(reference_pipeline, ramp, references)


@pytest.mark.parametrize("suppress", [True, False])
def test_zero_frame(reference_pipeline, make_ramp, suppress):
    references = references_of((24, 24))
    rng = np.random.default_rng(5)
    zeroframe = rng.uniform(50, 5000, (2, 24, 24)).astype(np.float32)
    zeroframe[rng.random(zeroframe.shape) < 0.3] = 0
    ramp = flagged_ramp(
        make_ramp, references, (2, 5), saturated=0.7, jumps=0.05, zeroframe=zeroframe, **AVERAGED
    )
    mine, _ = compare_fits(reference_pipeline, ramp, references, suppress_one_group=suppress)
    assert np.isfinite(mine.rateints.data[(ramp.groupdq[:, 0] & DQ.SATURATED) != 0]).any() != (
        suppress
    )


def test_dark_current_makes_noise(reference_pipeline, make_ramp):
    references = references_of((24, 24))
    ramp = flagged_ramp(make_ramp, references, (2, 6), jumps=0.1, saturated=0.1, brightest=1)
    dark = np.random.default_rng(1).uniform(-0.2, 0.8, (24, 24)).astype(np.float32)
    dark[3] = np.nan
    compare_fits(reference_pipeline, ramp.replace(average_dark_current=dark), references)


@pytest.mark.parametrize(
    "limits",
    [(2, None), (None, 5), (3, 5), (6, 3), (0, 99), (-2, None), (4, 4), (None, 0)],
)
def test_first_and_last_group(reference_pipeline, make_ramp, limits):
    references = references_of((16, 16))
    ramp = flagged_ramp(make_ramp, references, (1, 8), jumps=0.1, saturated=0.3)
    first, last = limits
    compare_fits(reference_pipeline, ramp, references, firstgroup=first, lastgroup=last)


def test_variances_that_are_huge(reference_pipeline, make_ramp):
    references = references_of((16, 16))
    ramp = flagged_ramp(make_ramp, references, (2, 6), jumps=0.1, brightest=1)
    data = ramp.data * np.geomspace(1, 1e6, 16, dtype=np.float32)
    compare_fits(reference_pipeline, ramp.replace(data=data), references)


@pytest.mark.parametrize("spoilt", [None, "first", "last"])
def test_groups_that_all_pixels_lost(reference_pipeline, make_ramp, spoilt):
    """For one instrument they are taken out of the ramp, flags and all."""
    references = references_of((24, 24))
    ramp = flagged_ramp(
        make_ramp, references, (2, 7), jumps=0.2, saturated=0.3, lost=0.05, detector="MIRIMAGE",
        subarray="SUB64",
    )  # fmt: skip
    groupdq = ramp.groupdq | np.array([1, 1, 0, 0, 0, 0, 1], np.uint8)[:, None, None]
    if spoilt == "first":
        groupdq[0, 0, 5, 5] = 0
    if spoilt == "last":
        groupdq[1, 6, 5, 5] = 0
    compare_fits(
        reference_pipeline, ramp.replace(groupdq=groupdq), references, ours={"trim": "frame"}
    )


def certain(ramp, *, zeroframe=False):
    """Return which ramps leave LIKELY a choice between jumps that does not rest on rounding.

    Where one difference would be left, any that is given up leaves chi square 0.
    """
    lost = ramp.groupdq != 0
    usable = (~(lost[:, 1:] | lost[:, :-1])).sum(axis=1)
    if zeroframe:
        usable += ~lost[:, 0]
    averaged = ramp.meta.frames_per_group > 1
    return (usable != 2) & ~((usable == 3) & averaged)


def compare_likely(reference_pipeline, ramp, references, **parameters):
    """Compare fits of greatest likelihood; those without a rate carry DO_NOT_USE in ours.

    Where averages fall as often as they rise, jwst now and then gives a jump up that it finds
    elsewhere: in one ramp of a thousand with three hits each.
    """
    rare = 3e-3 if ramp.meta.frames_per_group > 1 else 0
    answers = reference_pipeline.steps(
        "RampFitStep", ramp, references, algorithm="LIKELY", **parameters
    )
    mine = RampFit(algorithm="LIKELY", **parameters)(ramp, **references)
    sure = certain(ramp, zeroframe=ramp.zeroframe is not None)
    for ours, theirs, judged in (
        (mine.rate, answers[0], sure.all(axis=0)),
        (mine.rateints, answers[1], sure),
    ):
        flags = theirs.dq | np.isnan(theirs.data) * np.uint32(DQ.DO_NOT_USE)
        np.testing.assert_array_equal(np.isnan(ours.data)[judged], np.isnan(theirs.data)[judged])
        limit = 1e-4 * theirs.err + 1e-6 * np.abs(theirs.data)
        wrong = (np.abs(ours.data - theirs.data) > limit) & judged
        assert wrong.mean() <= rare
        kept = judged & ~wrong
        np.testing.assert_array_equal(ours.dq[kept], flags[kept])
        for name in ("err", "var_poisson", "var_rnoise"):
            one, other = getattr(ours, name)[kept], getattr(theirs, name)[kept]
            near_zero = 1e-6 * np.nan_to_num(theirs.err[kept]) ** (1 if name == "err" else 2)
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other), err_msg=name)
            off = np.abs(one - other) > 1e-5 * np.abs(other) + near_zero
            assert not off.any(), name
    return mine


@pytest.mark.parametrize("suppress", [True, False])
@pytest.mark.parametrize(
    ("shape", "flags", "more"),
    [
        ((1, 10), {}, {}),
        ((2, 12), {"jumps": 0.05}, {}),
        ((3, 8), {"jumps": 0.05, "lost": 0.05, "saturated": 0.3, "persistent": 0.05}, {}),
        ((2, 9), {"jumps": 0.05, "lost": 0.05, "saturated": 0.3, "persistent": 0.05}, AVERAGED),
        ((2, 5), {"saturated": 0.3}, {}),
        ((2, 4), {}, {}),
        ((2, 3), {"jumps": 0.1}, {}),
    ],
)
def test_greatest_likelihood(reference_pipeline, make_ramp, shape, flags, more, suppress):
    """Fluxes of all decades; with fewer than four groups both fit by least squares."""
    references = references_of((40, 40))
    ramp = flagged_ramp(make_ramp, references, shape, **flags, **more)
    if shape[1] < 4:
        compare_fits(
            reference_pipeline, ramp, references, algorithm="LIKELY", suppress_one_group=suppress
        )
        return
    compare_likely(reference_pipeline, ramp, references, suppress_one_group=suppress)


@pytest.mark.parametrize("more", [{}, AVERAGED])
def test_jumps_that_the_likelihood_finds(reference_pipeline, make_ramp, more):
    """Hits of 3 to 12 sigma, one to three in a ramp."""
    references = references_of((48, 48))
    ramp = flagged_ramp(make_ramp, references, (2, 9), faintest=-1, brightest=2, **more)
    rng = np.random.default_rng(8)
    data = ramp.data.copy()
    step = np.abs(np.diff(data, axis=1)).mean(axis=1)
    for _ in range(3):
        group = rng.integers(0, 9, step.shape)
        size = rng.uniform(3, 12, step.shape) * (np.sqrt(step) + 7)
        data += size[:, None] * (np.arange(9)[:, None, None] >= group[:, None])
    ramp = ramp.replace(data=data.astype(np.float32))
    mine = compare_likely(reference_pipeline, ramp, references)
    assert 0.3 < ((mine.rateints.dq & DQ.JUMP_DET) != 0).mean() < 1


def test_likelihood_of_the_zero_frame(reference_pipeline, make_ramp):
    references = references_of((32, 32))
    rng = np.random.default_rng(5)
    ramp = flagged_ramp(make_ramp, references, (2, 6), saturated=0.3, brightest=3, **AVERAGED)
    zeroframe = (ramp.data[:, 0] / 2.5 + rng.normal(0, 6, (2, 32, 32))).astype(np.float32)
    compare_likely(reference_pipeline, ramp.replace(zeroframe=zeroframe), references)


@pytest.mark.parametrize("limits", [(2, None), (None, 5), (2, 6)])
def test_likelihood_of_some_groups(reference_pipeline, make_ramp, limits):
    references = references_of((16, 16))
    ramp = flagged_ramp(make_ramp, references, (1, 9))
    first, last = limits
    compare_likely(reference_pipeline, ramp, references, firstgroup=first, lastgroup=last)


def test_likelihood_of_a_dark_current_below_0(reference_pipeline, make_ramp):
    """What ramps show outweighs it in the brighter ones; the others have a rate in ours."""
    references = references_of((24, 24))
    ramp = flagged_ramp(make_ramp, references, (2, 9), faintest=-2, brightest=2)
    ramp = ramp.replace(average_dark_current=np.full((24, 24), -0.5, np.float32))
    theirs = reference_pipeline.steps("RampFitStep", ramp, references, algorithm="LIKELY")[1]
    ours = RampFit(algorithm="LIKELY")(ramp, **references).rateints
    bright = theirs.data * references["gain"].data > 3
    assert bright.mean() > 0.3
    limit = 1e-4 * theirs.err + 1e-6 * np.abs(theirs.data)
    assert (np.abs(ours.data - theirs.data) <= limit)[bright].all()
    np.testing.assert_allclose(ours.err[bright], theirs.err[bright], rtol=1e-5)
    assert np.isfinite(ours.data).all()
    assert (ours.err > 0).all()
    assert 0.1 < np.isnan(theirs.data).mean() < 0.15


def test_likelihood_of_dark_current_and_flagged_pixels(reference_pipeline, make_ramp):
    references = references_of((24, 24))
    rng = np.random.default_rng(1)
    bits = [0, DQ.DO_NOT_USE, DQ.JUMP_DET, DQ.HOT, DQ.NON_SCIENCE]
    ramp = flagged_ramp(make_ramp, references, (2, 6), brightest=1).replace(
        average_dark_current=rng.uniform(0, 0.8, (24, 24)).astype(np.float32),
        pixeldq=rng.choice(np.array(bits, np.uint32), (24, 24)),
    )
    compare_likely(reference_pipeline, ramp, references)
