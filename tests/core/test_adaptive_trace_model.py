"""Models of traces, and exposures on finer pixels."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.modeling.models import Mapping
from gwcs import WCS

from calcore.errors import BadParameter, CalcoreError
from calcore.flags import DQ
from calcore.kernels.finer_pixels import between, steep
from calcore.kernels.trace_splines import profiles
from calcore.model import ExposureType, Facts, Group
from calcore.steps.calibration.adaptive_trace_model import AdaptiveTraceModel
from calcore.steps.calibration.extract_slit import ExtractSlit
from calcore.steps.combination.resample_spec import ResampleSpec
from calcore.testing import StepContract
from calcore.testing.samples import an_image
from calcore.testing.slit_cases import adaptive_trace_model
from calcore.testing.spectra import a_slit
from calcore.testing.spectral_cases import extract_slit
from calcore.wcs.divided import divided_wcs, fineness_of, in_pixels, whole_pixels
from calcore.wcs.within import within_box


class TestAdaptiveTraceModelContract(StepContract):
    def case(self):
        return adaptive_trace_model()


ROWS, COLUMNS, WIDTH = 160, 17, 0.9


def light(places, centre=0.3):
    """A source so narrow that pixels undersample it, on a level."""
    return np.exp(-0.5 * ((places - centre) / WIDTH) ** 2) + 0.02


def leaning(lean=3.0):
    """Places of pixels in a slit whose image shifts by so many pixels from the first to the last row."""
    rows = np.linspace(0, lean, ROWS)[:, None]
    return np.arange(COLUMNS) - 8 + rows - lean / 2


def spectrum():
    return 100 * (1 + 0.5 * np.sin(np.arange(ROWS) / 9))[:, None]


@pytest.mark.parametrize("lean", [3.0, -8.0])
def test_profile_is_known_between_pixels(lean):
    places = leaning(lean)
    data = spectrum() * light(places)
    found = profiles(data, places, np.ones(data.shape, bool), step=0.5, reach=40)
    fine = np.linspace(places.min(axis=1) + 0.5, places.max(axis=1) - 0.5, 200, axis=1)
    model = found.at(fine) * found.scales[:, None]
    np.testing.assert_allclose(model, spectrum() * light(fine), rtol=0, atol=0.4)
    doubled = profiles(2 * data, places, np.ones(data.shape, bool), step=0.5, reach=40)
    np.testing.assert_allclose(doubled.coefficients, found.coefficients, rtol=1e-9)
    np.testing.assert_allclose(doubled.scales, 2 * found.scales, rtol=1e-9)


def test_windows_grow_where_few_phases_are_seen():
    rows = np.arange(ROWS)[:, None] - ROWS / 2
    places = np.arange(COLUMNS) - 8 + 3e-4 * rows**2  # stands still in the middle
    data = spectrum() * light(places)
    found = profiles(data, places, np.ones(data.shape, bool), step=0.5, reach=10)
    fine = np.broadcast_to(np.linspace(-6, 6, 100), (ROWS, 100))
    middle = slice(ROWS // 2 - 5, ROWS // 2 + 5)
    model = (found.at(fine) * found.scales[:, None])[middle]
    np.testing.assert_allclose(model, (spectrum() * light(fine))[middle], rtol=0, atol=1.5)


def test_what_stands_out_or_is_missing_does_not_count(rng):
    places = leaning()
    data = spectrum() * light(places)
    good = rng.random(data.shape) > 0.05
    good[60, 6:11] = good[61] = False
    spoilt = np.where(good, data, np.nan)
    spoilt[30, 8] += 300
    given = spoilt.copy()
    found = profiles(spoilt, places, good, step=0.5, reach=40)
    model = found.at(places) * found.scales[:, None]
    rows = (np.arange(ROWS) != 30) & (np.arange(ROWS) != 61)
    np.testing.assert_allclose(model[rows], data[rows], rtol=0, atol=1.0)
    assert np.isnan(found.scales[61])
    np.testing.assert_array_equal(spoilt, given)
    nothing = profiles(data, places, np.zeros(data.shape, bool), step=0.5)
    assert np.isnan(nothing.at(places)).all()


def test_straight_lines_between_good_pixels():
    planes = np.array([[[1.0, 2.0, 99.0, 8.0], [5.0, np.nan, np.nan, np.nan]]])
    good = np.array([[True, True, False, True], [True, False, False, False]])
    places = np.array([-0.25, 0.0, 0.25, 1.5, 2.5, 3.0, 3.25])
    found = between(planes, good, places)
    np.testing.assert_allclose(found[0, 0], [1, 1, 1.25, 3.5, 6.5, 8, 8])
    np.testing.assert_allclose(found[0, 1], 5)
    assert np.isnan(between(planes, np.zeros_like(good), places)).all()


def test_steep_parts_of_profiles_and_pixels_beside():
    profile = np.array([[0, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 0, 0, np.nan]])
    expected = np.zeros((1, 14), bool)
    expected[0, 1:11] = True
    np.testing.assert_array_equal(steep(profile, 0.1), expected)
    np.testing.assert_array_equal(steep(profile[:, ::-1], 0.1), expected[:, ::-1])
    np.testing.assert_array_equal(steep(profile, 0.6), np.zeros((1, 14), bool))
    np.testing.assert_array_equal(steep(profile, 0.0), np.isfinite(profile))


@pytest.mark.parametrize("fineness", [2.0, 3.0, 2.5])
def test_finer_pixels_lie_in_those_that_they_divide(fineness):
    inside, places = whole_pixels(20, fineness), in_pixels(20, fineness)
    assert inside.size == round(20 * fineness)
    np.testing.assert_array_equal(np.abs(places - inside) <= 0.5, True)
    assert places[0] == pytest.approx(-0.5 + 0.5 / fineness)


@pytest.mark.parametrize("axis", [0, 1])
def test_finer_pixels_see_the_same_sky(axis):
    slit = a_slit()
    shape = slit.data.shape
    wcs = divided_wcs(slit.wcs, shape, 2.0, axis)
    assert fineness_of(wcs) == 2
    assert fineness_of(slit.wcs) == 1
    assert wcs.available_frames[0] == "coordinates"
    finer = [shape[0], shape[1]]
    finer[axis] *= 2
    world = within_box(wcs, (finer[0], finer[1]))
    pairs = np.moveaxis(world, axis + 1, -1)
    mean = np.moveaxis((pairs[..., ::2] + pairs[..., 1::2]) / 2, -1, axis + 1)
    whole = within_box(slit.wcs, shape)
    both = np.isfinite(mean[0]) & np.isfinite(whole[0])
    assert both.sum() > 500
    np.testing.assert_allclose(mean[:2, both], whole[:2, both], rtol=0, atol=1e-8)


def test_model_of_a_slit():
    slit = a_slit()
    result = AdaptiveTraceModel(slope_limit=0.02)(slit)
    seen = np.isfinite(result.trace_model)
    assert seen.sum() > 400
    np.testing.assert_array_equal(result.data, slit.data)
    good = seen & np.isfinite(slit.data) & (slit.dq == 0)
    error = (slit.data - result.trace_model)[good] / slit.err[good]
    assert np.sqrt(np.mean(error**2)) < 1.2
    assert not np.isfinite(AdaptiveTraceModel(fit_threshold=1e6)(slit).trace_model).any()
    assert np.isfinite(AdaptiveTraceModel(psf_optimal=True)(slit).trace_model).sum() > seen.sum()


def test_oversampled_slit():
    slit = a_slit()
    row, _ = (int(n) for n in np.argwhere(np.isfinite(slit.wavelength)).mean(axis=0))
    bad = np.unravel_index(
        np.nanargmax(np.where(np.arange(48)[:, None] == row, slit.data, np.nan)), (48, 30)
    )
    data, dq = slit.data.copy(), slit.dq.copy()
    data[bad], dq[bad] = np.nan, DQ.DO_NOT_USE
    step = AdaptiveTraceModel(oversample=2.0, slope_limit=0.02, save_intermediate_results=True)
    spoilt = slit.replace(data=data, dq=dq, area=np.ones_like(data))
    parts = step(spoilt.cut(spoilt.frame))
    result = parts.image
    assert result.data.shape == (48, 60)
    assert result.area is None
    finer = np.s_[bad[0], 2 * bad[1] : 2 * bad[1] + 2]
    assert (result.dq[finer] == DQ.FLUX_ESTIMATED).all()
    np.testing.assert_allclose(result.data[finer].mean(), slit.data[bad], rtol=0.1)
    assert ((result.dq[np.isnan(result.data)] & DQ.DO_NOT_USE) != 0).all()
    # What pixels hold stays: straight lines through data, and residuals put back, keep the mean.
    wide = result.data.reshape(48, 30, 2).mean(axis=2)
    both = np.isfinite(wide) & np.isfinite(slit.data)
    assert abs(np.sum(wide[both]) / np.sum(slit.data[both]) - 1) < 5e-3
    plain = np.isfinite(result.data) & ~np.isfinite(result.trace_model)
    grown = result.err[plain] / np.repeat(slit.err, 2, axis=1)[plain]
    assert np.median(grown) == pytest.approx(1.23, rel=0.05)
    both = np.isfinite(parts.spline_full.data) & np.isfinite(data)
    whole = (parts.spline_residual.data + parts.spline_full.data)[both]
    np.testing.assert_allclose(whole, data[both], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(
        np.isfinite(result.wavelength), np.isfinite(within_box(result.wcs, (48, 60))[2])
    )


def turned(slit):
    """Return a slit whose light is dispersed along x."""
    first, *others = [(step.frame, step.transform) for step in slit.wcs.pipeline]
    wcs = WCS([(first[0], Mapping((1, 0)) | first[1]), *others])
    wcs.bounding_box = tuple(slit.wcs.bounding_box.bounding_box(order="F"))[::-1]
    names = ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat", "area", "wavelength")
    planes = {name: np.ascontiguousarray(plane.T) for name in names
              if (plane := getattr(slit, name)) is not None}  # fmt: skip
    return slit.replace(wcs=wcs, meta=slit.meta.set({"wcsinfo.dispersion_direction": 1}), **planes)


def test_light_dispersed_along_rows_is_modelled_alike():
    step = AdaptiveTraceModel(oversample=2.0, slope_limit=0.02)
    along_y, along_x = step(a_slit()), step(turned(a_slit()))
    assert along_x.data.shape == (60, 48)
    for name in ("data", "err", "dq", "var_rnoise", "trace_model", "wavelength"):
        one, other = getattr(along_y, name), getattr(along_x, name).T
        np.testing.assert_allclose(other, one, rtol=1e-5, err_msg=name)


def test_oversampled_slits_are_rectified_onto_pixels_of_the_detector():
    slit = a_slit()
    finer = AdaptiveTraceModel(oversample=2.0, slope_limit=0.02)(slit)
    one, other = (ResampleSpec(along="slit")(Group("a", (member,))) for member in (slit, finer))
    assert abs(one.data.shape[1] - other.data.shape[1]) <= 1
    sums = [np.nansum(spectrum.data, axis=1)[3:-3] for spectrum in (one, other)]
    np.testing.assert_allclose(sums[1], sums[0], rtol=0.05)
    with pytest.raises(CalcoreError, match="is oversampled, and apertures are told in pixels"):
        ExtractSlit()(finer, **extract_slit().given)


def test_series_are_modelled_by_their_mean():
    slit = a_slit((3, 48, 30))
    result = AdaptiveTraceModel(slope_limit=0.02)(slit)
    assert result.trace_model.shape == (48, 30)
    with pytest.raises(BadParameter, match="oversample is 2, but time series"):
        AdaptiveTraceModel(oversample=2.0)(slit)
    kind = ExposureType(name="SERIES", time_series=True)
    facts: Facts = replace(slit.meta.facts, exposure_type=kind)
    single = a_slit(exposure__nints=2)
    with pytest.raises(BadParameter, match="several integrations, are not oversampled"):
        AdaptiveTraceModel(oversample=2.0)(single.replace(meta=single.meta.with_facts(facts)))


def test_images_without_coordinates_are_refused():
    with pytest.raises(CalcoreError, match="no world coordinates of spectra and DISPAXIS"):
        AdaptiveTraceModel()(an_image())
