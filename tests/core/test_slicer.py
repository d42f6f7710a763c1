"""Image slicers: coordinates of whole frames by polynomials, and the same as a gWCS."""

import numpy as np
import pytest
from astropy.modeling.models import Mapping, Shift, Sine1D
from gwcs import WCS

from calcore.wcs import frames
from calcore.wcs.deferred import as_tree
from calcore.wcs.footprint import enclosing_region
from calcore.wcs.plain import Polynomial, pair_of, polynomial_of, stacked
from calcore.wcs.pointing import Pointing, aberration, attitude, to_sky
from calcore.wcs.slicer import Field, Slice, SlicedCoordinates
from calcore.wcs.slicer_of import sliced, slicer_of

SHAPE = (30, 40)
POINTING = Pointing(
    ra_deg=359.9995, dec_deg=-69.0, roll_deg=40.0, v2_arcsec=-503.0, v3_arcsec=-319.0,
    aberration_scale=1.0001,
)  # fmt: skip


def linear(constant, first, second, shift=(0.0, 0.0)):
    return Polynomial(np.array([[constant, second], [first, 0.0]]), shift)


def constant(value):
    return Polynomial(np.array([[value]]))


def slicer(stretch=1.0):
    """Two slices, eight pixels wide, of two fields: 0.1 arcsec a pixel, wavelengths along y."""
    labels = np.zeros(SHAPE, np.int32)
    labels[:, 2:10], labels[5:, 20:28] = 101, 203
    slices, fields = [], []
    for place, (number, column, beta, shortest) in enumerate(
        [(101, 6.0, -0.5, 5.0), (203, 24.0, 0.5, 8.0)]
    ):
        # alpha = 0.1 (x - column); wavelength = shortest + 0.01 y
        alpha, wavelength = linear(0.0, 0.0, 0.1, (0.0, -column)), linear(shortest, 0.01, 0.0)
        back = linear(column, 0.0, 10.0), linear(-100 * shortest, 100.0, 0.0)
        slices.append(
            Slice(number=number, field=place, place=(alpha, constant(beta), wavelength), back=back)
        )
        fields.append(
            Field(
                number=place + 1,
                wavelengths=(shortest - 0.5, shortest + 0.5),
                to_telescope=(linear(-503.0, 1.0, 0.0), linear(-319.0 + place, 0.0, -1.0)),
                back=(linear(503.0, 1.0, 0.0), linear(-319.0 + place, 0.0, -1.0)),
            )
        )
    return SlicedCoordinates(
        labels=labels, slices=tuple(slices), fields=tuple(fields), pointing=POINTING,
        stretch=stretch,
    )  # fmt: skip


def test_each_pixel_has_the_place_that_its_slice_shows():
    alpha, beta, wavelength = slicer().local()
    assert alpha[7, 6] == 0
    np.testing.assert_allclose((alpha[7, 9], beta[7, 9], wavelength[7, 9]), (0.3, -0.5, 5.07))
    np.testing.assert_allclose((alpha[7, 22], beta[7, 22], wavelength[7, 22]), (-0.2, 0.5, 8.07))
    between = slicer().labels == 0
    for plane in (alpha, beta, wavelength):
        np.testing.assert_array_equal(np.isnan(plane), between)


def test_each_field_has_its_own_way_to_the_telescope():
    coordinates = slicer()
    v2, v3 = coordinates.telescope(coordinates.local())
    np.testing.assert_allclose((v2[7, 9], v3[7, 9]), (-502.7, -318.5))
    np.testing.assert_allclose((v2[7, 22], v3[7, 22]), (-503.2, -318.5))


def test_some_pixels_have_the_places_that_they_have_in_the_whole_frame():
    coordinates = slicer(1.001)
    local, field = coordinates.local().reshape(3, -1), coordinates.fields[1]
    even = np.arange(local.shape[1]).reshape(SHAPE) % 2 == 0
    pixels = coordinates.pixels(field, even)
    assert set(coordinates.labels.flat[pixels]) == {203}
    assert even.flat[pixels].all()
    left, right, across, wavelength, before, after = coordinates.seen_by(pixels, 0.5)
    np.testing.assert_array_equal((across, wavelength), local[1:, pixels])
    np.testing.assert_allclose((left, right), local[0, pixels] + [[-0.05], [0.05]], atol=1e-15)
    np.testing.assert_allclose(after - before, 0.01001)


def test_some_rows_have_the_places_that_they_have_in_the_whole_frame():
    coordinates = slicer()
    part = coordinates.on_rows(slice(4, 9))
    np.testing.assert_array_equal(part.world(), coordinates.world()[:, 4:9])


