"""The simulator's attitude: known answers, round trips, places where spheres are awkward."""

import numpy as np
import pytest

from calcore.simulate.pointing import Pointing

# What pysiaf's attitude matrix (0.29) gives for the point (V2 + 60, V3 - 45) and for V1.
KNOWN = [
    (80.5, -69.5, 37.0, 120.0, -527.0, 80.51654237402963, -69.520012378208, 36.83664540858759),
    (
        0.0005,
        10.0,
        200.0,
        -453.34829,
        -373.667949,
        359.9889374692659,
        10.017446286458092,
        199.9730662878673,
    ),
    (10.0, 89.99, 300.0, -89.0, -491.0, 94.58437672012334, 89.98075546966398, 173.03033601100364),
]


def pointing(ra=80.5, dec=-69.0, roll=37.0, v2=120.0, v3=-527.0, va=1.0):
    return Pointing(
        ra_ref_deg=ra,
        dec_ref_deg=dec,
        roll_ref_deg=roll,
        v2_ref_arcsec=v2,
        v3_ref_arcsec=v3,
        va_scale=va,
    )


def separation(ra1, dec1, ra2, dec2):
    """Distance on the sky [arcsec], exact for small ones and at the pole."""

    def unit(ra, dec):
        ra, dec = np.radians(ra), np.radians(dec)
        return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])

    return np.degrees(np.linalg.norm(unit(ra1, dec1) - unit(ra2, dec2), axis=0)) * 3600


@pytest.mark.parametrize(("ra", "dec", "roll", "v2", "v3", "ra_out", "dec_out", "pa_v3"), KNOWN)
def test_agrees_with_the_attitude_matrix_of_the_aperture_file(
    ra, dec, roll, v2, v3, ra_out, dec_out, pa_v3
):
    seen = pointing(ra, dec, roll, v2, v3)
    assert separation(*seen.to_sky(v2 + 60, v3 - 45), ra_out, dec_out) < 1e-7
    assert seen.keywords(-1, 0.0)["PA_V3"] == pytest.approx(pa_v3, abs=1e-8)


def test_velocity_aberration_as_the_reference_pipeline_means_it():
    # jwst 3.0.0's assign_wcs with VA_SCALE 1.01: V2, V3 scaled about V2_REF, V3_REF.
    seen = pointing(0.01, -69.0, 37.0, -453.34829, -373.667949, va=1.01)
    ra, dec = seen.to_sky(-419.24829, -419.455449)
    assert separation(ra, dec, 0.009747580183983846, -69.01601674187431) < 1e-8


@pytest.mark.parametrize("dec", [-90.0, -89.9999, -69.0, 0.0, 45.0, 89.9999, 90.0])
@pytest.mark.parametrize("ra", [0.0, 1e-5, 123.0, 359.9999])
@pytest.mark.parametrize("roll", [0.0, 37.0, 211.0])
def test_there_and_back(ra, dec, roll):
    seen = pointing(ra, dec, roll, va=1.00008)
    v2, v3 = np.meshgrid(np.linspace(-600, 600, 7), np.linspace(-900, 100, 5))
    sky = seen.to_sky(v2, v3)
    assert np.all((sky[0] >= 0) & (sky[0] < 360))
    v2_back, v3_back = seen.from_sky(*sky)
    np.testing.assert_allclose(v2_back, v2, rtol=0, atol=1e-7)
    np.testing.assert_allclose(v3_back, v3, rtol=0, atol=1e-7)


def test_distances_are_kept():
    seen = pointing(dec=-89.999)
    origin = seen.to_sky(120.0, -527.0)
    for angle in np.linspace(0, 2 * np.pi, 12):
        moved = seen.to_sky(120.0 + 5 * np.sin(angle), -527.0 + 5 * np.cos(angle))
        # V2 is a longitude: 5 arcsec of it are shorter by the cosine of V3, 3e-6
        assert separation(*origin, *moved) == pytest.approx(5.0, abs=3e-5)


def test_what_lies_behind_is_nan():
    v2, v3 = pointing(ra=10.0, dec=20.0).from_sky([190.0, 10.0], [-20.0, 20.0])
    assert np.isnan(v2[0])
    assert np.isnan(v3[0])
    assert np.isfinite(v2[1])


def test_roll_is_the_position_angle_of_v3():
    seen = pointing(ra=30.0, dec=0.0, roll=90.0, v2=0.0, v3=0.0)
    ra, dec = seen.to_sky(0.0, 10.0)  # V3 points east
    assert float(ra) == pytest.approx(30.0 + 10 / 3600, abs=1e-9)
    assert float(dec) == pytest.approx(0.0, abs=1e-9)


def test_seen_from_another_aperture_is_the_same_attitude():
    seen = pointing(dec=-69.0, va=1.0)
    other = seen.seen_from(-453.0, -373.0)
    v2, v3 = np.meshgrid(np.linspace(-600, 600, 5), np.linspace(-900, 100, 5))
    assert np.max(separation(*seen.to_sky(v2, v3), *other.to_sky(v2, v3))) < 1e-8
    scaled = pointing(dec=-69.0, va=1.0001)
    other = scaled.seen_from(-453.0, -373.0)
    assert np.max(separation(*scaled.to_sky(v2, v3), *other.to_sky(v2, v3))) < 1e-3
    assert float(other.to_sky(-453.0, -373.0)[0]) == pytest.approx(other.ra_ref_deg, abs=1e-12)


@pytest.mark.parametrize("dec", [-69.0, 89.99])
def test_a_dither_moves_the_scene(dec):
    seen = pointing(ra=0.0, dec=dec)
    moved = seen.dithered(3.0, -2.0)
    v2, v3 = moved.from_sky(seen.ra_ref_deg, seen.dec_ref_deg)
    assert float(v2) == pytest.approx(123.0, abs=1e-8)
    assert float(v3) == pytest.approx(-529.0, abs=1e-8)
    assert moved.v2_ref_arcsec == seen.v2_ref_arcsec
    assert moved.v3_ref_arcsec == seen.v3_ref_arcsec


def test_keywords_repeat_the_pointing():
    words = pointing(roll=350.0, va=1.00003).keywords(-1, 20.0)
    assert words["RA_REF"] == 80.5
    assert words["VPARITY"] == -1
    assert words["VA_SCALE"] == 1.00003
    assert words["PA_APER"] == pytest.approx(10.0)
    assert separation(words["RA_V1"], words["DEC_V1"], 80.5, -69.0) == pytest.approx(
        np.hypot(120, 527), abs=0.01
    )
