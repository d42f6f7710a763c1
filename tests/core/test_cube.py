"""Cubes: which voxels a pixel's light falls into, and the grid they lie on."""

import numpy as np
import pytest
from astropy.wcs import WCS

from calcore.kernels.cube_drizzle import Boxes, CubeSums, Planes
from calcore.kernels.cube_shepard import Nearness, Points, add_points
from calcore.model.cubing import ends_of_bands
from calcore.wcs.cube_grid import CubeGrid, cube_grid, middle_of
from calcore.wcs.cube_planes import TabledPlanes, enclosing, even
from calcore.wcs.deferred import DeferredWcs
from calcore.wcs.plain import Polynomial
from calcore.wcs.pointing import Pointing, to_sky
from calcore.wcs.slice_boxes import REACH, slice_boxes
from calcore.wcs.slicer import Field, Slice, SlicedCoordinates
from calcore.wcs.tangent import TangentPlane

SHAPE = (6, 5, 7)
PLANES = Planes(np.arange(6.0), np.ones(6))


def boxes(x, y, low, high, value=3.0, variance=4.0):
    corners = [np.array([axis], np.float64) for axis in (x, y)]
    return Boxes(
        *corners, np.array([low]), np.array([high]),
        np.array([value], np.float32), np.array([variance], np.float32),
    )  # fmt: skip


def square(x, y, side=1.0):
    half = side / 2
    return [x - half, x - half, x + half, x + half], [y - half, y + half, y + half, y - half]


@pytest.mark.parametrize(
    "spacing",
    [even((5.0, 5.7), 0.1), TabledPlanes(table=np.array([5.0, 5.2, 5.3, 5.7, 6.0, 6.1, 7.0]))],
)
def test_files_have_the_same_coordinates_as_memory(spacing):
    grid = CubeGrid(
        plane=TangentPlane(10.0, -60.0, 30.0), size=(11, 13), spaxel_arcsec=0.13, spacing=spacing
    )
    read = DeferredWcs.wcs.func(grid.wcs)  # by asdf, from what a file has
    x, y, plane = np.array([[0.0, 3, 12], [10, 2, 0], [0, 1.5, 6]])
    np.testing.assert_array_equal(read(x, y, plane), grid.wcs(x, y, plane))
    np.testing.assert_allclose(grid.wcs.invert(*read(x, y, plane)), (x, y, plane), atol=1e-8)
    assert read.available_frames == grid.wcs.wcs.available_frames
    box, own = (one.bounding_box.bounding_box(order="F") for one in (read, grid.wcs.wcs))
    assert box == own


def test_a_pixel_that_is_a_voxel_falls_into_it():
    sums = CubeSums.over(SHAPE)
    sums.add(boxes(*square(3, 2), 3.5, 4.5), PLANES)
    where = np.argwhere(sums.weights > 1e-12)
    assert where.tolist() == [[4, 2, 3]]
    assert sums.weights[4, 2, 3] == pytest.approx(1)
    assert sums.values[4, 2, 3] == pytest.approx(3)
    assert sums.variances[4, 2, 3] == pytest.approx(4)


def test_a_pixel_between_voxels_is_shared_by_area_and_range():
    sums = CubeSums.over(SHAPE)
    sums.add(boxes(*square(3.25, 2), 3.5, 5.5), PLANES)
    np.testing.assert_allclose(sums.weights[4, 2, 3:5], (0.75, 0.25))
    np.testing.assert_allclose(sums.weights[5, 2, 3:5], (0.75, 0.25))
    np.testing.assert_allclose(sums.variances[4, 2, 3:5], (4 * 0.75**2, 4 * 0.25**2))
    assert sums.pixels[4, 2, 3:5].tolist() == [1, 1]


def test_weights_add_up_to_the_volume_however_a_pixel_lies():
    angle = np.radians(30)
    x, y = np.array(square(0, 0, 1.7))
    turned = 3 + x * np.cos(angle) - y * np.sin(angle), 2 + x * np.sin(angle) + y * np.cos(angle)
    sums = CubeSums.over(SHAPE)
    sums.add(boxes(*turned, 1.9, 3.3), PLANES)
    assert sums.weights.sum() == pytest.approx(1.7**2 * 1.4)
    assert sums.values.sum() == pytest.approx(3 * sums.weights.sum())
    half = CubeSums.over(SHAPE)  # half of it lies outside
    half.add(boxes(turned[0] - 3.5, turned[1], 1.9, 3.3), PLANES)
    assert half.weights.sum() == pytest.approx(1.7**2 * 1.4 / 2)