def test_no_pixel_lies_beyond_the_outline():
    coordinates = slicer()
    for field, (ra, dec) in zip(coordinates.fields, coordinates.edges(), strict=True):
        everywhere = coordinates.world()[:2].reshape(2, -1)[:, coordinates.pixels(field)]
        assert ra.size < everywhere.shape[1]
        for values in zip((ra, dec), everywhere, strict=True):
            edge, axis = ((angles + 180) % 360 for angles in values)
            assert (edge.min(), edge.max()) == pytest.approx((axis.min(), axis.max()), abs=1e-11)


def test_wavelengths_are_stretched_and_nothing_else():
    plain, moved = slicer().world(), slicer(1.001).world()
    np.testing.assert_array_equal(plain[:2], moved[:2])
    np.testing.assert_allclose(moved[2], 1.001 * plain[2])


@pytest.mark.parametrize("stretch", [1.0, 0.9999])
def test_gwcs_is_the_same_and_back(stretch):
    coordinates = slicer(stretch)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    world = np.stack(coordinates.wcs(x, y))
    np.testing.assert_allclose(world, coordinates.world(), rtol=0, atol=1e-12)
    to_slicer = coordinates.wcs.pipeline[0].transform.selector[203]
    np.testing.assert_allclose(to_slicer.inverse(*to_slicer(22.0, 7.0)), (22.0, 7.0))
    again = sliced(coordinates.wcs)
    np.testing.assert_allclose(again.world(), coordinates.world(), rtol=1e-15)
    assert again.stretch == stretch
    assert [part.field for part in again.slices] == [0, 1]


def test_other_coordinates_are_not_taken_for_a_slicer():
    wcs = WCS([(frames.detector(), Shift(1.0) & Shift(2.0)), (frames.world(), None)])
    assert sliced(wcs) is None
    assert slicer_of(as_tree(wcs)) is None
    coordinates = slicer()
    bent = Mapping((0, 0, 1)) | Sine1D() & Sine1D() & Sine1D()
    coordinates.wcs.pipeline[0].transform.selector[101] = bent
    assert sliced(coordinates.wcs) is None


def test_many_positions_are_mapped_to_the_sky_as_the_models_do():
    rng = np.random.default_rng(3)
    v2, v3 = rng.uniform(-900, 900, (2, 200))
    v2[3] = np.nan
    for pointing in (POINTING, Pointing(**{**vars(POINTING), "aberration_scale": None})):
        models = aberration(pointing) | attitude(pointing)
        np.testing.assert_allclose(to_sky(pointing, v2, v3), models(v2, v3), rtol=0, atol=1e-11)


def test_region_encloses_positions_on_both_sides_of_right_ascension_0():
    ra, dec = np.array([359.5, 0.5, np.nan, 0.25]), np.array([1.0, 2.0, np.nan, -1.0])
    assert enclosing_region(ra, dec) == (
        "POLYGON ICRS  359.500000000 -1.000000000 0.500000000 -1.000000000 "
        "0.500000000 2.000000000 359.500000000 2.000000000"
    )


def node(kind, **values):
    return {"!": kind, **values}


SHIFTED = node("concatenate", forward=[node("identity"), node("shift", offset=-3.0)])
TERMS = node("polynomial", coefficients=[[1.0, 2.0], [3.0, 0.0]])


def test_polynomials_of_plain_transforms():
    one = polynomial_of(node("compose", forward=[SHIFTED, TERMS]))
    assert one.terms.tolist() == TERMS["coefficients"]
    assert one.shift == (0.0, -3.0)
    assert polynomial_of(node("constant", value=4.0)).terms.tolist() == [[4.0]]
    copied = node("remap_axes", mapping=[0, 1, 0, 1])
    both = node("concatenate", forward=[TERMS, node("constant", value=1)])
    first, second = pair_of(node("compose", forward=[copied, both]))
    assert (first.terms[1, 0], second.terms[0, 0]) == (3.0, 1.0)
    assert stacked([first, second]).tolist() == [TERMS["coefficients"], [[1.0, 0.0], [0.0, 0.0]]]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (node("scale", factor=2), "scale is not a polynomial"),
        ({**TERMS, "domain": [[-1, 1], [0, 9]]}, "domain of its own"),
        ({**TERMS, "coefficients": [1.0, 2.0]}, "1 variables instead of two"),
        (node("compose", forward=[TERMS, TERMS]), "not just shifted"),
    ],
)
def test_other_transforms_are_refused(other, said):
    with pytest.raises(ValueError, match=said):
        polynomial_of(other)
    with pytest.raises(ValueError, match="not a pair"):
        pair_of({"!": "compose", "forward": [SHIFTED, TERMS]})
