"""Outliers of time series, found among the integrations around."""

import numpy as np
import pytest

from calcore.errors import BadParameter, StepSkipped
from calcore.flags import DQ
from calcore.kernels.rolling_median import rolling_median
from calcore.steps.combination.outlier_integrations import OutlierIntegrations
from calcore.testing import Case, StepContract, an_image

OUTLIER = np.uint32(DQ.OUTLIER | DQ.DO_NOT_USE)


def series(number=12, drift=0.0):
    image = an_image((number, 16, 12), seed=3)
    rng = np.random.default_rng(2)
    data = rng.normal(10, 1, image.data.shape) + drift * np.arange(number)[:, None, None]
    one = np.ones_like(image.data)
    planes = {"err": one, "var_poisson": one / 2, "var_rnoise": one / 2}
    return image.replace(data=data.astype(np.float32), dq=np.zeros_like(image.dq), **planes)


def hit(image, *places, by=30.0):
    data = image.data.copy()
    for place in places:
        data[place] += by
    return image.replace(data=data)


class TestOutlierIntegrations(StepContract):
    def case(self):
        return Case(OutlierIntegrations(rolling_window_width=5), hit(series(), (4, 3, 2)))


@pytest.mark.parametrize("width", [0, 5, 25])
def test_hits_are_found_and_nothing_else(width):
    image = hit(series(), (0, 1, 1), (5, 6, 7), (11, 2, 3))
    result = OutlierIntegrations(rolling_window_width=width, snr="6")(image)
    found = np.argwhere(result.dq & DQ.OUTLIER)
    assert found.tolist() == [[0, 1, 1], [5, 6, 7], [11, 2, 3]]
    assert np.isnan(result.data[5, 6, 7])
    assert np.isnan(result.var_rnoise[5, 6, 7])
    assert result.dq[5, 6, 7] == OUTLIER


def test_a_narrow_window_follows_a_drift():
    image = series(drift=3.0)
    counts = [
        (OutlierIntegrations(rolling_window_width=width)(image).dq & DQ.OUTLIER != 0).sum()
        for width in (3, 0)
    ]
    assert counts[0] < 0.01 * image.data.size < counts[1]


def test_what_cannot_be_used_hides_nothing_unless_it_spreads():
    image = hit(series(), (6, 2, 2), (6, 3, 3))
    data, dq = image.data.copy(), image.dq.copy()
    data[5, 2, 2] = np.nan
    dq[5, 3, 3] |= np.uint32(DQ.DO_NOT_USE)
    image = image.replace(data=data, dq=dq)
    for gaps, expected in (("ignore", True), ("spread", False)):
        result = OutlierIntegrations(rolling_window_width=5, gaps=gaps)(image)
        assert bool(result.dq[6, 2, 2] & DQ.OUTLIER) is expected
        assert bool(result.dq[6, 3, 3] & DQ.OUTLIER) is expected
        assert result.dq[5, 2, 2] & DQ.DO_NOT_USE


def test_errors_that_are_unknown_count_as_none():
    image = series()
    image = image.replace(err=np.full_like(image.err, np.nan))
    assert (OutlierIntegrations()(image).dq & DQ.DO_NOT_USE).all()


def test_medians_roll():
    data = np.array([5, 1, 4, np.nan, 2, 3, 9], np.float32)[:, None, None]
    rolled = rolling_median(data, 3)[:, 0, 0]
    np.testing.assert_array_equal(rolled, [4, 4, 2.5, 3, 2.5, 3, 3])
    spread = rolling_median(data, 3, spread=True)[:, 0, 0]
    np.testing.assert_array_equal(spread, [4, 4, np.nan, np.nan, np.nan, 3, 3])
    rng = np.random.default_rng(1)
    many = rng.normal(size=(30, 4, 5)).astype(np.float32)
    expected = np.median(np.lib.stride_tricks.sliding_window_view(many, 8, axis=0), axis=-1)
    np.testing.assert_allclose(rolling_median(many, 8)[4:27], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="median of 9 integrations cannot be had from 7"):
        rolling_median(data, 9)


def test_what_cannot_be_compared():
    with pytest.raises(StepSkipped, match="three integrations"):
        OutlierIntegrations()(series(2))
    with pytest.raises(StepSkipped, match="three integrations"):
        OutlierIntegrations()(an_image())
    with pytest.raises(BadParameter, match="snr must be a number"):
        OutlierIntegrations(snr="many")
