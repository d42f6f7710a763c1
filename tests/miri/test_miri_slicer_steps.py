"""Steps that only MIRI's image slicers need: fringes, stray light, flux, and what leaks."""

import numpy as np
import pytest

from calcore.errors import DataUnusable, Doubtful, ReferenceInvalid, StepSkipped
from calcore.flags import DQ
from calcore.model import Meta, Parts
from calcore.testing import Case, StepContract
from calcore_miri.cases.slicers import (
    badpix_selfcal,
    cross_artifact,
    exposure,
    photom,
    spectral_leak,
    straylight,
)
from calcore_miri.kernels.cross_artifact import Profile, scattered
from calcore_miri.kernels.showers import glow
from calcore_miri.kernels.transmission import correction, sensitivity_left
from calcore_miri.references import Fringe as FringeReference
from calcore_miri.references import SlicerRegions
from calcore_miri.steps.badpix_selfcal import BadpixSelfcal
from calcore_miri.steps.fringe import Fringe
from calcore_miri.steps.photom import Photom
from calcore_miri.steps.spectral_leak import SpectralLeak
from calcore_miri.steps.straylight import Cleared, Straylight


def fringes(shape, value=2.0):
    data = np.full(shape, value, np.float32)
    data[0, :4] = np.nan, 0, -1, np.inf
    return FringeReference(meta=Meta({}), data=data, dq=np.zeros(shape, np.uint32))


class TestFringeContract(StepContract):
    def case(self):
        image = exposure((16, 20))
        return Case(Fringe(), image, {"fringe": fringes((16, 20))})


class TestPhotomContract(StepContract):
    def case(self):
        return photom()


class TestStraylightContract(StepContract):
    def case(self):
        return straylight()


class TestSpectralLeakContract(StepContract):
    def case(self):
        return spectral_leak()


class TestBadpixSelfcalContract(StepContract):
    def case(self):
        return badpix_selfcal()


def test_fringe_divides_and_keeps_what_it_does_not_know():
    image = exposure((16, 20))
    result = Fringe()(image, fringe=fringes((16, 20)))
    np.testing.assert_allclose(result.data[3, 3], image.data[3, 3] / 2)
    np.testing.assert_allclose(result.err[3, 3], image.err[3, 3] / 2)
    np.testing.assert_allclose(result.var_poisson[3, 3], image.var_poisson[3, 3] / 4)
    np.testing.assert_array_equal(result.data[0, :4], image.data[0, :4])
    np.testing.assert_array_equal(result.dq, image.dq)
    divided = Fringe(unknown="divide")(image, fringe=fringes((16, 20)))
    assert divided.data[0, 0] == image.data[0, 0]
    assert np.isinf(divided.data[0, 1])
    assert divided.data[0, 3] == 0


def test_correction_of_ordinary_transmission_is_its_inverse():
    plane = np.array([[0.5, 4]], np.float32)
    for keep in (False, True):
        np.testing.assert_array_equal(correction(plane, keep_unknown=keep), [[2, 0.25]])


TABLE = {
    "binwave": np.array([5.0, 6.0]), "year1value": np.array([0.9, 0.8]),
    "tsoft": np.array([10.0, 10.0]), "t0": np.array([59000.0, 59000.0]),
    "alpha": np.array([-0.1, -0.1]),
}  # fmt: skip


def test_sensitivity_after_a_year_is_that_of_the_table():
    wavelengths = np.array([5.0, 5.5, 6.0, 4.5, 6.5, np.nan])
    left = sensitivity_left(59365.0, TABLE, wavelengths)
    np.testing.assert_allclose(left, [0.9, 0.85, 0.8, 0.95, 0.75, 1.0])
    reverse = {name: column[::-1] for name, column in TABLE.items()}
    np.testing.assert_allclose(sensitivity_left(59365.0, reverse, wavelengths), left)


def test_sensitivity_never_exceeds_that_at_the_epoch():
    wavelengths = np.array([5.0, 6.0])
    for days in (58000.0, 58990.0, 59000.0):
        np.testing.assert_array_equal(sensitivity_left(days, TABLE, wavelengths), 1)
    one = {name: column[:1] for name, column in TABLE.items()}
    np.testing.assert_allclose(sensitivity_left(59365.0, one, wavelengths), 0.9)
    none = {**one, "year1value": np.zeros(1)}
    np.testing.assert_array_equal(sensitivity_left(59365.0, none, wavelengths), 1)