@pytest.mark.parametrize(("side", "factor"), [(1, 1.0), (2, 2.0), (3, 3.0)])
def test_spaxels_that_share_a_pixel_err_together(side, factor):
    sums = CubeSums.over(SHAPE)
    sums.add(
        boxes(*square(3 + 0.5 * (side % 2 == 0), 2 + 0.5 * (side % 2 == 0), side), 1.5, 4.2), PLANES
    )
    assert sums.correlation.tolist() == pytest.approx([1, 1, factor, factor, factor, 1], rel=1e-6)
    near_one = CubeSums.over(SHAPE)
    add_points(near_one, points(3, 2, 4), near("msm", 2.0, 1.1, 0.5, 1.0), PLANES)
    assert near_one.correlation[4] == pytest.approx(5 / np.sqrt(5))  # all weights are 1


def random_boxes(count=300, seed=4):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 7, (2, count, 1)) + np.array(square(0, 0, 0.9))[:, None]
    low = rng.uniform(-1, 6, count)
    return Boxes(
        x + rng.normal(0, 0.1, x.shape), y + rng.normal(0, 0.1, y.shape), low, low + 0.8,
        rng.normal(5, 1, count).astype(np.float32), rng.uniform(1, 2, count).astype(np.float32),
    )  # fmt: skip


def test_ranges_of_planes_make_the_same_cube():
    pixels = random_boxes()
    whole, parts = CubeSums.over(SHAPE), CubeSums.over(SHAPE)
    whole.add(pixels, PLANES)
    for first, last in ((0, 1), (1, 4), (4, 6)):
        parts.add(pixels, PLANES, first, last)
    for name in ("values", "variances", "weights", "pixels", "together", "apart"):
        one, other = getattr(whole, name), getattr(parts, name)
        np.testing.assert_array_equal(one, other)


def test_uniform_light_stays_uniform():
    pixels = random_boxes()
    sums = CubeSums.over(SHAPE)
    sums.add(Boxes(**{**vars(pixels), "values": np.full(300, 2.5, np.float32)}), PLANES)
    seen = sums.weights > 0
    assert seen.any()
    np.testing.assert_allclose(sums.values[seen], 2.5 * sums.weights[seen])


def points(x, y, z, value=3.0):
    one = [np.array([place], np.float64) for place in (x, y, z)]
    return Points(*one, np.array([value], np.float32), np.array([4.0], np.float32))


def near(form, *numbers):
    softening = () if len(numbers) == 4 else (0.0,)
    return Nearness(form, *(np.array([float(number)]) for number in (0, *numbers, *softening)))


def test_near_pixels_count_by_distance():
    sums = CubeSums.over(SHAPE)
    add_points(sums, points(3, 2, 4), near("emsm", 0.5, 1.2, 1.0), PLANES)
    assert sums.weights[4, 2, 3] == 1
    np.testing.assert_allclose(sums.weights[4, 2, 2], np.exp(-2))
    np.testing.assert_allclose(sums.weights[5, 2, 3], np.exp(-2))
    np.testing.assert_allclose(sums.variances[5, 2, 3], 4 * np.exp(-4))
    assert sums.weights[4, 1, 2] == 0  # further than 1.2 spaxels
    assert sums.pixels.sum() == 15
    sums = CubeSums.over(SHAPE)
    add_points(sums, points(3.5, 2, 4), near("msm", 2.0, 1.6, 0.5, 0.01), PLANES)
    np.testing.assert_allclose(sums.weights[4, 2, 3:6], (4, 4, 1 / 2.25))
    sums = CubeSums.over(SHAPE)
    add_points(sums, points(3, 2, 4), near("msm", 2.0, 0.5, 0.5, 0.01), PLANES)
    assert sums.weights[4, 2, 3] == 100  # softened


