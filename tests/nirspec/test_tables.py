"""NIRSpec's tables say what core asks of its detectors and exposure types."""

import pytest

from calcore.errors import FileInvalid, ModeNotSupported, UnknownName
from calcore.model import Meta
from calcore_nirspec import INSTRUMENT


def exposure(detector="NRS1", exposure_type="NRS_IFU", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_every_detector_reads_along_two_axes():
    assert sorted(INSTRUMENT.detectors) == ["NRS1", "NRS2"]
    for detector in INSTRUMENT.detectors.values():
        assert sorted((abs(detector.fast_axis), abs(detector.slow_axis))) == [1, 2]
        assert detector.rows > sum(detector.reference_rows)
        assert detector.columns > sum(detector.reference_columns)


def test_header_that_contradicts_the_read_out_is_refused():
    meta = exposure(**{"subarray.fastaxis": 1, "subarray.slowaxis": 2})
    with pytest.raises(FileInvalid, match="NRS1 reads along"):
        INSTRUMENT.facts(meta)


def test_unknown_detector_names_the_nearest():
    with pytest.raises(UnknownName, match="NRS2"):
        INSTRUMENT.facts(exposure(detector="NRS22"))


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-nirspec \d.*stage-2 .*NRS_IFU"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="NRS_IFU"), "2")


def test_detectors_read_along_y_in_opposite_directions():
    first, second = (INSTRUMENT.detectors[name] for name in ("NRS1", "NRS2"))
    assert first.fast_axis == -second.fast_axis == 2


def test_only_bright_objects_are_always_time_series():
    types = INSTRUMENT.exposure_types
    assert [name for name, row in types.items() if row.time_series] == ["NRS_BRIGHTOBJ"]
