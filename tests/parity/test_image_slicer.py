"""World coordinates and cubes of image slicers, flight geometry, against the reference pipeline."""

from io import BytesIO

import asdf
import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.io import open_reference
from calcore.model import Group, Image
from calcore_miri import INSTRUMENT
from calcore_miri.references import (
    CubeParameters,
    SlicerDistortion,
    SlicerRanges,
    SlicerRegions,
    SlicerWavelengths,
)
from calcore_miri.steps.assign_wcs import AssignWcs
from calcore_miri.steps.cube_build import CubeBuild

SHAPE = (1024, 1032)
HALF_WIDTHS = {1: 1.6, 2: 1.95, 3: 2.7, 4: 3.5}
UNUSED = (
    "filteroffset", "camera", "chromcorr", "collimator", "disperser", "fore", "fpa", "msa", "ote",
    "ifupost", "ifufore", "ifuslicer",
)  # fmt: skip
IN_A_REFERENCE = {
    "description": "made for a test", "author": "calcore", "pedigree": "DUMMY",
    "useafter": "2020-01-01T00:00:00", "telescope": "JWST", "reftype": "regions",
    "instrument": {"name": "MIRI"}, "exposure": {"type": "MIR_MRS"},
}  # fmt: skip


KINDS = {"distortion": SlicerDistortion, "specwcs": SlicerWavelengths, "regions": SlicerRegions,
         "wavelengthrange": SlicerRanges}  # fmt: skip
MODELS = {"distortion": "DistortionMRSModel", "specwcs": "SpecwcsModel", "regions": "RegionsModel",
          "wavelengthrange": "WavelengthrangeModel"}  # fmt: skip


