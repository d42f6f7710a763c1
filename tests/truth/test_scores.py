"""The judges themselves: the noise bound against brute force, and limits that can be broken."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from benchmarks.truth_banding import Lines, banding
from benchmarks.truth_bound import Sampling, bound, information
from benchmarks.truth_criteria import (
    false_flags_miss,
    flux_misses,
    hits_miss,
    place_misses,
    rate_misses,
)
from benchmarks.truth_photometry import RADIUS, aperture_sum
from benchmarks.truth_rates import FlagScore, HitScore, RateScore
from benchmarks.truth_reference import PinkNoise, amplifier_means
from benchmarks.truth_stars import FluxScore, PlaceScore, Stars, flux_scores, place_scores

SINGLE = Sampling(frames=1, skip=0, frame_time_s=10.0)


def sigma(groups, photon, read, sampling=SINGLE, cut=None):
    usable = np.ones((1, groups, 1), bool)
    return float(bound(usable, cut, np.array([photon]), np.array([read]), sampling)[0])


def test_read_noise_alone_is_ordinary_least_squares():
    assert sigma(10, 1e-12, 5.0) == pytest.approx(5.0 / 10.0 * np.sqrt(12 / (1000 - 10)), rel=1e-4)


def test_photons_alone_are_counted_from_first_to_last_group():
    assert sigma(10, 4.0, 1e-3) == pytest.approx(np.sqrt(4.0 / 90.0), rel=1e-4)


def test_the_bound_is_what_the_best_of_many_ramps_reaches(rng):
    sampling = Sampling(frames=4, skip=1, frame_time_s=2.0)
    rate, read, groups, ramps = 3.0, 4.0, 6, 40000
    reads = rng.poisson(rate * 2.0, (ramps, groups * 5)).cumsum(axis=1).astype(float)
    reads += rng.normal(0, read, reads.shape)
    data = reads.reshape(ramps, groups, 5)[:, :, :4].mean(axis=2)
    covariance = np.cov(data.T)
    scale = read**2 / 4
    expected = scale * sampling.covariance(groups, rate * 10.0 / scale)
    # The unknown level takes up photons before the first group.
    step = np.diff(np.eye(groups), axis=0)
    np.testing.assert_allclose(step @ covariance @ step.T, step @ expected @ step.T, atol=0.7)
    design = np.stack([np.ones(groups), np.arange(groups) * 10.0], axis=1)
    inverse = np.linalg.inv(covariance)
    best = data @ (inverse @ design @ np.linalg.inv(design.T @ inverse @ design))
    assert best[:, 1].mean() == pytest.approx(rate, abs=0.02)
    assert sigma(groups, rate, read, sampling) == pytest.approx(best[:, 1].std(), rel=0.015)


def test_a_hit_costs_what_the_two_parts_lack():
    cut = np.zeros((1, 10, 1), bool)
    cut[0, 4] = True
    parts = sum(
        float(information(np.array([n]), np.array([2.0]), np.array([5.0]), SINGLE)[0])
        for n in (4, 6)
    )
    assert sigma(10, 2.0, 5.0, cut=cut) == pytest.approx(parts**-0.5)
    assert sigma(10, 2.0, 5.0, cut=cut) > 1.1 * sigma(10, 2.0, 5.0)
    assert np.isinf(sigma(1, 2.0, 5.0))


def test_means_of_reference_pixels_are_as_noisy_as_their_number_says():
    good = np.zeros((64, 64), bool)
    good[:4] = good[-4:] = True
    none = PinkNoise(common=0.0, own=0.0, row_samples=64)
    means = amplifier_means(good, 1, 6.0, none)
    y, x = (axis.ravel() for axis in np.mgrid[10:50, 10:50])
    # Two means, of odd and even columns, of 8 x 32 pixels each.
    assert means.noise(y, x) == pytest.approx(6.0 / np.sqrt(512))
    pink = amplifier_means(good, 1, 6.0, PinkNoise(common=3.0, own=1.0, row_samples=64))
    assert means.noise(y, x) < pink.noise(y, x) < 3.2


GOOD = RateScore(
    low=1.0, high=10.0, pixels=10**6, bias=0.01, allowance=0.0, scatter=1.01, error=1.0, beyond=3,
    own=1.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "miss"),
    [
        ({"bias": -0.03}, "bias"),
        ({"scatter": 1.04}, "scatter"),
        ({"error": 0.96}, "error"),
        ({"beyond": 40}, "beyond"),
    ],
)
def test_limits_on_rates_can_be_broken(change, miss):
    assert rate_misses(GOOD) == []
    bad = replace(GOOD, **change)
    assert rate_misses(bad) == [miss]
    # Limits doubled, and an allowance: only what depends on neither still breaks them.
    assert rate_misses(replace(bad, allowance=0.01), 2.0) == (
        ["beyond"] if miss == "beyond" else []
    )


def test_limits_on_flags_and_hits_can_be_broken():
    assert not false_flags_miss(FlagScore(low=1, high=10, differences=10**6, false=110))
    assert false_flags_miss(FlagScore(low=1, high=10, differences=10**6, false=150))
    assert not hits_miss(HitScore(low=5.7, high=6.3, hits=2000, found=1900))
    assert hits_miss(HitScore(low=5.7, high=6.3, hits=2000, found=1850))
    assert hits_miss(HitScore(low=7.5, high=8.5, hits=2000, found=1970))
    assert not hits_miss(HitScore(low=3, high=4, hits=2000, found=0))


def test_limits_on_stars_can_be_broken():
    flux = FluxScore(
        place="centre", stars=50, median=0.001, median_error=2e-4, slope=0.001, slope_error=2e-4
    )
    assert flux_misses(flux) == []
    assert flux_misses(replace(flux, median=-0.004, slope=0.003)) == ["median", "slope"]
    place = PlaceScore(
        brightest=10, faintest=12, stars=100, mean_x=0.0, mean_y=0.002, rms=0.012, limit=0.005
    )
    assert place_misses(place) == []
    assert place_misses(replace(place, mean_x=0.02, rms=0.03)) == ["offset", "rms"]
    assert place_misses(replace(place, rms=0.03, limit=0.026)) == []


def test_scores_of_stars_find_what_was_put_in(rng):
    n = 2000
    magnitude = rng.uniform(10, 14, n)
    error = 0.001 * 10 ** (0.2 * (magnitude - 10))
    stars = Stars(
        source=np.arange(n),
        place=rng.integers(-1, 5, n),
        flux=1.01 + 0.004 * (magnitude - 12) + error * rng.standard_normal(n),
        flux_error=error,
        magnitude=magnitude,
        dx=0.03 + 0.01 * rng.standard_normal(n),
        dy=0.01 * rng.standard_normal(n),
        limit=np.full(n, 0.01),
        side=np.full(n, 1e-5),
    )
    scores = flux_scores(stars)
    assert [score.place for score in scores][-1] == "all"
    assert scores[-1].slope == pytest.approx(0.004, abs=4 * scores[-1].slope_error)
    assert scores[-1].median == pytest.approx(0.01, abs=0.006)
    for score in place_scores(stars):
        assert score.mean_x == pytest.approx(0.03, abs=0.002)
        assert score.rms == pytest.approx(0.01, rel=0.1)


def test_apertures_hold_less_of_a_star_on_larger_pixels():
    rows, columns = np.mgrid[:61, :61]
    light = np.exp(-((rows - 30.2) ** 2 + (columns - 30.4) ** 2) / (2 * 2.5**2))
    whole = 2 * np.pi * 2.5**2
    held = [aperture_sum(light, 30.4, 30.2, side)[0] / whole for side in (0.9, 1.0, 1.1)]
    expected = [1 - np.exp(-((RADIUS / side / 2.5) ** 2) / 2) for side in (0.9, 1.0, 1.1)]
    assert held == pytest.approx(expected, abs=0.01)
    assert held[0] > held[1] > held[2]


def written(folder, error, **products):
    """Write count rates as products have them, and the error of one of three integrations."""
    for suffix, data in products.items():
        noise = error if data.ndim == 3 else error / np.sqrt(3)
        planes = {"SCI": data, "ERR": np.full(data.shape, noise), "DQ": np.zeros(data.shape, "u4")}
        images = [fits.ImageHDU(plane, name=name) for name, plane in planes.items()]
        fits.HDUList([fits.PrimaryHDU(), *images]).writeto(folder / f"x_{suffix}.fits")


@pytest.mark.parametrize("along_x", [True, False])
def test_banding_is_one_without_bands_and_grows_with_them(tmp_path, rng, along_x):
    """Bands of an amplifier's 64 pixels that are as large as their mean's noise add in quadrature."""
    sky = np.full((200, 128), 3.0)
    bands = np.repeat(rng.normal(0, 0.1 / 8, (3, 200, 2)), 64, axis=-1)
    noise = rng.normal(0, 0.1, (3, 200, 128))
    truth = SimpleNamespace(
        root="x", integrations=3, active=np.ones(sky.shape, bool), true_rate=lambda _: sky
    )
    single, quiet = sky + noise + bands, sky + noise.mean(axis=0)
    quiet[50, 60] += 1e3  # a hit is no band
    if not along_x:
        single, quiet = single.swapaxes(1, 2), quiet.T
        truth.active = truth.active.T
        truth.true_rate = lambda _: sky.T
    written(tmp_path, 0.1, rate=quiet)
    alone = banding(tmp_path, truth, Lines(along_x=along_x, outputs=2))
    assert alone.rate == pytest.approx(1, abs=0.08)
    assert np.isnan(alone.integrations)
    (tmp_path / "x_rate.fits").unlink()
    written(tmp_path, 0.1, rate=quiet, rateints=single)
    both = banding(tmp_path, truth, Lines(along_x=along_x, outputs=2))
    assert both.rate == alone.rate
    assert both.integrations == pytest.approx(np.sqrt(2), abs=0.08)
