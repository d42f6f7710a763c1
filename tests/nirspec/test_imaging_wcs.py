"""World coordinates of NIRSpec's images."""

import io
import runpy
from importlib.resources import files
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.modeling.models import Mapping, Polynomial2D, Scale

from calcore.errors import KeywordInvalid, KeywordMissing, ReferenceInvalid
from calcore.model import Image, Meta
from calcore.simulate.geometry import pixel_to_v2v3
from calcore.simulate.tables import load_detectors
from calcore.testing import Case, StepContract
from calcore.wcs.grid import sky_grid
from calcore_nirspec.optical_references import DisperserFile
from calcore_nirspec.steps.assign_wcs import AssignWcs
from calcore_nirspec.wcs.fitting import turned_round

OPTICS = runpy.run_path(str(Path(__file__).with_name("optics.py")))
SHAPE = (32, 40)
DETECTORS = load_detectors(files("calcore_nirspec") / "tables" / "apertures.toml")


def image(detector="NRS1", start=(1, 1), **changes):
    meta = {
        "instrument.detector": detector, "instrument.filter": "F110W",
        "instrument.grating": "MIRROR", "wcsinfo.ra_ref": 10.0, "wcsinfo.dec_ref": 20.0,
        "wcsinfo.roll_ref": 0.0, "wcsinfo.v2_ref": 378.0, "wcsinfo.v3_ref": -428.0,
        "subarray.xstart": start[0], "subarray.ystart": start[1], **changes,
    }  # fmt: skip
    return Image(
        meta=Meta(meta), data=np.ones(SHAPE, np.float32), err=np.ones(SHAPE, np.float32),
        dq=np.zeros(SHAPE, np.uint32),
    )  # fmt: skip


def references(*, lamp=False):
    kinds = [k for k in OPTICS["IMAGING"] if not (lamp and k.type in ("fore", "ote"))]
    return {kind.type: OPTICS["simulated"](kind) for kind in (*kinds, DisperserFile)}


class TestAssignWcsContract(StepContract):
    def case(self):
        return Case(AssignWcs(), image(), references())


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_images_are_where_the_aperture_file_has_them(detector):
    start = (901, 301)
    wcs = AssignWcs()(image(detector, start), **references()).wcs
    x, y = np.array([0.0, 39.0, 10.0]), np.array([0.0, 31.0, 25.0])
    seen = wcs.transform("detector", "v2v3", x, y)
    true = pixel_to_v2v3(DETECTORS[detector], x + start[0] - 1, y + start[1] - 1)
    np.testing.assert_allclose(seen, true, rtol=0, atol=0.005)  # arcsec, of a pixel of 0.1
    back = wcs.invert(*wcs(x, y))
    np.testing.assert_allclose(back, (x, y), atol=1e-3)


def test_frames_are_named_as_the_reference_pipeline_names_them():
    done = AssignWcs()(image(), **references())
    assert done.wcs.available_frames == [
        "detector", "sca", "gwa", "msa", "oteip", "v2v3", "v2v3vacorr", "world"
    ]  # fmt: skip
    x, y, wavelength = done.wcs.transform("detector", "msa", 3.0, 4.0)
    assert wavelength == pytest.approx(1.1e-6)
    assert done.meta["wcsinfo.waverange_start"] == 9.6e-7
    assert done.meta["wcsinfo.spectral_order"] == 0
    assert done.meta["wcsinfo.s_region"].startswith("POLYGON ICRS  ")
    np.testing.assert_allclose(
        done.wcs.transform("msa", "detector", x, y, wavelength), (3, 4), atol=1e-6
    )
    np.testing.assert_array_equal(
        done.wcs.bounding_box.bounding_box("F"), [(-0.5, 39.5), (-0.5, 31.5)]
    )


def test_images_of_lamps_end_at_the_slits_and_need_nothing_before_them():
    lamp = image(**{"instrument.filter": "OPAQUE", "exposure.type": "NRS_LAMP"})
    assert AssignWcs().wanted(lamp.meta) & {"fore", "ote"} == set()
    assert AssignWcs().wanted(image().meta) >= {"fore", "ote"}
    done = AssignWcs()(lamp, **references(lamp=True))
    assert done.wcs.available_frames[-1] == "msa"
    assert "wcsinfo.s_region" not in done.meta
    sky = AssignWcs()(image(), **references()).wcs
    np.testing.assert_allclose(
        done.wcs(3.0, 4.0)[:2], sky.transform("detector", "msa", 3.0, 4.0)[:2]
    )


def test_a_file_keeps_them():
    done = AssignWcs()(image("NRS2"), **references())
    buffer = io.BytesIO()
    asdf.AsdfFile({"wcs": done.wcs}).write_to(buffer)
    buffer.seek(0)
    with asdf.open(buffer) as file:
        np.testing.assert_array_equal(file["wcs"](3.0, 4.0), done.wcs(3.0, 4.0))


def test_whole_frames_are_mapped_as_points_are():
    wcs = AssignWcs()(image(), **references()).wcs
    grid = sky_grid(wcs, SHAPE)
    scale = 3e-5  # degrees of a pixel
    np.testing.assert_allclose(grid[:, 7, 11], wcs(11.0, 7.0), rtol=0, atol=1e-6 * scale)


def test_each_error_is_a_sentence():
    with pytest.raises(KeywordInvalid, match="GRATING"):
        AssignWcs()(image(**{"instrument.grating": "G140M"}), **references())
    with pytest.raises(ReferenceInvalid, match="but not F444W_MIRROR"):
        AssignWcs()(image(**{"instrument.filter": "F444W"}), **references())
    with pytest.raises(KeywordMissing, match="ra_ref"):
        AssignWcs()(image(**{"wcsinfo.ra_ref": None}), **references())


def test_ways_back_are_fitted_to_ways_there():
    bent = Polynomial2D(5, c1_0=1.0, c2_0=0.05, c1_1=0.02) & Polynomial2D(5, c0_1=2.0, c3_0=0.01)
    model = Mapping((0, 1, 0, 1)) | bent
    model.inverse = Scale(1.0) & Scale(0.5)  # as files have them: not quite right
    node = np.linspace(0.5, 1.0, 12)
    points = np.stack([plane.ravel() for plane in np.meshgrid(node, node)])
    own, found = turned_round(model, points)
    np.testing.assert_array_equal(found, model(*points))
    between = np.array([[0.61, 0.93], [0.52, 0.78]])
    np.testing.assert_allclose(own.inverse(*own(*between)), between, rtol=0, atol=1e-7)
    assert np.abs(np.stack(model.inverse(*model(*between))) - between).max() > 1e-3
