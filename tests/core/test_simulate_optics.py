"""From the sky to count rates: geometry, point-spread function, scenes and frames."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from astropy.modeling import Model
from photutils.aperture import CircularAperture

from calcore.errors import BadParameter, FileInvalid, UnknownName
from calcore.simulate import optics
from calcore.simulate.geometry import (
    Geometry,
    distortion_model,
    inverse_residual,
    pixel_area_map,
    pixel_to_v2v3,
)
from calcore.simulate.layers import Canvas, GalaxyShape
from calcore.simulate.optics import point_spread
from calcore.simulate.pointing import ARCSEC, Pointing
from calcore.simulate.pupil import draw_pupil, segment_centres
from calcore.simulate.reference_optics import energy_in_mosaic
from calcore.simulate.render import lit_rectangle, photometry_grid, render, stars_to_saturate
from calcore.simulate.scene import (
    GALAXY,
    Background,
    IsolatedStars,
    Population,
    Scene,
    from_tangent,
    make_scene,
    to_tangent,
)
from calcore.simulate.tables import load_detectors, load_filters

AREA_ARCSEC2 = 0.063 * 0.0635 + 0.0004 * 0.0003
APERTURES = f"""
[[detector]]
name = "CAMERA"
channel = ""
module = ""
fast_axis = 1
slow_axis = 2
nx = 160
ny = 128
reference_border = [4, 4, 0, 0]
pixel_area_sr = {AREA_ARCSEC2 * ARCSEC**2!r}
sci_to_idl_x = [0.0, 0.063, 0.0004, 2e-6, -3e-6, 1e-6]
sci_to_idl_y = [0.0, -0.0003, 0.0635, 1e-6, 2e-6, -4e-6]
idl_to_sci_x = [0.0, 15.873, -0.1, 0.0, 0.0, 0.0]
idl_to_sci_y = [0.0, 0.075, 15.748, 0.0, 0.0, 0.0]
[[detector.subarray]]
name = "FULL"
aperture = "CAM_FULL"
xstart = 1
ystart = 1
xsize = 160
ysize = 128
x_ref = 80.5
y_ref = 64.5
v2_ref_arcsec = -100.0
v3_ref_arcsec = -400.0
v3_idl_y_angle_deg = 12.0
v_idl_parity = -1
[[detector.subarray]]
name = "CORNER"
aperture = "CAM_CORNER"
xstart = 1
ystart = 65
xsize = 64
ysize = 64
x_ref = 32.5
y_ref = 32.5
v2_ref_arcsec = -96.6
v3_ref_arcsec = -398.4
v3_idl_y_angle_deg = 12.0
v_idl_parity = -1
"""
FILTERS = """
[[filter]]
name = "F400M"
pupil = ""
channel = ""
pivot_micron = 4.0
bandwidth_micron = 0.4
photmjsr = 0.5
background_mjysr = 0.2
column_offset = 0.0
row_offset = 0.0
[[filter]]
name = "F120M"
pupil = ""
channel = ""
pivot_micron = 2.4
bandwidth_micron = 0.2
photmjsr = 0.5
background_mjysr = 0.2
column_offset = 1.5
row_offset = -0.5
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    (folder / "apertures.toml").write_text(APERTURES)
    (folder / "filters.toml").write_text(FILTERS)
    return folder


@pytest.fixture(scope="module")
def detector(tables):
    return load_detectors(tables / "apertures.toml")["CAMERA"]


@pytest.fixture(scope="module")
def bands(tables):
    return load_filters(tables / "filters.toml")


@pytest.fixture(scope="module")
def spread(detector, bands):
    return point_spread(detector, bands["F400M"])


def pointing(dec=-69.0, ra=0.0, va=1.0):
    return Pointing(
        ra_ref_deg=ra,
        dec_ref_deg=dec,
        roll_ref_deg=200.0,
        v2_ref_arcsec=-100.0,
        v3_ref_arcsec=-400.0,
        va_scale=va,
    )


