"""Spectra of slits: apertures, backgrounds, errors, and series of integrations."""

import numpy as np
import pytest
from astropy.modeling.models import (
    Const1D,
    Identity,
    Mapping,
    Pix2Sky_TAN,
    Polynomial2D,
    RotateNative2Celestial,
    Scale,
    Shift,
    Sky2Pix_TAN,
)
from gwcs import WCS

from calcore.errors import CalcoreError, DataUnusable, Doubtful, ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels.slit_extraction import bilinear, boxed, weighted_mean, weights
from calcore.kernels.slit_profile import fitted
from calcore.model import Meta
from calcore.model.reference import ApertureCorrection, SlitApertures, SlitProfile
from calcore.model.slit import Slit
from calcore.model.spectrum import Spectra, SpectrumSeries
from calcore.steps.calibration.extract_slit import ExtractSlit
from calcore.testing import Case, StepContract
from calcore.wcs import frames, spectral_frames

ROWS, COLUMNS = 20, 25
STERADIAN = 2.5e-13
ENTRY = {"id": "SLIT", "dispaxis": 2, "xstart": 8, "xstop": 14}
BESIDE = {"bkg_coeff": [[0.5], [4.5], [18.5], [22.5]]}


def coordinates(tilt=0.0, down=True):
    """Wavelength 5 to 5.38 um along y, falling if `down`; the slit along x, 0.1 arcsec a pixel."""
    turn = RotateNative2Celestial(0.0, -20.0, 180.0)
    place = Polynomial2D(1, c0_0=-12 + 10 * tilt, c1_0=1, c0_1=-tilt)
    back = Polynomial2D(1, c0_0=12 - 10 * tilt, c1_0=1, c0_1=tilt)
    wavelength = (Scale(-0.02) | Shift(5.38)) if down else (Scale(0.02) | Shift(5.0))
    scale = Scale(0.1 / 3600)
    sky = (scale & Const1D(0.0)) | Pix2Sky_TAN() | turn
    forward = Mapping((0, 1, 1)) | place & wavelength | Mapping((0, 0, 1)) | sky & Identity(1)
    forward.inverse = (
        (turn.inverse | Sky2Pix_TAN()) & wavelength.inverse
        | Mapping((0, 2, 2), n_inputs=3) | scale.inverse & Identity(2) | back & Identity(1)
    )  # fmt: skip
    return WCS([(frames.detector(), forward), (spectral_frames.world(), None)])


def a_slit(place=11.0, flux=100.0, sky=3.0, tilt=0.0, shape=(ROWS, COLUMNS), **changes):
    """A Gaussian source [MJy/sr * pixel at each wavelength] on a level sky."""
    wcs = coordinates(tilt)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    apart = x - place - tilt * (y - 10)
    light = flux / np.sqrt(2 * np.pi) / 1.2 * np.exp(-(apart**2) / 2 / 1.2**2) + sky
    ra, dec, _ = wcs(place, 10)
    told = {"exposure.type": "SLIT", "target.source_type": "POINT", "target.ra": float(ra),
            "target.dec": float(dec), "photometry.pixelarea_steradians": STERADIAN,
            "bunit_data": "MJy/sr", "wcsinfo.dispersion_direction": 2}  # fmt: skip
    given = {
        "data": np.broadcast_to(light, shape).astype("f4"), "err": np.full(shape, 0.6, "f4"),
        "dq": np.zeros(shape, "u4"), "var_poisson": np.full(shape, 0.16, "f4"),
        "var_rnoise": np.full(shape, 0.12, "f4"), "var_flat": np.full(shape, 0.08, "f4"),
    }  # fmt: skip
    return Slit(meta=Meta({**told, **changes}), wcs=wcs, **given)


def apertures(**entry):
    return SlitApertures(meta=Meta({}), apertures=[{"id": "OTHER"}, {**ENTRY, **entry}])


def corrections():
    names = [("subarray", "U8"), ("wavelength", "f4", (3,)), ("nelem_wl", "i2"),
             ("size", "f4", (4,)), ("nelem_size", "i2"), ("apcorr", "f4", (3, 4))]  # fmt: skip
    table = np.zeros(1, names)
    table["subarray"], table["wavelength"], table["size"] = "SUB", [5.0, 5.4, 0], [3, 5, 9, 0]
    table["nelem_wl"], table["nelem_size"] = 2, 3
    table["apcorr"] = 9.0
    table["apcorr"][0, :2, :3] = [[1.5, 1.3, 1.1], [1.7, 1.5, 1.3]]
    return ApertureCorrection(meta=Meta({}), table=table)


