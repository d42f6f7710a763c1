"""NIRSpec's tables say what core and the simulator ask of its detectors and exposure types."""

import pytest

from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.simulate.pointing import ARCSEC
from calcore.testing import InstrumentContract
from calcore_nirspec import INSTRUMENT


class TestNIRSpec(InstrumentContract):
    instrument, package = INSTRUMENT, "calcore_nirspec"
    axes = (
        ("NRS1", 2, 1),
        ("NRS2", -2, -1),
    )
    tolerance = 4e-4, 4e-4  # a polynomial fitted to the chain through the wheels
    # By pysiaf 0.29 (PRDOPSSOC-075).
    places = (
        ("NRS1", "FULL", 0.0, 0.0, 144.7745453, -492.8573433),
        ("NRS1", "FULL", 2047.0, 2047.0, 444.3256710, -515.2024556),
        ("NRS1", "FULL", 613.4, 1637.4, 303.9985090, -581.1925777),
        ("NRS2", "FULL", 0.0, 0.0, 312.8159451, -343.6499918),
        ("NRS2", "FULL", 2047.0, 2047.0, 617.5536993, -364.4506361),
        ("NRS2", "FULL", 613.4, 1637.4, 474.3852367, -430.1736065),
    )


APERTURES = TestNIRSpec().apertures()


def exposure(detector="NRS1", exposure_type="NRS_IFU", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_detectors():
    assert sorted(INSTRUMENT.detectors) == ["NRS1", "NRS2"]


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-nirspec \d.*stage-2 .*NRS_IFU"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="NRS_IFU"), "2")


def test_detectors_read_along_y_in_opposite_directions():
    first, second = (INSTRUMENT.detectors[name] for name in ("NRS1", "NRS2"))
    assert first.fast_axis == -second.fast_axis == 2


def test_only_bright_objects_are_always_time_series():
    types = INSTRUMENT.exposure_types
    assert [name for name, row in types.items() if row.time_series] == ["NRS_BRIGHTOBJ"]


@pytest.mark.parametrize(("name", "x_scale", "y_scale"), [("NRS1", 0.102, 0.107)])
def test_nominal_area(name, x_scale, y_scale):
    assert APERTURES[name].pixel_area_sr == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)
