"""Pictures of two-dimensional products."""

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure
from PIL import Image as Picture

from calcore.errors import DataUnusable, OutputProblem
from calcore.model import Image, Meta, Rate, Segmentation
from calcore.report import image_figure, is_picture, save_figure
from calcore.report._marks import draw_compass, draw_sources
from calcore.report.quicklook import average_down, stretch_of
from calcore.wcs.slicer import SlicedCoordinates

META = Meta({"bunit_data": "MJy/sr", "filename": "jw_cal.fits"})
GREY = (0x8C, 0x8C, 0x8C)


def image(ny=60, nx=60, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(5.0, 0.1, (ny, nx)).astype(np.float32)


def as_image(data, **more):
    dq = more.pop("dq", np.zeros(data.shape, np.uint32))
    return Image(meta=META, data=data, err=np.ones_like(data), dq=dq, **more)


def share_of_grey(path, box=(0.0, 0.0, 1.0, 1.0)):
    """Return how much of a part of the picture (left, upper, right, lower in 0..1) is grey."""
    with Picture.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    ny, nx, _ = pixels.shape
    left, upper, right, lower = box
    part = pixels[int(upper * ny) : int(lower * ny), int(left * nx) : int(right * nx)]
    return float(np.mean((part == GREY).all(axis=-1)))


def test_blocks_are_averaged_without_nan():
    data = np.array([[1, 3, 10], [np.nan, 5, np.nan], [7, 9, np.nan]], np.float32)
    expected = np.array([[3, 10], [8, np.nan]], np.float32)
    np.testing.assert_array_equal(average_down(data, 2), expected)
    assert average_down(data, 1) is data


def test_average_of_a_plane_keeps_its_mean():
    data = image(64, 96)
    assert average_down(data, 4).mean() == pytest.approx(float(data.mean()), rel=1e-5)


def test_stretch_returns_what_it_took():
    stretch = stretch_of(image())
    values = np.array([stretch.low, stretch.level, stretch.high, 1e6])
    np.testing.assert_allclose(stretch.inverse(stretch.forward(values)), values, rtol=1e-9)


def test_stretch_measures_the_background_and_is_deaf_to_outliers():
    data = image(200, 200)
    quiet = stretch_of(data)
    data[:3, :3] = 1e9
    loud = stretch_of(data)
    assert quiet.level == pytest.approx(5.0, abs=0.01)
    assert quiet.noise == pytest.approx(0.1, rel=0.1)
    assert loud.noise == pytest.approx(quiet.noise, rel=0.01)
    assert loud.high == pytest.approx(quiet.high, rel=0.1)


def test_stretch_scales_with_the_image():
    data = image()
    one, thousand = stretch_of(data), stretch_of(data * np.float32(1000))
    assert thousand.noise == pytest.approx(1000 * one.noise, rel=1e-4)
    assert thousand.high == pytest.approx(1000 * one.high, rel=1e-4)


@pytest.mark.parametrize(
    "data",
    [
        np.full((20, 20), np.nan, np.float32),
        np.zeros((20, 20), np.float32),
        np.full((20, 20), 7.5, np.float32),
        np.full((20, 20), np.inf, np.float32),
    ],
    ids=["nan", "zero", "constant", "infinite"],
)
def test_an_image_without_structure_is_drawn_all_the_same(data, tmp_path):
    assert stretch_of(data).low < stretch_of(data).high
    assert save_figure(image_figure(as_image(data)), tmp_path / "a.png").stat().st_size > 1000


def test_ticks_are_round_and_within_the_bar():
    stretch = stretch_of(image())
    ticks = stretch.ticks()
    assert len(ticks) >= 4
    assert all(stretch.low <= tick <= stretch.high for tick in ticks)
    assert all(len(f"{tick:.10g}") <= 6 for tick in ticks)


def test_pixels_without_a_value_are_grey_where_they_are(tmp_path):
    data = image()
    data[40:, 40:] = np.nan  # upper right, since rows count upwards
    path = save_figure(image_figure(as_image(data)), tmp_path / "a.png")
    assert share_of_grey(path, (0.6, 0.1, 0.78, 0.3)) > 0.8
    assert share_of_grey(path, (0.1, 0.5, 0.5, 0.9)) == 0
    clean = save_figure(image_figure(as_image(image())), tmp_path / "b.png")
    assert share_of_grey(clean, (0.6, 0.1, 0.78, 0.3)) < 0.01


def test_flagged_pixels_have_no_value(tmp_path):
    dq = np.zeros((60, 60), np.uint32)
    dq[:20, :20] = 5  # DO_NOT_USE and JUMP_DET: lower left
    path = save_figure(image_figure(as_image(image(), dq=dq)), tmp_path / "a.png")
    assert share_of_grey(path, (0.12, 0.7, 0.28, 0.88)) > 0.8
    jumps = save_figure(image_figure(as_image(image(), dq=dq & np.uint32(4))), tmp_path / "b.png")
    assert share_of_grey(jumps, (0.12, 0.7, 0.28, 0.88)) == 0


def test_the_picture_changes_no_pixel_of_the_record(tmp_path):
    data = image()
    data.flags.writeable = False
    save_figure(image_figure(as_image(data)), tmp_path / "a.png")


def test_a_large_image_is_averaged(tmp_path):
    path = save_figure(image_figure(as_image(image(30, 2500))), tmp_path / "a.png")
    with Picture.open(path) as picture:
        assert max(picture.size) < 1100


def test_labels_are_drawn_apart(tmp_path):
    labels = np.zeros((40, 40), np.uint32)
    labels[5:15, 5:15], labels[20:35, 20:35] = 1, 2
    path = save_figure(image_figure(Segmentation(meta=META, data=labels)), tmp_path / "s.png")
    with Picture.open(path) as picture:
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
    assert len(colours) > 3


def test_a_cube_is_refused(tmp_path):
    cube = np.zeros((2, 8, 8), np.float32)
    record = Rate(meta=META, data=cube, err=cube, dq=cube.astype(np.uint32))
    assert not is_picture(record)
    with pytest.raises(DataUnusable, match=r"Rate has the shape \(2, 8, 8\)"):
        save_figure(image_figure(record), tmp_path / "a.png")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OutputProblem, match=r"a\.png: the picture cannot be written"):
        save_figure(image_figure(as_image(image())), tmp_path / "missing" / "a.png")