def geometry(detector, band, subarray="FULL", **kwargs):
    return Geometry(
        detector=detector,
        subarray=detector.subarray(subarray),
        pointing=pointing(**kwargs),
        filter=band,
    )


def stars(ra, dec, flux, level=0.0, gradient=(0.0, 0.0)):
    """A scene of given stars alone."""
    ra, dec = np.atleast_1d(ra), np.atleast_1d(dec)
    return make_scene(
        seed=0,
        ra_deg=0.0,
        dec_deg=-69.0,
        radius_arcsec=1.0,
        background=Background(level_mjysr=level, gradient_mjysr_arcmin=gradient),
        isolated=IsolatedStars(ra_deg=ra, dec_deg=dec, flux_jy=np.full(ra.shape, flux)),
    )


def frame(scene, detector, band, subarray="FULL", **kwargs):
    return render(
        scene,
        detector=detector,
        subarray=detector.subarray(subarray),
        band=band,
        pointing=pointing(**kwargs),
        gain=2.0,
    )


# tables


def test_a_table_says_what_is_wrong_with_it(tables):
    path = tables / "broken.toml"
    path.write_text(APERTURES.replace("nx = 160\n", ""))
    with pytest.raises(FileInvalid, match=r"not a table of detectors.*nx"):
        load_detectors(path)
    path.write_text(APERTURES.replace("1e-6, 2e-6, -4e-6]", "1e-6, 2e-6]"))
    with pytest.raises(FileInvalid, match="5 terms, which fits no degree"):
        load_detectors(path)
    path.write_text(APERTURES.replace('"FULL"', '"WHOLE"'))
    with pytest.raises(FileInvalid, match="CAMERA has no sub-array FULL"):
        load_detectors(path)
    path.write_text("[[filters]]\n")
    with pytest.raises(FileInvalid, match="not a table of filters: 'filter'"):
        load_filters(path)


def test_an_unknown_subarray_is_named(detector):
    with pytest.raises(UnknownName, match=r"There is no sub-array of CAMERA 'CORNR'.*'CORNER'"):
        detector.subarray("CORNR")


def test_pixels_of_the_table_count_from_one_and_ours_from_zero(detector):
    corner = detector.subarray("CORNER")
    assert (corner.x_ref, corner.y_ref) == (31.5, 31.5)
    assert corner.window == (slice(64, 128), slice(0, 64))
    assert corner.shape == (64, 64)


# geometry


def test_the_reference_pixel_looks_at_the_reference_point(detector):
    v2, v3 = pixel_to_v2v3(detector, 79.5, 63.5)
    assert (float(v2), float(v3)) == (-100.0, -400.0)


def test_parity_and_angle(detector):
    # one pixel to the right: 0.063 arcsec along Ideal x, which runs against V2 and is turned by 12 deg
    v2, v3 = pixel_to_v2v3(detector, 80.5, 63.5)
    x, y, angle = 0.063 + 2e-6, -0.0003 + 1e-6, np.radians(12.0)
    assert float(v2) == pytest.approx(-100 - x * np.cos(angle) + y * np.sin(angle), abs=1e-12)
    assert float(v3) == pytest.approx(-400 + x * np.sin(angle) + y * np.cos(angle), abs=1e-12)
    v2, v3 = detector.full.ideal_to_v2v3(x, y)
    assert v2 == pytest.approx(-x * np.cos(angle) + y * np.sin(angle))
    assert v3 == pytest.approx(x * np.sin(angle) + y * np.cos(angle))


@pytest.mark.parametrize("subarray", ["FULL", "CORNER"])
@pytest.mark.parametrize("dec", [-69.0, 0.0, 89.9999])
@pytest.mark.parametrize("va", [1.0, 1.0001])
def test_there_and_back_on_the_sky(detector, bands, subarray, dec, va):
    seen = geometry(detector, bands["F120M"], subarray, dec=dec, va=va)
    x, y = np.meshgrid(np.linspace(-40, 160, 12), np.linspace(-40, 110, 12))
    ra, dec_ = seen.to_sky(x, y)
    x_back, y_back = seen.from_sky(ra, dec_)
    np.testing.assert_allclose(x_back, x, atol=1e-7)  # 1e-7 pixel: 6e-9 arcsec
    np.testing.assert_allclose(y_back, y, atol=1e-7)


