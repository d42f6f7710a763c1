"""Where the light of NIRSpec's fixed slits falls."""

import numpy as np
import pytest

from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.registry.manager import manager
from calcore.registry.questions import References
from calcore.steps.detector.clean_flicker_noise import CleanFlickerNoise
from calcore_nirspec import INSTRUMENT
from calcore_nirspec.hooks import calcore_mask
from calcore_nirspec.steps.picture_frame import PictureFrame


def meta(kind="NRS_FIXEDSLIT", *, start=1, rows=2048, name="NIRSPEC"):
    return Meta(
        {
            "instrument.name": name, "instrument.detector": "NRS1", "exposure.type": kind,
            "subarray.name": "SUB", "subarray.xstart": 1, "subarray.ystart": start,
            "subarray.xsize": 2048, "subarray.ysize": rows, "subarray.fastaxis": 2,
            "subarray.slowaxis": 1,
        }
    )  # fmt: skip


def with_facts(exposure):
    return exposure.with_facts(INSTRUMENT.facts(exposure))


@pytest.mark.parametrize(
    ("start", "rows", "first", "end"),
    [(1, 2048, 922, 1116), (897, 256, 26, 220), (1001, 200, 0, 116), (1, 100, 0, 0)],
)
def test_rows_of_full_frames_and_of_sub_arrays(start, rows, first, end):
    lit = calcore_mask(meta(start=start, rows=rows))
    expected = np.zeros((rows, 2048), bool)
    expected[first:end] = True
    np.testing.assert_array_equal(lit, expected)


def test_no_answer_where_it_is_not_known():
    assert calcore_mask(meta(start=1000, rows=64)) is None  # nothing but light
    assert calcore_mask(meta("NRS_IFU")) is None
    assert calcore_mask(meta("NRS_MSASPEC")) is None
    assert calcore_mask(meta(name="OTHER")) is None


def test_steps_are_given_the_answer_and_refuse_without():
    find = References(manager("calcore-nirspec"))
    mask, origin = find("scenemask", meta())
    assert origin == "calcore_mask"
    assert mask.data.sum() == 194 * 2048
    slits, slices = with_facts(meta()), with_facts(meta("NRS_IFU"))
    assert find("scenemask", slices) == ("N/A", "nobody")
    step = CleanFlickerNoise(mask_science_regions=True)
    for one in (step, PictureFrame()):
        one.check(slits, {"scenemask": mask})
        with pytest.raises(ModeNotSupported, match="slices of NRS_IFU"):
            one.check(slices, {})
