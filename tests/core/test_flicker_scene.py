"""What an image shows, and how flicker noise is looked for in it then."""

import dataclasses

import numpy as np
import pytest

from calcore.kernels.flicker_mask import quiet_pixels
from calcore.kernels.flicker_scene import SceneFigures, SceneLimits, scene_figures

LIMITS = SceneLimits(masked=0.1, offset=0.07, scatter=0.02, slope=1e-5, steep=1e-4, slope_ratio=5)
EVEN = SceneFigures(masked=0.02, offset=0.01, slope=1e-6, slope_ratio=2, scatter=0.01)
SIZE = 64


@pytest.fixture
def image(rng):
    return (5 + rng.uniform(-0.02, 0.02, (SIZE, SIZE))).astype(np.float32)


def figures(image, *, along_x=True, amplifier=None, across=False):
    before = image.copy()
    found = scene_figures(image, along_x=along_x, amplifier=amplifier, scatter_across=across)
    np.testing.assert_array_equal(image, before)
    return found


@pytest.mark.parametrize("across", [False, True])
def test_axes_are_alike(image, across):
    there = figures(image, amplifier=16, across=across)
    turned = figures(np.ascontiguousarray(image.T), along_x=False, amplifier=16, across=across)
    assert there == turned


def test_a_slope_along_lines_is_found_and_one_across_them_is_cleaned(image):
    place = np.arange(SIZE, dtype=np.float32) - SIZE / 2
    flat = figures(image)
    along = figures(image + 0.0004 * place)
    across = figures(image + 0.0004 * place[:, None])
    assert along.slope == pytest.approx(0.0004, rel=0.2)
    assert along.slope_ratio > 3
    assert across.slope < 1e-4
    assert flat.slope < 1e-4


def test_offsets_are_those_of_neighbours(image):
    steps = np.repeat(np.float32([0, 0.005, -0.002, 0]), SIZE // 4)
    assert figures(image + steps, amplifier=16).offset == pytest.approx(0.007, abs=0.002)
    assert figures(image + steps).offset == 0


def test_scatter_grows_with_what_lines_or_columns_show(image):
    waves = np.float32(0.01) * np.sin(np.arange(SIZE, dtype=np.float32))
    columns = figures(image + waves)
    assert columns.scatter == pytest.approx(0.007, rel=0.4)
    # The last amplifier has noise of its own, the others have none.
    own = image.copy()
    own[:, 48:] += 2 * waves[:, None]
    without = figures(image, amplifier=16, across=True).scatter
    assert figures(own, amplifier=16, across=True).scatter > 1.8 * without


def test_sources_and_missing_pixels_are_masked(image):
    empty = figures(image).masked
    image[10:20, 10:20] += 50
    image[30:34, :8] = np.nan
    image[40, :8] = 0
    found = figures(image)
    assert found.masked == pytest.approx(empty + (100 + 32 + 8) / SIZE**2, abs=0.01)
    assert np.isfinite(dataclasses.astuple(found)).all()


def test_limits_above_and_below_the_background(rng):
    image = rng.normal(0, 1, (SIZE, SIZE)).astype(np.float32)
    everywhere = np.ones(image.shape, bool)
    kept = quiet_pixels(image, everywhere, 1.5, below=2.5).pixels
    assert image[kept].max() == pytest.approx(1.5, abs=0.1)
    assert image[kept].min() == pytest.approx(-2.5, abs=0.2)
    alike = quiet_pixels(image, everywhere, 1.5, below=1.5).pixels
    np.testing.assert_array_equal(alike, quiet_pixels(image, everywhere, 1.5).pixels)


def test_an_image_without_background():
    nothing = figures(np.full((SIZE, SIZE), np.nan, np.float32))
    assert nothing.masked == 1
    assert LIMITS.background(nothing) == "median"
    assert not LIMITS.by_amplifier(nothing)


@pytest.mark.parametrize(
    ("scene", "background", "by_amplifier"),
    [
        ({}, "median", False),
        ({"scatter": 0.03}, "median", True),
        ({"offset": 0.1}, "median", True),
        ({"offset": 0.1, "slope": 1e-3}, "median", True),
        ({"slope": 1e-3}, "model", False),
        ({"slope": 1e-3, "scatter": 0.03}, "model", True),
        ({"slope": 5e-5}, "model", False),
        ({"slope": 5e-5, "slope_ratio": 6}, "median", False),
        ({"slope": 1e-3, "slope_ratio": 6}, "model", False),
        ({"masked": 0.2, "offset": 0.1, "scatter": 0.03}, "median", False),
        ({"masked": 0.2, "slope": 5e-5, "slope_ratio": 6}, "model", False),
    ],
)
def test_decisions(scene, background, by_amplifier):
    found = dataclasses.replace(EVEN, **scene)
    assert LIMITS.background(found) == background
    assert LIMITS.by_amplifier(found) is by_amplifier
