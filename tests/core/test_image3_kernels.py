import numpy as np
import pytest

from calcore.kernels import spans
from calcore.kernels.apertures import circular, neighbours, sharpness_and_roundness, surroundings
from calcore.kernels.blot import blot
from calcore.kernels.centroids import windowed
from calcore.kernels.combining import Patch, masked, median_of, merged
from calcore.kernels.drizzling import Drizzled, Drop, drizzle
from calcore.kernels.median import median
from calcore.kernels.ordered import Ascending, Ordered, OrderedImage
from calcore.kernels.polygon import clip, intersection, union
from calcore.kernels.sky import Clipping, clipped_about_median, joint_level, level, offsets
from calcore.kernels.source_background import background, smoothed
from calcore.kernels.sources import Search, find_sources, find_stars
from calcore.room import Room


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def grid(shape, dx=0.0, dy=0.0):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    return np.stack([x + dx, y + dy])


def gaussian(shape, x, y, flux, fwhm):
    sigma = fwhm / 2.3548
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    profile = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 2 / sigma**2) / (2 * np.pi * sigma**2)
    return (flux * profile).astype(np.float32)


# Median.


def test_median_is_numpys_and_leaves_its_input_alone(rng):
    stack = rng.normal(size=(7, 11, 13)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.4] = np.nan
    stack[:, 0, 0] = np.nan
    before = stack.copy()
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        expected = np.nanmedian(stack, axis=0)
    np.testing.assert_array_equal(median(stack), expected)
    two = np.isfinite(stack).sum(axis=0) == 2
    expected[two] = np.nanmin(stack[:, two], axis=0)
    np.testing.assert_array_equal(median(stack, lesser_of_two=True), expected)
    np.testing.assert_array_equal(stack, before)


def test_median_of_parts_is_that_of_whole_images(rng):
    images = rng.normal(size=(3, 150, 20)).astype(np.float32)
    windows = [(0, 90, 0, 20), (40, 150, 3, 18), (70, 120, 0, 9)]
    whole = np.full(images.shape, np.nan, np.float32)
    parts = []
    for k, (top, bottom, left, right) in enumerate(windows):
        place = slice(top, bottom), slice(left, right)
        whole[k][place] = images[k][place]
        data = np.ascontiguousarray(images[k][place])
        parts.append(Patch(*place, data))
    np.testing.assert_array_equal(median_of(parts, (150, 20)), median(whole))


# Drizzle.


def test_drizzling_conserves_flux(rng):
    data = rng.uniform(1, 2, (40, 50)).astype(np.float32)
    pixel_map = grid(data.shape, 7.3, 5.8)
    for pixfrac in (1.0, 0.6):
        part = drizzle([data], np.ones_like(data), pixel_map, (60, 70), Drop("square", pixfrac))
        total = np.nansum(part.planes[0].astype(float) * part.weight)
        assert total == pytest.approx(data.sum(dtype=float), rel=1e-5)
        assert part.weight.sum(dtype=float) == pytest.approx(data.size, rel=1e-5)


def test_smaller_output_pixels_keep_surface_brightness():
    data = np.full((20, 20), 3.0, np.float32)
    part = drizzle([data], np.ones_like(data), grid(data.shape) * 2, (40, 40), Drop())
    np.testing.assert_allclose(part.planes[0][3:-3, 3:-3], 3.0, rtol=1e-6)


def test_pixels_of_weight_zero_and_without_place_contribute_nothing():
    data = np.ones((10, 10), np.float32)
    data[4, 4] = np.nan
    weight = np.ones_like(data)
    weight[4, 4] = 0
    pixel_map = grid(data.shape)
    pixel_map[:, :, 0] = np.nan
    part = drizzle([data], weight, pixel_map, (10, 10), Drop())
    image = np.full((10, 10), np.nan)
    image[part.rows, part.columns] = part.planes[0]
    assert np.isnan(image[4, 4])
    assert np.isnan(image[:, 0]).all()
    # A pixel beside one without a place has no corner there.
    assert np.isnan(image[:, 1]).all()
    np.testing.assert_allclose(image[:4, 2:], 1.0)


