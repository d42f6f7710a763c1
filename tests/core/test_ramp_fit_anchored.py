"""Rates of short ramps from the level at the reset on: against dense algebra, and their scatter."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels._resultants import group_reads
from calcore.kernels.ramp_fit_anchored import ResetLevel, anchor
from calcore.kernels.ramp_fit_likelihood import fit_likely

GAIN, READ, FRAME_S, RESET = 1.9, 9.0, 10.7, 28.0
LEVEL = ResetLevel(0.0, RESET / GAIN)
SAT = np.uint8(DQ.SATURATED)


def ramps(rate, n_group, n_frames=1, n_int=1, n_pixel=40, seed=0):
    """Return ramps and first reads [DN] of a rate [electron/s], bias subtracted."""
    rng = np.random.default_rng(seed)
    size = (n_int, n_group * n_frames, 1, n_pixel)
    reads = np.cumsum(rng.poisson(rate * FRAME_S, size), axis=1) + rng.normal(0, READ, size)
    reads += rng.normal(0, RESET, (n_int, 1, 1, n_pixel))
    groups = reads.reshape(n_int, n_group, n_frames, 1, n_pixel).mean(axis=2)
    return (groups / GAIN).astype(np.float32), (reads[:, 0] / GAIN).astype(np.float32)


def fit(data, flags=None, *, n_frames=1, zeroframe=None, level=LEVEL, pixeldq=None, **more):
    shape = data.shape[2:]
    flags = np.zeros(data.shape, np.uint8) if flags is None else flags
    pixeldq = np.zeros(shape, np.uint32) if pixeldq is None else pixeldq
    gain = np.full(shape, GAIN, np.float32)
    noise = np.full(shape, READ * np.sqrt(2) / GAIN, np.float32)
    times = {"group_time_s": n_frames * FRAME_S, "frame_time_s": FRAME_S, "n_frames": n_frames}
    plain = fit_likely(data, flags, pixeldq, gain, noise, **times)
    return plain, anchor(
        plain, data, flags, pixeldq, gain, noise, level, **times, zeroframe=zeroframe, **more
    )


def dense(reads, values, rate):
    """Return rate and error [electron/s] of resultants that share a level with known scatter."""
    early = np.array([[np.minimum.outer(a, b).mean() for b in reads] for a in reads])
    covariance = rate * early + np.diag([READ**2 / a.size for a in reads]) + RESET**2
    mean = np.array([a.mean() for a in reads])
    weight = np.linalg.inv(covariance) @ mean
    variance = 1 / (mean @ weight)
    return variance * (weight @ values), np.sqrt(variance)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("groups", [0, 1, 2])
@pytest.mark.parametrize("rate", [0.5, 40.0, 2000.0])
def test_it_is_what_inverting_the_covariance_gives(rate, groups, zero):
    if groups == 0 and not zero:
        return
    data, first = ramps(rate, 4, n_frames=4)
    flags = np.zeros(data.shape, np.uint8)
    flags[:, groups:] = SAT
    _, got = fit(data, flags, n_frames=4, zeroframe=first if zero else None)
    reads = group_reads(groups or 1, 4, 4 * FRAME_S, FRAME_S, zero=zero)[: groups + zero]
    for x in range(data.shape[-1]):
        values = data[0, :groups, 0, x].astype(float) * GAIN
        if zero:
            values = np.array([first[0, 0, x] * GAIN, *values])
            values[1:2] = (4 * values[1:2] - values[0]) / 3
        guess = max(float(got.rate[0, x]) * GAIN, 0.0)
        best, error = dense(reads, values, guess)
        assert got.rate[0, x] * GAIN == pytest.approx(best, rel=1e-3, abs=1e-3)
        assert got.err[0, x] * GAIN == pytest.approx(error, rel=1e-4)
    assert (got.dq == DQ.SATURATED).all()


@pytest.mark.parametrize(("n_group", "n_int"), [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize("rate", [0.1, 30.0, 3000.0])
def test_errors_are_the_scatter(rate, n_group, n_int):
    data, _ = ramps(rate, n_group, n_int=n_int, n_pixel=20000, seed=3)
    plain, got = fit(data)
    offset = got.rate[0] * GAIN - rate
    scatter = offset.std()
    assert abs(offset.mean()) < 4 * scatter / np.sqrt(offset.size)
    assert np.sqrt((got.err[0] ** 2).mean()) * GAIN == pytest.approx(scatter, rel=0.025)
    if n_group > 1:
        assert scatter < 0.87 * (plain.rate[0] * GAIN).std()
    np.testing.assert_allclose(got.err**2, got.var_poisson + got.var_rnoise, rtol=1e-5)


def test_ramps_that_need_no_help_get_none():
    data, first = ramps(20.0, 5, n_frames=4)
    flags = np.zeros(data.shape, np.uint8)
    flags[..., 1::2] = np.where(np.arange(5) >= 3, SAT, 0)[:, None, None]
    before = data.copy(), flags.copy(), first.copy()
    plain, got = fit(data, flags, n_frames=4, zeroframe=first)
    assert got is plain
    for array, kept in zip((data, flags, first), before, strict=True):
        np.testing.assert_array_equal(array, kept)
    _, three = fit(data, flags, n_frames=4, zeroframe=first, most=3)
    np.testing.assert_array_equal(three.rate[:, ::2], plain.rate[:, ::2])
    assert (three.err[:, 1::2] < plain.err[:, 1::2]).all()


def test_what_the_level_says_nothing_of():
    """First group lost otherwise, pixels without a bias, first read unusable, first group not used."""
    data, first = ramps(20.0, 3, n_frames=4, n_pixel=6)
    flags = np.zeros(data.shape, np.uint8)
    flags[:, 1:] = SAT
    flags[:, 0, :, 0] = DQ.JUMP_DET | DQ.DO_NOT_USE
    flags[:, 0, :, 3] = SAT
    first[:, :, 3] = 0
    pixeldq = np.zeros((1, 6), np.uint32)
    pixeldq[0, 1], pixeldq[0, 2] = DQ.UNRELIABLE_BIAS, DQ.DO_NOT_USE
    _, got = fit(data, flags, n_frames=4, zeroframe=first, pixeldq=pixeldq)
    np.testing.assert_array_equal(np.isfinite(got.rate[0]), [False] * 4 + [True] * 2)
    np.testing.assert_array_equal(got.dq[0] & DQ.DO_NOT_USE == 0, [False] * 4 + [True] * 2)
    _, later = fit(data, flags, n_frames=4, zeroframe=first, used=(1, 2))
    assert np.isnan(later.rate).all()


def test_a_ramp_that_does_not_begin_at_the_level_is_left_alone():
    data, _ = ramps(20.0, 2, n_int=2)
    data[0, :, :, ::2] += 500
    plain, got = fit(data)
    np.testing.assert_array_equal(got.integrations[:, 0, 0, ::2], plain.integrations[:, 0, 0, ::2])
    assert (got.integrations[1, 0, 0, 1::2] < plain.integrations[1, 0, 0, 1::2]).all()
    # The other integration still tells more than it did.
    assert (got.err < plain.err).all()
    assert (np.abs(got.rate * GAIN - 20) < 6 * got.err * GAIN).all()


def test_the_mean_level_is_taken_off_and_dark_current_adds_noise():
    data, _ = ramps(20.0, 1)
    plain = fit(data)[1]
    raised = fit(data + np.float32(100), level=ResetLevel(100.0, RESET / GAIN))[1]
    np.testing.assert_allclose(raised.rate, plain.rate, rtol=1e-4, atol=1e-4)
    noisy = fit(data, dark=np.full((1, 40), 50.0, np.float32))[1]
    np.testing.assert_allclose(noisy.rate, plain.rate, rtol=1e-5)
    assert (noisy.var_poisson > plain.var_poisson).all()