def test_ranges_of_planes_weigh_the_same():
    rng = np.random.default_rng(5)
    many = Points(
        rng.uniform(-1, 7, 200), rng.uniform(-1, 5, 200), rng.uniform(-1, 6, 200),
        rng.normal(5, 1, 200).astype(np.float32), np.ones(200, np.float32),
    )  # fmt: skip
    nearness = near("emsm", 0.7, 1.5, 1.5)
    whole, parts = CubeSums.over(SHAPE), CubeSums.over(SHAPE)
    add_points(whole, many, nearness, PLANES)
    for first, last in ((0, 3), (3, None)):
        add_points(parts, many, nearness, PLANES, first, last)
    np.testing.assert_array_equal(whole.values, parts.values)
    np.testing.assert_array_equal(whole.pixels, parts.pixels)


def test_each_pixel_takes_what_is_nearest_its_wavelength():
    numbers = np.array([0.5, 1.2, 0.4]), np.array([0.6, 2.1, 0.6])
    nearness = Nearness(
        "msm", np.array([1.0, 4.0, 9.0]), np.full(3, 2.0), *numbers, np.full(3, 0.1)
    )
    sums = CubeSums.over(SHAPE)
    add_points(sums, points(3, 2, 4), nearness, PLANES)
    assert np.unique(np.argwhere(sums.weights)[:, 0]).tolist() == [2, 3, 4, 5]
    assert sums.pixels[4].sum() == 5  # within 1.2 spaxels
    sums = CubeSums.over(SHAPE)
    add_points(sums, points(3, 2, 1.2), nearness, PLANES)
    assert np.argwhere(sums.weights).tolist() == [[1, 2, 3]]


def test_planes_of_a_table_reach_as_far_as_the_next_one_is_away():
    table = np.array([5.0, 5.1, 5.3, 5.6])
    spacing = TabledPlanes(table=table)
    np.testing.assert_allclose(spacing.planes.thickness, (0.1, 0.2, 0.3, 0.3))
    np.testing.assert_allclose(spacing.transform(np.arange(4)), table)
    assert spacing.rows["wavelength"].shape == (1, 4, 1)
    assert enclosing((5.12, 5.3), table) == slice(1, 3)
    assert table[enclosing((5.0, 5.31), table)].tolist() == table.tolist()
    assert table[enclosing((4.0, 9.0), table)].tolist() == table.tolist()
    sums = CubeSums.over((4, 5, 7))
    sums.add(boxes(*square(3, 2), 5.15, 5.35), spacing.planes)
    np.testing.assert_allclose(sums.weights[:, 2, 3], (0, 0.25, 2 / 3, 0), atol=1e-12)


def test_planes_that_no_band_fills_half_are_its_ends():
    first = np.array([4.0, 10, 10, 6, 0, 0, 0, 0])
    second = np.array([0.0, 0, 2, 4, 30, 30, 30, 14])
    ends = ends_of_bands(np.stack([first, second]), (first + second).astype(int))
    assert ends.tolist() == [True, False, False, False, False, False, False, False]
    assert ends_of_bands(np.zeros((1, 3)), np.zeros(3, int)).tolist() == [False] * 3


def test_grid_holds_all_positions_about_their_middle():
    ra, dec = np.array([359.9998, 0.0002, np.nan]), np.array([60.0, 60.0003, np.nan])
    assert middle_of([(ra, dec)]) == pytest.approx((0.0, 60.00015), abs=1e-12)
    grid = cube_grid([(ra, dec)], even((5.0, 5.1), 0.003), spaxel_arcsec=0.1)
    # 0.36 and 0.54 arcsec from the middle: 4 and 6 spaxels, and one more.
    assert grid.shape == (34, 15, 11)
    assert grid.spacing.shortest_um == pytest.approx(5.0015)
    x, y = grid.spaxels(*grid.plane.project(ra[:2], dec[:2]))
    assert x == pytest.approx([8.6, 1.4], abs=1e-3)  # right ascension runs to the left
    assert y == pytest.approx([1.6, 12.4], abs=1e-3)


