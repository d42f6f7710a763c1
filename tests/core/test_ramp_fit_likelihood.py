"""Rates of greatest likelihood: against dense linear algebra, and in their symmetries."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels.ramp_fit_likelihood import fit_likely
from calcore.kernels.ramp_fit_ols import fit_ordinary

GAIN, READ, FRAME_S = 1.9, 9.0, 10.7


def ramps(rate, n_group=8, n_pixel=40, n_frames=1, gap=0, n_int=1, seed=0):
    """Ramps [DN] of a rate [electron/s], and the time between groups [s]."""
    rng = np.random.default_rng(seed)
    data = np.zeros((n_int, n_group, 1, n_pixel), np.float32)
    for n in range(n_int):
        charge = np.zeros(n_pixel)
        for group in range(n_group):
            reads = []
            for _ in range(n_frames):
                charge = charge + rng.poisson(rate * FRAME_S, n_pixel)
                reads.append(charge + rng.normal(0, READ, n_pixel))
            for _ in range(gap):
                charge = charge + rng.poisson(rate * FRAME_S, n_pixel)
            data[n, group, 0] = np.mean(reads, axis=0) / GAIN
    return data, (n_frames + gap) * FRAME_S


def fit(data, group_time, n_frames=1, flags=None, dark=None):
    shape = data.shape[2:]
    flags = np.zeros(data.shape, np.uint8) if flags is None else flags
    gain = np.full(shape, GAIN, np.float32)
    noise = np.full(shape, READ * np.sqrt(2) / GAIN, np.float32)
    times = {"group_time_s": group_time, "frame_time_s": FRAME_S, "n_frames": n_frames}
    zero = np.zeros(shape, np.uint32)
    arrays = data, flags, zero, gain, noise
    return fit_likely(*arrays, **times, dark=dark), fit_ordinary(*arrays, **times, dark=dark)


def dense(values, usable, rate, group_time, n_frames):
    """Return rate and variance [DN/s] by inverting the covariance of the groups' differences."""
    n = len(values)
    time = np.arange(n) * group_time
    reads = time[:, None] + np.arange(n_frames) * FRAME_S + FRAME_S
    shared = np.minimum(reads[:, None, :, None], reads[None, :, None, :]).mean(axis=(2, 3))
    covariance = rate * shared + np.eye(n) * READ**2 / n_frames
    step = np.diff(np.eye(n), axis=0)[usable]
    inverse = np.linalg.inv(step @ covariance @ step.T)
    ones = np.ones(len(step))
    variance = 1 / (ones @ inverse @ ones)
    best = variance * (ones @ inverse @ (step @ values))
    return best / group_time, np.sqrt(variance) / group_time


@pytest.mark.parametrize(("n_frames", "gap"), [(1, 0), (4, 1)])
@pytest.mark.parametrize("rate", [0.0, 0.3, 30.0])
def test_it_is_what_inverting_the_covariance_gives(rate, n_frames, gap):
    data, group_time = ramps(rate, n_frames=n_frames, gap=gap)
    flags = np.zeros(data.shape, np.uint8)
    flags[0, 3, 0, 1::3] = DQ.JUMP_DET
    flags[0, 2, 0, 2::3] = DQ.DO_NOT_USE
    flags[0, 6:, 0, 2::3] = DQ.SATURATED
    got, _ = fit(data, group_time, n_frames, flags)
    for pixel in range(data.shape[-1]):
        usable = np.ones(7, bool)
        if pixel % 3 == 1:
            usable[2] = False
        if pixel % 3 == 2:
            usable[[1, 2, 5, 6]] = False
        values = data[0, :, 0, pixel].astype(float) * GAIN
        # End to end, then with the noise of that rate, then with that of the rate found.
        best = np.diff(values)[usable].mean() / group_time
        for _ in range(2):
            best, _ = dense(values, usable, max(best, 0.0), group_time, n_frames)
        # The error is that of the fitted rate.
        fitted = float(got.rate[0, pixel]) * GAIN
        _, error = dense(values, usable, max(fitted, 0.0), group_time, n_frames)
        assert fitted == pytest.approx(best, rel=1e-5, abs=1e-6)
        assert got.err[0, pixel] * GAIN == pytest.approx(error, rel=1e-4)


