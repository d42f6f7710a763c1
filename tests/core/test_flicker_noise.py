"""Noise that flickers while a frame is read: what is background, and what lines have in common."""

from functools import partial

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels.flicker_mask import _levels, background_pixels, quiet_pixels
from calcore.kernels.flicker_noise import clean, line_medians, whole_flat
from calcore.kernels.nsclean import line_frequencies, series_frequencies

ROWS = partial(line_medians, along_x=True)


def sky(rng, shape=(60, 80)):
    """A flat sky with sources in its lower left."""
    image = rng.normal(10, 1, shape).astype(np.float32)
    image[5:20, 5:20] += 200
    return image


@pytest.mark.parametrize("fit_histogram", [False, True])
def test_sources_bad_pixels_and_pixels_without_a_rate_are_no_background(rng, fit_histogram):
    image = sky(rng)
    image[30, 30], image[31, 31], image[32, 32] = np.nan, 0, -50
    usable = np.ones(image.shape, bool)
    usable[40] = False
    found = background_pixels(image, usable, 2.0, fit_histogram=fit_histogram)
    assert not found[5:20, 5:20].any()
    assert not found[[30, 31, 32], [30, 31, 32]].any()
    assert not found[40].any()
    rest = usable.copy()
    rest[5:20, 5:20] = False
    assert found[rest].mean() == pytest.approx(
        0.976, abs=0.01
    )  # of a Gaussian, within -3 to 2 sigma


def test_no_limit_leaves_every_pixel_that_has_a_rate(rng):
    image = sky(rng)
    image[3, 3] = 0
    assert background_pixels(image, np.ones(image.shape, bool), 0.0).sum() == image.size - 1
    assert not background_pixels(np.zeros_like(image), np.ones(image.shape, bool), 2.0).any()


def test_faint_light_does_not_widen_what_is_quiet(rng):
    dark = rng.normal(0, 1, (100, 100)).astype(np.float32)
    lit = dark.copy()
    lit[:20] += 2  # raises the upper half of the distribution only
    everywhere = np.ones(dark.shape, bool)
    quiet = quiet_pixels(lit, everywhere, 3.0)
    assert np.abs(lit[~quiet.pixels]).min() < 3.7
    np.testing.assert_array_equal(quiet.ranked, np.sort(lit[quiet.pixels]))
    assert quiet.median == pytest.approx(np.median(lit[quiet.pixels]))
    none = quiet_pixels(np.full((4, 4), np.nan, np.float32), np.ones((4, 4), bool), 3.0)
    assert not none.pixels.any()
    assert np.isnan(none.median)


def test_values_whose_order_is_known_need_not_be_put_in_order(rng):
    image = rng.normal(3, 1, (50, 60)).astype(np.float32)
    usable = rng.random(image.shape) < 0.8
    moved = image - np.float32(2.7)
    ranked = np.sort(image[usable]) - np.float32(2.7)
    known = quiet_pixels(moved, usable, 2.0, ranked=ranked)
    plain = quiet_pixels(moved, usable, 2.0)
    np.testing.assert_array_equal(known.pixels, plain.pixels)
    np.testing.assert_array_equal(known.ranked, plain.ranked)


@pytest.mark.parametrize("along_x", [True, False])
@pytest.mark.parametrize(("background", "left"), [("median", 0.05), ("model", 5.0), (None, 0.05)])
def test_stripes_are_taken_away_and_the_sky_stays(rng, along_x, background, left):
    # A surface follows stripes as far as they are alike over a box.
    stripes = rng.uniform(-20, 20, (2, 5, 64, 1) if along_x else (2, 5, 1, 96))
    true = 500.0 * np.arange(5)[:, None, None] + np.zeros((2, 5, 64, 96))
    data = (true + stripes + rng.normal(0, 0.1, true.shape)).astype(np.float32)
    found = clean(
        data, np.zeros(data.shape, np.uint8), np.ones((1, 64, 96), bool),
        partial(line_medians, along_x=along_x), background=background, n_sigma=0.0, box=(16, 16),
        keep=True,
    )  # fmt: skip
    rises = found.data[:, 1:] - found.data[:, :1]
    lines = rises.mean(axis=3 if along_x else 2)
    assert lines.std(axis=2).max() < left
    sky = 0 if background is None else 500
    np.testing.assert_allclose(rises.mean(axis=(0, 2, 3)), sky * np.arange(1, 5), atol=12)
    np.testing.assert_array_equal(found.data[:, 0], data[:, 0])
    np.testing.assert_allclose(data - found.noise, found.data, atol=2e-4)