def extracted(slit, entry=None, apcorr=None, **settings):
    return ExtractSlit(**settings)(slit, extract1d=apertures(**(entry or {})), apcorr=apcorr)


def table_of(*given, **settings):
    return extracted(*given, **settings).spectra[0].table


class TestExtractSlitContract(StepContract):
    def case(self):
        slit = a_slit(**{"subarray.name": "SUB"})
        given = {"extract1d": apertures(**BESIDE), "apcorr": corrections()}
        return Case(ExtractSlit(), slit, given)


def test_light_of_a_point_and_its_brightness_are_right_and_wavelengths_ascend():
    found = extracted(a_slit(), BESIDE)
    assert type(found) is Spectra
    table = found.spectra[0].table
    np.testing.assert_allclose(table["WAVELENGTH"], 5 + 0.02 * np.arange(ROWS), rtol=1e-9)
    np.testing.assert_allclose(table["FLUX"], 100 * STERADIAN * 1e6, rtol=4e-3)
    np.testing.assert_allclose(table["SURF_BRIGHT"], 100 / 7, rtol=4e-3)
    np.testing.assert_allclose(table["BACKGROUND"], 3, rtol=1e-5)
    np.testing.assert_allclose(table["NPIXELS"], 7)
    assert (table["DQ"] == 0).all()
    meta = found.spectra[0].meta
    assert meta["spectrum.name"] == "SLIT"
    edges = [meta[f"spectrum.extraction_{axis}{end}"] for axis in "xy" for end in ("start", "stop")]
    assert edges == pytest.approx([9, 15, 1, ROWS], abs=1e-8)


def test_uniform_light_has_its_surface_brightness_in_any_aperture():
    slit = a_slit(flux=0.0, sky=4.0, **{"target.source_type": "EXTENDED"})
    for entry in ({}, {"src_coeff": [[5.3], [11.9]]}, {"extract_width": 4.4}):
        table = table_of(slit, entry, corrections())
        np.testing.assert_allclose(table["SURF_BRIGHT"], 4.0, rtol=1e-6)
        np.testing.assert_allclose(table["FLUX"], 4 * table["NPIXELS"] * STERADIAN * 1e6, rtol=1e-6)


def test_aperture_goes_with_the_source_along_the_spectrum():
    slit = a_slit(13.0, tilt=0.3)
    follows = table_of(slit, BESIDE)
    np.testing.assert_allclose(follows["FLUX"], 100 * STERADIAN * 1e6, rtol=6e-3)
    straight = table_of(slit, BESIDE, aperture="straight")
    assert straight["FLUX"].min() < 0.9 * follows["FLUX"].min()
    fixed = table_of(slit, BESIDE | {"use_source_posn": False})
    np.testing.assert_allclose(fixed["NPIXELS"], 7)
    assert table_of(slit, BESIDE, use_source_posn=False)["FLUX"].tolist() == fixed["FLUX"].tolist()


def test_offset_moves_everything_along_the_slit():
    moved = table_of(a_slit(), BESIDE, use_source_posn=False, position_offset=3.0)
    given = table_of(
        a_slit(), {"xstart": 11, "xstop": 17, "bkg_coeff": [[3.5], [7.5], [21.5], [25.5]]},
        use_source_posn=False,
    )  # fmt: skip
    assert moved["FLUX"].tolist() == given["FLUX"].tolist()


@pytest.mark.parametrize("fit", ["poly", "mean", "median"])
def test_errors_are_those_of_the_flux(rng, fit):
    """Scatter of many rows of noise, from which the background is subtracted."""
    shape = (2000, COLUMNS)
    noise = rng.normal(0, 0.6, shape)
    good = np.ones(shape, np.bool_)
    edge = np.ones(shape[0])
    inside = weights(shape, [(7.25 * edge, 13.5 * edge)])
    beside = weights(shape, [(0.5 * edge, 4.5 * edge), (17.5 * edge, 22.5 * edge)])
    sums = boxed(
        noise, [np.full(shape, 0.36)], good, inside, beside,
        fit="median" if fit == "median" else "poly", order=1 if fit == "poly" else 0,
    )  # fmt: skip
    told = np.sqrt(sums.variances + sums.background_variances)[0]
    assert (sums.total - sums.background).std() == pytest.approx(told.mean(), rel=0.06)


