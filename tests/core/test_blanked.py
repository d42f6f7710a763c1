"""Planes of which some pixels have been taken away."""

import numpy as np
import pytest

from calcore import io
from calcore.flags import DQ
from calcore.model import Image, Meta
from calcore.model.blanked import with_flags
from calcore.run.room import RunnersRoom

PLANES = ("data", "err", "var_rnoise")


@pytest.fixture
def image():
    planes = {name: np.arange(54.0, dtype=np.float32).reshape(6, 9) for name in PLANES}
    return Image(meta=Meta({}), dq=np.zeros((6, 9), np.uint32), **planes)


@pytest.fixture
def dq():
    flags = np.zeros((6, 9), np.uint32)
    flags[2, 3] = DQ.DO_NOT_USE | DQ.OUTLIER
    flags[4, 5] = DQ.JUMP_DET
    return flags


def test_flagged_pixels_are_taken_from_all_planes(image, dq):
    changed = with_flags(image, dq)
    assert changed.dq is dq
    assert changed.var_poisson is None
    for name in PLANES:
        plane = getattr(changed, name)
        assert isinstance(plane, np.ndarray)
        assert np.argwhere(np.isnan(plane)).tolist() == [[2, 3]]
        assert not np.isnan(getattr(image, name)).any()


def test_planes_in_files_are_blanked_where_they_are_read(image, dq, tmp_path):
    there = io.open(io.write(image, tmp_path / "a_cal.fits"), Image, planes=False)
    changed = with_flags(there, dq, RunnersRoom().kept)
    expected = with_flags(image, dq)
    assert not changed.in_memory
    for name in PLANES:
        plane, own = getattr(changed, name), getattr(expected, name)
        assert (plane.shape, plane.dtype, plane.ndim, plane.size, len(plane)) == (
            (6, 9), np.float32, 2, 54, 6,
        )  # fmt: skip
        np.testing.assert_array_equal(plane[1:4], own[1:4])
        np.testing.assert_array_equal(plane[2, 3], own[2, 3])
        np.testing.assert_array_equal(np.asarray(plane), own)
        with pytest.raises(ValueError, match="cannot be an array without being copied"):
            np.asarray(plane, copy=False)
    again = changed.loaded()
    np.testing.assert_array_equal(again.data, expected.data)
    np.testing.assert_array_equal(again.dq, dq)