def test_sources_are_marked_by_kind():
    axes = Figure().add_subplot()
    catalog = Table({"xcentroid": [1.0, 2.0, 9.0], "ycentroid": [3.0, 4.0, 9.0]})
    draw_sources(axes, catalog)
    assert axes.get_legend().get_texts()[0].get_text() == "3 stars"
    catalog["is_extended"] = [False, True, True]
    axes = Figure().add_subplot()
    draw_sources(axes, catalog)
    np.testing.assert_allclose(axes.collections[1].get_offsets(), [[2, 4], [9, 9]])
    axes = Figure().add_subplot()
    draw_sources(axes, Table({"other": [1]}))
    assert not axes.collections


@pytest.mark.parametrize("roll_deg", [0.0, 75.0, -160.0])
def test_the_compass_points_north_also_across_ra_zero(roll_deg):
    roll, scale_deg, dec_deg = np.radians(roll_deg), 0.1 / 3600, -69.0

    def wcs(x, y):
        east = -np.cos(roll) * (x - 50) + np.sin(roll) * (y - 50)
        north = np.sin(roll) * (x - 50) + np.cos(roll) * (y - 50)
        ra = (east * scale_deg / np.cos(np.radians(dec_deg))) % 360
        return ra, dec_deg + north * scale_deg

    axes = Figure().add_subplot()
    draw_compass(axes, wcs, (101, 101))
    east, north = (note.xy - np.asarray(note.xyann) for note in axes.texts[:4:2])
    expected = np.array([np.sin(roll), np.cos(roll)])
    np.testing.assert_allclose(north / np.hypot(*north), expected, atol=1e-6)
    np.testing.assert_allclose(east / np.hypot(*east), [-expected[1], expected[0]], atol=1e-6)
    assert axes.texts[-1].get_text() == '2"'


def test_a_wcs_that_knows_nothing_draws_nothing():
    axes = Figure().add_subplot()
    draw_compass(axes, lambda x, y: (np.full_like(x, np.nan), np.full_like(y, np.nan)), (10, 10))
    draw_compass(axes, lambda x, y: (x, y, np.full_like(x, 2e-6)), (10, 10))  # not the sky
    assert not axes.texts


def test_coordinates_of_image_slicers_are_not_asked():
    class OfSlices:
        world_n_dim = 3

        def __call__(self, x, y):
            raise AssertionError(
                "most pixels of a frame are in some slice, its middle may be in none"
            )

    axes = Figure().add_subplot()
    draw_compass(axes, OfSlices(), (10, 10))
    assert not axes.texts
    assert SlicedCoordinates.world_n_dim == 3


def test_of_a_spectrum_what_has_values_is_shown():
    data = np.full((200, 300), np.nan, np.float32)
    data[40:180, 100:130] = image(140, 30)

    class Dispersed:
        world_n_dim = 3

    axes = image_figure(as_image(data, wcs=Dispersed())).axes[0]
    assert axes.get_xlim() == (94.5, 134.5)
    assert axes.get_ylim() == (34.5, 184.5)
    axes = image_figure(as_image(np.full((20, 30), np.nan, np.float32), wcs=Dispersed())).axes[0]
    assert axes.get_xlim() == (-0.5, 29.5)