@pytest.mark.parametrize("degrees", [0.0, 0.02, 31.8, 140.0])
@pytest.mark.parametrize("pixfrac", [1.0, 0.6])
def test_our_square_drops_are_those_of_the_drizzle_package(rng, degrees, pixfrac):
    shape, turn = (40, 50), np.radians(degrees)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    pixel_map = 1.1 * np.stack(
        [np.cos(turn) * x - np.sin(turn) * y + 1e-4 * x * y, np.sin(turn) * x + np.cos(turn) * y]
    )
    pixel_map += (5.3 - pixel_map.min(axis=(1, 2)))[:, None, None]
    data = rng.normal(5, 1, shape).astype(np.float32)
    weight = (rng.uniform(1, 2, shape) * (rng.random(shape) > 0.05)).astype(np.float32)
    ours = drizzle([data], weight, pixel_map, (110, 110), Drop("square", pixfrac))
    # Flags are joined by the package's own code.
    flags = np.zeros(shape, np.uint32)
    theirs = drizzle([data], weight, pixel_map, (110, 110), Drop("square", pixfrac), flags)
    np.testing.assert_allclose(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)
    solid = theirs.weight > 1e-4
    np.testing.assert_allclose(ours.planes[0][solid], theirs.planes[0][solid], rtol=2e-6)


def test_an_exposure_off_the_grid_is_an_empty_part():
    data = np.ones((5, 5), np.float32)
    part = drizzle([data], data, grid((5, 5), 500.0), (10, 10), Drop())
    assert part.weight.sum() == 0
    assert np.isnan(part.planes[0]).all()


def test_planes_of_one_exposure_share_weights_and_flags_are_joined(rng):
    data = rng.uniform(1, 2, (8, 8)).astype(np.float32)
    weight = rng.uniform(1, 2, (8, 8)).astype(np.float32)
    dq = np.zeros((8, 8), np.uint32)
    dq[3, 3], dq[3, 4] = 4, 16
    part = drizzle([data, 2 * data], weight, grid((8, 8), 0.5), (8, 9), Drop(), dq)
    np.testing.assert_allclose(part.planes[1], 2 * part.planes[0], rtol=1e-6)
    assert part.dq is not None
    assert part.dq[3, 4 - part.columns.start] == 20


def test_parts_of_one_exposure_merge_by_weight():
    rows = slice(2, 4)
    left = Drizzled(
        rows, slice(0, 3), [np.full((2, 3), 1.0, np.float32)], np.full((2, 3), 1.0, np.float32)
    )
    right = Drizzled(
        rows, slice(2, 5), [np.full((2, 3), 4.0, np.float32)], np.full((2, 3), 2.0, np.float32)
    )
    both = merged([left, right])
    np.testing.assert_allclose(both.planes[0][0], [1, 1, 3, 4, 4])
    np.testing.assert_allclose(both.weight[0], [1, 1, 3, 2, 2])


def test_values_of_little_weight_are_masked():
    weight = np.full((10, 10), 2.0, np.float32)
    weight[0, 0], weight[1, 1] = 1.3, 0.0
    part = masked(Drizzled(slice(0, 10), slice(0, 10), np.ones_like(weight)[None], weight), 0.7)
    assert np.isnan(part.image[0, 0])
    assert np.isnan(part.image).sum() == 2


# Blot.


def test_blotting_a_plane_is_exact():
    y, x = np.mgrid[:30, :40]
    image = (0.5 * x - 0.25 * y + 3).astype(np.float32)
    pixel_map = grid((20, 20), 3.25, 4.75)
    expected = 0.5 * pixel_map[0] - 0.25 * pixel_map[1] + 3
    np.testing.assert_allclose(blot(image, pixel_map), expected, rtol=1e-6)


def test_blot_is_nan_outside_and_beside_nan():
    image = np.ones((5, 5), np.float32)
    image[2, 2] = np.nan
    places = np.array([[[-0.1, 4, 4.1, 1.5, np.nan]], [[0, 4, 4, 2, 1]]])
    np.testing.assert_array_equal(blot(image, places), [[np.nan, 1, np.nan, np.nan, np.nan]])


# Sky.


def level_of(values, statistic, clipping, width=0.1):
    pixels = Ordered(Ascending.of(np.asarray(values, np.float32)))
    return level(pixels, statistic, clipping, width)


