"""Bad pixels of image slicers, found by exposures themselves."""

import numpy as np
import pytest

from calcore.errors import BadParameter, CalcoreError, StepSkipped
from calcore.flags import DQ
from calcore.kernels.neighbour_differences import (
    above_percentile,
    extremes,
    local_median,
    nearest_difference,
    prominence,
)
from calcore.kernels.pixel_replace import from_profile
from calcore.model import Group, Meta
from calcore.pipeline import Pipeline, Slot
from calcore.run.assemble import assemble
from calcore.steps.calibration.adaptive_trace_model import AdaptiveTraceModel
from calcore.steps.calibration.badpix_selfcal import BadpixSelfcal
from calcore.steps.calibration.pixel_replace import PixelReplace
from calcore.steps.combination.outlier_slices import OutlierSlices
from calcore.testing import Case, StepContract
from calcore.testing.slicer_cases import BAD, badpix_selfcal, outlier_slices, sliced
from calcore.testing.spectra import a_slit


class TestBadpixSelfcalContract(StepContract):
    def case(self):
        return badpix_selfcal()


class TestOutlierSlicesContract(StepContract):
    def case(self):
        return outlier_slices()


def test_edge_of_a_trace_differs_from_one_neighbour_only():
    data = np.zeros((3, 9), np.float32)
    data[:, 2:4] = 5
    data[1, 6] = 7
    expected = np.zeros((3, 9))
    expected[1, 6] = 7
    np.testing.assert_array_equal(nearest_difference(data, 1, "missing"), expected)
    np.testing.assert_array_equal(nearest_difference(data.T.copy(), 0, "missing"), expected.T)


def test_beyond_the_edge_is_nothing_or_zero():
    data = np.array([[5, 8, np.nan]], np.float32)
    np.testing.assert_array_equal(nearest_difference(data, 1, "missing"), [[3, 3, np.nan]])
    data = np.array([[1, 8, 3]], np.float32)
    np.testing.assert_array_equal(nearest_difference(data, 1, "zero"), [[1, 5, 3]])
    np.testing.assert_array_equal(nearest_difference(data, 0, "zero"), data)


def test_local_median_without_nan():
    plane = np.arange(20, dtype=np.float32).reshape(4, 5)
    plane[1, 1] = np.nan
    padded = np.pad(plane, 1, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    np.testing.assert_array_equal(
        local_median(plane, (3, 3), "missing"), np.nanmedian(windows, axis=(2, 3))
    )
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(plane, 1), (3, 3))
    np.testing.assert_array_equal(
        local_median(plane, (3, 3), "zero"), np.nanmedian(windows, axis=(2, 3))
    )
    nothing = np.full((2, 2), np.nan, np.float32)
    assert np.isnan(local_median(nothing, (1, 1), "missing")).all()
    assert not above_percentile(prominence(nothing, (3, 3), "missing"), 50, 0).any()
    assert not extremes(nothing, 0.1, 0.1).any()


def test_prominence_does_not_grow_where_nothing_varies():
    plane = np.full((9, 9), 3, np.float32)
    plane[4:, 4:] = 0.01
    ratio = prominence(plane, (3, 3), "missing")
    assert ratio[0, 0] == 1
    np.testing.assert_allclose(ratio[8, 8], 0.01)  # over a third of the median of all
    np.testing.assert_allclose(prominence(10 * plane, (3, 3), "missing"), ratio, rtol=1e-6)


def test_a_bad_pixel_is_flagged_in_all_exposures_and_a_hit_in_none():
    members = [sliced(seed=seed) for seed in (1, 2, 3)]
    members[1].data[25, 30] = 900.0
    result = OutlierSlices(threshold_percent=99.9)(Group("product", tuple(members)))
    for member in result.members:
        assert member.dq[BAD] & (DQ.OUTLIER | DQ.DO_NOT_USE) == DQ.OUTLIER | DQ.DO_NOT_USE
        assert np.isnan([member.data[BAD], member.err[BAD], member.var_rnoise[BAD]]).all()
        assert not member.dq[25, 30] & DQ.OUTLIER


