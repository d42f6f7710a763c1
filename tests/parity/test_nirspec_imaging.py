"""World coordinates of NIRSpec's images against the reference pipeline, through real optics."""

from io import BytesIO
from pathlib import Path

import asdf
import numpy as np
import pytest

from calcore import io
from calcore.io import open_reference
from calcore.model import Image
from calcore_nirspec.optical_references import (
    Camera,
    Collimator,
    DisperserFile,
    Fore,
    Fpa,
    Ote,
    WavelengthRange,
)
from calcore_nirspec.simulate import optics as simulated_optics
from calcore_nirspec.steps.assign_wcs import AssignWcs

SHARED = Path(__file__).parents[3] / "shared" / "data" / "nirspec"
REAL = {
    "fpa": (Fpa, "FPAModel", "fpa_0005"), "camera": (Camera, "CameraModel", "camera_0004"),
    "collimator": (Collimator, "CollimatorModel", "collimator_0004"),
    "fore": (Fore, "FOREModel", "fore_0028"), "ote": (Ote, "OTEModel", "ote_0005"),
    "wavelengthrange": (WavelengthRange, "WavelengthrangeModel", "wavelengthrange_0004"),
}  # fmt: skip
UNUSED = (
    "distortion", "filteroffset", "specwcs", "regions", "chromcorr", "msa", "ifupost", "ifufore",
    "ifuslicer",
)  # fmt: skip
PIXEL_DEG = 0.1 / 3600
CASES = {
    "NRS1": ("NRS1", "NRS_IMAGE", "F110W", (1, 1)),
    "NRS2, without colour": ("NRS2", "NRS_FOCUS", "CLEAR", (1, 1)),
    "sub-array": ("NRS1", "NRS_WATA", "F140X", (1056, 1037)),
    "sub-array of NRS2": ("NRS2", "NRS_TACQ", "F140X", (901, 1037)),
}
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="shared data are not here")


def mirror():
    """Return a mirror that stands askew, in a wheel that has not come to rest where it should."""
    tree = simulated_optics.disperser_tree("MIRROR")
    return tree | {"theta_x": 0.03, "theta_y": -0.2, "theta_z": -0.14, "tilt_y": 0.4}


def file_of(tree):
    meta = {
        "reftype": "disperser", "telescope": "JWST", "author": "calcore", "pedigree": "DUMMY",
        "description": "made for a test", "useafter": "2020-01-01T00:00:00",
        "instrument": {"name": "NIRSPEC", "grating": "MIRROR"}, "exposure": {"type": "NRS_IMAGE"},
    }  # fmt: skip
    buffer = BytesIO()
    asdf.AsdfFile({**tree, "meta": meta}, version="1.5.0").write_to(buffer)
    return {
        "type": "DisperserModel", "content": np.frombuffer(buffer.getvalue(), np.uint8),
        "suffix": ".asdf",
    }  # fmt: skip


def exposure(make_meta, case):
    """Return an image, and the files of its references."""
    detector, kind, light, corner = CASES[case]
    shape = (2048, 2048) if corner == (1, 1) else (64, 48)
    meta = make_meta(
        detector, (1, 5, *shape), start=corner, subarray="FULL" if corner == (1, 1) else "SUB",
        exposure__type=kind, instrument__filter=light, instrument__grating="MIRROR",
        instrument__gwa_xtilt=0.36, instrument__gwa_ytilt=0.27, instrument__gwa_tilt=37.1,
        wcsinfo__ra_ref=359.995, wcsinfo__dec_ref=-69.0, wcsinfo__roll_ref=123.4,
        wcsinfo__v2_ref=378.0, wcsinfo__v3_ref=-428.0, wcsinfo__vparity=-1,
        wcsinfo__v3yangle=138.0, velocity_aberration__scale_factor=1.00007,
    )  # fmt: skip
    plane = np.ones(shape, np.float32)
    image = Image(meta=meta, data=plane, err=plane, dq=np.zeros(shape, np.uint32))
    paths = {name: SHARED / f"jwst_nirspec_{row[2]}.asdf" for name, row in REAL.items()}
    return image, paths


def assigned(image, paths):
    """Return the image with its world coordinates."""
    files = {name: open_reference(path, REAL[name][0]) for name, path in paths.items()}
    return AssignWcs()(image, disperser=DisperserFile(meta=image.meta, tree=mirror()), **files)


@pytest.mark.parametrize("case", CASES)
def test_assign_wcs(reference_pipeline, make_meta, figures, case):
    image, paths = exposure(make_meta, case)
    shape = image.data.shape
    given = {
        name: {
            "type": REAL[name][1], "suffix": ".asdf",
            "content": np.frombuffer(path.read_bytes(), np.uint8),
        }
        for name, path in paths.items()
    }  # fmt: skip
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, shape[1] - 1, 300), rng.uniform(0, shape[0] - 1, 300)
    theirs = reference_pipeline.step(
        "AssignWcsStep", image, {**given, "disperser": file_of(mirror()),
                                 **dict.fromkeys(UNUSED, "N/A")},
        keep={"pixels": [x, y], "attributes": []},
    )  # fmt: skip
    ours = assigned(image, paths)
    seen = np.stack(ours.wcs(x, y, with_bounding_box=False))
    away = np.abs(seen - theirs.world).max() / PIXEL_DEG
    figures.saw("WCS [pixel]", away, x.size)
    assert away < 1e-6
    # The reference pipeline's way back misses the frame.
    back = np.stack(ours.wcs.invert(*seen, with_bounding_box=False))
    assert np.abs(back - [x, y]).max() < 2e-4
    assert np.abs(theirs.pixel - [x, y]).max() > 1000
    assert list(ours.wcs.available_frames) == theirs.meta["wcs.frames"]
    np.testing.assert_array_equal(
        theirs.meta["wcs.box"], ours.wcs.bounding_box.bounding_box(order="F")
    )
    for name in ("wcsinfo.s_region", "wcsinfo.waverange_start", "wcsinfo.waverange_end",
                 "wcsinfo.spectral_order", "wcsinfo.ctype1"):  # fmt: skip
        assert ours.meta[name] == theirs.meta[name]
    assert ours.meta["wcsinfo.crval1"] == pytest.approx(theirs.meta["wcsinfo.crval1"], abs=1e-9)


def test_products_keep_it(reference_pipeline, make_meta, tmp_path):
    ours = assigned(*exposure(make_meta, "sub-array"))
    x, y = np.array([0.0, 31.0, 47.0]), np.array([3.0, 63.0, 20.0])
    path = io.write(ours, tmp_path / "jw_cal.fits")
    read = reference_pipeline.open(path, {"pixels": [x, y], "attributes": []})
    np.testing.assert_allclose(read.world, ours.wcs(x, y), rtol=0, atol=1e-11)