def test_photom_by_pixel_and_wavelength():
    case = photom()
    image, reference = case.flow, case.given["photom"]
    result = case.step(image, **case.given)
    fixed = Photom(apply_time_correction=False)(image, photom=reference)
    wavelengths = image.wcs.local()[2]
    inside = np.isfinite(wavelengths) & np.isfinite(image.data)
    np.testing.assert_allclose(fixed.data[inside], 2 * image.data[inside])
    np.testing.assert_allclose(fixed.var_poisson[inside], 4 * image.var_poisson[inside])
    table = reference.channel_1
    values = (
        table["year1value"] * ((1000 + table["tsoft"]) / (365 + table["tsoft"])) ** table["alpha"]
    )
    slope = (values[1] - values[0]) / 0.3
    left = values[0] + slope * (wavelengths[inside] - 5)
    np.testing.assert_allclose(result.data[inside], fixed.data[inside] / left, rtol=1e-5)
    assert result.meta["bunit_data"] == "MJy/sr"
    assert result.meta["photometry.conversion_megajanskys"] == 2.0
    assert result.meta["photometry.conversion_microjanskys"] == pytest.approx(2 * 23.50443)
    back = Photom(inverse=True)(result, photom=reference)
    np.testing.assert_allclose(back.data[inside], image.data[inside], rtol=1e-6)
    assert back.meta["bunit_data"] == "DN/s"


def test_photom_flags_what_the_reference_does_not_know():
    case = photom()
    reference = case.given["photom"]
    reference.data[3, 4] = np.nan
    reference.dq[5, 6] = DQ.DO_NOT_USE
    reference.dq[7, 8] = DQ.NO_FLAT_FIELD
    result = case.step(case.flow, **case.given)
    for place in ((3, 4), (5, 6)):
        assert np.isnan(result.data[place])
        assert np.isnan(result.err[place])
        assert result.dq[place] & DQ.DO_NOT_USE
    assert result.dq[7, 8] == DQ.NO_FLAT_FIELD
    assert np.isfinite(result.data[7, 8])


def test_photom_refuses_tables_that_it_cannot_read():
    case = photom()
    twice = case.given["photom"].channel_1[[0, 0]]
    with pytest.raises(ReferenceInvalid, match="CH1 has one binwave in several rows"):
        case.step(case.flow, photom=case.given["photom"].replace(channel_1=twice))
    less = twice[["binwave", "t0"]]
    with pytest.raises(ReferenceInvalid, match="no column alpha, year1value, tsoft"):
        case.step(case.flow, photom=case.given["photom"].replace(channel_1=less))


def test_one_pixel_scatters_a_lorentzian_and_two_pairs_of_gaussians():
    numbers = {"lorentz_fwhm": 100, "lorentz_scale": 0.001, "gauss_fwhm": 10, "gauss_offset": 20,
               "gauss_scale": 0.002, "outer_scale": 0.0005}  # fmt: skip
    profile = Profile(**{name: np.full(2, float(value)) for name, value in numbers.items()})
    sources = np.zeros((2, 400), np.float32)
    sources[1, 150] = 1e4
    found = scattered(sources, profile)
    assert not found[0].any()
    x = np.arange(400) - 150
    sigma = 10 / np.sqrt(8 * np.log(2))
    expected = 10 * 2500 / (2500 + x**2)
    for sign in (-1, 1):
        expected = expected + 20 * np.exp(-((x + sign * 20) ** 2) / 2 / sigma**2)
        expected += 5 * np.exp(-((x + sign * 40) ** 2) / 8 / sigma**2)
    np.testing.assert_allclose(found[1], expected, rtol=1e-9, atol=1e-9)


def one_row(profile):
    return Profile(**{name: values[:1] for name, values in vars(profile).items()})


def test_straylight_takes_out_what_it_models():
    """Scatter a trace as the profile says, and find it unscattered."""
    clean = exposure()
    data = np.nan_to_num(clean.data)
    data[:, 200:203] = 3000
    case = straylight()
    table = case.given["mrsxartcorr"].ch1a
    profile = Profile(
        lorentz_fwhm=table["lor_fwhm"][:64], lorentz_scale=table["lor_scale"][:64],
        gauss_fwhm=table["gau_fwhm"][:64], gauss_offset=table["gau_xoff"][:64],
        gauss_scale=table["gau_scale1"][:64], outer_scale=table["gau_scale2"][:64],
    )  # fmt: skip
    trace = np.where(data > 100, data, np.float32(0))
    light = scattered(trace, profile)
    light[:, :4] = light[:, 1028:] = 0
    scattering = clean.replace(data=(data + light + 0.7).astype(np.float32))
    result = case.step(scattering, **case.given)
    difference = (result.data - data)[:, 4:1028]
    assert np.abs(light[:, 300:400]).max() > 1.5
    # The profile is meant for images as they are, so scattered light is taken to scatter, too.
    whole = scattered(np.ones((1, 2001), np.float32), one_row(profile))[0, 1000]
    assert np.abs(difference[:, 300:400]).max() < 1.2 * whole * light[:, 300:400].max()
    np.testing.assert_array_equal(result.data[:, :4], scattering.data[:, :4])
    np.testing.assert_array_equal(result.err, scattering.err)


