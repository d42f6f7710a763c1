"""MIRI's tables say what core and the simulator ask of its detectors and exposure types."""

import runpy
from pathlib import Path

import pytest

from calcore.errors import ModeNotSupported
from calcore.testing import InstrumentContract
from calcore_miri import INSTRUMENT

IMAGERS = runpy.run_path(str(Path(__file__).parents[1] / "imagers.py"))


class TestMIRI(InstrumentContract, IMAGERS["Imager"]):
    instrument, package = INSTRUMENT, "calcore_miri"
    axes = (("MIRIMAGE", 1, 2),)
    corners = (
        ("MIRIMAGE", "BRIGHTSKY", 457, 51, 512, 512),
        ("MIRIMAGE", "SUB256", 413, 51, 256, 256),
        ("MIRIMAGE", "SUB128", 1, 891, 136, 128),
        ("MIRIMAGE", "SUB64", 1, 779, 72, 64),
    )
    # By pysiaf 0.29 (PRDOPSSOC-075).
    places = (
        ("MIRIMAGE", "FULL", 0.0, 0.0, -381.9034082, -435.8552346),
        ("MIRIMAGE", "FULL", 1031.0, 1023.0, -485.4323667, -314.4508174),
        ("MIRIMAGE", "FULL", 308.6, 818.2, -408.3431584, -343.2050308),
        ("MIRIMAGE", "SUB128", 0.0, 0.0, -373.9682889, -338.3068984),
        ("MIRIMAGE", "SUB128", 135.0, 127.0, -387.6219406, -323.0450583),
        ("MIRIMAGE", "SUB128", 39.8, 101.4, -377.4473417, -326.7870960),
        ("MIRIMAGE", "BRIGHTSKY", 0.0, 0.0, -431.5968029, -426.5954838),
        ("MIRIMAGE", "BRIGHTSKY", 511.0, 511.0, -483.0893184, -365.8482390),
        ("MIRIMAGE", "BRIGHTSKY", 152.6, 408.6, -444.6125538, -380.2744566),
    )
    detectors = ("MIRIMAGE", "MIRIFULONG", "MIRIFUSHORT")
    image, unsupported = "MIR_IMAGE", "MIR_WFSS"
    single = ("MIR_TACQ", "MIR_TACONFIRM", "MIR_CORONCAL", "MIR_LYOT", "MIR_4QPM")
    observatory = single[:3]
    scales = (("MIRIMAGE", 0.1105, 0.1114),)


def test_detectors_have_reference_columns_and_interleaved_outputs_only():
    for detector in INSTRUMENT.detectors.values():
        assert detector.reference_rows == (0, 0)
        assert detector.reference_columns == (4, 4)
        assert detector.interleaved_outputs


def test_time_series_of_images_make_no_mosaic():
    meta = TestMIRI().imaged(**{"visit.tsovisit": True})
    assert INSTRUMENT.pipeline_of(meta, "2") == "image2"
    with pytest.raises(ModeNotSupported, match="time series of images at stage 3"):
        INSTRUMENT.pipeline_of(meta, "3")
