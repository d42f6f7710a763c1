"""Light of spectrographs in the simulator: spectra, images of stars, slits and slices."""

import numpy as np
import pytest
from astropy.modeling.models import Mapping, Polynomial2D

from calcore.errors import BadParameter
from calcore.simulate.image_slicer import ImageSlicer, Slice, SlicedField
from calcore.simulate.pointing import ARCSEC, Pointing
from calcore.simulate.slicer_render import Optics, render_slices
from calcore.simulate.slit_render import Slit, Trace, render_slit
from calcore.simulate.spectra import LIGHT_KM_S, Line, Spectrum
from calcore.simulate.spectral_scene import (
    Cloud,
    Point,
    SpectralScene,
    read_spectral_scene,
    write_spectral_scene,
)
from calcore.simulate.spread import CoreHalo

LINE = Line(wavelength_um=10.0, flux_w_m2=1e-17, fwhm_km_s=0.0)
SPREAD = CoreHalo(fwhm_arcsec=(0.1, 0.02), halo=0.1, halo_width=3.0)
DARK = Spectrum(flux_jy=0.0)
PLACE = {"ra_deg": 10.0, "dec_deg": 20.0}
POINTING = Pointing(
    ra_ref_deg=10.0, dec_ref_deg=20.0, roll_ref_deg=30.0, v2_ref_arcsec=-500.0, v3_ref_arcsec=-320.0
)


def edges(low=9.9, high=10.1, count=400):
    places = np.linspace(low, high, count + 1)
    return places[:-1], places[1:]


def test_all_light_of_a_line_is_there():
    low, high = edges()
    density = Spectrum(flux_jy=0.0, lines=(LINE,)).mean(low, high, 3000.0)
    # A density of 1 Jy over a range at wavelength w is 1e-26 c / w² of it in W/m².
    by_um = 1e-26 * LIGHT_KM_S * 1e9 / ((low + high) / 2) ** 2
    assert (density * by_um * (high - low)).sum() == pytest.approx(LINE.flux_w_m2, rel=1e-6)


def test_a_line_is_as_wide_as_resolving_power_and_its_own_width_say():
    low, high = edges()
    middle = (low + high) / 2

    def width(power, **moving):
        density = Spectrum(flux_jy=0.0, lines=(LINE,)).mean(low, high, power, **moving)
        mean = (density * middle).sum() / density.sum()
        return mean, np.sqrt((density * (middle - mean) ** 2).sum() / density.sum()) * 2.3548

    assert width(2000.0) == pytest.approx((10.0, 10.0 / 2000), rel=5e-3)
    shifted, wide = width(2000.0, velocity_km_s=100.0, spread_km_s=60.0)
    assert shifted == pytest.approx(10.0 * (1 + 100 / LIGHT_KM_S), abs=3e-6)
    own = 60.0 / LIGHT_KM_S * 2.3548
    assert wide == pytest.approx(10.0 * np.hypot(1 / 2000, own), rel=5e-3)


def test_continuum_follows_its_slope():
    spectrum = Spectrum(flux_jy=2.0, reference_um=5.0, slope=-2.0)
    low, high = edges(9.999, 10.001, 1)
    assert spectrum.mean(low, high, 100.0) == pytest.approx(0.5, rel=1e-6)


def test_image_of_a_star_holds_its_light():
    assert SPREAD.width(10.0) == pytest.approx(0.3)
    assert SPREAD.within(10.0, -5, 5, -5, 5) == pytest.approx(1.0, abs=1e-6)
    deviation = 0.3 / 2.3548
    radius = np.array([0.2, 0.3, 0.9])
    expected = sum(
        share * (1 - np.exp(-0.5 * (radius / (width * deviation)) ** 2))
        for share, width in ((0.9, 1.0), (0.1, 3.0))
    )
    np.testing.assert_allclose(SPREAD.within_circle(10.0, radius), expected, rtol=5e-4)
    # Boxes spread it further.
    assert (SPREAD.within_circle(10.0, radius, (0.2, 0.2)) < expected).all()


def test_a_scene_survives_a_file(tmp_path):
    spectrum = Spectrum(flux_jy=0.1, slope=-1.0, lines=(LINE,))
    scene = SpectralScene(
        **PLACE, background=DARK, points=(Point(**PLACE, spectrum=spectrum),),
        clouds=(Cloud(**PLACE, spectrum=spectrum, fwhm_arcsec=1.0, gradient_km_s_arcsec=50.0),),
    )  # fmt: skip
    assert read_spectral_scene(write_spectral_scene(tmp_path, scene, {"velocity": 1})) == scene
    assert scene.kind == "EXTENDED"
    assert scene.emptied().kind == "UNKNOWN"


