"""Residual fringes, found by us and by the reference pipeline where they are known."""

import runpy
from pathlib import Path

import numpy as np

from calcore import io
from calcore.io import open_reference
from calcore.model import Meta
from calcore.model.cube import Cube
from calcore.model.reference import CubeApertures
from calcore.wcs.cube_grid import CubeGrid
from calcore.wcs.cube_planes import EvenPlanes
from calcore.wcs.tangent import TangentPlane
from calcore_miri.references import FringeFrequencies
from calcore_miri.steps.extract_1d import Extract1d
from calcore_miri.steps.residual_fringe import ResidualFringe

HERE = Path(__file__)
EXTRACTION = runpy.run_path(str(HERE.with_name("test_extraction.py")))
SLICER = runpy.run_path(str(HERE.with_name("test_image_slicer.py")))
content_of, apertures = EXTRACTION["content_of"], EXTRACTION["apertures"]
PERIOD = 2.8


def fringes(wavelengths):
    return 1 + 0.05 * np.cos(2 * np.pi * 1e4 / wavelengths / PERIOD + 0.7)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def a_cube():
    """An extended source of channel 2 with a line and fringes."""
    rng = np.random.default_rng(8)
    shape = (900, 7, 7)
    grid = CubeGrid(
        plane=TangentPlane(120.0, -20.0, 0.0), size=shape[1:], spaxel_arcsec=0.17,
        spacing=EvenPlanes(count=shape[0], shortest_um=7.55, step_um=0.0013),
    )  # fmt: skip
    wave = 7.55 + 0.0013 * np.arange(shape[0])
    truth = 100 * (wave / 8) ** -1.5 + 200 * np.exp(-0.5 * ((wave - 8.1) / 0.0017) ** 2)
    light = (truth * fringes(wave))[:, None, None] + rng.normal(0, 3, shape)
    told = {
        "instrument.name": "MIRI", "instrument.detector": "MIRIFUSHORT", "instrument.channel": "2",
        "instrument.band": "SHORT", "exposure.type": "MIR_MRS", "target.source_type": "EXTENDED",
        "target.ra": 120.0, "target.dec": -20.0, "bunit_data": "MJy/sr",
        "photometry.pixelarea_steradians": 7e-13, "wcsinfo.dispersion_direction": 2,
        "observation.date": "2024-01-01", "observation.time": "00:00:00",
        **{f"wcsinfo.{name}": value for name, value in grid.keywords.items()},
    }  # fmt: skip
    cube = Cube(
        meta=Meta(told), data=light.astype("f4"), err=np.full(shape, 3, "f4"),
        dq=np.zeros(shape, "u4"), wmap=np.ones(shape, "f4"), wcs=grid.wcs,
    )  # fmt: skip
    return cube, wave, truth


def test_fringes_of_spectra(reference_pipeline, tmp_path, apertures, figures):
    cube, wave, truth = a_cube()
    job = {
        "kind": "step", "step": "Extract1dStep", "parameters": {},
        "input": {"type": "IFUCubeModel", "suffix": ".fits",
                  "content": content_of(io.write(cube, tmp_path / "a_s3d.fits"))},
        "references": {
            "extract1d": {"type": "Extract1dIFUModel", "content": content_of(apertures),
                          "suffix": ".asdf"},
            "apcorr": "N/A", "psf": "N/A",
        },
        "keep": {"attributes": ["spec.0.spec_table"], "meta": []}, "members": [],
    }  # fmt: skip
    (theirs,) = reference_pipeline.ask(job)["results"]
    theirs = theirs["attributes"]["spec.0.spec_table"]
    figures.subject = "Extract1d"
    given = {"extract1d": open_reference(apertures, CubeApertures), "apcorr": None}
    ours = Extract1d(**EXTRACTION["REFERENCE"])(cube, **given).spectra[0].table
    line = np.abs(wave - 8.1) < 0.01
    for name in ("FLUX", "SURF_BRIGHT"):
        left = [
            rms((one[name] / one[f"RF_{name}"] / fringes(wave) - 1)[~line])
            for one in (ours, theirs)
        ]
        assert left[0] < 0.05 * rms(fringes(wave) - 1)
        assert left[0] < left[1] + 5e-4
        apart = ours[f"RF_{name}"] / theirs[f"RF_{name}"] - 1
        figures.saw(f"RF_{name} [relative]", np.abs(apart).max(), apart.size)
        assert np.abs(apart).max() < 0.01
    scale = np.median(ours["RF_SURF_BRIGHT"] / truth)
    flux = (ours["RF_SURF_BRIGHT"] / scale)[line].sum() / truth[line].sum()
    assert abs(flux - 1) < 0.005
    assert rms((ours["RF_BACKGROUND"] - theirs["RF_BACKGROUND"]) / theirs["BACKGROUND"]) < 0.005


