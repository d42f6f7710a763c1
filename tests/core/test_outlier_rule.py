import numpy as np
import pytest

from calcore.kernels.outlier_rule import Rule, flag_outliers

SLOPE = Rule.by_slope((5, 4), (1.2, 0.7))
PEAKS = Rule(snr=(5, 4), scale=(1.2, 0.7), rise=(0.4, 0.4), peak=7.0)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def gaussian(shape, x, y, flux, fwhm):
    sigma = fwhm / 2.3548
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    profile = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 2 / sigma**2) / (2 * np.pi * sigma**2)
    return (flux * profile).astype(np.float32)


def test_a_hit_is_flagged_with_its_neighbours_and_a_star_is_not():
    model = gaussian((21, 21), 10.2, 9.7, 1000.0, 2.2) + np.float32(1)
    err = np.full((21, 21), 0.1, np.float32)
    misplaced = gaussian((21, 21), 10.25, 9.75, 1000.0, 2.2) + np.float32(1)
    assert not flag_outliers(misplaced, model, err, 0.0, SLOPE).any()
    data = model.copy()
    data[3, 3] += 1.0  # ten sigma
    data[3, 4] += 0.45  # counts beside a hit only
    data[15, 3] += 0.45
    found = flag_outliers(data, model, err, 0.0, SLOPE)
    assert found[3, 3]
    assert found[3, 4]
    assert found.sum() == 2
    # A background that the model lacks is accounted for.
    again = flag_outliers(data + np.float32(7), model, err, 7.0, SLOPE)
    np.testing.assert_array_equal(again, found)


def test_missing_values_are_no_outliers_and_missing_errors_are_zero():
    data = np.zeros((5, 5), np.float32)
    model = np.zeros((5, 5), np.float32)
    err = np.ones((5, 5), np.float32)
    data[1, 1], model[3, 3] = np.nan, np.nan
    data[3, 3] = 100.0
    data[0, 4], err[0, 4] = 0.5, np.nan
    found = flag_outliers(data, model, err, 0.0, SLOPE)
    assert np.argwhere(found).tolist() == [[0, 4]]


@pytest.fixture
def blurred():
    """A sharp star, and the model that a median of drizzled exposures makes of it."""
    star = gaussian((21, 21), 10.2, 9.7, 1000.0, 1.2)
    return star, gaussian((21, 21), 10.2, 9.7, 1000.0, 1.7), np.full((21, 21), 0.1, np.float32)


def test_the_peak_of_a_blurred_star_is_no_outlier_but_a_hit_on_its_flank_is(blurred):
    star, model, err = blurred
    assert star[10, 10] - model[10, 10] > 100
    sharper = Rule.by_slope((5, 4), (0.7, 0.7))
    assert flag_outliers(star, model, err, 0.0, sharper)[10, 10]
    assert not flag_outliers(star, model, err, 0.0, PEAKS).any()
    hit = star.copy()
    slope = abs(float(model[10, 12] - model[10, 11]))
    hit[10, 12] = model[10, 12] + 0.6 * slope + 0.6  # less than the slope would allow either way
    assert not flag_outliers(hit, model, err, 0.0, SLOPE)[10, 12]
    assert np.argwhere(flag_outliers(hit, model, err, 0.0, PEAKS)).tolist() == [[10, 12]]


def test_what_is_too_faint_is_judged_by_the_slope_whatever_the_rule(blurred):
    _, model, err = blurred
    faint = model.copy()
    faint[10, 9:13] -= np.float32(500)
    found = flag_outliers(faint, model, err, 0.0, PEAKS)
    np.testing.assert_array_equal(found, flag_outliers(faint, model, err, 0.0, SLOPE))
    assert found.any()


def test_noise_of_the_model_hides_no_hits(rng):
    err = np.full((60, 60), 1.0, np.float32)
    model = rng.normal(0, 0.5, err.shape).astype(np.float32)
    data = np.zeros_like(model)
    data[5:55:5, 5:55:5] = 8.0
    hit = data > 0
    found = flag_outliers(data, model, err, 0.0, PEAKS)
    assert found[hit].mean() > 0.95
    assert not found[~hit].any()


@pytest.mark.parametrize("rule", [SLOPE, PEAKS])
def test_a_band_of_rows_gives_what_the_whole_gives(rule, rng, blurred):
    star, model, err = blurred
    star = star + rng.normal(0, 1, star.shape).astype(np.float32)
    whole = flag_outliers(star, model, err, 0.0, rule)
    assert whole.any()
    band = flag_outliers(star[4:15], model[4:15], err[4:15], 0.0, rule)
    np.testing.assert_array_equal(band[2:-2], whole[6:13])


@pytest.mark.parametrize("rule", [SLOPE, PEAKS])
def test_units_do_not_matter(rule, rng, blurred):
    star, model, err = blurred
    star = star + rng.normal(0, 1, star.shape).astype(np.float32)
    found = flag_outliers(star, model, err, 0.0, rule)
    again = flag_outliers(8 * star, 8 * model, 8 * err, 0.0, rule)
    np.testing.assert_array_equal(again, found)
