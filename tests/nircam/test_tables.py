"""NIRCam's tables say what core and the simulator ask of its detectors and exposure types."""

import runpy
from pathlib import Path

from calcore.testing import InstrumentContract
from calcore_nircam import INSTRUMENT

IMAGERS = runpy.run_path(str(Path(__file__).parents[1] / "imagers.py"))


class TestNIRCam(InstrumentContract, IMAGERS["Imager"]):
    instrument, package = INSTRUMENT, "calcore_nircam"
    axes = (
        ("NRCA1", -1, 2),
        ("NRCA2", 1, -2),
        ("NRCA3", -1, 2),
        ("NRCA4", 1, -2),
        ("NRCB1", 1, -2),
        ("NRCB2", -1, 2),
        ("NRCB3", 1, -2),
        ("NRCB4", -1, 2),
        ("NRCALONG", -1, 2),
        ("NRCBLONG", 1, -2),
    )
    corners = (
        ("NRCA1", "SUB160", 1889, 1889, 160, 160),
        ("NRCBLONG", "SUB640", 693, 701, 640, 640),
        ("NRCB1", "SUB64P", 1851, 1817, 64, 64),
        ("NRCA3", "SUB320", 1, 1729, 320, 320),
    )
    # By pysiaf 0.29 (PRDOPSSOC-075).
    places = (
        ("NRCA1", "FULL", 0.0, 0.0, 153.0383179, -559.3475892),
        ("NRCA1", "FULL", 2047.0, 2047.0, 88.6356151, -495.7475089),
        ("NRCA1", "FULL", 613.4, 1637.4, 133.1200309, -508.2121055),
        ("NRCA4", "FULL", 0.0, 0.0, 84.0359024, -491.5449464),
        ("NRCA4", "FULL", 2047.0, 2047.0, 20.9130085, -428.0689464),
        ("NRCA4", "FULL", 613.4, 1637.4, 65.0059659, -440.9435817),
        ("NRCB2", "FULL", 0.0, 0.0, -91.1180559, -558.0279085),
        ("NRCB2", "FULL", 2047.0, 2047.0, -153.8908963, -493.0692520),
        ("NRCB2", "FULL", 613.4, 1637.4, -109.7065339, -506.4218431),
        ("NRCALONG", "FULL", 0.0, 0.0, 151.2058061, -557.9812585),
        ("NRCALONG", "FULL", 2047.0, 2047.0, 22.1423210, -428.7808012),
        ("NRCALONG", "FULL", 613.4, 1637.4, 111.4763577, -454.8543269),
        ("NRCBLONG", "FULL", 0.0, 0.0, -24.0577371, -556.7260492),
        ("NRCBLONG", "FULL", 2047.0, 2047.0, -153.1554290, -426.7530373),
        ("NRCBLONG", "FULL", 613.4, 1637.4, -63.7924401, -452.6560987),
        ("NRCBLONG", "SUB160", 0.0, 0.0, -83.6477018, -496.6453611),
        ("NRCBLONG", "SUB160", 159.0, 159.0, -93.6399345, -486.5872486),
        ("NRCBLONG", "SUB160", 47.0, 127.0, -86.6061258, -488.6176740),
        ("NRCB1", "SUB64P", 0.0, 0.0, -147.5836137, -433.1205296),
        ("NRCB1", "SUB64P", 63.0, 63.0, -149.4957173, -431.1661387),
        ("NRCB1", "SUB64P", 18.2, 50.2, -148.1281938, -431.5747844),
    )
    detectors = tuple(name for name, *_ in axes)
    image, unsupported = "NRC_IMAGE", "NRC_WFSS"
    single = ("NRC_TACQ", "NRC_TACONFIRM", "NRC_FOCUS", "NRC_CORON", "NRC_TSIMAGE")
    observatory = single[:3]
    scales = (("NRCA1", 0.03113, 0.03133), ("NRCBLONG", 0.0629, 0.0631))


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