def test_sky_statistics_of_a_skewed_field(rng):
    values = rng.normal(10, 1, 200_000)
    values[:2000] += rng.exponential(50, 2000)
    for statistic, close in (("mean", 0.02), ("median", 0.01), ("midpt", 0.06), ("mode", 0.15)):
        found, count = level_of(values, statistic, Clipping())
        assert found == pytest.approx(10, abs=close)
        assert 190_000 < count < 200_000


def test_values_are_clipped_about_the_mean(rng):
    values = rng.normal(1000, 2, 5001).astype(np.float32)
    values[:50] += rng.exponential(1e4, 50).astype(np.float32)
    kept = values.astype(float)
    for _ in range(5):
        kept = kept[np.abs(kept - kept.mean()) <= 4 * kept.std(ddof=1)]
    assert level_of(values, "mean", Clipping()) == (pytest.approx(kept.mean(), abs=1e-9), kept.size)
    assert level_of(values, "median", Clipping()) == (np.median(kept), kept.size)
    found, count = level_of([], "mode", Clipping())
    assert np.isnan(found)
    assert count == 0
    assert level_of(np.full(5, 2.0), "mode", Clipping()) == (2.0, 5)


def test_levels_of_several_images_weigh_as_many_pixels():
    none = np.nan
    assert joint_level(np.array([1.0, 4.0, none]), np.array([300.0, 100.0, 0.0])) == (1.75, 400)
    found, count = joint_level(np.array([none]), np.zeros(1))
    assert np.isnan(found)
    assert count == 0


def test_the_last_bin_has_values_that_were_clipped():
    values = np.concatenate([np.linspace(0, 1, 1001), np.full(60, 0.785)])
    peak, count = level_of(values, "mode", Clipping(1, high_sigma=0.9))
    assert 765 < count < 800
    assert peak == pytest.approx(0.775, abs=0.02)


@pytest.mark.parametrize("statistic", ["mean", "median", "midpt", "mode"])
def test_a_part_is_known_from_itself_or_from_the_rest(rng, statistic):
    image = rng.normal(5, 1, (40, 50)).astype(np.float32).round(2)
    image[rng.random((40, 50)) < 0.1] = np.nan
    pixels = OrderedImage.of(image)
    for widest in (12, 50):
        rows = np.sort(rng.integers(0, widest + 1, (3, 40, 2)), axis=-1)
        rows[:, 7] = 0  # nothing there
        if widest == 50:
            rows[0, 8:] = 2, 49
        values = image[filled(rows, 50)]
        part = pixels.within(rows)
        assert (part.without is None) == (widest == 12)
        expected = level_of(values[~np.isnan(values)], statistic, Clipping())
        found = level(part, statistic, Clipping(), 0.1)
        assert found == (pytest.approx(expected[0], abs=1e-9), expected[1])


def test_offsets_are_recovered_and_lone_images_have_none():
    true = np.array([0.0, 2.0, -1.0, 5.0])
    weight = np.zeros((4, 4))
    weight[:3, :3] = 100.0
    difference = true[:, None] - true[None, :]
    found = offsets(difference, weight)
    np.testing.assert_allclose(found[:3] - found[0], true[:3], atol=1e-12)
    assert np.isnan(found[3])


def test_groups_without_common_sky_are_matched_within_themselves():
    true = np.array([100.0, 120, 105, 110, 95, 90, 100])
    weight = np.zeros((7, 7))
    weight[:4, :4] = weight[4:, 4:] = 1
    found = offsets(true[:, None] - true[None, :], weight)
    # The example in the documentation of the reference pipeline's step.
    np.testing.assert_allclose(found - found.min(), [0, 20, 5, 10, 8.75, 3.75, 13.75], atol=1e-9)


def test_intersection_is_what_both_hold():
    square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    part = intersection(square, square[::-1] + np.array([1.0, 2.0]))
    assert sorted(map(tuple, part)) == [(1, 2), (1, 4), (4, 2), (4, 4)]
    diamond = np.array([[2.0, -1], [5, 2], [2, 5], [-1, 2]])
    for one, other in ((square, diamond), (diamond, square)):
        corners = intersection(one, other)
        assert len(corners) == 8
        x, y = corners.T
        assert 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) == pytest.approx(14)
    assert not len(intersection(square, square + 10.0))