@pytest.mark.parametrize("axis", [1, 2])
def test_second_check_flags_pixels_without_neighbours(axis):
    members = [sliced(seed=seed, dispersion_axis=axis) for seed in (1, 2)]
    for member in members:
        member.data[20, 9:12] = np.nan
        member.data[5:8, 30] = np.nan
    group = Group("product", tuple(members))
    once = OutlierSlices(beyond="zero")(group).members[0].dq
    twice = OutlierSlices(beyond="zero", ifu_second_check=True)(group).members[0].dq
    added = ((twice & ~once) & DQ.OUTLIER) != 0
    assert added[20, 9:12].all()
    assert added[5:8, 30].all()


def test_outliers_need_two_exposures_of_one_shape():
    with pytest.raises(StepSkipped, match="two exposures"):
        OutlierSlices()(Group("product", (sliced(),)))
    with pytest.raises(BadParameter, match="two odd numbers"):
        OutlierSlices(kernel_size="6 7")
    with pytest.raises(BadParameter, match="two odd numbers"):
        OutlierSlices(kernel_size="7")
    with pytest.raises(BadParameter, match="two odd numbers up to 99"):
        OutlierSlices(kernel_size="99999 7")


def test_exposures_of_one_place_are_left_as_they_are():
    """A source is as sharp as a bad pixel, and as bright in all of them."""

    def placed(ra, seed, detector="MIRIMAGE"):
        image = sliced(seed=seed)
        told = {"wcsinfo.ra_ref": ra, "wcsinfo.dec_ref": 60.0, "instrument.detector": detector}
        return image.replace(meta=image.meta.set(told))

    half = 0.05 / 3600
    near = Group("product", (placed(359.99999, 1), placed(359.99999 + half, 2)))
    with pytest.raises(StepSkipped, match=r"exposures of two places .*\.unmoved=judge"):
        OutlierSlices()(near)
    judged = OutlierSlices(unmoved="judge", threshold_percent=99.9)(near)
    assert judged.members[0].dq[BAD] & DQ.OUTLIER
    # Across the meridian of 0; another detector's only exposure stays as it is.
    far = Group("product", (placed(359.99999, 1), placed(0.0001, 2), placed(0.0, 3, "OTHER")))
    first, second, other = OutlierSlices(threshold_percent=99.9)(far).members
    assert first.dq[BAD] & second.dq[BAD] & DQ.OUTLIER
    assert not (other.dq & DQ.OUTLIER).any()
    assert other.data[BAD] == 500


def test_bad_pixel_that_two_exposures_share_and_hit_that_one_has():
    image, other = sliced(), sliced(seed=2)
    image.data[25, 30] = 900.0
    result = BadpixSelfcal(flagfrac_lower=0, flagfrac_upper=0.001)(image, selfcals=(other,))
    assert result.dq[BAD] == DQ.OTHER_BAD_PIXEL | DQ.DO_NOT_USE
    assert np.isnan(result.data[BAD])
    assert not result.dq[25, 30] & DQ.OTHER_BAD_PIXEL
    flagged = (result.dq & DQ.OTHER_BAD_PIXEL) != 0
    assert flagged.sum() <= np.ceil(0.001 * flagged.size)


def test_single_exposure_only_if_asked_for():
    with pytest.raises(StepSkipped, match="force_single"):
        BadpixSelfcal()(sliced())
    alone = BadpixSelfcal(force_single=True)(sliced())
    assert alone.dq[BAD] & DQ.OTHER_BAD_PIXEL
    with pytest.raises(BadParameter, match="odd"):
        BadpixSelfcal(kernel_size=4)


class TestPixelReplaceContract(StepContract):
    def case(self):
        return Case(PixelReplace(), sliced())


