"""Noise that pixels of a mosaic share: what is expected of square drops, and what is measured."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from calcore.kernels.apertures import above_ring, circular
from calcore.kernels.correlated_noise import Correlation, measured
from calcore.kernels.drizzling import Drop
from calcore.model import Meta
from calcore.model.mosaic import mosaic_grid
from calcore.model.mosaic_noise import correlation, in_words, layers, told
from calcore.wcs.mosaic import Layout

STARS = runpy.run_path(str(Path(__file__).parents[1] / "star_field.py"))


@pytest.mark.parametrize(
    ("pixfrac", "size", "ratio"), [(1.0, 1.0, 1.5), (0.5, 1.0, 1.2), (1.0, 0.5, 2.4)]
)
def test_drops_of_any_phase_give_the_ratio_of_the_paper(pixfrac, size, ratio):
    """Fruchter & Hook 2002, equation 10."""
    found = Correlation.of_drops(pixfrac, size)
    assert found.ratio == pytest.approx(ratio)
    assert found.width == pytest.approx(pixfrac / size)


@pytest.mark.parametrize("width", [0.02, 0.4, 1.0, 1.7, 4.0])
def test_the_profile_sums_to_one_and_agrees_with_the_ratio(width):
    found = Correlation.of_drops(width, 1.0)
    profile = found.profile()
    assert profile.sum() == pytest.approx(1)
    np.testing.assert_allclose(profile, profile[::-1], atol=1e-12)
    assert profile[len(profile) // 2] == pytest.approx(1 / found.ratio, rel=1e-6)
    assert (profile > -1e-12).all()


def test_pixels_scatter_by_the_ratio_less_and_large_areas_do_not():
    found = Correlation(ratio=1.5, scale=1.1)
    profile = found.profile()
    assert found.of_sum(np.ones((1, 1)), profile) == pytest.approx(1.1 / 1.5)
    # Of 100 x 100 pixels only the edges are less noisy than if pixels were independent.
    assert found.of_sum(np.ones((100, 100)), profile) == pytest.approx(110, rel=0.01)
    np.testing.assert_allclose(found.of_area(np.array([1.0, 1e6])), [1.1 / 1.5, 1.1], rtol=1e-3)


def test_independent_pixels_add_in_quadrature():
    noise = np.array([[3.0, 0.0], [0.0, 4.0]])
    alone = Correlation(ratio=1.0)
    assert alone.of_sum(noise, alone.profile()) == pytest.approx(5, rel=1e-2)


def test_what_is_measured_of_contributions_that_are_known():
    # Every input pixel is shared by two neighbours of a row: half of its weight each.
    columns = np.arange(20)
    part = np.stack(
        [
            np.tile(0.5 * ((columns % 5 == k) | (columns % 5 == (k + 1) % 5)), (20, 1))
            for k in range(5)
        ]
    )
    # In a column all are from other pixels.
    rows = np.arange(20) % 5
    part = np.concatenate([part * (rows == k)[:, None] for k in range(5)])
    found = measured([part, part], [2.0, 2.0], np.full((20, 20), 2.0), 2)
    # Variance 4 of an exposure, half of that of a mean of two; pixels have half of it once more.
    assert found.scale == pytest.approx(1)
    assert found.ratio == pytest.approx(np.sqrt(2))
    assert measured([np.zeros((1, 9, 9))], [1.0], np.zeros((9, 9)), 2) is None


@pytest.mark.filterwarnings("ignore:Kernel '.*' is not a flux-conserving kernel")
@pytest.mark.parametrize(
    ("shape", "pixfrac", "size"),
    [("square", 1.0, 1.0), ("square", 0.6, 0.5), ("square", 1.0, 2.0), ("lanczos2", 1.0, 1.0)],
)
def test_noise_of_a_mosaic_is_as_measured(shape, pixfrac, size):
    from calcore.steps.combination.resample import Resample

    field = STARS["star_field"](
        n=3, shape=(150, 160), stars=1, flux=(-9, -8), sky=(0.0,), bad=False
    )
    rng, sums, errors = np.random.default_rng(5), [], []
    exposures = [member.replace(var_flat=0 * member.var_flat) for member in field.group.members]
    for _ in range(3):
        noisy = [
            one.replace(data=np.float32(rng.normal(size=one.data.shape) * np.sqrt(one.var_rnoise)))
            for one in exposures
        ]
        mosaic = Resample(
            kernel=shape, pixfrac=pixfrac, pixel_scale_ratio=size, weight_type="exptime",
            measure_correlation=True,
        )(field.group.with_members(noisy))  # fmt: skip
        ny, nx = mosaic.data.shape
        x, y = (rng.uniform(45 / size, n - 45 / size, 250) for n in (nx, ny))
        total, error = circular(mosaic.data, mosaic.err, x, y, 2.0, told(mosaic.meta))
        sums.append(total)
        errors.append(error)
    pulls = np.concatenate(sums) / np.concatenate(errors)
    assert np.std(pulls) == pytest.approx(1, abs=0.08)


def test_the_sky_counts_where_noise_is_correlated(rng):
    data = rng.normal(size=(120, 120)).astype(np.float32)
    err, hidden = np.ones_like(data), np.zeros(data.shape, bool)
    x, y = rng.uniform(20, 100, (2, 400))
    ring = 5.0, 8.0
    ((sums, errors),), _ = above_ring(data, err, hidden, x, y, [3.0], ring, Correlation(1.0))
    assert np.std(sums / errors) == pytest.approx(1, abs=0.1)
    ((_, plain),), _ = above_ring(data, err, hidden, x, y, [3.0], ring)
    assert np.std(sums / plain) > 1.1


def test_what_a_header_says_is_believed_and_drops_stand_in():
    known = Correlation(1.7, 1.02)
    assert told(Meta(in_words(known))) == known
    assert in_words(None) == {}
    drops = Meta({"resample.pixfrac": 0.8, "resample.pixel_scale_ratio": 0.5})
    assert told(drops) == Correlation.of_drops(0.8, 0.5)


def test_a_single_exposure_far_from_others_has_its_own_noise():
    members = STARS["star_field"](n=1, shape=(150, 160)).group.members
    grid = mosaic_grid(members, Layout())
    found = correlation(layers(members, grid), grid, Drop())
    # Its pixels lie at nearly one phase: all on others, or four on each.
    assert 1 < found.ratio < 2.1
    assert found.scale == pytest.approx(1, abs=0.01)
    small = STARS["star_field"](n=1, shape=(20, 20)).group.members
    grid = mosaic_grid(small, Layout())
    assert correlation(layers(small, grid), grid, Drop()) is None


@pytest.fixture
def rng():
    return np.random.default_rng(9)
