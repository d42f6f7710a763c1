"""NIRSpec's apertures: the numbers of the aperture file, seen through the simulator's geometry."""

from importlib.resources import files

import pytest

from calcore.simulate.geometry import distortion_model, inverse_residual, pixel_to_v2v3
from calcore.simulate.pointing import ARCSEC
from calcore.simulate.tables import load_detectors
from calcore_nirspec import INSTRUMENT

DETECTORS = load_detectors(files("calcore_nirspec") / "tables" / "apertures.toml")

# Detector, sub-array, pixel counted from 0, and V2, V3 [arcsec] by pysiaf 0.29 (PRDOPSSOC-075).
KNOWN = [
    ("NRS1", "FULL", 0.0, 0.0, 144.7745453, -492.8573433),
    ("NRS1", "FULL", 2047.0, 2047.0, 444.3256710, -515.2024556),
    ("NRS1", "FULL", 613.4, 1637.4, 303.9985090, -581.1925777),
    ("NRS2", "FULL", 0.0, 0.0, 312.8159451, -343.6499918),
    ("NRS2", "FULL", 2047.0, 2047.0, 617.5536993, -364.4506361),
    ("NRS2", "FULL", 613.4, 1637.4, 474.3852367, -430.1736065),
]


@pytest.mark.parametrize(("detector", "subarray", "x", "y", "v2", "v3"), KNOWN)
def test_pixels_look_where_the_aperture_file_says(detector, subarray, x, y, v2, v3):
    part = DETECTORS[detector].subarray(subarray)
    seen = pixel_to_v2v3(DETECTORS[detector], x + part.xstart - 1, y + part.ystart - 1)
    # a polynomial fitted to the chain through the wheels
    tolerance = 4e-4
    assert float(seen[0]) == pytest.approx(v2, abs=tolerance)
    assert float(seen[1]) == pytest.approx(v3, abs=tolerance)


@pytest.mark.parametrize(("detector", "fast", "slow"), [("NRS1", 2, 1), ("NRS2", -2, -1)])
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


@pytest.mark.parametrize(("name", "x_scale", "y_scale"), [("NRS1", 0.102, 0.107)])
def test_nominal_area(name, x_scale, y_scale):
    assert DETECTORS[name].pixel_area_sr == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)