def test_a_subarray_sees_what_the_frame_sees_there(detector, bands):
    whole, part = (geometry(detector, bands["F400M"], name) for name in ("FULL", "CORNER"))
    np.testing.assert_allclose(part.to_v2v3(10, 20), whole.to_v2v3(10, 84), rtol=1e-14)
    ra, dec = part.to_sky(10, 20)
    ra_whole, dec_whole = whole.to_sky(10, 84)
    assert float(ra) == pytest.approx(float(ra_whole), abs=1e-11)
    assert float(dec) == pytest.approx(float(dec_whole), abs=1e-11)
    np.testing.assert_array_equal(part.area_map(), whole.area_map()[64:, :64])


def test_the_filter_shifts_the_image(detector, bands):
    plain, shifted = (geometry(detector, bands[name]) for name in ("F400M", "F120M"))
    np.testing.assert_allclose(shifted.to_v2v3(10, 20), plain.to_v2v3(11.5, 19.5), rtol=1e-14)


def test_far_off_the_detector_is_nan(detector, bands):
    x, y = geometry(detector, bands["F400M"]).from_sky([0.0, 180.0, 0.1], [-69.0, 69.0, -69.0])
    np.testing.assert_array_equal(np.isnan(x), [False, True, True])
    np.testing.assert_array_equal(np.isnan(y), [False, True, True])


def test_area_is_the_solid_angle_on_the_sky(detector, bands):
    seen = geometry(detector, bands["F400M"])
    area = seen.area_map()
    assert area.shape == (128, 160)
    for y, x in ((0, 0), (127, 159), (30, 150)):
        ra, dec = seen.to_sky(
            x + np.array([-0.5, 0.5, 0.5, -0.5]), y + np.array([-0.5, -0.5, 0.5, 0.5])
        )
        east, north = to_tangent(float(ra[0]), float(dec[0]), ra, dec)
        shoelace = (
            abs(np.sum(east * np.roll(north, -1) - north * np.roll(east, -1))) / 2 / AREA_ARCSEC2
        )
        assert area[y, x] == pytest.approx(shoelace, rel=1e-5)
    assert area.max() / area.min() > 1.01  # there is something to measure


def test_the_distortion_model_and_its_inverse(detector):
    model = distortion_model(detector)
    assert isinstance(model, Model)
    x, y = np.meshgrid([0.0, 79.5, 159.0], [0.0, 63.5, 127.0])
    np.testing.assert_allclose(model(x, y), pixel_to_v2v3(detector, x, y), rtol=1e-13)
    rms, largest = inverse_residual(model, (detector.ny, detector.nx))
    assert rms < 1e-6
    assert rms < largest < 1e-5


# optics


def test_the_pupil_has_eighteen_segments():
    centres = segment_centres()
    assert centres.shape == (18, 2)
    np.testing.assert_allclose(centres.mean(axis=0), 0, atol=1e-12)
    cell = 0.02
    axis = np.arange(-3.5, 3.5, cell)
    u2, u3 = np.meshgrid(axis, axis)
    pupil = draw_pupil(u2, u3, cell, seed=3, wavefront_error_nm=65.0)
    area = pupil.amplitude.sum() * cell**2
    assert 25.0 < area < 27.0  # the telescope collects 25.4 m2
    assert pupil.amplitude.min() >= 0
    assert pupil.amplitude.max() <= 1
    light = pupil.amplitude / pupil.amplitude.sum()
    assert np.sqrt(np.sum(light * pupil.wavefront_m**2)) == pytest.approx(65e-9, rel=1e-9)
    for tilt in (1, u2, u3):
        assert np.sum(light * pupil.wavefront_m * tilt) == pytest.approx(0, abs=1e-18)
    other = draw_pupil(u2, u3, cell, seed=4, wavefront_error_nm=65.0)
    assert not np.allclose(other.wavefront_m, pupil.wavefront_m)
    assert np.array_equal(other.amplitude, pupil.amplitude)