def slicer(count=9, width=0.3):
    """Return slices of 30 pixels of 0.1 arcsec, with 60 rows of 0.002 um around 10 um."""
    there = Mapping((0, 1, 0, 1)) | (
        Polynomial2D(1, c0_0=-500.0, c1_0=0.95, c0_1=0.0)
        & Polynomial2D(1, c0_0=-320.0, c1_0=0.0, c0_1=-1.0)
    )
    there.inverse = Mapping((0, 1, 0, 1)) | (
        Polynomial2D(1, c0_0=500.0 / 0.95, c1_0=1 / 0.95) & Polynomial2D(1, c0_0=-320.0, c0_1=-1.0)
    )
    field = SlicedField(
        number=1, name="1SHORT", wavelengths=(9.8, 10.2), beta_zero=-width * (count - 1) / 2,
        beta_step=width, half_length=1.4, to_telescope=there,
    )  # fmt: skip
    slices = [
        Slice(
            number=101 + k, field=0, beta=width * (k - (count - 1) / 2),
            alpha=Polynomial2D(1, c0_0=-0.1 * (19.5 + 40 * k), c0_1=0.1),
            wavelength=Polynomial2D(1, c0_0=9.94, c1_0=0.002),
            x=Polynomial2D(1, c0_0=19.5 + 40 * k, c0_1=10.0),
            y=Polynomial2D(1, c0_0=-9.94 / 0.002, c1_0=500.0),
        )
        for k in range(count)
    ]  # fmt: skip
    return ImageSlicer(shape=(60, 40 * count), fields=[field], slices=slices)


OPTICS = Optics(
    spread=SPREAD, resolving_power=lambda _, waves: 1500 + 0 * waves, leak=lambda _, waves: None
)


def seen(scene, optics=OPTICS, **more):
    made = slicer()
    sky = render_slices(scene, made, pointing=POINTING, optics=optics, **more)
    return made, sky


def test_slices_show_all_light_of_a_star():
    scene = SpectralScene(
        **PLACE, background=Spectrum(flux_jy=3.0), points=(Point(**PLACE, spectrum=Spectrum(flux_jy=0.01)),)
    )  # fmt: skip
    made, sky = seen(scene)
    area = 0.1 * 0.95 * 0.3 * ARCSEC**2
    total = sky.sources.sum(axis=1) * area * 1e6
    np.testing.assert_allclose(total, 0.01, rtol=2e-4)
    assert set(np.unique(sky.background)) == {0.0, 3.0}
    np.testing.assert_array_equal(sky.background > 0, made.planes.order >= 0)
    ((alpha, beta),) = sky.places[1]
    assert (alpha, beta) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_labels_say_which_slice_lets_light_pass():
    made = slicer()
    assert made.labels.shape == (9, 60, 360)
    assert set(np.unique(made.labels[7])) == {0, *range(101, 110)}
    wide = [(plane > 0).sum() for plane in made.labels]
    assert wide == sorted(wide, reverse=True)
    assert wide[0] > wide[8]


def mean_of_line(sky, column):
    rows = np.arange(60)
    spectrum = sky.sources[:, column] - np.median(sky.sources[:, column])
    return (spectrum * rows).sum() / spectrum.sum() * 0.002 + 9.94


@pytest.mark.parametrize("velocity", [-30.0, 30.0])
def test_receding_telescope_sees_longer_waves(velocity):
    spectrum = Spectrum(flux_jy=0.0, lines=(LINE,))
    scene = SpectralScene(**PLACE, background=DARK, points=(Point(**PLACE, spectrum=spectrum),))
    _, sky = seen(scene, velocity_km_s=velocity)
    assert mean_of_line(sky, 4 * 40 + 19) == pytest.approx(
        10 * (1 + velocity / LIGHT_KM_S), abs=2e-5
    )


def test_cloud_turns_as_said():
    """Seen through a star's image of deviation p, a cloud of deviation s moves by s² / (s² + p²)."""
    spectrum = Spectrum(flux_jy=0.1, lines=(LINE,))
    cloud = Cloud(
        **PLACE, spectrum=spectrum, fwhm_arcsec=1.2, gradient_km_s_arcsec=100.0,
        position_angle_deg=30.0 + 90.0,  # along V2, and so along slices
    )  # fmt: skip
    _, sky = seen(SpectralScene(**PLACE, background=DARK, clouds=(cloud,)))
    middle = 4 * 40 + 19.5
    velocity = (mean_of_line(sky, int(middle + 5.5)) - mean_of_line(sky, int(middle - 4.5))) / 10
    velocity *= LIGHT_KM_S / (1.0 * 0.95)  # between places 1 arcsec along the slice apart
    own, square = (1.2 / 2.3548) ** 2, 0.5**2
    parts = [(share, own + (width * 0.3 / 2.3548) ** 2) for share, width in ((0.9, 1), (0.1, 3))]
    light = [share / wide * np.exp(-square / (2 * wide)) for share, wide in parts]
    expected = sum(w * own / wide for w, (_, wide) in zip(light, parts, strict=True)) / sum(light)
    assert abs(velocity) == pytest.approx(100 * expected, rel=0.03)
    # Nothing is lost but what lies off the field.
    total = sky.sources[5].sum() * 0.1 * 0.95 * 0.3 * ARCSEC**2 * 1e6
    assert total == pytest.approx(0.1, rel=0.03)


