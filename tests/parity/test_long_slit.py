"""Long slits, and spectra without one: flight geometry, against the reference pipeline."""

import numpy as np
import pytest

from calcore.io import open_reference
from calcore.model import Image
from calcore.model.reference import Distortion
from calcore.registry import discovery
from calcore_miri.references import SlitTrace
from calcore_miri.steps.assign_slit_wcs import AssignSlitWcs

SLIT, OPEN = "MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS"
SHAPES = {SLIT: (1024, 1032), OPEN: (416, 72)}
FILES = {SLIT: "jwst_miri_specwcs_0005.fits", OPEN: "jwst_miri_specwcs_0006.fits"}
UNUSED = (
    "filteroffset", "camera", "chromcorr", "collimator", "disperser", "fore", "fpa", "msa", "ote",
    "ifupost", "ifufore", "ifuslicer", "regions", "wavelengthrange",
)  # fmt: skip


def content_of(path):
    return np.frombuffer(path.read_bytes(), np.uint8)


@pytest.fixture(scope="session")
def geometry(shared_data):
    """Return the paths of the flight references of an exposure type."""

    def paths(kind):
        folder = shared_data / "miri"
        return {
            "distortion": folder / "jwst_miri_imager_distortion_flt9.asdf",
            "specwcs": folder / FILES[kind],
        }

    return paths


def exposure(make_meta, kind, *, n_int=0, **more):
    """Return an exposure without world coordinates."""
    shape = SHAPES[kind]
    full = (n_int, *shape) if n_int else shape
    more = {
        "wcsinfo__ra_ref": 359.9999, "wcsinfo__dec_ref": -69.0, "wcsinfo__roll_ref": 123.4,
        "wcsinfo__v2_ref": -415.4, "wcsinfo__v3_ref": -400.3, "wcsinfo__v3yangle": 4.8,
        "wcsinfo__vparity": -1, "wcsinfo__velosys": 20000.0,
        "velocity_aberration__scale_factor": 1.00007, "dither__x_offset": 1.9,
        "dither__y_offset": 0.3, "target__source_type": "POINT", "instrument__filter": "P750L",
        "instrument__pupil": None, "exposure__type": kind, **more,
    }  # fmt: skip
    meta = make_meta(
        "MIRIMAGE", (max(n_int, 1), 5, *shape),
        subarray="SLITLESSPRISM" if kind == OPEN else "FULL",
        start=(1, 529) if kind == OPEN else (1, 1), **more,
    )  # fmt: skip
    plane = np.ones(full, np.float32)
    return Image(
        meta=meta.with_facts(discovery.instrument("MIRI").facts(meta)),
        data=plane,
        err=plane,
        dq=np.zeros(full, np.uint32),
        var_poisson=plane,
        var_rnoise=plane,
    )


def assigned(image, paths):
    return AssignSlitWcs()(
        image,
        distortion=open_reference(paths["distortion"], Distortion),
        specwcs=open_reference(paths["specwcs"], SlitTrace),
    )


@pytest.mark.parametrize(
    ("kind", "n_int", "velocity"), [(SLIT, 0, -20000.0), (OPEN, 2, 30000.0), (SLIT, 0, None)]
)
def test_coordinates_of_slits(reference_pipeline, make_meta, geometry, kind, n_int, velocity):
    image = exposure(make_meta, kind, n_int=n_int, wcsinfo__velosys=velocity)
    paths = geometry(kind)
    ours = assigned(image, paths)
    given = {
        "distortion": {
            "type": "DistortionModel", "content": content_of(paths["distortion"]), "suffix": ".asdf"
        },
        "specwcs": {
            "type": "MiriLRSSpecwcsModel", "content": content_of(paths["specwcs"]), "suffix": ".fits"
        },
    }  # fmt: skip
    rows, columns = SHAPES[kind]
    y, x = np.mgrid[0 : min(rows, 420) : 3, 0 : min(columns, 400) : 2].astype(float)
    theirs = reference_pipeline.step(
        "AssignWcsStep", image, given | dict.fromkeys(UNUSED, "N/A"),
        keep={"pixels": [x.ravel(), y.ravel()], "attributes": ["wavelength"]},
    )  # fmt: skip
    world = np.stack(ours.wcs(x, y, with_bounding_box=False)).reshape(3, -1)
    np.testing.assert_array_equal(np.isnan(world), np.isnan(theirs.world))
    assert np.isfinite(world[0]).mean() > 0.9
    offset = (world[0] - theirs.world[0] + 180) % 360 - 180
    assert np.nanmax(np.abs(offset)) * np.cos(np.radians(69)) * 3.6e6 < 1e-4
    assert np.nanmax(np.abs(world[1] - theirs.world[1])) * 3.6e6 < 1e-4
    assert np.nanmax(np.abs(world[2] - theirs.world[2])) < 1e-12
    back = np.stack(ours.wcs.invert(*world, with_bounding_box=False))
    np.testing.assert_allclose(back, theirs.pixel, rtol=0, atol=1e-6)
    box = ours.wcs.bounding_box.bounding_box(order="F")
    np.testing.assert_allclose(np.ravel(box), np.ravel(theirs.meta["wcs.box"]))
    assert list(ours.wcs.available_frames) == theirs.meta["wcs.frames"]
    np.testing.assert_array_equal(ours.wavelength, theirs.wavelength)
    told = ["dither.dithered_ra", "dither.dithered_dec"]
    for name in ["wcsinfo.dispersion_direction", *told]:
        assert ours.meta.get(name) == pytest.approx(theirs.meta.get(name), abs=1e-10), name
    if velocity is not None:
        assert ours.meta["wcsinfo.specsys"] == theirs.meta["wcsinfo.specsys"]