def filled(rows, columns):
    places = np.arange(columns)
    return ((rows[..., :1] <= places) & (places < rows[..., 1:])).any(axis=0)


def rounded(corners, shape):
    return filled(spans.rounded(corners, shape), shape[1])


def inside(x, y, shape):
    return filled(spans.inside(x, y, shape), shape[1])


def test_corners_are_rounded_to_whole_pixels():
    box = np.array([[2.4, 1.6], [6.6, 1.6], [6.6, 4.4], [2.4, 4.4]])
    mask = rounded(box, (6, 9))
    assert mask[2:5, 2:8].all()
    assert mask.sum() == 3 * 6
    # Beyond the first column the beginning and the length are rounded, not the end.
    assert rounded(box - np.array([3.0, 0.0]), (6, 9))[3].tolist() == [True] * 4 + [False] * 5
    assert rounded(box + np.array([3.0, 0.0]), (6, 9))[3].tolist() == [False] * 5 + [True] * 4
    tilted = np.array([[4.0, 0], [8, 4], [4, 5], [0, 4]])
    assert rounded(tilted, (6, 9)).sum(axis=1).tolist() == [1, 3, 5, 7, 9, 1]
    assert not rounded(box[:0], (6, 9)).any()


def test_polygon_holds_its_area():
    x, y = np.array([2.5, 40.5, 35.5, 5.5]), np.array([3.5, 3.5, 30.5, 25.5])
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    mask = inside(x, y, (50, 60))
    assert mask.sum() == pytest.approx(area, rel=0.01)
    np.testing.assert_array_equal(mask, inside(x[::-1], y[::-1], (50, 60)))
    np.testing.assert_array_equal(mask.T, inside(y, x, (60, 50)))


def test_a_row_may_leave_a_polygon_and_enter_it_again():
    x, y = np.array([1.0, 9, 9, 5, 1]), np.array([0.5, 0.5, 7, 2.5, 7])
    mask = inside(x, y, (8, 12))
    assert mask[1].tolist() == [False] + [True] * 8 + [False] * 3
    assert np.flatnonzero(mask[5]).tolist() == [1, 2, 8]


def turned_box(x, y, width, height, degrees):
    angle = np.radians(degrees)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2]
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return corners @ matrix.T + [x, y]


def joined(rings, shape):
    mask = np.zeros(shape, bool)
    for ring in rings:
        mask ^= inside(*ring.T, shape)
    return mask


def test_the_union_of_polygons_holds_what_any_of_them_holds(rng):
    shape = (120, 130)
    for count in (1, 2, 5, 12):
        boxes = [
            turned_box(*rng.uniform(30, 90, 2), *rng.uniform(10, 50, 2), rng.uniform(0, 90))
            for _ in range(count)
        ]
        boxes[-1] = boxes[-1][::-1]  # clockwise
        expected = np.zeros(shape, bool)
        for box in boxes:
            expected |= inside(*box.T, shape)
        np.testing.assert_array_equal(joined(union(boxes), shape), expected)


def test_the_union_of_boxes_that_coincide_touch_or_keep_apart():
    box = np.array([[0.0, 0], [4, 0], [4, 3], [0, 3]])
    assert len(union([box, box, box[::-1]])) == 1
    np.testing.assert_allclose(np.sort(union([box, box])[0], axis=0), np.sort(box, axis=0))
    beside = union([box, box + np.array([4, 0])])
    assert len(beside) == 1
    assert beside[0].max(axis=0).tolist() == [8, 3]
    assert len(beside[0]) == 4
    assert len(union([box, box + np.array([10, 0])])) == 2
    frame = [turned_box(10, 3, 20, 2, 0), turned_box(10, 17, 20, 2, 0),
             turned_box(3, 10, 2, 20, 0), turned_box(17, 10, 2, 20, 0)]  # fmt: skip
    assert (
        joined(union(frame), (20, 20)).sum()
        == sum(inside(*part.T, (20, 20)).sum() for part in frame) - 4 * 4
    )
    assert union([]) == []