def test_another_order_shows_light_of_half_the_wavelength():
    spectrum = Spectrum(flux_jy=0.01, reference_um=10.0, slope=1.0)
    scene = SpectralScene(**PLACE, background=DARK, points=(Point(**PLACE, spectrum=spectrum),))
    leaking = Optics(
        spread=SPREAD, resolving_power=OPTICS.resolving_power, leak=lambda _, waves: 0.1 + 0 * waves
    )
    (_, plain), (_, more) = seen(scene), seen(scene, leaking)
    lit = plain.sources > 1
    np.testing.assert_allclose(more.sources[lit] / plain.sources[lit], 1 + 0.1 / 2, rtol=1e-6)


TRACE = Trace(
    rows=np.arange(-30.0, 31.0), columns=np.linspace(-1, 1, 61), wavelengths=np.linspace(12, 6, 61)
)


def slit(width=0.5, length=3.0):
    return Slit(
        shape=(61, 60), middle=(30.0, 30.0), trace=TRACE, scales=(0.1, 0.1), width_arcsec=width,
        length_arcsec=length,
    )  # fmt: skip


def through(made, scene, x=30.0, y=30.0, **more):
    return render_slit(
        scene, made, place=lambda ra, dec: (x, y), spread=SPREAD,
        resolving_power=lambda waves: 100 + 0 * waves, response=lambda waves: 1 + 0 * waves, **more,
    )  # fmt: skip


STAR = SpectralScene(
    **PLACE, background=Spectrum(flux_jy=2.0), points=(Point(**PLACE, spectrum=Spectrum(flux_jy=0.01)),)
)  # fmt: skip


def test_a_slit_stops_what_it_should():
    made = slit()
    sky = through(made, STAR)
    inside = slice(2, -2)
    flux = (sky.sources.sum(axis=1) * made.area_sr * 1e6)[inside]
    passed = made.passed(SPREAD, TRACE.wavelengths[inside], 0.0)
    np.testing.assert_allclose(flux, 0.01 * passed, rtol=2e-3)
    assert passed[0] < passed[-1] < 1
    assert sky.background[30, 30] == 2.0
    assert sky.background[30, 0] == pytest.approx(0, abs=1e-9)
    # Beside the middle, less passes.
    beside = through(made, STAR, y=32.0)
    assert beside.sources.sum() < 0.9 * sky.sources.sum()


def test_without_a_slit_light_of_all_colours_of_the_sky_adds_up():
    made = slit(None, None)
    sky = through(made, STAR)
    flux = sky.sources.sum(axis=1) * made.area_sr * 1e6
    np.testing.assert_allclose(flux, 0.01, rtol=1e-4)  # the first and last row have their share
    off_centre = through(made, STAR, y=30.4)
    flux = off_centre.sources.sum(axis=1) * made.area_sr * 1e6
    np.testing.assert_allclose(flux, 0.01, rtol=1e-4)
    np.testing.assert_allclose(sky.background, 61 * 2.0)
    cloud = Cloud(**PLACE, spectrum=Spectrum(flux_jy=1.0), fwhm_arcsec=1.0)
    with pytest.raises(BadParameter, match="a cloud without a slit is not simulated"):
        through(made, SpectralScene(**PLACE, background=DARK, clouds=(cloud,)))


def test_a_cloud_fills_the_slit():
    cloud = Cloud(**PLACE, spectrum=Spectrum(flux_jy=1.0), fwhm_arcsec=1.0)
    wide_sky = through(slit(), SpectralScene(**PLACE, background=DARK, clouds=(cloud,)))
    # In the middle: its brightness, averaged over the slit's width.
    across = np.linspace(-0.25, 0.25, 101)
    level = 0.0
    for share, width in ((0.9, 1.0), (0.1, 3.0)):
        wide = (1 + (width * float(SPREAD.width(TRACE.wavelengths[30]))) ** 2) / 2.3548**2
        level += share * np.exp(-(across**2) / (2 * wide)).mean() / (2 * np.pi * wide)
    assert wide_sky.sources[30, 30] == pytest.approx(level * 1e-6 / ARCSEC**2, rel=5e-3)
