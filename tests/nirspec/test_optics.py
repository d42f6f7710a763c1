"""NIRSpec's optics: laws of its dispersers, and ESA's own numbers plane by plane."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.modeling.models import Polynomial1D

from calcore.errors import ReferenceInvalid
from calcore.io import open_reference
from calcore_nirspec.optical_references import (
    Camera,
    Collimator,
    DisperserFile,
    Fpa,
    IfuPost,
    WavelengthRange,
)
from calcore_nirspec.simulate import optics as simulated_optics
from calcore_nirspec.wcs.directions import on_unit_sphere, rotation, tangents, turned, unit_vector
from calcore_nirspec.wcs.disperser import Disperser, Glass, disperser_of
from calcore_nirspec.wcs.spectrograph import Spectrograph

OPTICS = runpy.run_path(str(Path(__file__).with_name("optics.py")))
SHARED = Path(__file__).parents[3] / "shared" / "data" / "nirspec"
WITH_SHARED = pytest.mark.skipif(not SHARED.is_dir(), reason="shared data are not here")
FILES = {Fpa: "fpa_0005", Camera: "camera_0004", Collimator: "collimator_0004",
         DisperserFile: "disperser_0034", IfuPost: "ifupost_0004"}  # fmt: skip


def real(kind):
    return open_reference(SHARED / f"jwst_nirspec_{FILES[kind]}.asdf", kind)


def functional(name):
    """Return ESA's table of rays as columns."""
    names, *rows = (SHARED / name).read_text().lstrip("#").split("\n")
    rows = [row.split() for row in rows if row]
    return {
        name: np.array([row[n] if name == "SCA" else float(row[n]) for row in rows])
        for n, name in enumerate(names.split())
    }


def test_a_turned_frame_sees_vectors_turned_the_other_way():
    np.testing.assert_allclose(rotation((90.0,), "z") @ [1, 0, 0], [0, -1, 0], atol=1e-15)
    np.testing.assert_allclose(rotation((90.0,), "x") @ [0, 1, 0], [0, 0, -1], atol=1e-15)
    np.testing.assert_allclose(rotation((90.0,), "y") @ [0, 0, 1], [-1, 0, 0], atol=1e-15)
    matrix = rotation((3.0, -2.0, 5.0, 7.0), "xyzy")
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-15)


def test_tangents_and_unit_vectors_are_each_other_s_inverse():
    x, y = np.array([0.1, -0.4]), np.array([0.0, 0.3])
    vector = unit_vector(x, y)
    np.testing.assert_allclose((vector**2).sum(axis=0), 1)
    np.testing.assert_allclose(tangents(vector), (x, y))
    np.testing.assert_allclose(on_unit_sphere(vector[0], vector[1]), vector)
    assert np.isnan(on_unit_sphere(np.array([1.2]), np.array([0.0]))[2]).all()


def ray(x=0.1, y=-0.2):
    return unit_vector(np.array([x]), np.array([y]))


def test_a_mirror_turns_light_back_about_its_normal():
    mirror = Disperser(name="MIRROR", angles_deg=(0.0, 0.0, 0.0, 0.0))
    np.testing.assert_allclose(
        mirror.outgoing(ray(), np.array([2e-6]), 0)[:, 0], ray()[:, 0] * [-1, -1, 1]
    )
    tilted = Disperser(name="MIRROR", angles_deg=(0.0, 0.0, 0.0, 5.0))
    leaving = tilted.outgoing(unit_vector(np.zeros(1), np.zeros(1)), np.array([2e-6]), 0)
    np.testing.assert_allclose(np.degrees(np.arctan2(leaving[0], leaving[2])), 10)


def test_a_grating_adds_its_path_to_the_sine():
    grating = Disperser(name="G", angles_deg=(0.0,) * 4, grooves_per_m=1e5)
    wave = np.array([1e-6, 2e-6, 3e-6])
    leaving = grating.outgoing(np.broadcast_to(ray(), (3, 3)), wave, -1)
    np.testing.assert_allclose(leaving[0] + ray()[0], wave * 1e5)
    np.testing.assert_allclose(leaving[1], np.repeat(-ray()[1], 3))
    assert np.isnan(grating.outgoing(ray(), np.array([1e-4]), -1)).any()  # no such angle