def test_variances_sum_to_the_square_of_the_error():
    got, _ = fit(*ramps(5.0, n_int=3))
    np.testing.assert_allclose(got.err**2, got.var_poisson + got.var_rnoise, rtol=1e-5)
    _, err, photons, read = got.integrations
    np.testing.assert_allclose(err**2, photons + read, rtol=1e-5)


def test_the_variance_of_read_noise_does_not_follow_the_flux():
    faint, _ = fit(*ramps(0.0, n_int=2))
    bright, _ = fit(*ramps(5000.0, n_int=2))
    np.testing.assert_allclose(bright.var_rnoise, faint.var_rnoise, rtol=1e-5)
    # Two ramps of eight groups with read noise alone: 12 / (8^3 - 8) / 2.
    expected = (READ / GAIN / FRAME_S) ** 2 * 12 / (8**3 - 8) / 2
    np.testing.assert_allclose(faint.var_rnoise, expected, rtol=1e-5)
    assert (faint.var_poisson >= 0).all()


def test_a_reversed_ramp_falls_at_the_same_rate():
    data, group_time = ramps(3.0)
    got, _ = fit(data, group_time)
    turned, _ = fit(np.ascontiguousarray(2 * data.mean() - data[:, ::-1]), group_time)
    np.testing.assert_allclose(turned.rate, got.rate, rtol=1e-5)
    np.testing.assert_allclose(turned.err, got.err, rtol=1e-5)


def test_a_level_does_not_matter_and_photon_noise_scales():
    data, group_time = ramps(50.0)
    got, _ = fit(data, group_time)
    raised, _ = fit(data + np.float32(512), group_time)
    np.testing.assert_allclose(raised.rate, got.rate, rtol=1e-5)
    bright, _ = fit(*ramps(5000.0))
    ratio = np.median(bright.var_poisson / bright.rate) / np.median(got.var_poisson / got.rate)
    assert 0.7 < ratio <= 1.02


def test_dark_current_adds_noise_but_no_rate():
    data, group_time = ramps(0.0)
    dark = np.full(data.shape[2:], 5.0, np.float32)
    plain, _ = fit(data, group_time)
    noisy, _ = fit(data, group_time, dark=dark)
    assert (noisy.var_poisson > plain.var_poisson).all()
    assert abs(float(noisy.rate.mean())) < 0.05


def test_what_has_no_rate_keeps_none_and_flags_stay():
    data, group_time = ramps(1.0)
    flags = np.zeros(data.shape, np.uint8)
    flags[..., 0] = DQ.SATURATED
    flags[:, 1:, :, 1] = DQ.SATURATED
    got, ordinary = fit(data, group_time, flags=flags)
    assert np.isnan(got.rate[0, 0])
    np.testing.assert_array_equal(got.rate[0, 1], ordinary.rate[0, 1])
    np.testing.assert_array_equal(got.dq, ordinary.dq)


@pytest.mark.parametrize("rate", [0.05, 1.0, 60.0])
def test_errors_are_the_scatter(rate):
    data, group_time = ramps(rate, n_group=10, n_pixel=30000, seed=4)
    got, _ = fit(data, group_time)
    offset = got.rate[0] * GAIN - rate
    scatter = offset.std()
    assert abs(offset.mean()) < 4 * scatter / np.sqrt(offset.size) + 0.005 * scatter
    assert np.sqrt((got.err[0] ** 2).mean()) * GAIN == pytest.approx(scatter, rel=0.025)


