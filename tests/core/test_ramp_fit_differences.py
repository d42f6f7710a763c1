"""Rates of greatest likelihood of single integrations, and the jumps that they find."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels._resultants import group_reads, steps_of
from calcore.kernels.ramp_fit_differences import fit_each
from calcore.kernels.ramp_fit_ols import fit_ordinary

GAIN, READ, FRAME_S = 2.0, 9.0, 10.0


def ramps(rate, n_group=8, n_pixel=60, n_frames=1, n_int=1, seed=0):
    """Ramps and first reads [DN] of a rate [electron/s]; no frame is dropped."""
    rng = np.random.default_rng(seed)
    steps = rng.poisson(rate * FRAME_S, (n_int, n_group * n_frames, 1, n_pixel))
    reads = np.cumsum(steps, axis=1) + rng.normal(0, READ, steps.shape)
    groups = reads.reshape(n_int, n_group, n_frames, 1, n_pixel).mean(axis=2)
    return (groups / GAIN).astype(np.float32), (reads[:, 0] / GAIN).astype(np.float32)


def fit(data, flags=None, *, n_frames=1, zeroframe=None, **more):
    flags = np.zeros(data.shape, np.uint8) if flags is None else flags
    gain = np.full(data.shape[2:], GAIN, np.float32)
    noise = np.full(data.shape[2:], READ * np.sqrt(2) / GAIN, np.float32)
    good = np.zeros(data.shape[2:], np.uint32)
    times = {"group_time_s": n_frames * FRAME_S, "frame_time_s": FRAME_S, "n_frames": n_frames}
    ordinary = fit_ordinary(data, flags, good, gain, noise, **times)
    return fit_each(ordinary, data, flags, good, gain, noise, **times, zeroframe=zeroframe, **more)


def dense(reads, values, rate):
    """Return rate, error [electron/s] and chi square by inverting the covariance of resultants."""
    early = [[np.minimum.outer(a, b).mean() for b in reads] for a in reads]
    covariance = rate * np.array(early) + np.diag([READ**2 / a.size for a in reads])
    step = np.diff(np.eye(len(reads)), axis=0) / np.diff([a.mean() for a in reads])[:, None]
    inverse = np.linalg.inv(step @ covariance @ step.T)
    ones, found = np.ones(len(step)), step @ values
    variance = 1 / (ones @ inverse @ ones)
    best = variance * (ones @ inverse @ found)
    return best, np.sqrt(variance), (found - best) @ inverse @ (found - best)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("rate", [0.2, 3.0, 40.0])
def test_it_is_what_inverting_the_covariance_gives(rate, zero):
    data, first = ramps(rate, n_frames=4)
    got = fit(data, n_frames=4, zeroframe=first if zero else None)
    quiet = np.flatnonzero(got.fit.dq[0] & DQ.JUMP_DET == 0)
    assert quiet.size > 50
    reads = group_reads(8, 4, 4 * FRAME_S, FRAME_S, zero=zero)
    for x in quiet[:20]:
        values = data[0, :, 0, x].astype(float) * GAIN
        if zero:
            values = np.array([first[0, 0, x] * GAIN, *values])
            values[1] = (4 * values[1] - values[0]) / 3
        mean = [a.mean() for a in reads]
        guess = max(float(np.median(np.diff(values) / np.diff(mean))), 0.0)
        guess = max(dense(reads, values, guess)[0], 0.0)
        best, error, chi_square = dense(reads, values, guess)
        assert got.fit.rate[0, x] * GAIN == pytest.approx(best, rel=1e-4, abs=1e-5)
        assert got.fit.err[0, x] * GAIN == pytest.approx(error, rel=1e-5)
        assert got.chi_square[0, x] == pytest.approx(chi_square, rel=1e-3, abs=1e-4)


def test_reads_at_the_reset_have_no_noise():
    steps = steps_of([np.zeros(0), np.array([10.0])])
    np.testing.assert_allclose(steps.spacing, [10.0])
    np.testing.assert_allclose(steps.shape[:, 0], [0.1, 0, 0.01, 0])


@pytest.mark.parametrize("n_frames", [1, 4])
def test_a_hit_is_found_and_costs_its_difference(n_frames):
    data, _ = ramps(5.0, n_frames=n_frames, n_int=2)
    hit = data.copy()
    hit[0, 4:, :, ::2] += 300
    plain, found = fit(data, n_frames=n_frames), fit(hit, n_frames=n_frames)
    assert (found.fit.integrations_dq[0, 0, ::2] & DQ.JUMP_DET).all()
    np.testing.assert_array_equal(found.fit.rate[:, 1::2], plain.fit.rate[:, 1::2])
    offset = np.abs(found.fit.integrations[0, 0, 0] - 2.5) / found.fit.integrations[1, 0, 0]
    assert offset.max() < 5


def test_integrations_are_averaged_by_what_they_tell():
    data, _ = ramps(3.0, n_int=2)
    flags = np.zeros(data.shape, np.uint8)
    flags[1, 3:] = DQ.SATURATED
    got = fit(data, flags).fit
    low, high = got.integrations[0].min(axis=0), got.integrations[0].max(axis=0)
    assert ((got.rate >= low) & (got.rate <= high)).all()
    near = np.abs(got.rate - got.integrations[0, 0]) < np.abs(got.rate - got.integrations[0, 1])
    assert near.all()
    assert (got.dq & DQ.SATURATED).all()


def test_what_has_no_rate_says_so():
    data, _ = ramps(1.0, n_int=2)
    flags = np.zeros(data.shape, np.uint8)
    flags[:, :, :, 0] = DQ.SATURATED
    flags[0, ::2, :, 1] = DQ.DO_NOT_USE
    data[1, 3, 0, 2] = np.nan
    before = data.copy(), flags.copy()
    got = fit(data, flags)
    np.testing.assert_array_equal(data, before[0])
    np.testing.assert_array_equal(flags, before[1])
    assert np.isnan(got.fit.rate[0, 0])
    assert got.fit.dq[0, 0] == DQ.DO_NOT_USE | DQ.SATURATED
    assert np.isnan(got.fit.integrations[:, 0, 0, 1]).all()
    assert got.fit.integrations_dq[0, 0, 1] == DQ.DO_NOT_USE
    assert np.isnan(got.fit.integrations[0, 1, 0, 2])
    assert np.isfinite(got.fit.rate[0, 1:]).all()
    assert (got.fit.dq[0, 1:] & DQ.DO_NOT_USE == 0).all()
    assert np.isnan(got.chi_square[0, :3]).all()