@cache
def direct(jacobian, x, y, half):
    """A star's light per pixel by brute force: the imager integrated over each pixel."""
    imager = optics._Imager(np.reshape(jacobian, (2, 2)), 4.0e-6, 0.4e-6, 0, 65.0)
    nodes, weights = np.polynomial.legendre.leggauss(6)
    pixels = np.arange(-half, half + 1)
    columns = ((pixels - x)[:, None] + nodes / 2).ravel()
    rows = ((pixels - y)[:, None] + nodes / 2).ravel()
    light = (imager.light(columns, rows) + imager.light(-columns, -rows)) / 2
    n = pixels.size
    return np.einsum("aibj,i,j->ab", light.reshape(n, 6, n, 6), weights / 2, weights / 2)


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.5, -0.5), (0.31, 0.12), (-0.44, 0.27)])
def test_a_stamp_is_the_image_of_the_pupil(detector, spread, x, y):
    from calcore.simulate.geometry import pixel_jacobian

    jacobian = tuple((ARCSEC * pixel_jacobian(detector, 79.5, 63.5)).ravel())
    known = direct(jacobian, x, y, 20)
    stamp, y_first, x_first = spread.stamp(100 + x, 200 + y)
    cut = stamp[180 - y_first : 221 - y_first, 80 - x_first : 121 - x_first]
    assert np.max(np.abs(cut - known)) < 2e-4 * known.max()
    assert cut.sum() == pytest.approx(known.sum(), rel=1e-4)
    assert stamp.sum() == pytest.approx(spread.enclosed, abs=2e-5)


@pytest.mark.parametrize("x", np.linspace(-0.5, 0.5, 7))
def test_a_star_is_where_it_is_wherever_in_the_pixel(spread, x):
    y = 0.3 * x + 0.1
    stamp, y_first, x_first = spread.stamp(50 + x, 60 + y)
    rows, columns = np.indices(stamp.shape)
    dx, dy = columns + x_first - 50 - x, rows + y_first - 60 - y
    assert stamp.sum() == pytest.approx(spread.enclosed, abs=1e-4)
    wide = stamp * np.exp(-(dx**2 + dy**2) / (2 * 6.0**2))  # smooth: pixels sample it exactly
    assert np.sum(wide * dx) / np.sum(wide) == pytest.approx(0, abs=0.002)
    assert np.sum(wide * dy) / np.sum(wide) == pytest.approx(0, abs=0.002)


def test_the_stamp_holds_the_energy_it_says(spread):
    assert spread.enclosed > 0.995
    assert spread.whole.shape == (4 * spread.half_size + 1,) * 2
    np.testing.assert_allclose(spread.whole, spread.whole[::-1, ::-1], atol=1e-15)
    assert spread.whole.min() > -1e-7


def test_encircled_energy(spread):
    radii = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0, spread.half_size])
    energy = spread.encircled_energy(radii)
    assert energy[0] == 0
    assert np.all(np.diff(energy) > 0)
    assert energy[-1] < spread.enclosed
    np.testing.assert_allclose(spread.radius_of(energy[2:-1]), radii[2:-1], rtol=1e-3)
    assert np.isnan(spread.encircled_energy(spread.half_size + 5.0))
    assert np.isnan(spread.radius_of(0.9999))
    # by brute force: a circle of 4 pixels about stars at many places in the pixel
    total = []
    for x, y in np.random.default_rng(1).uniform(-0.5, 0.5, (60, 2)):
        stamp, y_first, x_first = spread.stamp(x, y)
        fine = (np.arange(-9 * 20, 9 * 20) + 0.5) / 20
        j = np.floor(fine + 0.5).astype(int)
        inside = np.hypot(fine[:, None] - y, fine[None, :] - x) < 4.0
        total.append(np.sum(stamp[np.ix_(j - y_first, j - x_first)] * inside) / 400)
    assert np.mean(total) == pytest.approx(energy[4], abs=5e-4)