def test_replaced_along_a_trace_and_across_a_line():
    image = sliced()
    data = np.full_like(image.data, 1.0)
    data[:, 10] = [20 + 0.1 * row for row in range(data.shape[0])]
    data[20] = 50
    data[5, 10] = data[20, 30] = data[0, 0] = np.nan
    data[8, 8:11] = np.nan
    dq = np.where(np.isnan(data), np.uint32(DQ.DO_NOT_USE), np.uint32(0))
    dq[20, 30] |= DQ.NON_SCIENCE
    image = image.replace(data=data, dq=dq, err=data + 1, var_rnoise=data**2)
    result = PixelReplace()(image)
    assert result.data[5, 10] == pytest.approx(20.5)
    assert result.err[5, 10] == pytest.approx(21.5)
    assert result.var_rnoise[5, 10] == pytest.approx(20.5**2)
    assert result.dq[5, 10] == DQ.FLUX_ESTIMATED
    assert result.data[20, 30] == 50
    assert result.dq[20, 30] == DQ.FLUX_ESTIMATED | DQ.NON_SCIENCE | DQ.DO_NOT_USE
    assert np.isnan(result.data[0, 0])
    assert result.dq[0, 0] == DQ.DO_NOT_USE
    np.testing.assert_allclose(result.data[8, 8:11], [1, 1, 20.8], rtol=1e-6)


def test_flagged_neighbours_count_only_if_asked_for():
    image = sliced()
    data, dq = np.ones_like(image.data), np.zeros_like(image.dq)
    data[6, 6], data[6, 7], data[5, 6] = np.nan, 77, 177
    dq[6, 6:8] = DQ.DO_NOT_USE
    image = image.replace(data=data, dq=dq)
    assert PixelReplace(rule="gradient")(image).data[6, 6] == 89
    assert PixelReplace(rule="gradient", flagged="count")(image).data[6, 6] == 39


@pytest.mark.parametrize("roles", [(), ("selfcal",), ("background",)])
def test_members_of_one_role_do(roles):
    slot = Slot(name="badpix_selfcal", use="badpix_selfcal", status="badpix_selfcal")
    pipeline = Pipeline(name="spec2", stage="2", slots=(slot,))
    (built,) = assemble(pipeline, Meta({}), find=None, overrides={}, roles=frozenset(roles))
    assert not built.skip


def test_profile_of_rows_beside_a_bad_pixel():
    rows, columns = np.mgrid[:20, :15]
    data = ((20 + rows) * np.exp(-0.5 * ((columns - 7.2) / 2) ** 2)).astype(np.float32)
    bad = np.zeros(data.shape, bool)
    bad[0, 7] = bad[9, 6:8] = True
    bad[15] = True
    spoilt = np.where(bad, np.float32(1e5), data)
    given = spoilt.copy()
    planes = {"data": spoilt, "err": data / 10, "var_rnoise": (data / 20) ** 2}
    found, known = from_profile(planes, bad, 3)
    truth = {"data": data, "err": data / 10, "var_rnoise": (data / 20) ** 2}
    np.testing.assert_array_equal(known, bad & (rows != 15))
    for name, plane in found.items():
        np.testing.assert_allclose(plane[known], truth[name][known], rtol=1e-5, err_msg=name)
        np.testing.assert_array_equal(plane[~known], planes[name][~known])
    np.testing.assert_array_equal(spoilt, given)
    doubled, _ = from_profile({name: 2 * plane for name, plane in planes.items()}, bad, 3)
    np.testing.assert_allclose(doubled["data"], 2 * found["data"], rtol=1e-6)


def test_rows_of_noise_are_not_scaled(rng):
    data = rng.normal(1, 1, (30, 15)).astype(np.float32)
    bad = np.zeros(data.shape, bool)
    bad[12, 7] = True
    planes = {"data": data, "err": np.ones_like(data)}
    found, known = from_profile(planes, bad, 3)
    near = [9, 10, 11, 13, 14, 15]
    assert known.sum() == 1
    assert found["data"][12, 7] == pytest.approx(np.median(data[near, 7]))
    assert found["err"][12, 7] == 1


