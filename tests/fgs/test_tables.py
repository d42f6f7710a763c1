"""FGS's tables say what core and the simulator ask of its detectors and exposure types."""

import runpy
from pathlib import Path

import pytest

from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.simulate.pointing import ARCSEC
from calcore.testing import InstrumentContract
from calcore_fgs import INSTRUMENT

slots = runpy.run_path(str(Path(__file__).parents[1] / "slots.py"))["slots"]


class TestFGS(InstrumentContract):
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


APERTURES = TestFGS().apertures()


def exposure(detector="GUIDER1", exposure_type="FGS_IMAGE", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_detectors():
    assert sorted(INSTRUMENT.detectors) == ["GUIDER1", "GUIDER2"]


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-fgs \d.*stage-2 .*FGS_SKYFLAT"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="FGS_SKYFLAT"), "2")


@pytest.mark.parametrize(("stage", "name"), [("1", "detector1"), ("2", "image2"), ("3", "image3")])
def test_imaging_goes_through_all_three_stages(stage, name):
    assert INSTRUMENT.pipeline_of(exposure(), stage) == name


def test_guiders_read_along_y_in_opposite_directions():
    first, second = (INSTRUMENT.detectors[name] for name in ("GUIDER1", "GUIDER2"))
    assert first.fast_axis == -second.fast_axis == -2


def test_guide_exposures_are_tracking():
    role = {name: row.role for name, row in INSTRUMENT.exposure_types.items()}
    assert role["FGS_FINEGUIDE"] == role["FGS_ACQ1"] == "tracking"
    assert role["FGS_IMAGE"] == "science"


@pytest.mark.parametrize(("name", "x_scale", "y_scale"), [("GUIDER1", 0.0685, 0.0700)])
def test_nominal_area(name, x_scale, y_scale):
    assert APERTURES[name].pixel_area_sr == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)


@pytest.mark.parametrize("exposure_type", ["FGS_FOCUS"])
def test_there_is_a_quick_look_at_images_of_the_sky_alone(exposure_type):
    assert INSTRUMENT.pipeline_of(exposure(exposure_type=exposure_type), "2") == "image2"
    steps = ["bkg_subtract", "assign_wcs", "flat_field", "photom"]
    assert slots(INSTRUMENT, exposure_type, "image2") == steps
    assert slots(INSTRUMENT, "FGS_IMAGE", "image2") == [*steps, "resample"]


@pytest.mark.parametrize("exposure_type", ["FGS_FOCUS"])
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
