"""Metadata, windows, flags and records."""

import numpy as np
import pytest

from calcore.errors import CalcoreError, KeywordMissing, UnknownFlag
from calcore.flags import ALL_BITS, DQ, interpret, remap
from calcore.model import Image, Meta, Ramp, Rate, Window


def test_meta_is_immutable_and_set_returns_a_copy():
    meta = Meta({"exposure.ngroups": 5, "nothing": None})
    changed = meta.set({"exposure.ngroups": 6})
    assert (meta.n_groups, changed.n_groups) == (5, 6)
    assert "nothing" not in meta
    assert "exposure.ngroups" not in meta.set({"exposure.ngroups": None})
    with pytest.raises(TypeError):
        meta["exposure.ngroups"] = 7


def test_missing_keywords_are_named():
    with pytest.raises(KeywordMissing, match=r"exposure.group_time is missing"):
        _ = Meta().group_time_s
    with pytest.raises(CalcoreError, match=r"calcore.open"):
        _ = Meta().facts


def test_windows_grow_as_far_as_the_frame_reaches():
    window = Window(2, 4, 0, 3, 10, 5)
    grown = window.grown(3)
    assert (grown.rows, grown.columns) == (slice(0, 7), slice(0, 5))
    assert window.within(grown) == (slice(2, 4), slice(0, 3))
    assert Window.whole(10, 5).is_whole
    assert not window.is_whole


def test_flag_expressions():
    assert interpret("DO_NOT_USE+SATURATED") == 3
    assert interpret("~DO_NOT_USE+NON_SCIENCE") == ALL_BITS & ~(1 | 512)
    assert interpret("5") == 5
    with pytest.raises(UnknownFlag, match="Did you mean 'JUMP_DET'"):
        interpret("JUMPDET")


def test_flags_are_remapped_by_name():
    dq = np.array([0, 1, 2, 3, 8], np.uint8)
    mapped = remap(dq, [(1, "HOT"), (2, "DO_NOT_USE"), (8, "NOT_A_FLAG")])
    assert mapped.tolist() == [0, DQ.HOT, DQ.DO_NOT_USE, DQ.HOT | DQ.DO_NOT_USE, 0]
    same = remap(dq, {1: "DO_NOT_USE", 2: "SATURATED"})
    assert same.tolist() == [0, 1, 2, 3, 0]


def ramp(shape=(1, 2, 4, 6)):
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Ramp(
        meta=Meta(),
        data=data,
        groupdq=np.zeros(shape, np.uint8),
        pixeldq=np.zeros(shape[2:], np.uint32),
    )


def test_records_are_cut_in_all_planes_and_remember_where():
    whole = ramp()
    part = whole.cut(Window(1, 3, 2, 5, 4, 6))
    assert part.data.shape == (1, 2, 2, 3)
    assert part.data.flags.c_contiguous
    assert part.pixeldq.shape == (2, 3)
    again = part.cut(Window(2, 3, 3, 5, 4, 6))
    assert np.array_equal(again.data, whole.data[..., 2:3, 3:5])
    view = whole.view(Window(1, 3, 0, 6, 4, 6))
    assert np.shares_memory(view.data, whole.data)


class Filed:
    """A plane in a file, which can tell its parts unread."""

    def __init__(self, *shape):
        self.shape = shape

    def within(self, rows, columns):
        return Filed(*self.shape[:-2], rows.stop - rows.start, columns.stop - columns.start)


def test_what_lies_in_a_file_may_stay_there():
    window, whole = Window(1, 3, 2, 5, 4, 6), ramp()
    part = whole.replace(data=Filed(*whole.data.shape)).unread(window)
    assert isinstance(part.data, Filed)
    assert part.data.shape == (1, 2, 2, 3)
    assert np.array_equal(part.pixeldq, whole.cut(window).pixeldq)
    assert part.frame == window
    with pytest.raises(CalcoreError, match=r"4 x 6 .* where 8 x 6 are needed"):
        whole.unread(Window(1, 3, 2, 5, 8, 6))


def test_a_rate_becomes_an_image():
    zero = np.zeros((3, 4), np.float32)
    rate = Rate(meta=Meta({"a": 1}), data=zero, err=zero, dq=zero.astype(np.uint32))
    image = Image.of(rate)
    assert image.data is rate.data
    assert image.wcs is None
    assert not image.per_integration
