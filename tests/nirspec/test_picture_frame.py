"""The glow of the detector's edges."""

import numpy as np
import pytest

from calcore.errors import DataUnusable, ModeNotSupported, StepSkipped
from calcore.model import Meta
from calcore.model.reference import SceneMask
from calcore_nirspec import INSTRUMENT
from calcore_nirspec.kernels.picture_frame import regions, subtract_picture_frame
from calcore_nirspec.steps.picture_frame import PictureFrame

SIZE = 2048
EMPTY = Meta({})


@pytest.fixture(scope="module")
def glow():
    """A frame that is bright at the edges."""
    away = np.abs(np.arange(SIZE) - 1023.5) / 1024
    return (np.maximum(away, away[:, None]) ** 8).astype(np.float32)


def meta(kind="NRS_IFU", size=SIZE):
    exposure = Meta(
        {
            "instrument.name": "NIRSPEC", "instrument.detector": "NRS1", "exposure.type": kind,
            "subarray.xsize": size, "subarray.ysize": size, "subarray.fastaxis": 2,
            "subarray.slowaxis": 1,
        }
    )  # fmt: skip
    return exposure.with_facts(INSTRUMENT.facts(exposure))


def test_edges_and_middle_do_not_meet():
    edge, middle = regions((SIZE, SIZE))
    assert not (edge & middle).any()
    assert not edge[:4].any()
    assert edge[4, 4]
    assert edge[2042, 1000]
    assert not edge[2043].any()
    assert middle.sum() == 1908**2


def test_a_frame_of_any_strength_and_level_goes(glow):
    strength = np.array([[0, 30, -20], [0, 5, 80]], np.float32)[..., None, None]
    level = np.array([[0, 7, 9], [0, -3, 2]], np.float32)[..., None, None]
    bias = np.float32(100)
    data = bias + strength * glow + level
    data[0, 1, 1000, 1000], data[0, 2, 900, 900] = np.nan, 5e4
    usable = np.ones((SIZE, SIZE), bool)
    usable[900, 900] = False
    found = subtract_picture_frame(data, glow, usable)
    assert np.isnan(found[0, 1, 1000, 1000])
    found[0, 1, 1000, 1000] = found[0, 2, 900, 900] = bias
    np.testing.assert_allclose(found, bias, atol=2e-2)
    np.testing.assert_array_equal(found[:, 0], data[:, 0])


def test_nothing_to_scale_by_is_an_error(glow):
    data = np.zeros((1, 2, SIZE, SIZE), np.float32)
    with pytest.raises(DataUnusable, match="no background at the edges"):
        subtract_picture_frame(data, glow, np.zeros((SIZE, SIZE), bool))
    flat = np.ones((SIZE, SIZE), np.float32)
    with pytest.raises(DataUnusable, match="same at the edges and in the middle"):
        subtract_picture_frame(data, flat, np.ones((SIZE, SIZE), bool))


def test_sub_arrays_are_skipped_and_unknown_slits_are_refused():
    with pytest.raises(StepSkipped, match="only full frames"):
        PictureFrame().check(meta(size=512), {})
    with pytest.raises(ModeNotSupported, match="slices of NRS_IFU"):
        PictureFrame().check(meta(), {})
    mask = SceneMask(meta=EMPTY, data=np.zeros((2, 2), np.float32))
    PictureFrame().check(meta(), {"scenemask": mask})
    PictureFrame(mask_science_regions=False).check(meta(), {})
    assert "scenemask" in PictureFrame().wanted(meta())
    assert "scenemask" not in PictureFrame(mask_science_regions=False).wanted(meta())
