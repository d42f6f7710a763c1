"""FGS's tables say what core asks of its detectors and exposure types."""

import pytest

from calcore.errors import FileInvalid, ModeNotSupported, UnknownName
from calcore.model import Meta
from calcore_fgs import INSTRUMENT


def exposure(detector="GUIDER1", exposure_type="FGS_IMAGE", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_every_detector_reads_along_two_axes():
    assert sorted(INSTRUMENT.detectors) == ["GUIDER1", "GUIDER2"]
    for detector in INSTRUMENT.detectors.values():
        assert sorted((abs(detector.fast_axis), abs(detector.slow_axis))) == [1, 2]
        assert detector.rows > sum(detector.reference_rows)
        assert detector.columns > sum(detector.reference_columns)


def test_header_that_contradicts_the_read_out_is_refused():
    meta = exposure(**{"subarray.fastaxis": 2, "subarray.slowaxis": -1})
    with pytest.raises(FileInvalid, match="GUIDER1 reads along"):
        INSTRUMENT.facts(meta)


def test_unknown_detector_names_the_nearest():
    with pytest.raises(UnknownName, match="GUIDER"):
        INSTRUMENT.facts(exposure(detector="GUIDER"))


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-fgs \d.*stage-2 .*FGS_IMAGE"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="FGS_IMAGE"), "2")


def test_guiders_read_along_y_in_opposite_directions():
    first, second = (INSTRUMENT.detectors[name] for name in ("GUIDER1", "GUIDER2"))
    assert first.fast_axis == -second.fast_axis == -2


def test_guide_exposures_are_tracking():
    role = {name: row.role for name, row in INSTRUMENT.exposure_types.items()}
    assert role["FGS_FINEGUIDE"] == role["FGS_ACQ1"] == "tracking"
    assert role["FGS_IMAGE"] == "science"
