"""Stars among peaks of a filtered image: the filter, and what starfind measures around them."""

import warnings

import numpy as np
import pytest
from scipy.ndimage import correlate

from calcore.kernels import sources
from calcore.kernels.peaks import matched, peaks, profile
from calcore.kernels.sources import Search


def field(seed=3, shape=(90, 120), stars=60, fwhm=2.4):
    """Stars of all brightness on noise of 1, some of them at the edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(size=shape)
    places = rng.uniform(0, 1, (stars, 2)) * np.array(shape)
    places[:4] = [[0.2, 30.1], [60.3, 119.0], [88.6, 70.4], [0.0, 0.3]]
    for (row, column), height in zip(places, 10 ** rng.uniform(1.2, 3, stars), strict=True):
        image += height * np.exp(-4 * np.log(2) * ((y - row) ** 2 + (x - column) ** 2) / fwhm**2)
    return image.astype(np.float32)


@pytest.mark.parametrize("fwhm", [1.0, 2.5, 4.7])
def test_the_filter_is_a_correlation_with_its_profile(fwhm):
    image = field()
    weights, _ = profile(fwhm, 1.5)
    expected = correlate(image.astype(np.float64), weights, mode="constant")
    np.testing.assert_array_equal(matched(image, fwhm, 1.5), expected)


def test_the_filter_of_a_frame_smaller_than_itself():
    image = field()[:3, :2]
    weights, _ = profile(9.0, 1.5)
    expected = correlate(image.astype(np.float64), weights, mode="constant")
    np.testing.assert_allclose(matched(image, 9.0, 1.5), expected, atol=1e-12)


def test_nan_spoils_what_the_profile_reaches_and_no_more():
    image = field()
    image[40, 50] = np.nan
    weights, used = profile(9.0, 1.5)
    half = weights.shape[0] // 2
    spoilt = np.isnan(matched(image, 9.0, 1.5))
    assert not used[0, 0]  # its corners
    np.testing.assert_array_equal(
        spoilt[40 - half : 41 + half, 50 - half : 51 + half], weights != 0
    )
    assert spoilt.sum() == (weights != 0).sum()


@pytest.mark.parametrize("fwhm", [2.4, 5.0])
def test_starfind_measures_around_peaks_what_it_measures_in_the_image(fwhm):
    image, search = (
        field(fwhm=fwhm),
        Search(finder="iraf", snr=5, box=50, fwhm=fwhm, brightest=None),
    )
    nowhere = np.zeros(image.shape, bool)
    places = peaks(matched(image, fwhm, 1.5), nowhere, 5, 2)
    found = sources._starfind(image, 5.0, search, places)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = sources._finder(5.0, search, places)(image)
    assert len(found) > 3
    assert (found["x_centroid"] < 2).any() or (found["y_centroid"] < 2).any()
    assert found.colnames == whole.colnames
    for name in whole.colnames:
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-12, atol=1e-11)


def test_starfind_finds_nothing_where_all_candidates_are_odd():
    spike = np.zeros((20, 20), np.float32)
    spike[10, 10] = 100.0
    search = Search(finder="iraf", snr=5, box=50, fwhm=2.4, sharpness=(5.0, 6.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert sources._starfind(spike, 5.0, search, np.array([[10, 10]])) is None
