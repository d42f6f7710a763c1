"""World coordinates: known answers, symmetries, the fast grid's error."""

import numpy as np
import pytest
from astropy import wcs as fits_wcs
from astropy.modeling.models import Mapping, Polynomial2D, Scale, Shift

from calcore.kernels import chebyshev
from calcore.simulate.pointing import Pointing as Attitude
from calcore.wcs import area, grid
from calcore.wcs.footprint import corners, region
from calcore.wcs.imaging import imaging_wcs
from calcore.wcs.mosaic import Grid
from calcore.wcs.pointing import Pointing
from calcore.wcs.sip import replaced, sip_keywords

SCALE = 0.0625  # arcsec/pixel
POINTING = {"ra_deg": 83.6, "dec_deg": -69.0, "roll_deg": 40.0}
PLACE = {"v2_arcsec": 120.0, "v3_arcsec": -500.0}


def pointing(**changes):
    return Pointing(**{**POINTING, **PLACE, **changes})


def straight(nx=64, ny=48):
    """A distortion without distortion: the middle pixel sees the reference point."""
    return (
        Shift(-(nx - 1) / 2) & Shift(-(ny - 1) / 2)
        | Scale(SCALE) & Scale(SCALE)
        | Shift(PLACE["v2_arcsec"]) & Shift(PLACE["v3_arcsec"])
    )


def bent(nx=64, ny=48, strength=3e-5):
    """A distortion of second degree, with a Newton inverse good enough for a small frame."""
    there = (
        Shift(-(nx - 1) / 2) & Shift(-(ny - 1) / 2)
        | Mapping((0, 1, 0, 1))
        | Polynomial2D(2, c1_0=1, c2_0=strength, c1_1=strength)
        & Polynomial2D(2, c0_1=1, c0_2=-strength)
        | Scale(SCALE) & Scale(SCALE)
        | Shift(PLACE["v2_arcsec"]) & Shift(PLACE["v3_arcsec"])
    )
    there.inverse = straight(nx, ny).inverse
    return there