def test_clipping_to_a_grid():
    box = np.array([[-10.0, 5], [5, 5], [5, 30], [-10, 30]])
    assert clip(box, 20, 20).tolist() == [[-0.5, 5], [5, 5], [5, 19.5], [-0.5, 19.5]] or (
        np.sort(clip(box, 20, 20), axis=0).tolist() == [[-0.5, 5], [-0.5, 5], [5, 19.5], [5, 19.5]]
    )
    assert len(clip(box - np.array([100, 0]), 20, 20)) == 0


# Sources.


def test_windowed_centroids_are_exact_for_any_symmetric_source():
    shape = (41, 41)
    for fwhm in (2.2, 3.0):
        image = gaussian(shape, 20.31, 18.77, 500.0, fwhm)
        x, y = windowed(image, np.zeros(shape, bool), np.array([20.0]), np.array([19.0]), 2.5)
        assert x[0] == pytest.approx(20.31, abs=3e-3)
        assert y[0] == pytest.approx(18.77, abs=3e-3)


def test_a_centroid_that_runs_away_stays_where_it_began():
    image = gaussian((41, 41), 30.0, 30.0, 500.0, 2.2)
    hidden = np.zeros(image.shape, bool)
    x, y = windowed(image, hidden, np.array([10.0]), np.array([12.0]), 2.2)
    assert (x[0], y[0]) == (10.0, 12.0)


def test_apertures_hold_the_sum_and_nan_spreads():
    data = np.full((30, 30), 2.0, np.float32)
    err = np.full((30, 30), 0.5, np.float32)
    x, y = np.array([15.2, 5.0]), np.array([14.9, 5.0])
    total, deviation = circular(data, err, x, y, 4.0)
    np.testing.assert_allclose(total, 2 * np.pi * 16, rtol=1e-6)
    np.testing.assert_allclose(deviation, 0.5 * np.sqrt(np.pi * 16), rtol=1e-6)
    data[5, 5] = np.nan
    assert np.isnan(circular(data, err, x, y, 4.0)[0]).tolist() == [False, True]


def test_the_ring_sees_the_sky_and_not_a_neighbour(rng):
    data = rng.normal(5, 0.1, (60, 60)).astype(np.float32)
    data[38:42, 38:42] += 100
    hidden = np.zeros(data.shape, bool)
    hidden[:, 20] = True
    data[:, 20] = np.nan
    found, deviation = surroundings(data, hidden, np.array([30.0]), np.array([30.0]), 8.0, 14.0)
    assert found[0] == pytest.approx(5, abs=3 * deviation[0])
    count = np.pi * (14**2 - 8**2)
    assert deviation[0] == pytest.approx(0.1 * np.sqrt(np.pi / 2 / count), rel=0.2)
    empty, _ = surroundings(data, np.ones_like(hidden), np.array([30.0]), np.array([30.0]), 8, 14)
    assert np.isnan(empty[0])


def test_a_box_of_the_background_is_clipped_five_times(rng):
    values = rng.exponential(1.0, (50, 50)).astype(np.float32) ** 2
    level = background(values, np.zeros(values.shape, bool), 50).level
    expected = np.median(clipped_about_median(values, 3.0, 5))
    assert np.median(clipped_about_median(values, 3.0, 10)) < 0.99 * expected
    np.testing.assert_allclose(level, expected, rtol=1e-5)


def test_a_star_beside_a_pixel_without_a_value_is_found(rng):
    y, x = np.mgrid[:41, :41]
    star = 4000 * np.exp(-((x - 20.28) ** 2 + (y - 20.45) ** 2) / (2 * 0.72**2))
    data = (star + rng.normal(0, 5, star.shape)).astype(np.float32)
    data[18, 20] = np.nan
    found = find_stars(data, np.isnan(data), Search(finder="iraf", snr=20.0, box=41, fwhm=2.5))
    np.testing.assert_allclose([found.x, found.y], [[20.28], [20.45]], atol=0.06)


