"""NIRISS's tables say what core and the simulator ask of its detectors and exposure types."""

import runpy
from pathlib import Path

from calcore.testing import InstrumentContract
from calcore_niriss import INSTRUMENT

IMAGERS = runpy.run_path(str(Path(__file__).parents[1] / "imagers.py"))
slots = IMAGERS["slots"]


class TestNIRISS(InstrumentContract, IMAGERS["Imager"]):
    instrument, package = INSTRUMENT, "calcore_niriss"
    axes = (("NIS", -2, -1),)
    corners = (
        ("NIS", "SUB80", 1045, 1, 80, 80),
        ("NIS", "SUB256", 1793, 1793, 256, 256),
    )
    # By pysiaf 0.29 (PRDOPSSOC-075).
    places = (
        ("NIS", "FULL", 0.0, 0.0, -224.9412956, -765.6057291),
        ("NIS", "FULL", 2047.0, 2047.0, -357.2752303, -630.3589666),
        ("NIS", "FULL", 613.4, 1637.4, -263.9523715, -657.7385274),
        ("NIS", "SUB80", 0.0, 0.0, -293.1433251, -765.2731681),
        ("NIS", "SUB80", 79.0, 79.0, -298.2520677, -760.0530199),
        ("NIS", "SUB80", 23.0, 63.0, -294.6044912, -761.1244494),
    )
    detectors = ("NIS",)
    image, unsupported = "NIS_IMAGE", "NIS_WFSS"
    single = ("NIS_TACQ", "NIS_TACONFIRM", "NIS_FOCUS", "NIS_AMI")
    observatory = single[:3]
    scales = (("NIS", 0.0653, 0.0659),)


def test_the_reference_profile_leaves_integrations_in_their_unit():
    assert "photom" not in slots(INSTRUMENT, "NIS_AMI", "image2", "reference")
    assert "photom" in slots(INSTRUMENT, "NIS_IMAGE", "image2", "reference")