def test_background_may_slope():
    slit = a_slit(flux=0.0)
    slope = np.linspace(0, 5, COLUMNS, dtype="f4")
    slit = slit.replace(data=slit.data + slope)
    straight = table_of(slit, BESIDE | {"bkg_order": 1}, use_source_posn=False)
    np.testing.assert_allclose(straight["FLUX"], 0, atol=1e-5 * STERADIAN * 1e6)
    level = table_of(slit, BESIDE, use_source_posn=False)["BACKGROUND"]
    np.testing.assert_allclose(level, 3 + slope[[1, 2, 3, 4, 19, 20, 21, 22]].mean(), rtol=1e-6)
    assert (table_of(slit, BESIDE, subtract_background=False)["BACKGROUND"] == 0).all()


def test_background_is_smoothed_over_wavelengths():
    slit = a_slit(flux=0.0, sky=0.0)
    data = np.array(slit.data)
    data[10] = 9.0
    found = table_of(
        slit.replace(data=data), BESIDE, smoothing_length=3, use_source_posn=False
    )["BACKGROUND"][::-1]  # fmt: skip
    np.testing.assert_allclose(found[8:13], [0, 3, 3, 3, 0], atol=1e-6)


def test_pixels_that_are_missing_are_filled_or_left():
    slit = a_slit()
    data, dq = slit.data.copy(), slit.dq.copy()
    data[5, 11], dq[7, 10], data[7, 10], data[9, 1] = np.nan, 1, 1e5, np.nan
    data[12:19, 9:14] = np.nan
    broken = slit.replace(data=data, dq=dq)
    whole, filled = table_of(slit, BESIDE)[::-1], table_of(broken, BESIDE)[::-1]
    rows = np.r_[0:12, 19]
    np.testing.assert_allclose(filled["FLUX"][rows], whole["FLUX"][rows], rtol=1e-6)
    assert np.flatnonzero(filled["DQ"] == DQ.FLUX_ESTIMATED).tolist() == [5, 7]
    assert np.flatnonzero(filled["DQ"] == DQ.DO_NOT_USE).tolist() == list(range(12, 19))
    assert np.isnan(filled["FLUX"][12:19]).all()
    left = table_of(broken, BESIDE, holes="leave")[::-1]
    assert left["NPIXELS"][[5, 7, 9, 13]].tolist() == [6, 6, 7, 2]
    assert (left["FLUX"][5] < 0.8 * whole["FLUX"][5]) & (left["DQ"][5] == 0)


def test_no_background_is_no_flux_unless_it_is_to_be_left():
    slit = a_slit()
    data = slit.data.copy()
    data[:, :6], data[:, 16:] = np.nan, np.nan
    slit = slit.replace(data=data)
    with pytest.warns(Doubtful, match="or of its background, is usable: the spectrum is NaN"):
        assert (table_of(slit, BESIDE)["DQ"] == DQ.DO_NOT_USE).all()
    left = table_of(slit, BESIDE, holes="leave")
    assert (left["BACKGROUND"] == 0).all()
    np.testing.assert_allclose(left["FLUX"], 121 * STERADIAN * 1e6, rtol=4e-3)


def test_point_sources_are_corrected_for_what_the_aperture_misses():
    slit = a_slit(**{"subarray.name": "SUB"})
    bare = table_of(slit, BESIDE)
    for entry, expected in (({}, 1.2), ({"xstop": 9}, 1.5), ({"xstart": 1, "xstop": 21}, 1.1)):
        bare = table_of(slit, BESIDE | entry)
        table = table_of(slit, BESIDE | entry, corrections())
        factor = expected + 0.2 * (table["WAVELENGTH"] - 5) / 0.4
        np.testing.assert_allclose(table["FLUX"] / bare["FLUX"], factor, rtol=1e-6)
        np.testing.assert_allclose(table["FLUX_ERROR"] / bare["FLUX_ERROR"], factor, rtol=1e-6)
        np.testing.assert_allclose(table["BACKGROUND"], bare["BACKGROUND"])


def test_wavelengths_along_x_are_as_good_as_along_y():
    upright = a_slit(place=10.4)
    fields = ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat")
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(float)
    wavelength = np.ascontiguousarray(upright.wcs(x, y)[2].T).astype("f4")
    planes = {name: np.ascontiguousarray(getattr(upright, name).T) for name in fields}
    lying = upright.replace(**planes, wavelength=wavelength, wcs=None)
    entry = {"dispaxis": 1, "ystart": 8, "ystop": 14, "xstart": None, "xstop": None}
    turned = table_of(lying, BESIDE | entry, use_source_posn=False)
    plain = table_of(upright, BESIDE, use_source_posn=False)
    np.testing.assert_allclose(turned["FLUX"], plain["FLUX"], rtol=1e-6)
    np.testing.assert_allclose(turned["WAVELENGTH"], plain["WAVELENGTH"], rtol=1e-6)