def test_fraction_within_a_rectangle(spread):
    stamp, y_first, x_first = spread.stamp(0.2, -0.3)
    part = stamp[-5 - y_first : 3 - y_first, -2 - x_first : 9 - x_first].sum()
    held = spread.fraction_within(-2.5 - 0.2, 8.5 - 0.2, -5.5 + 0.3, 2.5 + 0.3)
    assert float(held) == pytest.approx(part, abs=2e-4)
    assert float(spread.fraction_within(-1e6, 1e6, -1e6, 1e6)) == pytest.approx(
        spread.enclosed, abs=1e-4
    )
    assert float(spread.fraction_within(-1e6, 0, -1e6, 1e6)) == pytest.approx(
        spread.enclosed / 2, abs=1e-3
    )


def test_longer_wavelengths_are_wider_and_seeds_count(detector, bands, spread):
    blue = point_spread(detector, bands["F120M"])
    assert float(blue.radius_of(0.5)) < float(spread.radius_of(0.5))
    again = optics._point_spread.__wrapped__(
        *((tuple(optics.ARCSEC * v for v in (0.063, 0.0, 0.0, 0.063))), 4e-6, 0.1e-6, 5, 65.0)
    )
    twin = optics._point_spread.__wrapped__(
        *((tuple(optics.ARCSEC * v for v in (0.063, 0.0, 0.0, 0.063))), 4e-6, 0.1e-6, 5, 65.0)
    )
    assert again.core.tobytes() == twin.core.tobytes()
    assert again.wings.tobytes() == twin.wings.tobytes()
    perfect = point_spread(detector, bands["F120M"], wavefront_error_nm=1e-3)
    ratio = blue.core.max() / perfect.core.max()
    # Marechal: exp(-(2 pi sigma / lambda)^2)
    assert ratio == pytest.approx(np.exp(-((2 * np.pi * 65e-9 / 2.4e-6) ** 2)), abs=0.005)


def test_fringes_finer_than_pixels_are_not_undersampled():
    sharp = optics._point_spread.__wrapped__(
        tuple(optics.ARCSEC * v for v in (0.065, 0.0, 0.0, 0.065)), 0.9e-6, 0.2e-6, 5, 65.0
    )
    assert 0.995 < sharp.enclosed < 1
    stamp, _, _ = sharp.stamp(100.3, 100.4)
    assert stamp.min() > -1e-8
    assert stamp.sum() == pytest.approx(sharp.enclosed, abs=1e-3)


def test_circles_on_mosaics_hold_what_drizzled_stars_have_in_them(detector, bands):
    spread = point_spread(detector, bands["F120M"])
    radii = np.array([1.0, 2.0, 4.0])
    expected = energy_in_mosaic(spread, radii)
    rng = np.random.default_rng(3)
    held = np.zeros(3)
    for _ in range(300):
        place, shift = rng.uniform(-0.5, 0.5, 2), rng.triangular(-1, 0, 1, 2)
        stamp, y, x = spread.stamp(100 + place[0] + shift[0], 100 + place[1] + shift[1])
        centre = 100 + place[0] - x, 100 + place[1] - y
        for k, radius in enumerate(radii):
            inside = CircularAperture(centre, radius).to_mask(method="exact")
            held[k] += inside.multiply(stamp).sum() / 300
    np.testing.assert_allclose(held, expected, atol=0.012)  # the places are drawn at random
    assert expected[0] < 0.85 * spread.encircled_energy(1.0)


# scene


def test_the_tangent_plane_there_and_back():
    east, north = np.array([0.0, 100.0, -300.0]), np.array([0.0, -50.0, 200.0])
    for ra, dec in ((0.0, -69.0), (359.999, 0.0), (10.0, 89.999), (10.0, -90.0)):
        sky = from_tangent(ra, dec, east, north)
        back = to_tangent(ra, dec, *sky)
        np.testing.assert_allclose(back[0], east, atol=1e-7)
        np.testing.assert_allclose(back[1], north, atol=1e-7)


