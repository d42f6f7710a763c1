"""MIRI's tables say what core asks of its detectors and exposure types."""

import pytest

from calcore.errors import FileInvalid, ModeNotSupported, UnknownName
from calcore.model import Meta
from calcore_miri import INSTRUMENT


def exposure(detector="MIRIMAGE", exposure_type="MIR_IMAGE", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_every_detector_reads_along_two_axes():
    assert sorted(INSTRUMENT.detectors) == ["MIRIFULONG", "MIRIFUSHORT", "MIRIMAGE"]
    for detector in INSTRUMENT.detectors.values():
        assert sorted((abs(detector.fast_axis), abs(detector.slow_axis))) == [1, 2]
        assert detector.rows > sum(detector.reference_rows)
        assert detector.columns > sum(detector.reference_columns)


def test_header_that_contradicts_the_read_out_is_refused():
    meta = exposure(**{"subarray.fastaxis": 2, "subarray.slowaxis": 1})
    with pytest.raises(FileInvalid, match="MIRIMAGE reads along"):
        INSTRUMENT.facts(meta)


def test_unknown_detector_names_the_nearest():
    with pytest.raises(UnknownName, match="MIRIMAGE"):
        INSTRUMENT.facts(exposure(detector="MIRIMAG"))


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-miri \d.*stage-2 .*MIR_MRS"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="MIR_MRS"), "2")


@pytest.mark.parametrize(("stage", "name"), [("1", "detector1"), ("2", "image2"), ("3", "image3")])
def test_imaging_goes_through_all_three_stages(stage, name):
    assert INSTRUMENT.pipeline_of(exposure(), stage) == name


def test_detectors_have_reference_columns_and_interleaved_outputs_only():
    for detector in INSTRUMENT.detectors.values():
        assert detector.reference_rows == (0, 0)
        assert detector.reference_columns == (4, 4)
        assert detector.interleaved_outputs