def slice_labels(distortion, ranges, widen=0.0):
    """Return which slice each pixel belongs to (1024, 1032), from the polynomials back to x and y."""
    from calcore_miri.wcs.slices import fields_of

    labels = np.zeros(SHAPE, np.int16)
    limits = {field.number: field.wavelengths for field in fields_of(distortion, ranges)}
    rows = np.arange(SHAPE[0])
    for number, x, y in zip(distortion.slices, distortion.x, distortion.y, strict=True):
        wavelengths = np.linspace(*limits[number // 100], 400)
        edges = []
        for alpha in (-HALF_WIDTHS[number // 100] - widen, HALF_WIDTHS[number // 100] + widen):
            columns, lines = (evaluated(part, wavelengths, alpha) for part in (x, y))
            order = np.argsort(lines)
            edges.append(np.interp(rows, lines[order], columns[order], left=np.nan, right=np.nan))
        for row, left, right in zip(rows, *np.sort(edges, axis=0), strict=True):
            if np.isfinite(left) and np.isfinite(right):
                labels[row, max(0, int(np.ceil(left))) : max(0, int(right) + 1)] = number
    return labels


def evaluated(node, first, second):
    from calcore.wcs.plain import polynomial_of

    polynomial = polynomial_of(node)
    shifted = first + polynomial.shift[0], second + polynomial.shift[1]
    return np.polynomial.polynomial.polyval2d(*np.broadcast_arrays(*shifted), polynomial.terms)


def content_of(path):
    return np.frombuffer(path.read_bytes(), np.uint8)


def paths_of(band, folder, tmp_path):
    """Return the references of a band; the label image is made for the test."""
    paths = {
        "distortion": folder / f"jwst_miri_mrs{band}_distortion_flt8.asdf",
        "specwcs": folder / f"jwst_miri_mrs{band}_specwcs_flt8.asdf",
        "wavelengthrange": folder / "jwst_miri_mrs_wavelengthrange_flt8.asdf",
        "regions": tmp_path / "regions.asdf",
    }
    distortion = open_reference(paths["distortion"], SlicerDistortion)
    ranges = open_reference(paths["wavelengthrange"], SlicerRanges)
    # The planes differ, so that taking another one shows.
    planes = np.stack([slice_labels(distortion, ranges, 0.35 - 0.05 * k) for k in range(9)])
    buffer = BytesIO()
    asdf.AsdfFile({"meta": IN_A_REFERENCE, "regions": planes}).write_to(buffer)
    paths["regions"].write_bytes(buffer.getvalue())
    return paths


def exposure_of(band, velocity, make_meta, shared_data, tmp_path, ra=359.9999):
    """Return an exposure with world coordinates, and what they were made from."""
    paths = paths_of(band, shared_data / "miri", tmp_path)
    plane = np.ones(SHAPE, np.float32)
    meta = make_meta(
        "MIRIMAGE", (1, 5, *SHAPE),
        instrument__detector="MIRIFUSHORT" if band.startswith("1") else "MIRIFULONG",
        instrument__channel=band[:2],
        instrument__band={"A": "SHORT", "B": "MEDIUM", "C": "LONG"}[band[2]],
        instrument__filter=None, instrument__pupil=None, exposure__type="MIR_MRS",
        wcsinfo__ra_ref=ra, wcsinfo__dec_ref=-69.0, wcsinfo__roll_ref=123.4,
        wcsinfo__v2_ref=-503.4, wcsinfo__v3_ref=-319.0, wcsinfo__velosys=velocity,
        wcsinfo__v3yangle=0.0, wcsinfo__vparity=1, velocity_aberration__scale_factor=1.00007,
    )  # fmt: skip
    meta = meta.with_facts(INSTRUMENT.facts(meta))
    image = Image(meta=meta, data=plane, err=plane, dq=np.zeros(SHAPE, np.uint32))
    given = {name: open_reference(path, KINDS[name]) for name, path in paths.items()}
    return AssignWcs()(image, **given), (image, paths)


@pytest.mark.parametrize(("band", "velocity"), [("12A", None), ("12B", -30000.0), ("34A", 30000.0)])
def test_coordinates_of_slices(
    reference_pipeline, make_meta, shared_data, tmp_path, band, velocity
):
    ours, (image, paths) = exposure_of(band, velocity, make_meta, shared_data, tmp_path)
    y, x = np.mgrid[0 : SHAPE[0] : 3, 0 : SHAPE[1] : 2]
    references = {
        name: {"type": MODELS[name], "content": content_of(path), "suffix": ".asdf"}
        for name, path in paths.items()
    }
    theirs = reference_pipeline.step(
        "AssignWcsStep", image, references | dict.fromkeys(UNUSED, "N/A"),
        keep={"pixels": [x.ravel(), y.ravel()], "attributes": [], "back": False},
    )  # fmt: skip
    world = ours.wcs.world()[:, ::3, ::2].reshape(3, -1)
    np.testing.assert_array_equal(np.isnan(world), np.isnan(theirs.world))
    assert np.isfinite(world[0]).mean() > 0.5
    offset = (world[0] - theirs.world[0] + 180) % 360 - 180
    assert np.nanmax(np.abs(offset)) * np.cos(np.radians(69)) * 3.6e6 < 1e-4
    assert np.nanmax(np.abs(world[1] - theirs.world[1])) * 3.6e6 < 1e-4
    assert np.nanmax(np.abs(world[2] - theirs.world[2])) < 1e-12
    assert theirs.meta["wcs.frames"] == list(ours.wcs.wcs.available_frames)
    np.testing.assert_allclose(
        np.stack(ours.wcs.wcs(x, y)).reshape(3, -1), world, rtol=0, atol=1e-11
    )
    for name in ("dispersion_direction", "s_region", "specsys"):
        if velocity is not None or name != "specsys":
            assert ours.meta[f"wcsinfo.{name}"] == theirs.meta[f"wcsinfo.{name}"], name


SIZES = [("channel", "S3"), ("band", "S12"), ("spaxelsize", "f4"), ("spectralstep", "f4"),
         ("wavemin", "f4"), ("wavemax", "f4")]  # fmt: skip
NEAR = [("channel", "S3"), ("band", "S12"), ("roispatial", "f4"), ("roispectral", "f4")]
POWER = [("power", "f4"), ("softrad", "f4")]
WAVES = [("wavelength", "f4"), *NEAR[2:]]
STEPS = 4.6 + 0.02 * np.arange(130) * (1 + 0.005 * np.arange(130))
TABLES = {
    "CUBEPAR": np.array(
        [("1", "short", 0.3, 0.004, 4.9, 5.74), ("2", "short", 0.4, 0.006, 7.51, 8.77)], SIZES
    ),
    "CUBEPAR_MSM": np.array(
        [("1", "short", 0.35, 0.006, 2, 0.01), ("2", "short", 0.4, 0.01, 2, 0.01)], NEAR + POWER
    ),
    "CUBEPAR_EMSM": np.array(
        [("1", "short", 0.6, 0.01, 0.2), ("2", "short", 0.7, 0.02, 0.3)],
        [*NEAR, ("scalerad", "f4")],
    ),
    "MULTICHANNEL_DRIZ": np.array([(wave,) for wave in STEPS], WAVES[:1]),
    "MULTICHANNEL_MSM": np.array(
        [(wave, 0.1 * wave, 0.01 * wave, 2, 0.01) for wave in STEPS], WAVES + POWER
    ),
    "MULTICHANNEL_EMSM": np.array(
        [(wave, 0.12 * wave, 0.01 * wave, 0.05 * wave) for wave in STEPS],
        [*WAVES, ("scalerad", "f4")],
    ),
}


def cube_parameters(path):
    """Write a reference of cubes, the same for both."""
    primary = fits.PrimaryHDU()
    told = {"TELESCOP": "JWST", "INSTRUME": "MIRI", "EXP_TYPE": "MIR_MRS", "REFTYPE": "CUBEPAR",
            "AUTHOR": "calcore", "PEDIGREE": "DUMMY", "DESCRIP": "made for a test",
            "USEAFTER": "2020-01-01T00:00:00", "DATAMODL": "MiriIFUCubeParsModel"}  # fmt: skip
    primary.header.update(told)
    tables = [fits.BinTableHDU(rows, name=name) for name, rows in TABLES.items()]
    fits.HDUList([primary, *tables]).writeto(path)
    return path


@pytest.mark.parametrize(
    "settings",
    [{}, {"weighting": "emsm"}, {"weighting": "msm", "coord_system": "ifualign"},
     {"cube_pa": 30.0, "nspax_x": 20, "scalew": 0.007}, {"linear_wave": False},
     {"output_type": "multi"},
     {"output_type": "multi", "weighting": "emsm"}, {"output_type": "multi", "weighting": "msm"}],
    ids=["drizzled", "emsm", "msm along slices", "turned", "planes by table", "multi", "multi emsm", "multi msm"],
)  # fmt: skip
def test_cubes(reference_pipeline, make_meta, shared_data, tmp_path, settings):
    """The reference pipeline reads our calibrated exposure, world coordinates included."""
    if "output_type" not in settings:
        settings = {**settings, "channel": "1"}
    image, _ = exposure_of("12A", 30000.0, make_meta, shared_data, tmp_path, ra=120.0)
    rng = np.random.default_rng(4)
    data = rng.normal(5, 1, SHAPE).astype(np.float32)
    data[rng.random(SHAPE) < 0.05] = np.nan
    dq = np.where(rng.random(SHAPE) < 0.1, np.uint32(1), np.uint32(0))
    dq |= np.where(rng.random(SHAPE) < 0.1, np.uint32(4), np.uint32(0))
    err = rng.uniform(0.5, 2, SHAPE).astype(np.float32)
    image = image.replace(
        data=data,
        err=err,
        dq=dq,
        meta=image.meta.set(
            {"bunit_data": "MJy/sr", "filename": "a_cal.fits", "cal_step.assign_wcs": "COMPLETE"}
        ),
    )
    path = io.write(image, tmp_path / "a_cal.fits")
    cubepar = cube_parameters(tmp_path / "cubepar.fits")
    job = {
        "kind": "step", "step": "CubeBuildStep", "parameters": settings,
        "input": {"type": "IFUImageModel", "content": content_of(path), "suffix": ".fits"},
        "references": {"cubepar": {
            "type": "MiriIFUCubeParsModel", "content": content_of(cubepar), "suffix": ".fits"}},
        "keep": {"attributes": ["weightmap"]}, "members": [],
    }  # fmt: skip
    (theirs,) = reference_pipeline.answer(job)["results"]
    (ours,) = (
        CubeBuild(**settings)(Group("a", (image,)), cubepar=open_reference(cubepar, CubeParameters))
    ).parts.values()
    arrays = theirs["attributes"]
    np.testing.assert_array_equal(ours.dq, arrays["dq"])
    np.testing.assert_array_equal(ours.wmap, arrays["weightmap"])
    np.testing.assert_array_equal(np.isnan(ours.data), np.isnan(arrays["data"]))
    np.testing.assert_allclose(ours.data, arrays["data"], rtol=1e-5)
    np.testing.assert_allclose(ours.err, arrays["err"], rtol=1e-5)
    for name, value in ours.meta.items():
        if (
            name.startswith(("wcsinfo.", "photometry.pixelarea", "ifu."))
            and name != "wcsinfo.wcsaxes"
        ):
            told = theirs["meta"][name]
            assert value == told or value == pytest.approx(told, rel=1e-10, abs=1e-10), name