def test_a_scene_is_drawn_as_asked():
    population = Population(stars=4000, galaxies=50, brightest_jy=1e-3, faintest_jy=1e-6, slope=0.3)
    isolated = IsolatedStars(
        ra_deg=np.array([0.0, 0.003]),
        dec_deg=np.array([-69.0, -69.001]),
        flux_jy=np.array([1e-4, 2e-4]),
        clearance_arcsec=4.0,
    )
    kwargs = {
        "ra_deg": 0.0,
        "dec_deg": -69.0,
        "radius_arcsec": 60.0,
        "background": Background(level_mjysr=0.2),
        "population": population,
        "isolated": isolated,
    }
    scene = make_scene(seed=1, **kwargs)
    for name in Scene.__dataclass_fields__:
        if name not in {"ra_deg", "dec_deg", "background"}:
            twin = getattr(make_scene(seed=1, **kwargs), name)
            assert getattr(scene, name).tobytes() == twin.tobytes()
    assert not np.array_equal(make_scene(seed=2, **kwargs).flux_jy, scene.flux_jy)
    assert scene.isolated.sum() == 2
    east, north = to_tangent(0.0, -69.0, scene.source_ra_deg, scene.source_dec_deg)
    assert np.all(np.hypot(east, north) < 60.0001)
    for k in range(2):
        distance = np.hypot(east - east[k], north - north[k])
        assert np.sum(distance < 4.0) == 1
    drawn = scene.flux_jy[(scene.kind != GALAXY) & ~scene.isolated]
    assert drawn.min() >= 1e-6
    assert drawn.max() <= 1e-3
    brighter = [np.sum(drawn > limit) for limit in (4e-6, 4e-5)]
    # ten times the flux, 2.5 magnitudes: 10**0.75 fewer, the bright end's cut apart
    expected = (4e-6**-0.75 - 1e-3**-0.75) / (4e-5**-0.75 - 1e-3**-0.75)
    assert brighter[0] / brighter[1] == pytest.approx(expected, rel=0.25)
    assert np.all(np.isfinite(scene.sersic_index) == (scene.kind == GALAXY))


# frames


@pytest.mark.parametrize(("x", "y"), [(80.2, 63.7), (20.5, 20.0), (140.25, 20.75), (20.0, 108.5)])
def test_counts_and_place_of_a_star(detector, bands, x, y):
    seen = geometry(detector, bands["F400M"], va=1.00005)
    ra, dec = seen.to_sky(x, y)
    image = frame(stars(ra, dec, 1e-4), detector, bands["F400M"], va=1.00005)
    truth = image.truth
    assert truth.x[0] == pytest.approx(x, abs=1e-7)
    assert truth.y[0] == pytest.approx(y, abs=1e-7)
    # 1e-4 Jy on a nominal pixel, over 0.5 MJy/sr per DN/s, times 2 e/DN; whatever the pixel's true area
    expected = 1e-4 * 1e-6 / detector.pixel_area_sr / 0.5 * 2.0
    assert truth.rate_electron_s[0] == pytest.approx(expected, rel=1e-12)
    assert image.electron_s_per_mjysr == 4.0
    assert image.rate.sum() == pytest.approx(truth.on_frame_electron_s[0], rel=5e-4)
    rows, columns = np.indices(image.rate.shape)
    wide = image.rate * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4.0**2))
    assert np.sum(wide * columns) / wide.sum() == pytest.approx(x, abs=0.002)
    assert np.sum(wide * rows) / wide.sum() == pytest.approx(y, abs=0.002)


