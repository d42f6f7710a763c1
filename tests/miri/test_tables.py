"""MIRI's tables say what core and the simulator ask of its detectors and exposure types."""

import runpy
from importlib.resources import files
from pathlib import Path

import pytest

from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.simulate.pointing import ARCSEC
from calcore.simulate.tables import load_filters
from calcore.testing import InstrumentContract
from calcore_miri import INSTRUMENT

slots = runpy.run_path(str(Path(__file__).parents[1] / "slots.py"))["slots"]


class TestMIRI(InstrumentContract):
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


APERTURES = TestMIRI().apertures()


def exposure(detector="MIRIMAGE", exposure_type="MIR_IMAGE", **more):
    names = {"instrument.detector": detector, "exposure.type": exposure_type}
    return Meta(names | more)


def test_detectors():
    assert sorted(INSTRUMENT.detectors) == ["MIRIFULONG", "MIRIFUSHORT", "MIRIMAGE"]


def test_unsupported_mode_is_refused_with_its_name_and_the_version():
    with pytest.raises(ModeNotSupported, match=r"calcore-miri \d.*stage-2 .*MIR_MRS"):
        INSTRUMENT.pipeline_of(exposure(exposure_type="MIR_MRS"), "2")


@pytest.mark.parametrize(("stage", "name"), [("1", "detector1"), ("2", "image2"), ("3", "image3")])
def test_imaging_goes_through_all_three_stages(stage, name):
    assert INSTRUMENT.pipeline_of(exposure(), stage) == name


def test_detectors_have_reference_columns_and_interleaved_outputs_only():
    for detector in INSTRUMENT.detectors.values():
        assert detector.reference_rows == (0, 0)
        assert detector.reference_columns == (4, 4)
        assert detector.interleaved_outputs


@pytest.mark.parametrize(("name", "x_scale", "y_scale"), [("MIRIMAGE", 0.1105, 0.1114)])
def test_nominal_area(name, x_scale, y_scale):
    assert APERTURES[name].pixel_area_sr == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)


def test_filters_are_what_their_names_say():
    filters = load_filters(files("calcore_miri") / "tables" / "filters.toml")
    assert len(filters) >= 9
    channels = {detector.channel for detector in APERTURES.values()}
    for name, band in filters.items():
        if name.startswith("MRS"):  # the spectrometer has no filter
            assert band.header_value == ""
            continue
        named = int(name[1:-1]) / 100
        assert band.pivot_micron == pytest.approx(named, rel=0.03)
        assert 0 < band.bandwidth_micron < 0.5 * band.pivot_micron
        assert 0.1 < band.photmjsr < 50
        assert band.background_mjysr > 0
        assert band.channel in channels


@pytest.mark.parametrize(
    "exposure_type", ["MIR_TACQ", "MIR_TACONFIRM", "MIR_CORONCAL", "MIR_LYOT", "MIR_4QPM"]
)
def test_there_is_a_quick_look_at_images_of_the_sky_alone(exposure_type):
    assert INSTRUMENT.pipeline_of(exposure(exposure_type=exposure_type), "2") == "image2"
    steps = ["bkg_subtract", "assign_wcs", "flat_field", "photom"]
    assert slots(INSTRUMENT, exposure_type, "image2") == steps
    assert slots(INSTRUMENT, "MIR_IMAGE", "image2") == [*steps, "resample"]


@pytest.mark.parametrize("exposure_type", ["MIR_TACQ", "MIR_TACONFIRM", "MIR_CORONCAL"])
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


def test_time_series_of_images_make_no_mosaic():
    meta = exposure(**{"visit.tsovisit": True})
    assert INSTRUMENT.pipeline_of(meta, "2") == "image2"
    with pytest.raises(ModeNotSupported, match="time series of images at stage 3"):
        INSTRUMENT.pipeline_of(meta, "3")
