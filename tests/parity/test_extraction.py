"""Spectra of cubes against the reference pipeline's, which reads our cubes."""

import hashlib
import json
from io import BytesIO
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import (
    Const1D,
    Identity,
    Mapping,
    Pix2Sky_TAN,
    Polynomial2D,
    RotateNative2Celestial,
    Scale,
    Shift,
    Sky2Pix_TAN,
)
from gwcs import WCS

from calcore import io
from calcore.io import open_reference
from calcore.model import Group, Meta
from calcore.model.cube import Cube
from calcore.model.reference import (
    ApertureCorrection,
    CubeApertureCorrection,
    CubeApertures,
    SlitApertures,
    SlitProfile,
)
from calcore.model.slit import Slit
from calcore.model.spectrum import Spectra, Spectrum
from calcore.steps.calibration.extract_cube import ExtractCube
from calcore.steps.calibration.extract_slit import ExtractSlit
from calcore.steps.combination.combine_1d import Combine1d
from calcore.steps.combination.master_background import MasterBackground
from calcore.wcs import frames, spectral_frames
from calcore.wcs.cube_grid import CubeGrid
from calcore.wcs.cube_planes import EvenPlanes
from calcore.wcs.tangent import TangentPlane

SHAPE = (12, 25, 23)
KEPT = Path(__file__).parents[2] / ".cache" / "parity"
REFERENCE = {"centre": "spaxel", "spaxels": "trust", "clipping": "plane", "partial": "linear"}
REFERENCE_SLIT = {"holes": "leave", "median_factor": 1.44, "aperture": "straight"}
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


def tilted(tilt, rows, columns):
    """A slit along x of 0.11 arcsec a pixel, tilted against columns; wavelength along y."""
    turn = RotateNative2Celestial(120.0, -20.0, 180.0)
    place = Polynomial2D(1, c0_0=-11.5 + tilt * 15, c1_0=1, c0_1=-tilt)
    back = Polynomial2D(1, c0_0=11.5 - tilt * 15, c1_0=1, c0_1=tilt)
    wavelength = Scale(0.02) | Shift(5.0)
    scale = Scale(0.11 / 3600)
    sky = (scale & Const1D(0.0)) | Pix2Sky_TAN() | turn
    forward = Mapping((0, 1, 1)) | place & wavelength | Mapping((0, 0, 1)) | sky & Identity(1)
    forward.inverse = (
        (turn.inverse | Sky2Pix_TAN()) & wavelength.inverse
        | Mapping((0, 2, 2), n_inputs=3) | scale.inverse & Identity(2) | back & Identity(1)
    )  # fmt: skip
    wcs = WCS([(frames.detector(), forward), (spectral_frames.world(), None)])
    wcs.bounding_box = ((1.5, columns - 0.5), (-0.5, rows - 2.5))
    return wcs


def a_slit(shape=(30, 24), source_type="POINT", exposure_type="MIR_LRS-FIXEDSLIT", **changes):
    """A point source on a sloping background; some pixels are NaN or flagged."""
    rng = np.random.default_rng(3)
    rows, columns = shape[-2:]
    y, x = np.mgrid[:rows, :columns]
    light = 30 * np.exp(-((x - 9.6) ** 2) / 4) + 4 + 0.05 * x + 0.02 * y
    parts = {f"var_{name}": rng.uniform(0.02, 0.09, shape).astype("f4")
             for name in ("poisson", "rnoise", "flat")}  # fmt: skip
    data = (light + rng.normal(0, 0.4, shape)).astype("f4")
    dq = np.zeros(shape, "u4")
    data[..., 3, 4], data[..., 5, 19] = np.nan, np.nan
    dq[..., 9, 18], dq[..., 12, 3] = 1, 4
    sky = tilted(0.0, rows, columns)(9.6, 14)
    told = {
        "instrument.name": "MIRI", "instrument.detector": "MIRIMAGE", "instrument.filter": "P750L",
        "exposure.type": exposure_type, "target.source_type": source_type,
        "target.ra": float(sky[0]), "target.dec": float(sky[1]), "bunit_data": "MJy/sr",
        "dither.dithered_ra": float(sky[0]), "dither.dithered_dec": float(sky[1]),
        "photometry.pixelarea_steradians": 2.8e-13, "wcsinfo.dispersion_direction": 2,
        "subarray.name": "FULL", "observation.date": "2024-01-01", "observation.time": "00:00:00",
        "cal_step.photom": "COMPLETE", "exposure.integration_start": 1,
    }  # fmt: skip
    err = np.sqrt(sum(part for part in parts.values()))
    return Slit(meta=Meta({**told, **changes}), data=data, err=err, dq=dq,
                wcs=tilted(0.06, rows, columns), **parts)  # fmt: skip