def test_a_prism_s_back_mirror_sends_light_back_the_way_it_came_where_it_meets_it_squarely():
    glass = Glass(angle_deg=-16.5, strengths=(1.25,), resonances=(0.0,))
    prism = Disperser(name="PRISM", angles_deg=(0.0,) * 4, glass=glass)
    np.testing.assert_allclose(glass.index(np.array([1e-6, 3e-6])), 1.5)
    squarely = np.array([[1.5 * np.sin(np.radians(-16.5))], [0.0]])
    vector = on_unit_sphere(*squarely)
    np.testing.assert_allclose(prism.outgoing(vector, np.array([2e-6]), 0), vector, atol=1e-15)
    plate = Glass(angle_deg=0.0, strengths=(1.25,), resonances=(0.0,))
    flat = Disperser(name="PRISM", angles_deg=(0.0,) * 4, glass=plate)
    np.testing.assert_allclose(
        flat.outgoing(ray(), np.array([2e-6]), 0)[:, 0], ray()[:, 0] * [-1, -1, 1]
    )


def test_the_wheel_s_sensors_turn_the_disperser():
    tree = simulated_optics.disperser_tree("G395M")
    tree["gwa_tiltx"] = {"zeroreadings": [0.3], "tilt_model": Polynomial1D(1, c0=9.0, c1=7200.0)}
    still = disperser_of(tree)
    assert disperser_of(tree, (0.3, 0.3)) == still
    x, y, z, tilt = disperser_of(tree, (0.4, 0.28)).angles_deg
    assert (z, tilt) == (0.0, -3.7)
    assert y == pytest.approx(0.1)  # half of 720 arcsec
    assert x == pytest.approx(-0.02 * 5000 / 7200)


@pytest.mark.parametrize("lost", ["theta_y", "gwa_tiltx", "groovedensity"])
def test_a_disperser_that_lacks_something_is_refused(lost):
    tree = simulated_optics.disperser_tree("G395M")
    del tree[lost]
    with pytest.raises(ReferenceInvalid, match=f"no .*{lost}.* as it should"):
        disperser_of(tree)


def test_a_prism_without_its_glass_is_refused():
    tree = simulated_optics.disperser_tree("PRISM")
    del tree["kcoef"]
    with pytest.raises(ReferenceInvalid, match="kcoef"):
        disperser_of(tree)


def test_ranges_of_wavelength_are_found_by_their_name():
    ranges = OPTICS["simulated"](WavelengthRange)
    assert ranges.of("F290LP", "G395M") == (2.87e-6, 5.27e-6, -1)
    assert ranges.of("CLEAR", "PRISM")[2] == 0
    with pytest.raises(ReferenceInvalid, match="but not F110W_G395M"):
        ranges.of("F110W", "G395M")


def test_both_detectors_show_one_plane():
    first = OPTICS["spectrograph"]("NRS1", "MIRROR", order=0)
    second = OPTICS["spectrograph"]("NRS2", "MIRROR", order=0)
    place = np.array([0.002]), np.array([0.001]), np.array([2e-6])
    x1, y1 = first.pixels(*place)
    x2, y2 = second.pixels(*place)
    np.testing.assert_allclose(y1 - y2, (0.01842 + 0.018424) / 1.8e-5 - 2047, atol=1e-6)
    assert 2048 < (x1 - x2).item() < 2250  # the gap between them
    ahead = first.pixels(place[0] + 1e-4, *place[1:])[0] - x1
    np.testing.assert_allclose(second.pixels(place[0] + 1e-4, *place[1:])[0] - x2, ahead, rtol=1e-3)