def test_a_frame_is_the_sum_of_its_stamps(detector, bands, spread):
    seen = geometry(detector, bands["F400M"])
    x, y = np.array([30.3, 31.8, 150.4, -10.2, 80.0]), np.array([40.1, 41.0, 126.9, 60.0, 140.0])
    image = frame(stars(*seen.to_sky(x, y), 1e-5), detector, bands["F400M"])
    expected = np.zeros((128 + 800, 160 + 800))
    for x_star, y_star in zip(x, y, strict=True):
        stamp, y_first, x_first = spread.stamp(x_star, y_star)
        rows = slice(y_first + 400, y_first + 400 + stamp.shape[0])
        expected[rows, x_first + 400 : x_first + 400 + stamp.shape[1]] += stamp
    expected = expected[400:528, 400:560] * image.truth.rate_electron_s[0]
    expected[:, :4] = expected[:, -4:] = 0
    np.testing.assert_allclose(image.rate, expected, atol=1e-9 * expected.max() + 1e-12)
    assert image.truth.x.size == 5
    assert np.sum(image.truth.on_frame_electron_s) == pytest.approx(image.rate.sum(), rel=1e-3)


def test_the_sky_follows_the_area_and_reference_pixels_see_nothing(detector, bands):
    image = frame(stars(40.0, 40.0, 1.0, level=0.3), detector, bands["F400M"])
    assert image.truth.x.size == 0
    assert lit_rectangle(detector, detector.full) == (3.5, 155.5, -0.5, 127.5)
    np.testing.assert_allclose(
        image.rate[:, 4:-4], 4.0 * 0.3 * pixel_area_map(detector)[:, 4:-4], rtol=1e-12
    )
    assert not image.rate[:, :4].any()
    assert not image.rate[:, -4:].any()
    corner = frame(stars(40.0, 40.0, 1.0, level=0.3), detector, bands["F400M"], "CORNER")
    np.testing.assert_allclose(corner.rate, image.rate[64:, :64], rtol=1e-12)


def test_a_gradient_rises_to_the_east(detector, bands):
    scene = stars(40.0, 40.0, 1.0, level=1.0, gradient=(3.0, 0.0))
    image = frame(scene, detector, bands["F400M"])
    seen = image.geometry
    for y, x in ((10, 20), (100, 140)):
        east, _ = to_tangent(0.0, -69.0, *seen.to_sky(x, y))
        level = image.rate[y, x] / seen.area_map()[y, x] / 4.0
        assert level == pytest.approx(1.0 + 3.0 * float(east) / 60, rel=1e-6)


def test_a_galaxy_keeps_its_light_and_shape(detector, bands):
    seen = geometry(detector, bands["F400M"])
    ra, dec = (float(v) for v in seen.to_sky(80.3, 63.6))
    one = stars(ra, dec, 1e-4)
    fields = {name: getattr(one, name) for name in Scene.__dataclass_fields__}
    fields |= {
        "kind": np.array([GALAXY]),
        "half_light_radius_arcsec": np.array([0.5]),
        "sersic_index": np.array([1.0]),
        "axis_ratio": np.array([0.4]),
        "position_angle_deg": np.array([30.0]),
    }
    image = frame(Scene(**fields), detector, bands["F400M"])
    star = frame(one, detector, bands["F400M"])
    assert image.truth.rate_electron_s[0] == star.truth.rate_electron_s[0]
    assert image.rate.sum() == pytest.approx(image.truth.on_frame_electron_s[0], rel=1e-3)
    rows, columns = np.indices(image.rate.shape)
    assert np.average(columns, weights=image.rate) == pytest.approx(80.3, abs=0.3)
    light = np.where(np.hypot(columns - 80.3, rows - 63.6) < 30, image.rate, 0)
    assert np.average(columns, weights=light) == pytest.approx(80.3, abs=0.02)
    assert np.average(rows, weights=light) == pytest.approx(63.6, abs=0.02)
    east, north = to_tangent(ra, dec, *seen.to_sky(columns, rows))
    moments = np.cov(np.stack([east.ravel(), north.ravel()]), aweights=light.ravel())
    size, axes = np.linalg.eigh(moments)
    angle = np.degrees(np.arctan2(axes[0, 1], axes[1, 1])) % 180
    assert angle == pytest.approx(30.0, abs=1.5)
    assert size[0] < 0.4 * size[1]


