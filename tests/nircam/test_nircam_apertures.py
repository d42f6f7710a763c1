"""NIRCam's apertures: the numbers of the aperture file, seen through the simulator's geometry."""

from importlib.resources import files

import pytest

from calcore.simulate.geometry import distortion_model, inverse_residual, pixel_to_v2v3
from calcore.simulate.pointing import ARCSEC
from calcore.simulate.tables import load_detectors, load_filters
from calcore_nircam import INSTRUMENT

DETECTORS = load_detectors(files("calcore_nircam") / "tables" / "apertures.toml")

# Detector, sub-array, pixel counted from 0, and V2, V3 [arcsec] by pysiaf 0.29 (PRDOPSSOC-075).
KNOWN = [
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
]


@pytest.mark.parametrize(("detector", "subarray", "x", "y", "v2", "v3"), KNOWN)
def test_pixels_look_where_the_aperture_file_says(detector, subarray, x, y, v2, v3):
    part = DETECTORS[detector].subarray(subarray)
    seen = pixel_to_v2v3(DETECTORS[detector], x + part.xstart - 1, y + part.ystart - 1)
    # sub-arrays have polynomials of their own in the file; ours is the full frame's
    tolerance = 1e-7 if subarray == "FULL" else 2e-3
    assert float(seen[0]) == pytest.approx(v2, abs=tolerance)
    assert float(seen[1]) == pytest.approx(v3, abs=tolerance)


@pytest.mark.parametrize(
    ("detector", "fast", "slow"),
    [
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
    ],
)
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
        ("NRCA1", "SUB160", 1889, 1889, 160, 160),
        ("NRCBLONG", "SUB640", 693, 701, 640, 640),
        ("NRCB1", "SUB64P", 1851, 1817, 64, 64),
        ("NRCA3", "SUB320", 1, 1729, 320, 320),
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


@pytest.mark.parametrize(
    ("name", "x_scale", "y_scale"), [("NRCA1", 0.03113, 0.03133), ("NRCBLONG", 0.0629, 0.0631)]
)
def test_nominal_area(name, x_scale, y_scale):
    assert DETECTORS[name].pixel_area_sr == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)


def test_filters_are_what_their_names_say():
    filters = load_filters(files("calcore_nircam") / "tables" / "filters.toml")
    assert len(filters) >= 9
    channels = {detector.channel for detector in DETECTORS.values()}
    for name, band in filters.items():
        named = int(name[1:-1]) / 100
        assert band.pivot_micron == pytest.approx(named, rel=0.03)
        assert 0 < band.bandwidth_micron < 0.5 * band.pivot_micron
        assert 0.1 < band.photmjsr < 50
        assert band.background_mjysr > 0
        assert band.channel in channels
