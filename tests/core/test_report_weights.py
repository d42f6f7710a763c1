"""Pictures of how much each pixel of a mosaic was seen."""

import numpy as np
import pytest
from matplotlib.image import imread

from calcore import io
from calcore.cli.pictures import draw
from calcore.model import Meta, Mosaic
from calcore.report import save_figure, weight_figure
from calcore.report.pictures import looks
from calcore.report.weights import depth, is_deep, top_weight

GREY = 0x8C / 255


def mosaic(images=3, **more):
    """A mosaic of overlapping images, the first of which covers the left half."""
    context = np.zeros((1, 40, 60), np.int32)
    for number in range(images):
        context[0, 5:, 20 * number : 20 * number + 30] |= 1 << number
    data = np.ones((40, 60), np.float32)
    meta = Meta({"bunit_data": "MJy/sr", "resample.weight_type": "exptime"})
    weight = depth(context).astype(np.float32) * 100
    return Mosaic(**{"meta": meta, "data": data, "wht": weight, "con": context, **more})


def share_of_grey(path):
    return np.mean(np.abs(imread(path)[..., :3] - GREY).max(axis=-1) < 0.01)


def test_images_are_counted_by_their_bits():
    context = np.zeros((2, 1, 4), np.int32)
    context[0, 0] = [0, 1, 0b1011, -1]
    context[1, 0] = [0, 0, 1, -1]
    assert depth(context).tolist() == [[0, 1, 4, 64]]


def test_only_mosaics_of_several_images_are_deep():
    assert is_deep(mosaic())
    assert not is_deep(mosaic(images=1))
    assert not is_deep(mosaic(con=None))


def test_hardly_any_weight_is_larger_than_the_brightest_colour():
    weight = np.zeros((100, 100), np.float32)
    assert top_weight(weight) == 1
    weight[:, 50:] = 3
    weight[0, 99] = 1e6
    assert top_weight(weight) == 3


def test_weight_and_depth_stand_side_by_side(tmp_path):
    both = imread(save_figure(weight_figure(mosaic(), "x_i2d.fits"), tmp_path / "a.png"))
    alone = imread(save_figure(weight_figure(mosaic(con=None)), tmp_path / "b.png"))
    assert both.shape[1] == pytest.approx(2 * alone.shape[1], abs=2)
    assert share_of_grey(tmp_path / "a.png") > 0.02  # nothing fell on the lowest rows
    bare = mosaic(wht=np.zeros((40, 60), np.float32))
    assert share_of_grey(save_figure(weight_figure(bare), tmp_path / "c.png")) > 0.1


def test_a_mosaic_of_several_images_gets_a_second_picture(tmp_path):
    file, single = tmp_path / "all_i2d.fits", tmp_path / "one_i2d.fits"
    io.write(mosaic(), file)
    io.write(mosaic(images=1), single)
    names = {file: ["all_i2d.png", "all_weight.png"], single: ["one_i2d.png"]}
    for drawn in (draw([file, single]), draw([file, single])):  # drawn, and there already
        assert {path: [made.name for made in pictures] for path, pictures in drawn.items()} == names
    assert [look.stage for look in looks(file)] == ["i2d", "weight", "depth"]
    assert looks(file)[2].caption == "1 to 2 images"
    assert [look.stage for look in looks(single)] == ["i2d"]