def test_profiles_and_models_want_coordinates():
    for algorithm in ("fit_profile", "trace_model"):
        with pytest.raises(CalcoreError, match="no world coordinates of spectra and DISPAXIS"):
            PixelReplace(algorithm=algorithm)(sliced())


def test_model_of_traces_fills_clusters_of_bad_pixels():
    slit = a_slit()
    row, _ = (int(n) for n in np.argwhere(np.isfinite(slit.wavelength)).mean(axis=0))
    peak = int(np.nanargmax(slit.data[row]))
    cluster = np.s_[row - 1 : row + 2, peak - 1 : peak + 2]
    data, err, dq = slit.data.copy(), slit.err.copy(), slit.dq.copy()
    for plane in (data, err):
        plane[cluster] = np.nan
    dq[cluster] = DQ.DO_NOT_USE
    dq[row, peak + 1] |= DQ.NON_SCIENCE
    spoilt = slit.replace(data=data, err=err, dq=dq)
    model = AdaptiveTraceModel(slope_limit=0.02)(spoilt)
    result = PixelReplace(algorithm="trace_model")(model)
    filled = result.dq[cluster] == DQ.FLUX_ESTIMATED
    assert filled.sum() == 8
    np.testing.assert_array_equal(result.data[cluster][filled], model.trace_model[cluster][filled])
    np.testing.assert_allclose(result.data[cluster][filled], slit.data[cluster][filled], rtol=0.15)
    np.testing.assert_allclose(result.err[cluster][filled], slit.err[cluster][filled], rtol=0.1)
    assert np.isnan(result.data[row, peak + 1])
    assert result.dq[row, peak + 1] == dq[row, peak + 1]
    # Beside traces it is the mean of two neighbours.
    alone = spoilt.replace(trace_model=np.full_like(data, np.nan))
    plain = PixelReplace()(alone)
    same = PixelReplace(algorithm="trace_model")(alone)
    np.testing.assert_array_equal(same.data, plain.data)
    np.testing.assert_array_equal(same.dq, plain.dq)


def test_bad_pixels_of_a_slit():
    slit = a_slit()
    row, column = (int(n) for n in np.argwhere(np.isfinite(slit.wavelength)).mean(axis=0))
    flags = slit.dq.copy()
    flags[row, column], flags[row, column + 1] = DQ.DO_NOT_USE, DQ.DO_NOT_USE | DQ.NON_SCIENCE
    result = PixelReplace(algorithm="fit_profile")(slit.replace(dq=flags))
    assert result.dq[row, column] == DQ.FLUX_ESTIMATED
    assert result.dq[row, column + 1] == flags[row, column + 1]
    assert result.data[row, column] != slit.data[row, column]
    assert result.data[row, column] == pytest.approx(slit.data[row, column], rel=0.3)
    assert result.data[row, column + 1] == slit.data[row, column + 1]


@pytest.mark.parametrize("algorithm", ["mingrad", "fit_profile"])
def test_integrations_of_a_series_are_replaced_one_by_one(algorithm):
    slit = a_slit()
    row, column = (int(n) for n in np.argwhere(np.isfinite(slit.wavelength)).mean(axis=0))
    one, other = slit, slit.replace(data=2 * slit.data)
    singles = []
    for image, at in ((one, row), (other, row + 1)):
        data, flags = image.data.copy(), image.dq.copy()
        data[at, column], flags[at, column] = np.nan, DQ.DO_NOT_USE
        singles.append(image.replace(data=data, dq=flags))
    names = ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat")
    given = [name for name in names if getattr(slit, name) is not None]
    stacked = {name: np.stack([getattr(single, name) for single in singles]) for name in given}
    step = PixelReplace(algorithm=algorithm)
    series = step(slit.replace(**stacked))
    assert not np.array_equal(series.dq[0], series.dq[1])
    for k, single in enumerate(singles):
        alone = step(single)
        for name in given:
            np.testing.assert_array_equal(getattr(series, name)[k], getattr(alone, name))
