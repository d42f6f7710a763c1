import numpy as np

from calcore.kernels.outlier_rule import flag_outliers


def gaussian(shape, x, y, flux, fwhm):
    sigma = fwhm / 2.3548
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    profile = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 2 / sigma**2) / (2 * np.pi * sigma**2)
    return (flux * profile).astype(np.float32)


def test_a_hit_is_flagged_with_its_neighbours_and_a_star_is_not():
    model = gaussian((21, 21), 10.2, 9.7, 1000.0, 2.2) + np.float32(1)
    err = np.full((21, 21), 0.1, np.float32)
    misplaced = gaussian((21, 21), 10.25, 9.75, 1000.0, 2.2) + np.float32(1)
    assert not flag_outliers(misplaced, model, err, 0.0, (5, 4), (1.2, 0.7)).any()
    data = model.copy()
    data[3, 3] += 1.0  # ten sigma
    data[3, 4] += 0.45  # counts beside a hit only
    data[15, 3] += 0.45
    found = flag_outliers(data, model, err, 0.0, (5, 4), (1.2, 0.7))
    assert found[3, 3]
    assert found[3, 4]
    assert found.sum() == 2
    # A background that the model lacks is accounted for.
    again = flag_outliers(data + np.float32(7), model, err, 7.0, (5, 4), (1.2, 0.7))
    np.testing.assert_array_equal(again, found)


def test_missing_values_are_no_outliers_and_missing_errors_are_zero():
    data = np.zeros((5, 5), np.float32)
    model = np.zeros((5, 5), np.float32)
    err = np.ones((5, 5), np.float32)
    data[1, 1], model[3, 3] = np.nan, np.nan
    data[3, 3] = 100.0
    data[0, 4], err[0, 4] = 0.5, np.nan
    found = flag_outliers(data, model, err, 0.0, (5, 4), (1.2, 0.7))
    assert np.argwhere(found).tolist() == [[0, 4]]