def test_series_have_a_spectrum_of_each_integration_and_its_times():
    slit = a_slit(shape=(3, ROWS, COLUMNS), **{"exposure.integration_start": 5})
    slit = slit.replace(data=slit.data * np.array([1, 2, 3], "f4")[:, None, None])
    kinds = [("integration_number", "i4"), ("int_mid_BJD_TDB", "f8")]
    times = np.array([(4, 1.0), (5, 2.0), (6, 3.0)], kinds)
    found = extracted(slit.replace(int_times=times), BESIDE)
    assert type(found) is SpectrumSeries
    table = found.spectra[0].table
    assert table["INT_NUM"].tolist() == [5, 6, 7]
    np.testing.assert_array_equal(table["TDB-MID"], [2, 3, np.nan])
    assert table["FLUX"].shape == (3, ROWS)
    assert (np.diff(table["WAVELENGTH"][0]) > 0).all()
    np.testing.assert_allclose(table["FLUX"][2] / table["FLUX"][0], 3, rtol=1e-6)
    assert found.int_times is not None


def test_other_units_are_kept():
    slit = a_slit(bunit_data="DN/s")
    spectrum = extracted(slit, BESIDE).spectra[0]
    np.testing.assert_allclose(spectrum.table["FLUX"], 100, rtol=4e-3)
    assert spectrum.units["FLUX"] == "DN/s"


def test_targets_beside_the_slit_are_told():
    with pytest.warns(Doubtful, match="the aperture stays where it is"):
        table = table_of(a_slit(**{"target.ra": 1.0}), BESIDE)
    assert (table["NPIXELS"] == 7).all()


def a_profile(width=1.2, **changes):
    """The source's profile, eight sub-pixels a pixel; it widens with wavelength."""
    column = (np.arange(161) - 80) / 8
    waves = np.array([4.9, 5.2, 5.5])
    values = np.array([np.exp(-((column / (width * grown)) ** 2) / 2) for grown in (1, 1, 1.0)])
    told = {"psf.centre_column": 80.0, "psf.subpixels": 8, **changes}
    return SlitProfile(meta=Meta(told), data=values, wavelengths=waves)


def optimal(slit, entry=None, psf=None, **settings):
    step = ExtractSlit(extraction_type="optimal", **settings)
    given = {"extract1d": apertures(**(BESIDE if entry is None else entry))}
    return step(slit, **given, psf=psf or a_profile()).spectra[0].table


class TestOptimalContract(StepContract):
    def case(self):
        given = {"extract1d": apertures(**BESIDE), "psf": a_profile()}
        return Case(ExtractSlit(extraction_type="optimal"), a_slit(), given)


@pytest.mark.parametrize("weights_of", ["variance", "uniform"])
def test_profiles_tell_all_of_a_point_sources_light(weights_of):
    slit = a_slit(11.3, tilt=0.2)
    data = slit.data.copy()
    data[4, 11:13] = np.nan
    data[6] = np.nan
    table = optimal(slit.replace(data=data), psf_weights=weights_of)[::-1]
    good = np.arange(ROWS) != 6
    np.testing.assert_allclose(table["FLUX"][good], 100 * STERADIAN * 1e6, rtol=2e-3)
    np.testing.assert_allclose(table["BACKGROUND"][good], 3, rtol=0.03)
    assert np.flatnonzero(table["DQ"]).tolist() == [6]
    assert table["NPIXELS"][0] == pytest.approx(2 * np.sqrt(np.pi) * 1.2, rel=3e-3)


def test_profile_is_found_where_the_source_is():
    slit = a_slit(11.0)
    away = slit.replace(meta=slit.meta.set({"target.ra": float(slit.wcs(13.4, 10)[0])}))
    np.testing.assert_allclose(optimal(away)["FLUX"], optimal(slit)["FLUX"], rtol=1e-4)
    left = optimal(away, optimize_psf_location=False)
    assert (left["FLUX"] < 0.6 * optimal(slit)["FLUX"]).all()
    shifted = optimal(away, optimize_psf_location=False, position_offset=-2.4)
    np.testing.assert_allclose(shifted["FLUX"], optimal(slit)["FLUX"], rtol=1e-4)