@pytest.mark.parametrize("rate", [0.0, 0.3, 30.0])
def test_pixels_side_by_side_get_the_bits_that_each_gets_alone(rate):
    data, group_time = ramps(rate, n_int=2, n_pixel=150, n_frames=4)
    gain = np.full((1, 150), GAIN, np.float32)
    noise = np.full((1, 150), READ * np.sqrt(2) / GAIN, np.float32)
    times = {"group_time_s": group_time, "frame_time_s": FRAME_S, "n_frames": 4}
    flags = np.zeros(data.shape, np.uint8)
    flags[:, 0] = DQ.DO_NOT_USE
    flags[1, 5, 0, 7] = DQ.JUMP_DET
    flags[0, 3, 0, 9] = DQ.PERSISTENCE
    known = np.zeros((1, 150), np.uint32), gain, noise
    together = fit_likely(data, flags, *known, **times)
    # Where some pixel has kept a group that the others have lost, no ramp near it is whole.
    flags[:, 0, 0, [0, 149]] = 0
    alone = fit_likely(data, flags, *known, **times)
    for name in ("rate", "err", "var_poisson", "var_rnoise", "integrations"):
        one, other = getattr(together, name)[..., 1:149], getattr(alone, name)[..., 1:149]
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)
    assert (together.rate != fit_ordinary(data, flags, *known, **times).rate).any()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_sample_that_is_not_finite_is_left_out_like_a_flagged_one(value):
    data, group_time = ramps(3.0, n_int=2)
    flags = np.zeros(data.shape, np.uint8)
    flags[1, 5:, :, ::3] = DQ.DO_NOT_USE
    spoilt = np.where(flags != 0, np.float32(value), data)
    got, expected = (
        fit(*given)[0] for given in ((spoilt, group_time), (data, group_time, 1, flags))
    )
    np.testing.assert_allclose(got.rate, expected.rate, rtol=2e-6)
    np.testing.assert_allclose(got.integrations, expected.integrations, rtol=2e-6)


@pytest.mark.parametrize("used", [None, (1, 6)])
def test_hits_are_fitted_like_any_other_broken_ramp(used):
    data, group_time = ramps(3.0, n_int=3, n_pixel=200)
    rng = np.random.default_rng(5)
    flags = np.where(rng.random(data.shape) < 0.1, DQ.JUMP_DET, 0).astype(np.uint8)
    flags[:, 0] = DQ.DO_NOT_USE
    gain = np.full((1, 200), GAIN, np.float32)
    noise = np.full((1, 200), READ * np.sqrt(2) / GAIN, np.float32)
    times = {"group_time_s": group_time, "frame_time_s": FRAME_S, "used": used}
    known = np.full((1, 200), DQ.NONLINEAR, np.uint32), gain, noise
    got = fit_likely(data, flags, *known, **times)
    # A flag that is no hindrance, but none that hits leave.
    flags[:, 4] |= np.uint8(DQ.PERSISTENCE)
    expected = fit_likely(data, flags, *known, **times)
    for name in ("rate", "err", "var_poisson", "var_rnoise", "integrations"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    for name in ("dq", "integrations_dq"):
        plain = getattr(expected, name) & ~np.uint32(DQ.PERSISTENCE)
        np.testing.assert_array_equal(getattr(got, name), plain)
    assert (got.dq & DQ.JUMP_DET).any()
    assert np.isnan(got.integrations[0]).mean() < 0.1


def test_a_middle_sample_that_is_no_number_is_left_out():
    data, group_time = ramps(3.0, n_group=7)
    flags = np.zeros(data.shape, np.uint8)
    flags[0, 3, 0, ::2] = DQ.DO_NOT_USE
    spoilt = np.where(flags != 0, np.float32(np.nan), data)
    got, expected = (fit(*a)[0] for a in ((spoilt, group_time), (data, group_time, 1, flags)))
    np.testing.assert_array_equal(got.rate, expected.rate)
