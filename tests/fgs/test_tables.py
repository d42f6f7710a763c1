"""FGS's tables say what core and the simulator ask of its detectors and exposure types."""

import runpy
from pathlib import Path

from calcore.testing import InstrumentContract
from calcore_fgs import INSTRUMENT

IMAGERS = runpy.run_path(str(Path(__file__).parents[1] / "imagers.py"))


class TestFGS(InstrumentContract, IMAGERS["Imager"]):
    instrument, package = INSTRUMENT, "calcore_fgs"
    axes = (
        ("GUIDER1", -2, -1),
        ("GUIDER2", 2, -1),
    )
    corners = (("GUIDER1", "SUB128CNTR", 961, 961, 128, 128),)
    # By pysiaf 0.29 (PRDOPSSOC-075).
    places = (
        ("GUIDER1", "FULL", 0.0, 0.0, 279.5607550, -771.7516231),
        ("GUIDER1", "FULL", 2047.0, 2047.0, 136.0393459, -627.1309675),
        ("GUIDER1", "FULL", 613.4, 1637.4, 233.5203850, -655.3539807),
        ("GUIDER2", "SUB128DIAG", 0.0, 0.0, -5.8508734, -737.9536425),
        ("GUIDER2", "SUB128DIAG", 127.0, 127.0, -14.4502271, -729.1058287),
        ("GUIDER2", "SUB128DIAG", 37.4, 101.4, -8.3319957, -730.8079934),
    )
    detectors = ("GUIDER1", "GUIDER2")
    image, unsupported = "FGS_IMAGE", "FGS_SKYFLAT"
    single = ("FGS_FOCUS",)
    observatory = single
    scales = (("GUIDER1", 0.0685, 0.0700),)


def test_guiders_read_along_y_in_opposite_directions():
    first, second = (INSTRUMENT.detectors[name] for name in ("GUIDER1", "GUIDER2"))
    assert first.fast_axis == -second.fast_axis == -2


def test_guide_exposures_are_tracking():
    role = {name: row.role for name, row in INSTRUMENT.exposure_types.items()}
    assert role["FGS_FINEGUIDE"] == role["FGS_ACQ1"] == "tracking"
    assert role["FGS_IMAGE"] == "science"
