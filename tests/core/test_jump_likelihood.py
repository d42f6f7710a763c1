"""The likelihood test for jumps: against brute force, in its rates, with flags and NaN."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels import jump_likelihood
from calcore.kernels.jump_likelihood import find_jumps

GAIN, READ, FRAME_S = 1.9, 9.0, 10.7
JUMP = int(DQ.JUMP_DET)


def ramps(rate, n_group=10, n_pixel=400, seed=0, n_frames=1):
    """Ramps [DN] (1, n_group, 1, n_pixel) of a rate [electron/s]."""
    rng = np.random.default_rng(seed)
    reads = rng.poisson(rate * FRAME_S, (n_group * n_frames, n_pixel)).cumsum(axis=0)
    reads = reads + rng.normal(0, READ, reads.shape)
    groups = reads.reshape(n_group, n_frames, n_pixel).mean(axis=1)
    return (groups / GAIN).astype(np.float32)[None, :, None]


def find(data, flags=None, n_frames=1, threshold=4.0, **limits):
    shape = data.shape[2:]
    flags = np.zeros(data.shape, np.uint8) if flags is None else flags
    found, count = find_jumps(
        data,
        flags,
        np.full(shape, GAIN, np.float32),
        np.full(shape, READ * np.sqrt(2) / GAIN, np.float32),
        group_time_s=FRAME_S * n_frames,
        frame_time_s=FRAME_S,
        n_frames=n_frames,
        thresholds=(threshold, threshold, threshold),
        **limits,
    )
    assert count.sum() == ((found & JUMP) != 0).sum()
    return (found[0, :, 0] & JUMP) != 0


def brute(values, n_frames=1):
    """Return how many sigma each difference deviates, by fitting with and without it."""
    n = len(values)
    steps = np.diff(values)
    photons = max(np.median(steps), 0.0) / (FRAME_S * n_frames)
    reads = (np.arange(n) * n_frames)[:, None] * FRAME_S + np.arange(n_frames) * FRAME_S
    shared = np.minimum(reads[:, None, :, None], reads[None, :, None, :]).mean(axis=(2, 3))
    covariance = photons * (shared + FRAME_S) + np.eye(n) * READ**2 / n_frames
    step = np.diff(np.eye(n), axis=0)
    inverse = np.linalg.inv(step @ covariance @ step.T)

    def chi_square(columns):
        design = np.stack(columns, axis=1)
        best = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ steps)
        left = steps - design @ best
        return left @ inverse @ left

    ones = np.ones(n - 1)
    base = chi_square([ones])
    return np.sqrt([base - chi_square([ones, np.eye(n - 1)[i]]) for i in range(n - 1)])


@pytest.mark.parametrize("n_frames", [1, 4])
@pytest.mark.parametrize("rate", [0.0, 2.0, 200.0])
def test_it_is_the_gain_in_chi_square(rate, n_frames):
    data = ramps(rate, n_pixel=60, n_frames=n_frames)
    deviations = np.array(
        [brute(data[0, :, 0, p].astype(float) * GAIN, n_frames) for p in range(60)]
    )
    worst = deviations.max(axis=1)
    threshold = float(np.median(worst))
    found = find(data, n_frames=n_frames, threshold=threshold)
    sure = np.abs(worst - threshold) > 1e-4
    np.testing.assert_array_equal(found.any(axis=0)[sure], (worst > threshold)[sure])


@pytest.mark.parametrize("rate", [0.05, 3.0, 300.0])
def test_false_jumps_are_as_rare_at_any_flux(rate):
    found = find(ramps(rate, n_pixel=40000, seed=2))
    assert 2e-5 < found.sum() / (9 * 40000) < 1e-4


@pytest.mark.parametrize(("rate", "share"), [(0.05, 0.99), (300.0, 0.93)])
def test_hits_of_six_sigma_are_found_where_they_are(rate, share):
    data = ramps(rate, n_pixel=4000, seed=3)
    sigma = np.sqrt(rate * FRAME_S + 2 * READ**2)
    data[0, 6:] += np.float32(6 * sigma / GAIN)
    found = find(data)
    assert found[6].mean() > share
    assert np.delete(found, 6, axis=0).mean() < 3e-3


def test_two_hits_in_one_ramp_are_both_found():
    data = ramps(1.0, n_pixel=200, seed=4)
    data[0, 3:] += 200
    data[0, 7:] += 90
    found = find(data)
    assert found[3].all()
    assert found[7].all()


def test_flagged_and_unknown_samples_take_no_part():
    data = ramps(1.0, n_pixel=3)
    data[0, 5:] += 500
    flags = np.zeros(data.shape, np.uint8)
    flags[0, 5, 0, 0] = DQ.DO_NOT_USE
    flags[0, 4:, 0, 1] = DQ.SATURATED | DQ.JUMP_DET
    data[0, 5, 0, 2] = np.nan
    found = find(data, flags)
    assert not found.any()


def test_a_constant_does_not_matter():
    data = ramps(5.0, seed=5)
    data[0, 4:, 0, ::7] += 60
    np.testing.assert_array_equal(find(data), find(data + np.float32(1024)))


def test_what_the_rate_rests_on_is_given_up_less_easily():
    # Read noise alone: the rate rests on differences in the middle of a ramp, little on the first.
    faint = ramps(0.0, n_pixel=20000, seed=9)
    plain = find(faint, threshold=3.0).sum(axis=1)
    careful = find(faint, threshold=3.0, heavy=4.5).sum(axis=1)
    assert careful[1] > 0.2 * plain[1]
    assert careful[3:8].sum() < 0.05 * plain[3:8].sum()
    # Photons alone: it rests on none.
    bright = ramps(1000.0, n_pixel=5000, seed=9)
    np.testing.assert_array_equal(
        find(bright, threshold=3.0), find(bright, threshold=3.0, heavy=4.5)
    )


def test_less_charge_is_no_hit():
    data = ramps(20.0, n_pixel=1000, seed=3)
    data[:, 5:, :, ::2] += np.float32(150)
    data[:, 5:, :, 1::2] -= np.float32(150)
    assert find(data)[5].mean() > 0.99
    rising = find(data, falling=1e9)[5]
    assert rising[::2].mean() > 0.99
    assert rising[1::2].sum() == 0


@pytest.mark.parametrize("rate_change", [None, 0.0, 0.02])
@pytest.mark.parametrize(("n_group", "n_frames"), [(10, 1), (10, 8), (5, 1), (3, 1), (25, 2)])
def test_looking_at_many_pixels_at_once_changes_nothing(
    monkeypatch, n_group, n_frames, rate_change
):
    """The quick look only sets aside what has no jump by the full test."""
    rng = np.random.default_rng(n_group)
    shape = (2, n_group, 8, 300)
    data = np.cumsum(rng.poisson(10 ** rng.uniform(-1, 4, shape[2:]), shape), axis=1)
    data = data + np.cumsum((rng.random(shape) < 0.01) * 10 ** rng.uniform(1, 3, shape), axis=1)
    data = (data + rng.normal(0, 9, shape)).astype(np.float32)
    flags = rng.choice(np.array([0] * 60 + [1, 2, 4], np.uint8), shape)
    flags[1, 0] = 1  # one integration is shorter
    flags[1, 0, 3, 40:44] = 3
    data[0, 2, 3, 5] = np.nan
    gain = np.ones(shape[2:], np.float32)
    gain[0, :7] = [np.nan, 0, -1, 1, 1, 2, 3]
    noise = np.full(shape[2:], 9 * np.sqrt(2 * n_frames), np.float32)
    settings = {
        "group_time_s": 1.0, "frame_time_s": 1.0 / n_frames, "n_frames": n_frames,
        "thresholds": (3.9, 3.8, 3.7), "heavy": 4.8, "falling": 6.0, "rate_change": rate_change,
    }  # fmt: skip
    quick = find_jumps(data, flags, gain, noise, **settings)
    monkeypatch.setattr(
        jump_likelihood, "may_jump", lambda *_, **__: np.ones((2, *shape[2:]), np.uint8)
    )
    full = find_jumps(data, flags, gain, noise, **settings)
    np.testing.assert_array_equal(quick[0], full[0])
    np.testing.assert_array_equal(quick[1], full[1])
    assert (quick[0] & 4).any()


def several(rate, n_int=4, n_group=5, n_pixel=400, seed=0):
    """Ramps [DN] (n_int, n_group, 1, n_pixel), integrations of one rate [electron/s]."""
    parts = [ramps(rate, n_group, n_pixel, seed * 100 + n) for n in range(n_int)]
    return np.concatenate(parts)


def find_all(data, **limits):
    shape = data.shape[2:]
    found, _ = find_jumps(
        data,
        np.zeros(data.shape, np.uint8),
        np.full(shape, GAIN, np.float32),
        np.full(shape, READ * np.sqrt(2) / GAIN, np.float32),
        group_time_s=FRAME_S,
        frame_time_s=FRAME_S,
        **{"thresholds": (3.9, 3.9, 3.9), "falling": 6.0} | limits,
    )
    return (found[:, :, 0] & JUMP) != 0


@pytest.mark.parametrize("rate_change", [0.0, 0.1])
@pytest.mark.parametrize("rate", [0.0, 30.0])
def test_integrations_together_are_one_fit(rate, rate_change):
    data = several(rate, n_int=3, n_pixel=40)
    found = {}
    for threshold in (1.9, 2.3, 2.7):
        limits = {"thresholds": (threshold,) * 3, "falling": 0.0, "rate_change": rate_change}
        found[threshold] = find_all(data, **limits).any(axis=(0, 1))
    for pixel in range(40):
        steps = np.diff(data[:, :, 0, pixel].astype(float) * GAIN, axis=1)
        level = max(np.mean(np.median(steps, axis=1)), 0.0)
        beside = np.eye(4, k=1) + np.eye(4, k=-1)
        block = (level + 2 * READ**2) * np.eye(4) - READ**2 * beside + (rate_change * level) ** 2
        inverse = np.linalg.inv(np.kron(np.eye(3), block))
        steps = steps.ravel()

        def chi_square(design, steps=steps, inverse=inverse):
            best = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ steps)
            left = steps - design @ best
            return left @ inverse @ left

        ones, each = np.ones((12, 1)), np.eye(12)
        gains = [chi_square(ones) - chi_square(np.c_[ones, each[:, i]]) for i in range(12)]
        for threshold, here in found.items():
            if abs(np.sqrt(max(gains)) - threshold) > 1e-4:
                assert here[pixel] == (np.sqrt(max(gains)) > threshold)


@pytest.mark.parametrize(("n_int", "n_group"), [(1, 3), (1, 4), (1, 5), (4, 5), (10, 3)])
@pytest.mark.parametrize("rate", [0.05, 3.0, 10.0, 1000.0])
def test_false_jumps_are_rare_in_short_ramps(rate, n_int, n_group):
    data = several(rate, n_int, n_group, n_pixel=100000 // n_int, seed=3)
    found = find_all(data, rate_change=0.0)
    assert found.sum() < 1e-4 * data[:, 1:].size + 3 * np.sqrt(1e-4 * data[:, 1:].size)


def test_other_integrations_help_to_find_hits_in_faint_ones():
    data = several(0.05, n_pixel=2000, seed=5)
    data[2, 3:] += np.float32(6 * np.sqrt(2) * READ / GAIN)
    assert find_all(data)[2, 3].mean() < 0.8
    assert find_all(data, rate_change=0.01)[2, 3].mean() > 0.999


def test_a_source_that_varies_is_no_hit():
    data = np.concatenate([several(9000.0, 2, seed=6), several(9200.0, 2, seed=7)])
    assert find_all(data, rate_change=0.0).mean() > 1e-3
    assert find_all(data, rate_change=0.02).mean() < 2e-4


def test_an_integration_without_differences_tells_nothing():
    data = several(5.0, n_pixel=300, seed=8)
    data[1, 3:, 0, ::5] += 80
    lost = data.copy()
    lost[0] = np.nan
    np.testing.assert_array_equal(
        find_all(lost, rate_change=0.0)[1:], find_all(data[1:], rate_change=0.0)
    )