def slit_references(tmp_path, entry, exposure_type="MIR_LRS-FIXEDSLIT"):
    told = {"REFTYPE": "EXTRACT1D", "INSTRUME": "MIRI", "TELESCOP": "JWST",
            "EXP_TYPE": exposure_type, "PEDIGREE": "DUMMY", "DESCRIP": "made for a test",
            "AUTHOR": "calcore", "HISTORY": "none", "USEAFTER": "2020-01-01T00:00:00"}  # fmt: skip
    own = {"id": exposure_type, "region_type": "target", "dispaxis": 2, **entry}
    text = json.dumps(told | {"apertures": [own]})
    # A place of its own in all runs, so that what was asked with it is known again.
    where = KEPT / f"extract1d-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(text)
    sizes, known = [3, 5, 8, 12], np.linspace(4.9, 5.5, 5)
    table = np.zeros(1, [("subarray", "S17"), ("wavelength", "f4", (5,)), ("nelem_wl", "i2"),
                         ("size", "u1", (4,)), ("nelem_size", "i2"), ("apcorr", "f4", (5, 4)),
                         ("apcorr_err", "f4", (5, 4))])  # fmt: skip
    table["subarray"], table["wavelength"], table["size"] = "FULL", known, sizes
    table["nelem_wl"], table["nelem_size"] = 5, 4
    table["apcorr"] = 1 + known[:, None] / np.array(sizes) / 5
    primary = fits.PrimaryHDU()
    told = {"TELESCOP": "JWST", "INSTRUME": "MIRI", "EXP_TYPE": exposure_type, "REFTYPE": "APCORR",
            "DATAMODL": "MirLrsApcorrModel"}  # fmt: skip
    primary.header.update(told)
    corrections = tmp_path / "apcorr.fits"
    hdus = [primary, fits.BinTableHDU(table, name="APCORR")]
    hdus[1].header["SIZEUNIT"] = "pixels"
    fits.HDUList(hdus).writeto(corrections)
    return where, corrections


def their_spectra(reference_pipeline, slit, path, references, parameters):
    where, corrections = references
    job = {
        "kind": "step", "step": "Extract1dStep", "parameters": parameters,
        "input": {"type": "SlitModel", "content": content_of(io.write(slit, path)),
                  "suffix": ".fits"},
        "references": {
            "extract1d": str(where), "psf": "N/A",
            "apcorr": {"type": "MirLrsApcorrModel", "content": content_of(corrections),
                       "suffix": ".fits"},
        },
        "keep": {"attributes": ["spec.0.spec_table"], "meta": []}, "members": [],
    }  # fmt: skip
    (theirs,) = reference_pipeline.ask(job)["results"]
    return theirs["attributes"]["spec.0.spec_table"]