@pytest.mark.parametrize(("index", "held"), [(1.0, 0.5000), (4.0, 0.5 / 0.9430)])
def test_half_of_a_galaxy_lies_within_its_half_light_radius(spread, index, held):
    # de Vaucouleurs' profile has 94.3 % of its light within the 8 radii at which it is cut off
    canvas = Canvas((128, 160), spread)
    shape = GalaxyShape(to_radii=np.diag([1 / 6.0, 1 / 12.0]), sersic_index=index)
    assert shape.extent_pixel == pytest.approx((48.0, 96.0))
    fraction = canvas.add_galaxy(79.9, 63.2, 2.0, shape, (-0.5, 159.5, -0.5, 127.5))
    light = canvas._extended
    assert light.sum() == pytest.approx(2.0)
    assert 0.8 < fraction < 1.0
    rows, columns = np.indices(light.shape) / 2 - canvas._margin
    assert np.average(columns, weights=light) == pytest.approx(79.9, abs=1e-3)
    assert np.average(rows, weights=light) == pytest.approx(63.2, abs=1e-3)
    inside = light[np.hypot((columns - 79.9) / 6, (rows - 63.2) / 12) < 1].sum() / 2
    assert inside == pytest.approx(held, abs=0.005)


def test_a_galaxy_off_the_frame_leaves_nothing(spread):
    canvas = Canvas((128, 160), spread)
    shape = GalaxyShape(to_radii=np.eye(2) / 5, sersic_index=1.0)
    assert canvas.add_galaxy(1000.0, 60.0, 1.0, shape, (-0.5, 159.5, -0.5, 127.5)) == 0.0
    assert not canvas.finish().any()


def test_the_photometry_grid(detector, bands):
    seen = geometry(detector, bands["F400M"])
    x, y = seen.from_sky(*photometry_grid(seen, margin_pixel=20))
    np.testing.assert_allclose(x, [79.5, 23.5, 135.5, 23.5, 135.5], atol=1e-6)
    np.testing.assert_allclose(y, [63.5, 19.5, 19.5, 107.5, 107.5], atol=1e-6)


def test_a_crowded_scene_saturates_as_many_pixels_as_asked(detector, bands):
    seen = geometry(detector, bands["F400M"])
    population = Population(brightest_jy=1e-4, faintest_jy=1e-7, slope=0.2)
    kwargs = {"radius_arcsec": 8.0, "saturating_electron_s": 30.0, "gain": 2.0, "fraction": 0.05}
    count = stars_to_saturate(seen, population, **kwargs)
    fractions = []
    for seed in range(6):
        scene = make_scene(
            seed=seed,
            ra_deg=0.0,
            dec_deg=-69.0,
            radius_arcsec=8.0,
            background=Background(level_mjysr=0.2),
            population=replace(population, stars=count),
        )
        image = frame(scene, detector, bands["F400M"])
        fractions.append(np.mean(image.rate[:, 4:-4] > 30.0))
    assert 0.05 < np.mean(fractions) < 0.07  # the light of neighbours adds to it
    with pytest.raises(BadParameter, match=r"no star of at most 0.0001 Jy saturates"):
        stars_to_saturate(seen, population, **(kwargs | {"saturating_electron_s": 1e9}))


def test_the_same_scene_gives_the_same_bytes(detector, bands):
    scene = make_scene(
        seed=5,
        ra_deg=0.0,
        dec_deg=-69.0,
        radius_arcsec=8.0,
        background=Background(level_mjysr=0.2),
        population=Population(stars=50, galaxies=4, galaxy_radius_arcsec=(0.2, 0.3)),
    )
    first, second = (frame(scene, detector, bands["F400M"]) for _ in range(2))
    assert first.rate.tobytes() == second.rate.tobytes()
    assert first.rate.min() >= 0
    assert first.rate.dtype == np.float64
    found = first.rate[:, 4:-4].sum() - 0.8 * pixel_area_map(detector)[:, 4:-4].sum()
    assert found == pytest.approx(first.truth.on_frame_electron_s.sum(), rel=2e-3)