@pytest.mark.parametrize("angle", [0.0, 30.0, -130.0])
def test_keywords_say_what_the_grid_does(angle):
    rng = np.random.default_rng(6)
    ra, dec = 10 + rng.uniform(-1e-3, 1e-3, 20), -69 + rng.uniform(-1e-3, 1e-3, 20)
    grid = cube_grid(
        [(ra, dec)], even((5.0, 5.1), 0.001), spaxel_arcsec=0.13,
        centre=(10.0001, None), angle_deg=angle, size=(None, 40),
    )  # fmt: skip
    assert grid.shape[1] == 41
    header = WCS({name.upper(): value for name, value in grid.keywords.items()})
    wavelengths = rng.uniform(5, 5.1, 20)
    found = header.wcs_world2pix(ra, dec, wavelengths * 1e-6, 0)
    columns, rows = grid.spaxels(*grid.plane.project(ra, dec))
    np.testing.assert_allclose(found[0], columns, atol=1e-6)
    np.testing.assert_allclose(found[1], rows, atol=1e-6)
    np.testing.assert_allclose(found[2], (wavelengths - 5.0005) / 0.001, atol=1e-6)


def linear(constant, first, second, shift=(0.0, 0.0)):
    return Polynomial(np.array([[constant, second], [first, 0.0]]), shift)


def slicer():
    """Three slices, eight pixels wide, whose field is bent on its way to the telescope."""
    labels = np.zeros((30, 40), np.int32)
    slices = []
    for place, column in enumerate((4.0, 16.0, 28.0)):
        number = 101 + place
        labels[:, int(column) - 4 : int(column) + 4] = number
        beta = 0.2 * (place - 1)
        slices.append(
            Slice(
                number=number, field=0, back=(linear(0, 0, 0), linear(0, 0, 0)),
                place=(
                    linear(0.0, 0.0, 0.1, (0.0, -column)),
                    Polynomial(np.array([[beta]])),
                    linear(5.0, 0.01, 0.0),
                ),
            )
        )  # fmt: skip
    bent = Polynomial(np.array([[-503.0, 0.1, 1e-4], [1.0, 1e-3, 0.0], [2e-3, 0.0, 0.0]]))
    straight = Polynomial(np.array([[-319.0, -1.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    field = Field(
        number=1, wavelengths=(4.0, 6.0), to_telescope=(bent, straight), back=(bent, straight)
    )
    pointing = Pointing(
        ra_deg=10.0, dec_deg=-69.0, roll_deg=40.0, v2_arcsec=-503.0, v3_arcsec=-319.0
    )
    return SlicedCoordinates(
        labels=labels, slices=tuple(slices), fields=(field,), pointing=pointing
    )


def test_pixels_of_slices_are_boxes_of_their_place_width_and_range():
    coordinates = slicer()
    world = coordinates.world()
    grid = cube_grid([(world[0], world[1])], even((5.0, 5.3), 0.01), spaxel_arcsec=0.1)
    data = np.arange(1200, dtype=np.float32).reshape(30, 40)
    good = coordinates.labels > 0
    good[3, 17] = False
    seen = slice_boxes(coordinates, coordinates.fields[0], grid, data, data + 1, good)
    assert seen.values.tolist() == data[good].tolist()
    assert seen.variances.tolist() == (data[good] + 1).tolist()
    which = int(np.flatnonzero(seen.values == data[7, 18])[0])
    # alpha 0.2 and beta 0 there; a tenth along the slice to the next pixel, 0.2 from slice to slice.
    corners = [(0.2 + a * 0.1 * REACH, b * 0.1) for a, b in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    v2, v3 = (
        np.array([np.polynomial.polynomial.polyval2d(a, b, one.terms) for a, b in corners])
        for one in coordinates.fields[0].to_telescope
    )
    x, y = grid.spaxels(*grid.plane.project(*to_sky(coordinates.pointing, v2, v3)))
    np.testing.assert_allclose(seen.x[which], x, atol=1e-8)
    np.testing.assert_allclose(seen.y[which], y, atol=1e-8)
    reach = 0.01 * REACH
    np.testing.assert_allclose((seen.low[which], seen.high[which]), (5.07 - reach, 5.07 + reach))


def test_tangent_plane_touches_where_it_says():
    plane = TangentPlane(10.0, -69.0, 25.0)
    x, y = plane.project(np.array([10.0]), np.array([-69.0]))
    assert (x[0], y[0]) == pytest.approx((0, 0), abs=1e-9)
    north = plane.project(np.array([10.0]), np.array([-69.0 + 1 / 3600]))
    angle = np.radians(25)
    assert (north[0][0], north[1][0]) == pytest.approx((-np.sin(angle), np.cos(angle)), abs=1e-6)
