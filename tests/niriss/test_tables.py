"""NIRISS's tables say what core and the simulator ask of its detectors and exposure types."""

import runpy
from pathlib import Path

import pytest

from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.simulate.pointing import ARCSEC
from calcore.testing import InstrumentContract
from calcore_niriss import INSTRUMENT

slots = runpy.run_path(str(Path(__file__).parents[1] / "slots.py"))["slots"]


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
    with pytest.raises(ModeNotSupported, match=r"calcore-niriss \d.*stage-2 .*NIS_WFSS"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="NIS_WFSS"), "2")


@pytest.mark.parametrize(("stage", "name"), [("1", "detector1"), ("2", "image2"), ("3", "image3")])
def test_imaging_goes_through_all_three_stages(stage, name):
    assert INSTRUMENT.pipeline_of(exposure(), stage) == name


def test_detector_reads_along_y():
    assert INSTRUMENT.detectors["NIS"].fast_axis == -2


@pytest.mark.parametrize(("name", "x_scale", "y_scale"), [("NIS", 0.0653, 0.0659)])
def test_nominal_area(name, x_scale, y_scale):
    assert APERTURES[name].pixel_area_sr == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)


@pytest.mark.parametrize("exposure_type", ["NIS_TACQ", "NIS_TACONFIRM", "NIS_FOCUS", "NIS_AMI"])
def test_there_is_a_quick_look_at_images_of_the_sky_alone(exposure_type):
    assert INSTRUMENT.pipeline_of(exposure(exposure_type=exposure_type), "2") == "image2"
    steps = ["bkg_subtract", "assign_wcs", "flat_field", "photom"]
    assert slots(INSTRUMENT, exposure_type, "image2") == steps
    assert slots(INSTRUMENT, "NIS_IMAGE", "image2") == [*steps, "resample"]


@pytest.mark.parametrize("exposure_type", ["NIS_TACQ", "NIS_TACONFIRM", "NIS_FOCUS"])
def test_there_is_no_mosaic_of_what_tells_of_the_observatory(exposure_type):
    with pytest.raises(ModeNotSupported) as error:
        INSTRUMENT.pipeline_of(exposure(exposure_type=exposure_type), "3")
    words = f"{exposure_type} exposures end with stage 2; there is nothing to do at stage 3"
    assert str(error.value) == words


def test_pairs_for_wavefront_sensing_make_no_mosaic():
    meta = exposure(**{"dither.primary_type": "WFSC"})
    assert INSTRUMENT.pipeline_of(meta, "2") == "image2"
    with pytest.raises(ModeNotSupported, match=r"pairs of images for wavefront sensing at stage 3 "
                                               r"\(PATTTYPE is WFSC\)"):  # fmt: skip
        INSTRUMENT.pipeline_of(meta, "3")


def test_the_reference_profile_leaves_integrations_in_their_unit():
    assert "photom" not in slots(INSTRUMENT, "NIS_AMI", "image2", "reference")
    assert "photom" in slots(INSTRUMENT, "NIS_IMAGE", "image2", "reference")
