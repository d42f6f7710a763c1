"""MIRI's apertures: the numbers of the aperture file, seen through the simulator's geometry."""

from importlib.resources import files

import pytest

from calcore.simulate.geometry import distortion_model, inverse_residual, pixel_to_v2v3
from calcore.simulate.pointing import ARCSEC
from calcore.simulate.tables import load_detectors, load_filters
from calcore_miri import INSTRUMENT

DETECTORS = load_detectors(files("calcore_miri") / "tables" / "apertures.toml")

# Detector, sub-array, pixel counted from 0, and V2, V3 [arcsec] by pysiaf 0.29 (PRDOPSSOC-075).
KNOWN = [
    ("MIRIMAGE", "FULL", 0.0, 0.0, -381.9034082, -435.8552346),
    ("MIRIMAGE", "FULL", 1031.0, 1023.0, -485.4323667, -314.4508174),
    ("MIRIMAGE", "FULL", 308.6, 818.2, -408.3431584, -343.2050308),
    ("MIRIMAGE", "SUB128", 0.0, 0.0, -373.9682889, -338.3068984),
    ("MIRIMAGE", "SUB128", 135.0, 127.0, -387.6219406, -323.0450583),
    ("MIRIMAGE", "SUB128", 39.8, 101.4, -377.4473417, -326.7870960),
    ("MIRIMAGE", "BRIGHTSKY", 0.0, 0.0, -431.5968029, -426.5954838),
    ("MIRIMAGE", "BRIGHTSKY", 511.0, 511.0, -483.0893184, -365.8482390),
    ("MIRIMAGE", "BRIGHTSKY", 152.6, 408.6, -444.6125538, -380.2744566),
]


@pytest.mark.parametrize(("detector", "subarray", "x", "y", "v2", "v3"), KNOWN)
def test_pixels_look_where_the_aperture_file_says(detector, subarray, x, y, v2, v3):
    part = DETECTORS[detector].subarray(subarray)
    seen = pixel_to_v2v3(DETECTORS[detector], x + part.xstart - 1, y + part.ystart - 1)
    # sub-arrays have polynomials of their own in the file; ours is the full frame's
    tolerance = 1e-7 if subarray == "FULL" else 2e-3
    assert float(seen[0]) == pytest.approx(v2, abs=tolerance)
    assert float(seen[1]) == pytest.approx(v3, abs=tolerance)


@pytest.mark.parametrize(("detector", "fast", "slow"), [("MIRIMAGE", 1, 2)])
def test_read_out_axes(detector, fast, slow):
    assert (DETECTORS[detector].fast_axis, DETECTORS[detector].slow_axis) == (fast, slow)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_agrees_with_the_instrument(name):
    detector, facts = DETECTORS[name], INSTRUMENT.detectors[name]
    assert (detector.fast_axis, detector.slow_axis) == (facts.fast_axis, facts.slow_axis)
    assert (detector.ny, detector.nx) == (facts.rows, facts.columns)
    left, right, bottom, top = detector.reference_border
    assert (left, right) == tuple(facts.reference_columns)
    assert (bottom, top) == tuple(facts.reference_rows)


@pytest.mark.parametrize(
    ("detector", "name", "x", "y", "nx", "ny"),
    [
        ("MIRIMAGE", "BRIGHTSKY", 457, 51, 512, 512),
        ("MIRIMAGE", "SUB256", 413, 51, 256, 256),
        ("MIRIMAGE", "SUB128", 1, 891, 136, 128),
        ("MIRIMAGE", "SUB64", 1, 779, 72, 64),
    ],
)
def test_corners_of_subarrays(detector, name, x, y, nx, ny):
    part = DETECTORS[detector].subarray(name)
    assert (part.xstart, part.ystart, part.xsize, part.ysize) == (x, y, nx, ny)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_subarrays_lie_on_the_detector_and_look_where_they_say(name):
    detector = DETECTORS[name]
    for part in detector.subarrays.values():
        assert part.xstart >= 1
        assert part.ystart >= 1
        assert part.xstart + part.xsize - 1 <= detector.nx
        assert part.ystart + part.ysize - 1 <= detector.ny
        v2, v3 = pixel_to_v2v3(detector, part.x_ref + part.xstart - 1, part.y_ref + part.ystart - 1)
        assert float(v2) == pytest.approx(part.v2_ref_arcsec, abs=0.01)
        assert float(v3) == pytest.approx(part.v3_ref_arcsec, abs=0.01)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_the_distortion_can_be_inverted(name):
    detector = DETECTORS[name]
    rms, largest = inverse_residual(distortion_model(detector), (detector.ny, detector.nx))
    assert rms < 5e-6
    assert largest < 2e-5


@pytest.mark.parametrize(("name", "x_scale", "y_scale"), [("MIRIMAGE", 0.1105, 0.1114)])
def test_nominal_area(name, x_scale, y_scale):
    assert DETECTORS[name].pixel_area_sr == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)


def test_filters_are_what_their_names_say():
    filters = load_filters(files("calcore_miri") / "tables" / "filters.toml")
    assert len(filters) >= 9
    channels = {detector.channel for detector in DETECTORS.values()}
    for name, band in filters.items():
        named = int(name[1:-1]) / 100
        assert band.pivot_micron == pytest.approx(named, rel=0.03)
        assert 0 < band.bandwidth_micron < 0.5 * band.pivot_micron
        assert 0.1 < band.photmjsr < 50
        assert band.background_mjysr > 0
        assert band.channel in channels