def test_sharpness_tells_a_hot_pixel_from_a_star_and_the_edge_has_none():
    image = gaussian((40, 40), 20.0, 20.0, 500.0, 2.5)
    image[10, 10] += 100
    x, y = np.array([20.0, 10.0, 0.0]), np.array([20.0, 10.0, 0.0])
    sharp, roundness = sharpness_and_roundness(image, x, y, 2.5)
    assert sharp[0] < 0.9 < sharp[1]
    assert roundness[0] == pytest.approx(0, abs=1e-3)
    assert np.isnan(sharp[2])
    assert np.isnan(roundness[2])


def test_neighbours():
    number, distance = neighbours(np.array([0.0, 3.0, 10.0]), np.array([0.0, 4.0, 4.0]))
    assert number.tolist() == [1, 0, 1]
    np.testing.assert_allclose(distance, [5, 5, 7])
    assert np.isnan(neighbours(np.array([1.0]), np.array([1.0]))[1][0])


def test_background_of_a_slope_with_sources_and_of_a_hidden_image(rng):
    _, x = np.mgrid[:200, :200]
    slope = (10 + 0.01 * x).astype(np.float32)
    data = slope + rng.normal(0, 0.1, slope.shape).astype(np.float32)
    data[50:53, 50:53] += 50
    sky = background(data, np.zeros(data.shape, bool), 40)
    assert np.abs(sky.level - slope)[70:-70, 70:-70].max() < 0.05
    assert np.median(sky.noise) == pytest.approx(0.15, rel=0.2)
    hidden = rng.random(data.shape) < 0.9
    mostly = background(data, hidden, 200)
    assert mostly.level == pytest.approx(11, abs=0.1)
    assert np.isnan(background(data, np.ones(data.shape, bool), 40).level)


def test_smoothing_fills_hidden_pixels():
    data = np.full((20, 20), 3.0, np.float32)
    hidden = np.zeros(data.shape, bool)
    hidden[10, 10], data[10, 10] = True, np.nan
    np.testing.assert_allclose(smoothed(data, hidden, 2.0)[5:15, 5:15], 3.0, rtol=1e-6)


@pytest.mark.parametrize("finder", ["iraf", "dao", "segmentation"])
def test_stars_are_found_where_they_are(rng, finder):
    shape, flux = (100, 100), (900.0, 500.0, 300.0, 700.0)
    places = [(20.2, 30.7), (70.6, 25.1), (50.4, 60.3), (80.0, 85.0)]
    data = rng.normal(2, 0.05, shape).astype(np.float32)
    for (x, y), one in zip(places, flux, strict=True):
        data += gaussian(shape, x, y, one, 2.5)
    hidden = np.zeros(shape, bool)
    hidden[5, 5], data[5, 5] = True, np.nan
    search = Search(
        finder=finder, snr=10.0, box=50, fwhm=2.5, npixels=10, sharpness=(0.2, 2.0),
        roundness=(-1.0, 1.0), windowed=True,
    )  # fmt: skip
    found = find_stars(data, hidden, search)
    assert found.x.size == 4
    assert (np.diff(found.flux) <= 0).all()
    assert (np.diff(found.error) >= 0).all()
    order = np.argsort(flux)[::-1]
    true = np.array(places)[order]
    np.testing.assert_allclose(np.stack([found.x, found.y], 1), true, atol=0.02)


def test_nothing_is_found_where_nothing_is(rng):
    data = rng.normal(2, 0.05, (60, 60)).astype(np.float32)
    err = np.full(data.shape, 0.05, np.float32)
    visible = np.zeros(data.shape, bool)
    for finder in ("iraf", "dao", "segmentation"):
        search = Search(finder=finder, snr=20.0, box=30, fwhm=2.5)
        assert find_stars(data, visible, search).x.size == 0
        assert find_stars(data, ~visible, search).x.size == 0
        found = find_sources(data, err, visible, search)
        assert found is None or found.x.size == 0
        assert find_sources(data, err, ~visible, search) is None


def test_smoothing_is_the_same_strip_by_strip(rng, monkeypatch):
    data = rng.normal(2, 0.05, (60, 30)).astype(np.float32)
    hidden = rng.random(data.shape) < 0.2
    whole = smoothed(data, hidden, 3.0)
    monkeypatch.setattr("calcore.kernels.source_background._ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(smoothed(data, hidden, 3.0, Room(2).each), whole)
