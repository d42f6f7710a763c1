"""NIRCam's tables say what core asks of its detectors and exposure types."""

import pytest

from calcore.errors import FileInvalid, ModeNotSupported, UnknownName
from calcore.model import Meta
from calcore_nircam import INSTRUMENT


def exposure(detector="NRCA1", exposure_type="NRC_IMAGE", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_every_detector_reads_along_two_axes():
    assert sorted(INSTRUMENT.detectors) == [
        "NRCA1",
        "NRCA2",
        "NRCA3",
        "NRCA4",
        "NRCALONG",
        "NRCB1",
        "NRCB2",
        "NRCB3",
        "NRCB4",
        "NRCBLONG",
    ]
    for detector in INSTRUMENT.detectors.values():
        assert sorted((abs(detector.fast_axis), abs(detector.slow_axis))) == [1, 2]
        assert detector.rows > sum(detector.reference_rows)
        assert detector.columns > sum(detector.reference_columns)


def test_header_that_contradicts_the_read_out_is_refused():
    meta = exposure(**{"subarray.fastaxis": 1, "subarray.slowaxis": -2})
    with pytest.raises(FileInvalid, match="NRCA1 reads along"):
        INSTRUMENT.facts(meta)


def test_unknown_detector_names_the_nearest():
    with pytest.raises(UnknownName, match="NRCALONG"):
        INSTRUMENT.facts(exposure(detector="NRCALONGX"))


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-nircam \d.*stage-2 .*NRC_CORON"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="NRC_CORON"), "2")


@pytest.mark.parametrize(("stage", "name"), [("1", "detector1"), ("2", "image2"), ("3", "image3")])
def test_imaging_goes_through_all_three_stages(stage, name):
    assert INSTRUMENT.pipeline_of(exposure(), stage) == name


def test_neighbours_of_a_module_read_in_opposite_directions():
    for module in "AB":
        axes = [INSTRUMENT.detectors[f"NRC{module}{n}"].fast_axis for n in range(1, 5)]
        assert axes[0] == axes[2] == -axes[1] == -axes[3]
    assert INSTRUMENT.detectors["NRCALONG"].fast_axis == INSTRUMENT.detectors["NRCA1"].fast_axis
    assert INSTRUMENT.detectors["NRCBLONG"].fast_axis == INSTRUMENT.detectors["NRCB1"].fast_axis


def test_time_series_types_are_known_as_such():
    types = INSTRUMENT.exposure_types
    assert {name for name, row in types.items() if row.time_series} == {
        "NRC_TSIMAGE",
        "NRC_TSGRISM",
    }
