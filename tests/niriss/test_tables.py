"""NIRISS's tables say what core asks of its detectors and exposure types."""

import pytest

from calcore.errors import FileInvalid, ModeNotSupported, UnknownName
from calcore.model import Meta
from calcore_niriss import INSTRUMENT


def exposure(detector="NIS", exposure_type="NIS_IMAGE", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_every_detector_reads_along_two_axes():
    assert sorted(INSTRUMENT.detectors) == ["NIS"]
    for detector in INSTRUMENT.detectors.values():
        assert sorted((abs(detector.fast_axis), abs(detector.slow_axis))) == [1, 2]
        assert detector.rows > sum(detector.reference_rows)
        assert detector.columns > sum(detector.reference_columns)


def test_header_that_contradicts_the_read_out_is_refused():
    meta = exposure(**{"subarray.fastaxis": 2, "subarray.slowaxis": -1})
    with pytest.raises(FileInvalid, match="NIS reads along"):
        INSTRUMENT.facts(meta)


def test_unknown_detector_names_the_nearest():
    with pytest.raises(UnknownName, match="NIS"):
        INSTRUMENT.facts(exposure(detector="NISS"))


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-niriss \d.*stage-2 .*NIS_IMAGE"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="NIS_IMAGE"), "2")


def test_detector_reads_along_y():
    assert INSTRUMENT.detectors["NIS"].fast_axis == -2