def test_flagged_pixels_between_channels_do_not_set_the_level():
    image = exposure()
    data, dq = image.data.copy(), image.dq.copy()
    data[:, 503:511] = 9.0
    dq[:, 503:511] = DQ.DO_NOT_USE
    image = image.replace(data=data, dq=dq)
    given = {"mrsxartcorr": cross_artifact()}
    left = Straylight()(image, **given)
    counted = Straylight(flagged="count")(image, **given)
    assert abs(float(np.median(left.data[:, 512:516]))) < 0.01
    assert np.median(counted.data[:, 512:516]) < -1
    nothing = image.replace(dq=np.full_like(dq, DQ.DO_NOT_USE))
    with pytest.raises(DataUnusable, match="between the two channels"):
        Straylight()(nothing, **given)


def test_showers_are_found_between_slices():
    labels = np.zeros((9, 1024, 1032), np.int16)
    labels[3, :, 40:480] = np.where(np.arange(440) % 40 < 30, 101, 0)
    regions = SlicerRegions(meta=Meta({}), labels=labels)
    image = exposure()
    y, x = np.mgrid[:64, :1032]
    shower = 3 * np.exp(-(((y - 30) / 15) ** 2) - ((x - 300) / 60) ** 2)
    data = np.nan_to_num(image.data) * 0.1 + shower.astype(np.float32)
    image = image.replace(data=data)
    step = Straylight(clean_showers=True, save_shower_model=True)
    result = step(image, mrsxartcorr=cross_artifact(), regions=regions)
    assert isinstance(result, Cleared)
    assert result.image.data[30, 295] < 0.35 * data[30, 295]
    assert result.shower_model.data[30, 295] > 2
    with pytest.raises(ReferenceInvalid, match="regions"):
        step(image, mrsxartcorr=cross_artifact())


def test_glow_is_even_to_the_edges_unless_zeros_lie_beyond():
    data = np.full((30, 40), 2, np.float32)
    data[4, 4] = np.nan
    dark = np.ones(data.shape, bool)
    settings = {"sigma": (3.0, 5.0), "percentiles": (0.0, 100.0)}
    np.testing.assert_allclose(glow(data, dark, beyond="missing", **settings), 2)
    drawn = glow(data, dark, beyond="zero", **settings)
    assert drawn[0, 0] == pytest.approx(0.55, abs=0.1)
    assert drawn[15, 20] == pytest.approx(2, abs=1e-3)
    assert not glow(data, np.zeros_like(dark), beyond="zero", **settings).any()


def test_straylight_refuses_what_it_does_not_know():
    two = exposure(instrument__band="SHORT-MEDIUM")
    with pytest.warns(Doubtful, match="of BAND SHORT-MEDIUM is scattered along rows is not known"):
        found = Straylight()(two, mrsxartcorr=cross_artifact(lor_scale=1))
    plain = Straylight()(exposure(), mrsxartcorr=cross_artifact())  # scatters nothing
    np.testing.assert_array_equal(found.data, plain.data)
    with pytest.raises(ReferenceInvalid, match="CH1A has 50 rows"):
        Straylight()(exposure(), mrsxartcorr=cross_artifact(50))


def test_leak_is_a_part_of_the_flux_at_half_the_wavelength():
    case = spectral_leak()
    result = case.step(case.flow, **case.given)
    before, after = (parts.parts["ch3-short"].spectra[0].table for parts in (case.flow, result))
    wavelengths, source = before["WAVELENGTH"], case.flow.parts["ch1-medium"].spectra[0].table
    part = np.interp(wavelengths, [11.9, 12.2, 12.7], [0.001, 0.03, 0.002])
    light = part * np.interp(wavelengths, 2 * source["WAVELENGTH"], source["FLUX"])
    np.testing.assert_allclose(before["FLUX"] - after["FLUX"], light, rtol=1e-4)
    np.testing.assert_allclose(before["SURF_BRIGHT"] - after["SURF_BRIGHT"], 2 * light, rtol=1e-4)
    flux_only = SpectralLeak(surface_brightness=False)(case.flow, **case.given)
    kept = flux_only.parts["ch3-short"].spectra[0].table["SURF_BRIGHT"]
    np.testing.assert_array_equal(kept, before["SURF_BRIGHT"])
    assert result.parts["ch1-medium"] is case.flow.parts["ch1-medium"]


def test_leak_needs_both_bands():
    case = spectral_leak()
    with pytest.raises(StepSkipped, match="1B"):
        case.step(Parts({"ch3-short": case.flow.parts["ch3-short"]}), **case.given)


def test_bad_pixels_are_found_whatever_the_dark_level():
    case = badpix_selfcal()
    (other,) = case.given["backgrounds"]
    brighter = other.replace(data=other.data + np.float32(100))
    step = BadpixSelfcal(flagfrac_lower=0, flagfrac_upper=1e-4)
    for background in (other, brighter):
        result = step(case.flow, backgrounds=(background,))
        assert result.dq[30, 400] & DQ.OTHER_BAD_PIXEL
