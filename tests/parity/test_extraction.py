"""Spectra of cubes against the reference pipeline's, which reads our cubes."""

from io import BytesIO

import asdf
import numpy as np
import pytest

from calcore import io
from calcore.io import open_reference
from calcore.model import Meta
from calcore.model.cube import Cube
from calcore.model.reference import CubeApertureCorrection, CubeApertures
from calcore.steps.calibration.extract_cube import ExtractCube
from calcore.wcs.cube_grid import CubeGrid
from calcore.wcs.cube_planes import EvenPlanes
from calcore.wcs.tangent import TangentPlane

SHAPE = (12, 25, 23)
REFERENCE = {"centre": "spaxel", "spaxels": "trust", "clipping": "plane", "partial": "linear"}
IN_A_REFERENCE = {
    "description": "made for a test", "author": "calcore", "pedigree": "DUMMY",
    "useafter": "2020-01-01T00:00:00", "telescope": "JWST", "reftype": "extract1d",
    "instrument": {"name": "MIRI"}, "exposure": {"type": "MIR_MRS"},
    "method": "exact", "subpixels": 10, "subtract_background": True,
}  # fmt: skip


def content_of(path):
    return np.frombuffer(path.read_bytes(), np.uint8)


def written(path, tree):
    buffer = BytesIO()
    asdf.AsdfFile(tree).write_to(buffer)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.fixture
def apertures(tmp_path):
    known = np.linspace(4.9, 5.3, 9, dtype="f4")
    radius = np.linspace(0.42, 0.55, 9, dtype="f4")
    vectors = {
        "wavelength": known, "wavelength_units": "micron", "radius": radius,
        "radius_units": "arcsec", "inner_bkg": radius * 1.6, "inner_bkg_units": "arcsec",
        "outer_bkg": radius * 2.4, "outer_bkg_units": "arcsec", "axis_ratio": 0 * radius + 1,
        "axis_pa": 0 * radius, "axis_pa_units": "degrees",
    }  # fmt: skip
    return written(tmp_path / "extract1d.asdf", {"meta": IN_A_REFERENCE, "data": vectors})


@pytest.fixture
def corrections(tmp_path):
    known = np.linspace(4.95, 5.2, 4, dtype="f4")
    radii = np.array([0.3, 0.45, 0.6], "f4")[:, None] * np.linspace(0.9, 1.1, 4, dtype="f4")
    table = {
        "channel": "1", "band": "SHORT", "wavelength": known, "wavelength_units": "micron",
        "radius": radii, "radius_units": "arcsec", "apcorr": 1 + 0.1 / radii,
        "apcorr_err": 0 * radii,
    }  # fmt: skip
    tree = {"meta": IN_A_REFERENCE | {"reftype": "apcorr"}, "apcorr_table": table}
    return written(tmp_path / "apcorr.asdf", tree)


def a_cube(source_type):
    """A point source beside the middle of a spaxel, on noise; nothing fell on one side."""
    rng = np.random.default_rng(8)
    spacing = EvenPlanes(count=SHAPE[0], shortest_um=5.0, step_um=0.015)
    grid = CubeGrid(plane=TangentPlane(359.9999, -20.0, 0.0), size=SHAPE[1:], spaxel_arcsec=0.13,
                    spacing=spacing)  # fmt: skip
    _, y, x = np.indices(SHAPE)
    light = 200 * np.exp(-((x - 9.4) ** 2 + (y - 11.8) ** 2) / 4.5) + 6
    data = (light + rng.normal(0, 0.7, SHAPE)).astype("f4")
    data[4, 11, 17] = 400
    err = rng.uniform(0.5, 0.9, SHAPE).astype("f4")
    wmap, dq = np.ones(SHAPE, "f4"), np.zeros(SHAPE, "u4")
    unseen = (x > 18) | ((x == 11) & (y == 14))
    unseen[7] = True
    wmap[unseen], dq[unseen], data[unseen], err[unseen] = 0, 513, np.nan, np.nan
    data[9, 12, 9] = np.nan
    ra, dec, _ = grid.wcs(9.4, 11.8, 0)
    told = {
        "instrument.name": "MIRI", "instrument.detector": "MIRIFUSHORT", "instrument.channel": "1",
        "instrument.band": "SHORT", "exposure.type": "MIR_MRS", "target.source_type": source_type,
        "target.ra": float(ra), "target.dec": float(dec), "bunit_data": "MJy/sr",
        "photometry.pixelarea_steradians": 4e-13, "wcsinfo.dispersion_direction": 2,
        "observation.date": "2024-01-01", "observation.time": "00:00:00",
        **{f"wcsinfo.{name}": value for name, value in grid.keywords.items()},
    }  # fmt: skip
    return Cube(meta=Meta(told), data=data, err=err, dq=dq, wmap=wmap, wcs=grid.wcs)


@pytest.mark.parametrize(
    ("source_type", "settings"),
    [
        ("POINT", {}),
        ("POINT", {"apply_apcorr": False, "bkg_sigma_clip": 2.0, "ifu_covar_scale": 1.6}),
        ("POINT", {"subtract_background": False, "ifu_rscale": 1.2}),
        ("EXTENDED", {}),
    ],
    ids=["point", "clipped", "small", "extended"],
)
def test_spectra_of_cubes(
    reference_pipeline, tmp_path, apertures, corrections, figures, source_type, settings
):
    cube = a_cube(source_type)
    job = {
        "kind": "step", "step": "Extract1dStep", "parameters": {"ifu_rfcorr": False, **settings},
        "input": {
            "type": "IFUCubeModel",
            "content": content_of(io.write(cube, tmp_path / "a_s3d.fits")),
            "suffix": ".fits",
        },
        "references": {
            "extract1d": {
                "type": "Extract1dIFUModel", "content": content_of(apertures), "suffix": ".asdf",
            },
            "apcorr": {
                "type": "MirMrsApcorrModel", "content": content_of(corrections), "suffix": ".asdf",
            },
            "psf": "N/A",
        },
        "keep": {"attributes": ["spec.0.spec_table"], "meta": []}, "members": [],
    }  # fmt: skip
    (theirs,) = reference_pipeline.ask(job)["results"]
    figures.subject = "Extract1d"
    (ours,) = ExtractCube(**REFERENCE, **settings)(
        cube,
        extract1d=open_reference(apertures, CubeApertures),
        apcorr=open_reference(corrections, CubeApertureCorrection),
    ).spectra
    columns_agree(figures, ours.table, theirs["attributes"]["spec.0.spec_table"])


def columns_agree(figures, ours, theirs, rtol=1e-6):
    """Assert that all columns of a spectrum are the same but for rounding, and note how far."""
    for name in ours.dtype.names:
        mine, other = ours[name], theirs[name]
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(other), err_msg=name)
        scale = np.nanmax(np.abs(theirs[name.replace("SURF_BRIGHT", "BACKGROUND")]), initial=0)
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=1e-7 * scale, err_msg=name)
        if name in {"FLUX", "FLUX_ERROR"}:
            good = np.isfinite(other) & (other != 0)
            apart = np.abs(mine / np.where(good, other, 1) - 1)[good]
            figures.saw(f"{name} [relative]", apart.max(initial=0.0), good.sum())