def test_noise_scales_with_the_signal_and_a_constant_changes_nothing(rng):
    data = np.cumsum(rng.normal(3, 1, (1, 4, 32, 40)), axis=1).astype(np.float32)
    groupdq, usable = np.zeros(data.shape, np.uint8), np.ones((1, 32, 40), bool)
    once = clean(data, groupdq, usable, ROWS).data
    np.testing.assert_allclose(clean(4 * data, groupdq, usable, ROWS).data, 4 * once, rtol=1e-6)
    shifted = clean(data + np.float32(1024), groupdq, usable, ROWS).data
    np.testing.assert_allclose(shifted - np.float32(1024), once, atol=2e-3)


def test_flagged_samples_tell_nothing_of_the_noise():
    data = np.zeros((1, 3, 6, 9), np.float32)
    data[0, 1:, 2, :6] = 1000  # most of a line
    groupdq, usable = np.zeros(data.shape, np.uint8), np.ones((1, 6, 9), bool)
    plain = clean(data, groupdq, usable, ROWS, n_sigma=0.0, background=None).data
    assert plain[0, 1, 2, 0] == 0
    for flag in (DQ.DO_NOT_USE, DQ.JUMP_DET):
        groupdq[0, 1, 2, :6] = int(flag)
        flagged = clean(data, groupdq, usable, ROWS, n_sigma=0.0, background=None).data
        np.testing.assert_array_equal(flagged, data)


def test_a_sample_that_is_no_number_leaves_the_next_ones_alone(rng):
    data = rng.normal(0, 1, (1, 4, 8, 20)).astype(np.float32)
    data += np.float32(30) * rng.normal(0, 1, (1, 4, 8, 1)).astype(np.float32)
    groupdq, usable = np.zeros(data.shape, np.uint8), np.ones((1, 8, 20), bool)
    hole = data.copy()
    hole[0, 1, 3, 3] = np.nan
    found = clean(hole, groupdq, usable, ROWS, background=None).data
    assert np.isnan(found).sum() == 1
    whole = clean(data, groupdq, usable, ROWS, background=None).data
    assert np.abs(found - whole)[0, 2:, 3, 3].max() < 1


def test_a_group_of_which_nothing_is_known_is_bridged(rng):
    stripes = rng.normal(0, 50, (1, 4, 8, 1))
    data = (stripes + rng.normal(0, 0.1, (1, 4, 8, 50))).astype(np.float32)
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 2] = int(DQ.DO_NOT_USE)
    found = clean(data, groupdq, np.ones((1, 8, 50), bool), ROWS, background=None).data
    np.testing.assert_allclose(found[0, 3] - found[0, 0], 0, atol=1)
    untouched = clean(data, groupdq, np.zeros((1, 8, 50), bool), ROWS).data
    np.testing.assert_array_equal(untouched, data)


def test_the_flat_field_is_no_stripe(rng):
    flat = np.linspace(0.5, 1.5, 40, dtype=np.float32)[:, None] * np.ones((40, 60), np.float32)
    light = np.float32(100) * flat
    data = np.stack([group * light for group in range(3)])[None]
    data += rng.normal(0, 0.1, data.shape).astype(np.float32)
    groupdq, usable = np.zeros(data.shape, np.uint8), np.ones((1, 40, 60), bool)
    with_flat = clean(data, groupdq, usable, ROWS, n_sigma=0.0, flat=flat).data
    np.testing.assert_allclose(with_flat, data, atol=0.3)
    without = clean(data, groupdq, usable, ROWS, n_sigma=0.0).data
    assert np.abs(without - data).max() > 40


def test_a_flat_is_made_whole_by_what_is_around():
    flat = np.full((32, 32), 2.0, np.float32)
    flat[4, 4], flat[5, 5] = np.nan, 0
    np.testing.assert_array_equal(whole_flat(flat), np.full_like(flat, 2.0))
    assert (whole_flat(np.zeros_like(flat)) == 1).all()


def test_medians_of_lines_by_amplifier():
    image = np.arange(24, dtype=np.float32).reshape(4, 6)
    good = np.ones(image.shape, bool)
    good[1], good[2, 0] = False, False
    halves = (slice(0, 3), slice(3, 6))
    found = line_medians(image, good, along_x=True, amplifiers=halves)
    np.testing.assert_array_equal(found[:, 0], [1, 0, 13.5, 19])
    np.testing.assert_array_equal(found[:, 5], [4, 0, 16, 22])
    turned = line_medians(image.T.copy(), good.T, along_x=False, amplifiers=halves)
    np.testing.assert_array_equal(turned, found.T)