@WITH_SHARED
@pytest.mark.parametrize(
    "name",
    ["fixed_slits_functional_ESA_v4_20180618", "msa_functional_ESA_v2_20180620",
     "ifu_grating_functional_ESA_v1_20180619", "ifu_prism_functional_ESA_v1_20180619"],
)  # fmt: skip
def test_rays_take_esa_s_way_through_the_spectrograph(name):
    """From the slits to pixels, with the turn of the wheel that the rays themselves show."""
    rays = functional(f"{name}.txt")
    before = np.stack(on_unit_sphere(rays["xcolDirCosi"], rays["ycolDirCosi"]))
    behind = np.stack(on_unit_sphere(rays["xdispIn"], rays["ydispIn"]))
    left, _, right = np.linalg.svd(behind @ before.T)
    seen = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    np.testing.assert_allclose(turned(seen, before), behind, atol=1e-12)

    if "prism" in name:
        disperser = disperser_of(real(DisperserFile).tree)
        reference = disperser.matrix
        # The wheel stood 97 arcsec off the reference that is at hand.
        np.testing.assert_allclose(seen, reference, atol=5e-4)
    else:
        groove = (rays["xdispIn"] + rays["xdispLaw"]) / rays["wavelength"]
        disperser = Disperser(name="G", angles_deg=(0.0,) * 4, grooves_per_m=float(groove[0]))
    bare = Disperser(
        name=disperser.name, angles_deg=(0.0,) * 4, glass=disperser.glass,
        grooves_per_m=disperser.grooves_per_m,
    )  # fmt: skip
    law = bare.outgoing(behind, rays["wavelength"], -1)
    np.testing.assert_allclose(law[0], rays["xdispLaw"], atol=1e-12)
    np.testing.assert_allclose(law[1], rays["ydispLaw"], atol=1e-12)

    order = {"SCA491": ("NRS1", lambda p: p - 1), "SCA492": ("NRS2", lambda p: 2048 - p)}
    for chip, (detector, pixel) in order.items():
        here = rays["SCA"] == chip
        angles = _angles(seen)
        spectrograph = Spectrograph(
            detector=detector,
            fpa=real(Fpa).model(detector),
            camera=real(Camera).model,
            collimator=real(Collimator).model,
            disperser=Disperser(
                name=bare.name, angles_deg=angles, glass=bare.glass,
                grooves_per_m=bare.grooves_per_m,
            ),
        )  # fmt: skip
        x, y = spectrograph.pixels(
            *(rays[key][here] for key in ("xmsapos", "ymaspos", "wavelength"))
        )
        np.testing.assert_allclose(x, pixel(rays["i"][here]), atol=1e-4)
        np.testing.assert_allclose(y, pixel(rays["j"][here]), atol=1e-4)


def _angles(matrix):
    """Return angles about x, y (0), z and y again that make a matrix."""
    z = np.degrees(np.arcsin(-matrix[1, 0]))
    x = np.degrees(np.arctan2(matrix[1, 2], matrix[1, 1]))
    tilt = matrix @ rotation((x, z), "xz").T
    return (x, 0.0, z, np.degrees(np.arctan2(tilt[2, 0], tilt[0, 0])))


@WITH_SHARED
def test_the_image_of_a_slice_is_where_esa_has_it():
    from calcore_nirspec.wcs.apertures import slices

    rays = functional("ifu_grating_functional_ESA_v1_20180619.txt")
    way = real(IfuPost).slice(0)
    middle = -way["linear"][0].offset.value, -way["linear"][1].offset.value
    data = np.array([(0, *middle, 8e-4, 0.012)], "i4,f8,f8,f8,f8")
    (one,) = slices(data, simulated_optics.ifuslicer_tree()["model"], [way], 0.5)
    for place, wavelength, x, y in zip(
        *(rays[key] for key in ("yslitpos", "wavelength", "xmsapos", "ymaspos")), strict=True
    ):
        found = one.edge(place, np.array([wavelength]))
        # The slicer's own place is not at hand: 45 and 30 micron of it, a tenth of that here.
        np.testing.assert_allclose(np.ravel(found), (x, y), atol=5e-6)