AT_ENDS = {"xstart": 7, "xstop": 12}
BESIDE = {"bkg_coeff": [[1.5], [4.5], [16.0], [20.25]]}
SLIT_CASES = {
    "moved to the source": (AT_ENDS, {}),
    "straight background": (AT_ENDS | BESIDE | {"bkg_order": 1}, {"position_offset": 0.6}),
    "median": (AT_ENDS | BESIDE | {"bkg_fit": "median", "use_source_posn": False}, {}),
    "smoothed": (AT_ENDS | BESIDE | {"smoothing_length": 3, "extract_width": 4.5}, {}),
    "sloping": (
        {"src_coeff": [[6.25, 0.05], [11.5, 0.05]], "bkg_coeff": [[15.0, 0.1], [20.0, 0.1]],
         "ystart": 4, "ystop": 22, "use_source_posn": False},
        {"apply_apcorr": False},
    ),
    "by wavelength": (
        {"src_coeff": [[1.25, 1.0], [6.5, 1.0]], "independent_var": "wavelength"},
        {"use_source_posn": False},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SLIT_CASES)
@pytest.mark.parametrize("source_type", ["POINT", "EXTENDED"])
def test_spectra_of_slits(reference_pipeline, tmp_path, figures, case, source_type):
    entry, settings = SLIT_CASES[case]
    slit = a_slit(source_type=source_type)
    references = slit_references(tmp_path, entry)
    theirs = their_spectra(
        reference_pipeline, slit, tmp_path / "a_cal.fits", references, settings
    )  # fmt: skip
    figures.subject = "Extract1d"
    (ours,) = ExtractSlit(**REFERENCE_SLIT, **settings)(
        slit,
        extract1d=open_reference(references[0], SlitApertures),
        apcorr=open_reference(references[1], ApertureCorrection),
    ).spectra
    columns_agree(figures, ours.table, theirs)


def a_psf(path):
    """A profile that widens with wavelength, four sub-pixels a pixel."""
    column, waves = (np.arange(61) - 30) / 4, np.linspace(4.9, 5.8, 12)
    values = np.array([np.exp(-((column / w) ** 2) / 2) for w in np.linspace(1.3, 1.5, 12)])
    primary = fits.PrimaryHDU()
    told = {"TELESCOP": "JWST", "INSTRUME": "MIRI", "EXP_TYPE": "MIR_LRS-FIXEDSLIT",
            "REFTYPE": "PSF", "DATAMODL": "SpecPsfModel"}  # fmt: skip
    primary.header.update(told)
    hdus = [primary, fits.ImageHDU(values, name="PSF"), fits.ImageHDU(waves, name="WAVE")]
    hdus[1].header.update({"APERTURE": "ANY", "SUBPIX": 4, "CENTCOL": 30.0, "CENTROW": 1.0})
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.mark.parametrize(
    ("background", "limit"), [({}, 1e-3), ({"bkg_coeff": [[-3], [30]], "bkg_order": 1}, 2e-3)]
)
def test_fitted_spectra(reference_pipeline, tmp_path, figures, background, limit):
    """The profile is moved to where it fits best; all pixels weigh alike there.

    Regions of the background lie half a pixel elsewhere there, so here it is everywhere.
    """
    wcs = tilted(0.0, 30, 24)
    wcs.bounding_box = ((-0.5, 23.5), (-0.5, 29.5))  # beyond which a background is fitted, too
    slit = a_slit().replace(wcs=wcs)
    where, _ = slit_references(tmp_path, AT_ENDS | background)
    psf = a_psf(tmp_path / "psf.fits")
    job = {
        "kind": "step", "step": "Extract1dStep", "parameters": {"extraction_type": "optimal"},
        "input": {"type": "SlitModel", "suffix": ".fits",
                  "content": content_of(io.write(slit, tmp_path / "a_cal.fits"))},
        "references": {
            "extract1d": str(where), "apcorr": "N/A",
            "psf": {"type": "SpecPsfModel", "content": content_of(psf), "suffix": ".fits"},
        },
        "keep": {"attributes": ["spec.0.spec_table"], "meta": []}, "members": [],
    }  # fmt: skip
    (theirs,) = reference_pipeline.ask(job)["results"]
    theirs = theirs["attributes"]["spec.0.spec_table"]
    figures.subject = "Extract1d"
    (ours,) = ExtractSlit(extraction_type="optimal", psf_weights="uniform")(
        slit,
        extract1d=open_reference(where, SlitApertures),
        psf=open_reference(psf, SlitProfile),
    ).spectra
    for name in ("WAVELENGTH", "FLUX", "FLUX_ERROR", "NPIXELS", "BACKGROUND"):
        np.testing.assert_allclose(ours.table[name], theirs[name], rtol=limit, err_msg=name)
    apart = np.abs(ours.table["FLUX"] / theirs["FLUX"] - 1)
    figures.saw("FLUX of fits [relative]", apart.max(), apart.size)


def test_pixels_that_are_missing(reference_pipeline, tmp_path, figures):
    """Fluxes agree; where the aperture lacks pixels, errors of theirs count those, too."""
    slit = a_slit()
    data = slit.data.copy()
    data[6, 10], data[8, 7:13], data[10, 1:5], data[10, 15:22] = np.nan, np.nan, np.nan, np.nan
    slit = slit.replace(data=data)
    references = slit_references(tmp_path, AT_ENDS | BESIDE | {"use_source_posn": False})
    theirs = their_spectra(reference_pipeline, slit, tmp_path / "a_cal.fits", references, {})
    figures.subject = "Extract1d"
    (ours,) = ExtractSlit(**REFERENCE_SLIT)(
        slit,
        extract1d=open_reference(references[0], SlitApertures),
        apcorr=open_reference(references[1], ApertureCorrection),
    ).spectra
    for name in ("FLUX", "SURF_BRIGHT", "NPIXELS", "DQ"):
        np.testing.assert_allclose(ours.table[name], theirs[name], rtol=1e-6, err_msg=name)
    whole = theirs["NPIXELS"] == 6
    assert whole.sum() == len(whole) - 2
    columns_agree(figures, ours.table[whole], theirs[whole])


def test_spectra_of_integrations(reference_pipeline, tmp_path, figures):
    kind = "MIR_LRS-SLITLESS"
    slit = a_slit((3, 30, 24), exposure_type=kind,
                  **{"exposure.nints": 3, "exposure.integration_end": 3,
                     "exposure.segment_number": 1, "visit.tsovisit": True})  # fmt: skip
    names = ("mjd_utc", "bjd_tdb")
    columns = [f"int_{what}_{scale}" for scale in names for what in ("start", "mid", "end")]
    times = np.zeros(3, [("integration_number", "i4"), *((name, "f8") for name in columns)])
    times["integration_number"] = [1, 2, 3]
    for place, name in enumerate(columns):
        times[name] = 60000.5 + np.arange(3) + place / 10
    slit = slit.replace(int_times=times)
    references = slit_references(tmp_path, AT_ENDS | BESIDE, kind)
    theirs = their_spectra(
        reference_pipeline, slit, tmp_path / "a_calints.fits", references, {"apply_apcorr": False}
    )  # fmt: skip
    figures.subject = "Extract1d"
    (ours,) = ExtractSlit(**REFERENCE_SLIT, apply_apcorr=False)(
        slit, extract1d=open_reference(references[0], SlitApertures)
    ).spectra
    # SOURCE_TYPE is what readers of such files ask for; jwst does not write it.
    names = [name for name in ours.table.dtype.names if name != "SOURCE_TYPE"]
    assert names == [*theirs.dtype.names]
    columns_agree(figures, ours.table[names], theirs)


def a_spectrum(wavelength, seed, **changes):
    """A spectrum whose columns are noise; the third row is flagged, and the fifth NaN."""
    rng = np.random.default_rng(seed)
    names = ("FLUX", "FLUX_ERROR", "SURF_BRIGHT", "SB_ERROR", "BACKGROUND", "BKGD_ERROR")
    columns = {name: rng.uniform(1, 3, wavelength.size) for name in names}
    dq = np.zeros(wavelength.size, "u4")
    dq[[2, 3]] = 1, 4
    columns["FLUX"][4] = np.nan
    meta = Meta({"spectrum.name": "S", "spectrum.spectral_order": 1, **changes})
    return Spectrum.of(meta, WAVELENGTH=wavelength, DQ=dq, **columns)


@pytest.mark.parametrize("shift", [0.0, 0.004])
def test_combined_spectra(reference_pipeline, tmp_path, figures, shift):
    """Exposures of equal and unequal times; wavelengths shifted by less than a tenth of a step."""
    known = 5 + 0.05 * np.arange(40)
    told = {"instrument.name": "MIRI", "exposure.type": "MIR_LRS-FIXEDSLIT"}
    members = [
        Spectra(meta=Meta(told | {"exposure.exposure_time": time}),
                spectra=(a_spectrum(known + k * shift, k),))
        for k, time in enumerate((100.0, 100.0, 250.0))
    ]  # fmt: skip
    models = [
        {"type": "MultiSpecModel", "suffix": ".fits",
         "content": content_of(io.write(member, tmp_path / f"{k}_x1d.fits"))}
        for k, member in enumerate(members)
    ]  # fmt: skip
    job = {"kind": "step", "step": "Combine1dStep", "parameters": {}, "references": {},
           "input": {"models": models}, "members": [],
           "keep": {"attributes": ["spec.0.spec_table"], "meta": []}}  # fmt: skip
    (theirs,) = reference_pipeline.ask(job)["results"]
    figures.subject = "Combine1d"
    (ours,) = Combine1d(places="nearest")(Group("product", tuple(members))).spectra
    columns_agree(figures, ours.table, theirs["attributes"]["spec.0.spec_table"], rtol=1e-9)


@pytest.mark.parametrize(
    ("bkgdtarg", "settings"), [(True, {}), (False, {}), (True, {"median_kernel": 5})]
)
def test_master_background(reference_pipeline, tmp_path, figures, bkgdtarg, settings):
    told = {"instrument.name": "MIRI", "exposure.type": "MIR_LRS-FIXEDSLIT",
            "observation.bkgdtarg": bkgdtarg}  # fmt: skip
    members = tuple(
        Spectra(meta=Meta(told | {"exposure.exposure_time": time}),
                spectra=(a_spectrum(5.1 + 0.03 * np.arange(15), seed),))
        for seed, time in ((1, 100.0), (2, 300.0))
    )  # fmt: skip
    slit = a_slit()
    models = [{"type": "SlitModel", "content": content_of(io.write(slit, tmp_path / "a_cal.fits")),
               "suffix": ".fits", "meta": {"asn.exptype": "science"}}]  # fmt: skip
    models += [
        {"type": "MultiSpecModel", "suffix": ".fits", "meta": {"asn.exptype": "background"},
         "content": content_of(io.write(member, tmp_path / f"{k}_x1d.fits"))}
        for k, member in enumerate(members)
    ]  # fmt: skip
    job = {"kind": "step", "step": "MasterBackgroundStep", "parameters": settings,
           "references": {}, "input": {"models": models}, "members": [],
           "keep": {"meta": []}}  # fmt: skip
    theirs = reference_pipeline.ask(job)["results"][0]["attributes"]
    figures.subject = "MasterBackground"
    (ours,) = MasterBackground(ends="cut", places="nearest", **settings)(
        Group("product", (slit,)), backgrounds=members
    ).members
    assert (ours.data != slit.data).mean() > 0.5
    np.testing.assert_allclose(ours.data, theirs["data"], rtol=1e-6)
    np.testing.assert_array_equal(ours.dq, theirs["dq"])
    np.testing.assert_array_equal(ours.err, theirs["err"])
    figures.saw("SCI [relative]", np.nanmax(np.abs(ours.data / theirs["data"] - 1)), ours.data.size)
    figures.saw_flags("DQ", ours.dq, theirs["dq"])


def columns_agree(figures, ours, theirs, rtol=1e-6):
    """Assert that all columns of a spectrum are the same but for rounding, and note how far."""
    for name in ours.dtype.names:
        mine, other = ours[name], theirs[name]
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(other), err_msg=name)
        # A brightness is the difference of numbers as large as the background's.
        larger = "BACKGROUND" if name == "SURF_BRIGHT" else name
        scale = np.nanmax(
            np.abs(theirs[larger if larger in theirs.dtype.names else name]), initial=0
        )
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=1e-7 * scale, err_msg=name)
        if name in {"FLUX", "FLUX_ERROR"}:
            good = np.isfinite(other) & (other != 0)
            apart = np.abs(mine / np.where(good, other, 1) - 1)[good]
            figures.saw(f"{name} [relative]", apart.max(initial=0.0), good.sum())