@pytest.mark.parametrize("distinct", [3, 10_000])
def test_medians_of_lines_are_medians(rng, distinct):
    image = (rng.integers(0, distinct, (200, 64)) - distinct / 3).astype(np.float32)
    good = rng.random(image.shape) < rng.random((200, 1))
    image[:, 7] = np.inf  # does not count
    found = line_medians(image, good, along_x=True)
    counts = good & np.isfinite(image)
    for row, count, values in zip(found, counts, image, strict=True):
        assert (row == (np.median(values[count]) if count.any() else 0)).all()


@pytest.mark.parametrize("outlier", [50.0, 1e30])
def test_levels_are_those_of_clipping_turn_by_turn(rng, outlier):
    values = np.sort(np.append(rng.normal(7, 2, 3001), outlier * np.arange(1, 40))).astype("f4")
    ranked, inner = values.astype(np.float64), values.astype(np.float64)
    for _ in range(5):
        inner = inner[np.abs(inner - np.median(inner)) <= 3 * inner.std()]
    middle = np.median(inner)
    below = middle - ranked[ranked <= middle]
    for _ in range(5):
        below = below[below <= 3 * np.sqrt(np.mean(below**2))]
    expected = middle, inner.std(), np.sqrt(np.mean(below**2))
    assert _levels(values) == pytest.approx(expected, rel=1e-9)
    assert _levels(-values[::-1])[:2] == pytest.approx((-middle, inner.std()), rel=1e-9)


def test_levels_of_equal_values_have_no_spread():
    assert _levels(np.full(7, 1e7, np.float32)).tolist() == [1e7, 0, 0]


def test_low_frequencies_of_lines_are_found_beside_what_is_lit():
    length = 1024
    where = np.arange(length)
    wave = 3 + 5 * np.cos(2 * np.pi * 2 * where / length + 1)
    image = np.tile(wave, (40, 1)).astype(np.float32)
    good = np.ones(image.shape, bool)
    good[:, 200:260] = False
    lit = np.where(good, image, np.float32(500))
    found = line_frequencies(lit, good)
    np.testing.assert_allclose(found, image, atol=0.4)
    # Waves of a few pixels are no flicker, and a line without an unlit pixel has none.
    fast = np.tile(np.cos(2 * np.pi * 100 * where / length), (40, 1)).astype(np.float32)
    np.testing.assert_allclose(line_frequencies(fast, np.ones_like(good)), 0, atol=1e-5)
    assert (line_frequencies(lit, np.zeros_like(good)) == 0).all()


def test_outliers_of_lines_and_displacement(rng):
    image = rng.normal(0, 1, (64, 512)).astype(np.float32)
    good = np.ones(image.shape, bool)
    found = line_frequencies(image, good)
    hit = image.copy()
    hit[30, 100] = 1e5
    np.testing.assert_allclose(line_frequencies(hit, good), found, atol=0.05)
    displaced = line_frequencies(image, good, displaced=(1, -1))
    np.testing.assert_allclose(displaced, np.roll(found, (1, -1), (0, 1)), atol=1e-5)


def test_flicker_of_a_sub_array_is_found_and_not_made_up(rng):
    lines, width, gap = 128, 32, 12
    size = lines * (width + gap)
    frequency = np.fft.rfftfreq(size)
    power = np.zeros(frequency.size)
    power[1:] = 1 / np.sqrt(frequency[1:])
    series = np.fft.irfft(np.fft.rfft(rng.normal(size=size)) * power, size)
    noise = (4 * series / series.std()).reshape(lines, width + gap)[:, :width]
    image = (noise + rng.normal(0, 3, noise.shape)).astype(np.float32)
    good = np.ones(image.shape, bool)
    good[40:80] = False
    lit = np.where(good, image, np.float32(900))
    found = series_frequencies(lit, good)
    outside = np.r_[0:40, 80:lines]
    assert (noise - found)[outside].std() < 0.75 * noise[outside].std()
    assert np.abs(found[40:80]).max() < np.abs(noise).max()
    white = rng.normal(0, 3, noise.shape).astype(np.float32)
    assert series_frequencies(white, np.ones_like(good)).std() < 0.6
    assert (series_frequencies(white, np.zeros_like(good)) == 0).all()
    assert np.isfinite(series_frequencies(white[:1, :3], np.ones((1, 3), bool))).all()