def test_reference_point_looks_where_the_header_says():
    wcs = imaging_wcs(straight(), pointing(aberration_scale=1.0001), shape=(48, 64))
    np.testing.assert_allclose(wcs(31.5, 23.5), (83.6, -69.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("velocity", [None, 1.0, 1.0001, 0.9999])
@pytest.mark.parametrize("ra", [0.0005, 123.0, 359.9995])
def test_chain_agrees_with_rotations_of_vectors(ra, velocity):
    at = pointing(ra_deg=ra, aberration_scale=velocity)
    wcs = imaging_wcs(straight(), at, shape=(48, 64))
    x, y = np.array([0.0, 63.0, 10.0, 50.0]), np.array([0.0, 47.0, 40.0, 3.0])
    v2, v3 = straight()(x, y)
    independent = Attitude(
        ra_ref_deg=ra,
        dec_ref_deg=at.dec_deg,
        roll_ref_deg=at.roll_deg,
        v2_ref_arcsec=at.v2_arcsec,
        v3_ref_arcsec=at.v3_arcsec,
        va_scale=velocity or 1.0,
    )
    np.testing.assert_allclose(wcs(x, y), independent.to_sky(v2, v3), rtol=0, atol=1e-11)


def test_way_back_undoes_the_way_there():
    wcs = imaging_wcs(straight(), pointing(aberration_scale=1.0001), shape=(48, 64))
    x, y = np.meshgrid(np.linspace(0, 63, 5), np.linspace(0, 47, 5))
    back = wcs.invert(*wcs(x, y))
    np.testing.assert_allclose(back, (x, y), rtol=0, atol=1e-7)


def test_sub_array_sees_what_the_full_frame_sees_there():
    full = imaging_wcs(bent(), pointing(), shape=(48, 64))
    part = imaging_wcs(bent(), pointing(), shape=(16, 20), corner=(7, 30))
    np.testing.assert_allclose(part(3.0, 5.0), full(33.0, 12.0), rtol=0, atol=1e-12)


def test_filter_offset_is_added_to_pixels():
    plain = imaging_wcs(bent(), pointing(), shape=(48, 64))
    shifted = imaging_wcs(bent(), pointing(), shape=(48, 64), offset=(0.5, -0.25))
    np.testing.assert_allclose(shifted(20.0, 20.0), plain(20.5, 19.75), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "corner", "own", "expected"),
    [
        ((48, 64), (0, 0), None, ((-0.5, 63.5), (-0.5, 47.5))),
        ((48, 64), (0, 0), ((-0.5, 47.5), (3.5, 59.5)), ((3.5, 59.5), (-0.5, 47.5))),
        ((16, 20), (0, 4), ((-0.5, 47.5), (3.5, 59.5)), ((-0.5, 19.5), (-0.5, 15.5))),
        ((16, 20), (0, 0), ((-0.5, 47.5), (3.5, 59.5)), ((3.5, 19.5), (-0.5, 15.5))),
    ],
)
def test_bounding_box(shape, corner, own, expected):
    model = straight()
    if own is not None:
        model.bounding_box = own
    wcs = imaging_wcs(model, pointing(), shape=shape, corner=corner)
    assert wcs.bounding_box.bounding_box(order="F") == expected
    assert model.has_user_bounding_box == (own is not None)


def test_nothing_is_known_outside_the_bounding_box():
    wcs = imaging_wcs(straight(), pointing(), shape=(48, 64))
    assert np.isnan(wcs(64.0, 10.0)).all()
    assert np.isfinite(wcs(63.4, 47.4)).all()


def test_footprint_goes_round_the_outer_edges():
    wcs = imaging_wcs(straight(), pointing(dec_deg=0.0, roll_deg=0.0), shape=(48, 64))
    ra, dec = corners(wcs).T
    assert dec[1] > dec[0]
    assert dec[2] > dec[3]
    height, width = 48 * SCALE / 3600, 64 * SCALE / 3600
    np.testing.assert_allclose(dec[1] - dec[0], height, rtol=1e-4)
    np.testing.assert_allclose(abs(ra[3] - ra[0]), width, rtol=1e-4)
    words = region(wcs).split()
    assert words[:2] == ["POLYGON", "ICRS"]
    np.testing.assert_allclose(
        np.array(words[2:], float).reshape(4, 2), corners(wcs), rtol=0, atol=6e-10
    )


def test_sip_keywords_give_the_same_sky():
    wcs = imaging_wcs(bent(), pointing(), shape=(48, 64))
    keywords = sip_keywords(wcs)
    header = {name.upper(): value for name, value in keywords.items()}
    fits = fits_wcs.WCS({**header, "NAXIS": 2, "NAXIS1": 64, "NAXIS2": 48})
    x, y = np.array([0.0, 63.0, 30.0]), np.array([0.0, 47.0, 10.0])
    there = np.array(fits.all_pix2world(x, y, 0))
    distance = np.hypot(*((there - wcs(x, y)) * [[np.cos(np.radians(69))], [1]]))
    assert distance.max() * 3600 / SCALE < 1e-5
    assert keywords["sipmxerr"] < 0.01
    assert keywords["a_order"] == 2
    assert all(not hasattr(value, "dtype") for value in keywords.values())


def test_sip_reference_pixel_and_degree_can_be_given():
    wcs = imaging_wcs(bent(), pointing(), shape=(48, 64))
    keywords = sip_keywords(wcs, degree=3, inverse_degree=4, reference_pixel=(10.5, 12.0))
    assert (keywords["crpix1"], keywords["crpix2"]) == (10.5, 12.0)
    assert (keywords["a_order"], keywords["ap_order"]) == (3, 4)
    np.testing.assert_allclose((keywords["crval1"], keywords["crval2"]), wcs(9.5, 11.0), atol=1e-9)


def test_sip_replaces_other_ways_of_writing_the_matrix():
    names = ["pc1_1", "cdelt2", "a_3_0", "bp_order", "sipmxerr", "crpix1", "ra_ref", "cunit1"]
    assert replaced(names) == ["pc1_1", "cdelt2", "a_3_0", "bp_order", "sipmxerr"]


def test_area_of_a_pixel():
    wcs = imaging_wcs(straight(), pointing(), shape=(48, 64))
    # V2 is a longitude: away from V3 = 0 its arcseconds are shorter.
    expected = np.radians(SCALE / 3600) ** 2 * np.cos(np.radians(PLACE["v3_arcsec"] / 3600))
    np.testing.assert_allclose(area.pixel_area(wcs, [0, 31.5], [0, 23.5]), expected, rtol=1e-7)
    np.testing.assert_allclose(
        np.radians(area.pixel_scale(wcs, 31.5, 23.5) / 3600) ** 2, expected, rtol=1e-8
    )


def test_areas_add_up_to_the_frame():
    wcs = imaging_wcs(bent(), pointing(), shape=(48, 64))
    y, x = np.indices((48, 64))
    ra, dec = np.radians(corners(wcs)).T
    # The sky of a small frame is flat: a polygon's area by the shoelace formula.
    east = (ra - ra.mean()) * np.cos(dec)
    polygon = abs(np.sum(east * np.roll(dec, -1) - np.roll(east, -1) * dec)) / 2
    np.testing.assert_allclose(area.pixel_area(wcs, x, y).sum(), polygon, rtol=1e-3)


@pytest.mark.parametrize("ra", [0.0, 200.0])
@pytest.mark.parametrize("dec", [-69.0, 89.9999])
def test_sky_grid_agrees_with_the_transform(ra, dec):
    at = pointing(ra_deg=ra, dec_deg=dec, aberration_scale=1.0001)
    wcs = imaging_wcs(bent(), at, shape=(48, 64))
    y, x = np.indices((48, 64), dtype=float)
    true = wcs(x, y, with_bounding_box=False)
    fast = grid.sky_grid(wcs, (48, 64))
    east = ((fast[0] - true[0] + 180) % 360 - 180) * np.cos(np.radians(true[1]))
    assert np.hypot(east, fast[1] - true[1]).max() * 3600 / SCALE < grid.PIXEL_TOLERANCE
    assert fast[0].min() >= 0
    assert fast[0].max() < 360


def test_pixel_map_agrees_with_the_transforms():
    source = imaging_wcs(bent(), pointing(ra_deg=0.0001, aberration_scale=1.0001), shape=(48, 64))
    target = imaging_wcs(straight(), pointing(ra_deg=359.9999, roll_deg=50.0), shape=(40, 40))
    y, x = np.indices((48, 64), dtype=float)
    sky = source(x, y, with_bounding_box=False)
    true = np.stack(target.invert(*sky, with_bounding_box=False))
    fast = grid.pixel_map(source, target, (48, 64)).on_rows()
    assert fast.shape == (2, 48, 64)
    assert np.abs(fast - true).max() < grid.PIXEL_TOLERANCE


@pytest.mark.parametrize("kind", ["surface", "direct", "table"])
def test_the_position_of_a_place_is_found(kind):
    source = imaging_wcs(bent(strength=3e-4), pointing(), shape=(48, 64))
    target = imaging_wcs(straight(), pointing(roll_deg=-130.0), shape=(40, 40))
    places = grid.pixel_map(source, target, (48, 64), 0.0 if kind == "direct" else 1e-6).places
    assert type(places) is (grid.Direct if kind == "direct" else grid.Surface)
    if kind == "table":
        places = grid.Tabulated(places.on_rows())
    for x, y in ((0.0, 0.0), (20.3, 11.7), (63.0, 47.0), (66.0, 49.5)):
        there = np.array(target.invert(*source(x, y, with_bounding_box=False),
                                       with_bounding_box=False))  # fmt: skip
        near = 1e-3 if 0 <= x <= 63 else 0.05
        assert grid.position_of(places, there) == pytest.approx((x, y), abs=near)


def test_a_position_without_a_place_is_not_found():
    nowhere = grid.Tabulated(np.full((2, 9, 9), np.nan))
    assert np.isnan(grid.position_of(nowhere, np.zeros(2))).all()
    flat = grid.Tabulated(np.ones((2, 9, 9)))
    assert np.isnan(grid.position_of(flat, np.zeros(2))).all()


def test_a_grid_works_out_a_map_once():
    source = imaging_wcs(bent(), pointing(), shape=(48, 64))
    own = Grid(imaging_wcs(straight(), pointing(), shape=(40, 40)), (40, 40), 1.0, 1.0)
    assert own.map_from(source, (48, 64)) is own.map_from(source, (48, 64))
    assert own.map_from(source, (24, 64)).shape == (24, 64)


@pytest.mark.parametrize("tolerance", [grid.PIXEL_TOLERANCE, 0.0])
def test_pixels_outside_the_bounding_box_have_no_place(tolerance):
    source = imaging_wcs(bent(), pointing(), shape=(48, 64))
    target = imaging_wcs(straight(), pointing(roll_deg=50.0), shape=(40, 40))
    whole = grid.pixel_map(source, target, (48, 64), tolerance)
    source.bounding_box = ((3.5, 60.0), (-0.5, 44.2))
    placed = grid.pixel_map(source, target, (48, 64), tolerance)
    assert isinstance(placed.places, grid.Surface) == (tolerance > 0)
    expected = np.full((2, 48, 64), np.nan)
    expected[:, :45, 4:61] = whole.on_rows()[:, :45, 4:61]
    np.testing.assert_array_equal(placed.on_rows(), expected)
    np.testing.assert_array_equal(placed.on_rows(40, 48), expected[:, 40:])
    limits = [np.nanmin(expected, axis=(1, 2)), np.nanmax(expected, axis=(1, 2))]
    np.testing.assert_array_equal(placed.extent(), np.transpose(limits))
    source.bounding_box = ((70, 80), (-0.5, 44.2))
    low, high = grid.pixel_map(source, target, (48, 64), tolerance).extent().T
    assert (low > high).all()


def test_surface_gives_the_same_bits_for_any_rows():
    wave = grid.surface(lambda x, y: (np.sin(x / 20 + y / 30),), (40, 50), 1e-9)
    assert wave is not None
    assert wave.error <= 1e-9
    whole = wave.on_rows()
    parts = [wave.on_rows(start, start + 8) for start in range(0, 40, 8)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_function_with_an_edge_is_evaluated_directly():
    def stepped(x, y):
        return (np.where(x > 20.3, 1.0, 0.0) + y,)

    assert grid.surface(stepped, (100, 40), 1e-3) is None
    y, x = np.indices((100, 40), dtype=float)
    np.testing.assert_array_equal(grid.on_grid(stepped, (100, 40), 1e-3)[0], stepped(x, y)[0])


def test_function_that_is_not_finite_is_evaluated_directly():
    def half(x, y):
        return (np.where(y < 30, np.nan, x),)

    assert grid.surface(half, (60, 10), 1.0) is None
    found = grid.on_grid(half, (60, 10), 1.0)[0]
    assert np.isnan(found[:30]).all()
    np.testing.assert_array_equal(found[30], np.arange(10))


def test_chebyshev_series_of_a_polynomial_is_exact():
    node = chebyshev.nodes(5)
    y, x = np.meshgrid(node, node, indexing="ij")
    terms = chebyshev.interpolate((x**3 * y**2 + 2 * y)[None])
    at_y, at_x = np.linspace(-1, 1, 7), np.linspace(-1, 1, 9)
    expected = at_x**3 * at_y[:, None] ** 2 + 2 * at_y[:, None]
    np.testing.assert_allclose(chebyshev.evaluate(terms, at_y, at_x)[0], expected, atol=1e-14)