def test_a_fit_has_less_noise_than_a_sum_and_tells_how_much(rng):
    """Photon noise of a source, whose variance is known only from what each pixel got."""
    rows = 1500
    profile = np.exp(-((np.arange(COLUMNS) - 12) ** 2) / 2 / 1.2**2)
    profile = np.tile(profile / profile.sum(), (rows, 1))
    light = rng.poisson(30 * profile).astype(float)
    read = np.full(light.shape, 0.5)
    data = light + rng.normal(0, np.sqrt(read))
    good = np.ones(light.shape, np.bool_)
    variances = [np.clip(data, 0.0, None), read]
    fit = fitted(data, variances, good, [profile])
    even = fitted(data, variances, good, [profile], weighted=False)
    assert fit.flux.mean() == pytest.approx(30, rel=0.02)
    assert fit.flux.std() < even.flux.std()
    assert fit.flux.std() == pytest.approx(np.sqrt(fit.variances.sum(axis=0)).mean(), rel=0.06)


def test_sources_subtracted_in_a_nod_are_fitted_too():
    slit = a_slit(10.0, sky=0.0)
    other = a_slit(14.0, sky=0.0).data
    ra, dec, _ = slit.wcs(12.0, 10)
    told = {"dither.primary_type": "2-POINT-NOD", "cal_step.bkg_subtract": "COMPLETE",
            "wcsinfo.ra_ref": float(ra), "wcsinfo.dec_ref": float(dec)}  # fmt: skip
    pair = slit.replace(data=slit.data - other, meta=slit.meta.set(told))
    alone = optimal(slit, {})["FLUX"]
    np.testing.assert_allclose(optimal(pair, {})["FLUX"], alone, rtol=1e-3)
    without = optimal(pair, {}, model_nod_pair=False, psf_weights="uniform")["FLUX"]
    assert (np.abs(without / alone - 1) > 0.003).all()


def test_what_a_profile_lacks_is_said():
    with pytest.raises(ReferenceInvalid, match="there is no reference psf"):
        ExtractSlit(extraction_type="optimal")(a_slit(), extract1d=apertures())
    with pytest.raises(ReferenceInvalid, match=r"where its source lies \(CENTCOL\)"):
        optimal(a_slit(), psf=a_profile(**{"psf.centre_column": None}))
    far = a_profile()
    with pytest.raises(DataUnusable, match="or its profile is of other wavelengths"):
        optimal(a_slit(), psf=far.replace(wavelengths=far.wavelengths + 5))


def test_parts_of_pixels_count_once_where_regions_overlap():
    edge = np.ones(1)
    found = weights((1, 6), [(0.7 * edge, 2.2 * edge), (2.0 * edge, 4.25 * edge)])
    np.testing.assert_allclose(found[0], [0, 0.8, 0.7, 1, 0.75, 0])
    assert weights((1, 3), [(5 * edge, 4 * edge)]).sum() == 0


def test_means_and_tables():
    values = np.array([[1, np.nan, 3.0], [np.nan, np.nan, 2.0]])
    shares = np.array([[1, 1, 3.0], [1, 1, 0]])
    np.testing.assert_array_equal(weighted_mean(values, shares), [2.5, np.nan])
    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    at = bilinear(np.array([1.0, 0.0]), np.array([0.0, 1.0]), table,
                  np.array([1.0, 0.5, 9.0]), np.array([0.0, 0.5, -1.0]))  # fmt: skip
    np.testing.assert_allclose(at, [1, 2.5, 1])


def test_what_cannot_be_done_is_said():
    slit = a_slit()
    with pytest.raises(ReferenceInvalid, match="no aperture for SLITLESS, order 1, but for OTHER"):
        extracted(a_slit(**{"exposure.type": "SLITLESS"}))
    with pytest.raises(ReferenceInvalid, match="bkg_coeff has 3 polynomials"):
        extracted(slit, {"bkg_coeff": [[1], [2], [3]]})
    with pytest.raises(ReferenceInvalid, match="apcorr: its table has no row for subarray FULL"):
        extracted(a_slit(**{"subarray.name": "FULL"}), apcorr=corrections())
    with pytest.raises(CalcoreError, match="neither wavelengths nor world coordinates"):
        extracted(slit.replace(wcs=None))
    with pytest.raises(CalcoreError, match="dispersion axis is 3"):
        extracted(slit, {"dispaxis": 3})
    with pytest.raises(DataUnusable, match="lies beside the slit's light"):
        extracted(slit, {"xstart": 40, "xstop": 45}, use_source_posn=False)
