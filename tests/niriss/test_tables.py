"""NIRISS's tables say what core and the simulator ask of its detectors and exposure types."""

import pytest

from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.simulate.pointing import ARCSEC
from calcore.testing import InstrumentContract
from calcore_niriss import INSTRUMENT


class TestNIRISS(InstrumentContract):
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


APERTURES = TestNIRISS().apertures()


def exposure(detector="NIS", exposure_type="NIS_IMAGE", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_detectors():
    assert sorted(INSTRUMENT.detectors) == ["NIS"]


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-niriss \d.*stage-2 .*NIS_IMAGE"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="NIS_IMAGE"), "2")


def test_detector_reads_along_y():
    assert INSTRUMENT.detectors["NIS"].fast_axis == -2


@pytest.mark.parametrize(("name", "x_scale", "y_scale"), [("NIS", 0.0653, 0.0659)])
def test_nominal_area(name, x_scale, y_scale):
    assert APERTURES[name].pixel_area_sr == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)