def test_fringes_of_exposures(reference_pipeline, make_meta, shared_data, tmp_path, figures):
    placed, _ = SLICER["exposure_of"]("12A", None, make_meta, shared_data, tmp_path, ra=120.0)
    labels, wavelengths = placed.wcs.labels, placed.wcs.local()[2]
    numbers = sorted({part.number for part in placed.wcs.slices})
    own = labels == 206
    truth = np.where(own, 500.0, np.nan)
    there = np.where(own, fringes(np.where(own, wavelengths, 8.0)), 1.0)
    rng = np.random.default_rng(3)
    data = (truth * there + rng.normal(0, 5, truth.shape)).astype(np.float32)
    dq = np.where(own, np.uint32(0), np.uint32(1))
    image = placed.replace(
        data=data, err=np.where(own, np.float32(5), np.float32(np.nan)), dq=dq,
        meta=placed.meta.set({"bunit_data": "MJy/sr", "filename": "a_cal.fits",
                              "cal_step.assign_wcs": "COMPLETE",
                              "cal_step.fringe": "COMPLETE"}),
    )  # fmt: skip
    kinds = [("slice", "f8"), ("ffreq", "f8"), ("dffreq", "f8"), ("min_nfringes", "i8"),
             ("max_nfringes", "i8"), ("min_snr", "f8"), ("pgram_res", "f8")]  # fmt: skip
    columns = [*kinds[:1], *((name, kind, (2,)) for name, kind in kinds[1:])]
    pairs = [(PERIOD, 0.39), (1.4, 0.15), (5, 10), (10, 15), (10.0, 10.0), (0.001, 0.001)]
    table = np.array([(number, *pairs) for number in numbers], columns)
    largest = np.array([(4.0, 0.2), (30.0, 0.2)], [("wavelength", "f8"), ("amplitude", "f8")])
    reference = FringeFrequencies(
        meta=Meta({}), short=table, medium=table, long=table, largest=largest
    )
    ours = ResidualFringe()(image, fringefreq=reference)
    content = content_of(io.write(image, tmp_path / "a_cal.fits"))
    planes = np.broadcast_to(labels.astype(np.int16), (9, *labels.shape))
    tables = {f"rfc_freq_{band}_table": table for band in ("short", "medium", "long")}
    job = {
        "kind": "step", "step": "ResidualFringeStep", "parameters": {},
        "input": {"type": "IFUImageModel", "content": content, "suffix": ".fits"},
        "references": {
            "fringefreq": {"type": "FringeFreqModel", "meta": {},
                           "attributes": {**tables, "max_amp_table": largest}},
            "regions": {"type": "RegionsModel", "meta": {},
                        "attributes": {"regions": np.ascontiguousarray(planes)}},
        },
        "keep": {}, "members": [],
    }  # fmt: skip
    theirs = reference_pipeline.ask(job)["results"][0]["attributes"]
    figures.subject = "ResidualFringe"
    seen = own & np.isfinite(theirs["data"])
    np.testing.assert_array_equal(np.isnan(ours.data), np.isnan(theirs["data"]))
    np.testing.assert_array_equal(ours.dq, theirs["dq"])
    np.testing.assert_array_equal(ours.err, theirs["err"])
    left = [rms((data / one / there - 1)[seen]) for one in (ours.data, theirs["data"])]
    assert left[0] < 0.1 * rms(there[seen] - 1)
    assert left[0] < left[1] + 5e-4
    apart = (ours.data / theirs["data"] - 1)[seen]
    figures.saw("SCI [relative, rms]", rms(apart), seen.sum())
    assert rms(apart) < 0.005
