"""Long slits, and spectra without one: flight geometry, against the reference pipeline."""

import hashlib
import json
import shutil
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from calcore import io
from calcore.io import open_reference, write
from calcore.model import Group, Image, Meta
from calcore.model.reference import Distortion, FilterOffset, Photom
from calcore.model.slit import RectifiedSlit, Slit
from calcore.model.spectrum import COLUMNS, TIMES, SeriesSpectrum, SpectrumSeries, table_of
from calcore.registry import discovery
from calcore.steps.calibration.assign_wcs import AssignWcs
from calcore.steps.calibration.photom_spectra import PhotomSpectra
from calcore.steps.combination.outlier_integrations import OutlierIntegrations
from calcore.steps.combination.outlier_spectra import OutlierSpectra
from calcore.steps.combination.resample_spec import ResampleSpec
from calcore.steps.combination.white_light import WhiteLight
from calcore_miri.references import SlitLossMap, SlitTrace
from calcore_miri.steps.assign_slit_wcs import AssignSlitWcs
from calcore_miri.steps.slit_loss import SlitLoss
from calcore_miri.steps.targ_centroid import TargCentroid

ROOT = Path(__file__).parents[2]
STAGE3 = Path(__file__).with_name("reference_stage3.py")
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
    more.setdefault("start", (1, 529) if kind == OPEN else (1, 1))
    meta = make_meta(
        "MIRIMAGE", (max(n_int, 1), 5, *shape),
        subarray="SLITLESSPRISM" if kind == OPEN else "FULL", **more,
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


PART = {"shape": (400, 80), "start": (291, 1)}


def filled(slit, seed):
    """Return a slit with values, bad pixels and variances, in a sub-array to be quick."""
    rng = np.random.default_rng(seed)
    shape = slit.data.shape
    planes = {
        name: rng.uniform(0.1, 0.4, shape).astype(np.float32) for name in
        ("var_poisson", "var_rnoise", "var_flat")
    }  # fmt: skip
    data = rng.normal(5, 1, shape).astype(np.float32)
    data[rng.random(shape) < 0.03] = np.nan
    dq = np.where(rng.random(shape) < 0.05, np.uint32(1), np.uint32(0))
    dq |= np.where(rng.random(shape) < 0.05, np.uint32(4), np.uint32(0))
    dq |= np.where(np.isnan(data), np.uint32(1), np.uint32(0))
    err = np.sqrt(sum(planes.values())).astype(np.float32)
    return slit.replace(data=data, err=err, dq=dq, **planes)


@pytest.fixture(scope="module")
def nods(make_meta, geometry, tmp_path_factory):
    """Write exposures dithered along the slit; return their folder."""
    folder = tmp_path_factory.mktemp("nods")
    kept = SHAPES[SLIT]
    step = 0.1106 / 3600
    moves = {"a": (0.0, 0.0), "b": (17.4 * step * 0.617, 17.4 * step * 0.787), "c": (-step, step)}
    try:
        SHAPES[SLIT] = PART["shape"]
        for number, (name, (east, north)) in enumerate(moves.items()):
            image = exposure(
                make_meta, SLIT, start=PART["start"], filename=f"{name}_cal.fits",
                wcsinfo__ra_ref=359.9999 + east / np.cos(np.radians(69)),
                wcsinfo__dec_ref=-69.0 + north, wcsinfo__velosys=20000.0 - 3e4 * number,
                wcsinfo__s_region="POLYGON ICRS  0.001 -69.001 0.0011 -69.001 0.0011 -68.999 "
                "0.001 -68.999", bunit_data="MJy/sr", exposure__measurement_time=90.0 + number,
                exposure__exposure_time=100.0 + number, exposure__start_time=60000.0 + number,
                exposure__end_time=60000.1 + number, observation__exposure_number=f"{number}",
                exposure__mid_time=60000.05 + number, exposure__duration=110.0,
                photometry__pixelarea_steradians=2.9e-13, photometry__pixelarea_arcsecsq=2.9e-13 * 206264.80625**2,
                cal_step__assign_wcs="COMPLETE",
            )  # fmt: skip
            slit = filled(assigned(image, geometry(SLIT)), number)
            write(slit, folder / f"{name}_cal.fits")
            if name == "a":
                flux = slit.replace(meta=slit.meta.set({"bunit_data": "MJy"}))
                write(flux, folder / "flux_cal.fits")
    finally:
        SHAPES[SLIT] = kept
    finer = ResampleSpec(pixel_scale_ratio=2.0)(Group("a", members_of(folder, "ab")))
    asdf.AsdfFile({"wcs": finer.wcs}).write_to(folder / "grid.asdf")
    return folder


def members_of(folder, names):
    """Return some exposures in a folder."""
    return tuple(io.open(folder / f"{name}_cal.fits", Slit) for name in names)


RECTIFIED = {
    "one": ({}, "a"), "nod": ({}, "ab"), "across": ({}, "acb"), "fine": ({"pixel_scale_ratio": 2.0}, "a"),
    "exptime": ({"weight_type": "exptime", "pixfrac": 0.6}, "ab"),
    "points": ({"kernel": "point", "fillval": "-7"}, "a"), "flux": ({"pixel_scale_ratio": 2.0}, ["flux"]),
    "given": ({"output_wcs": "grid.asdf"}, "ab"), "given_flux": ({"output_wcs": "grid.asdf"}, ["flux"]),
    "given_part": ({"output_wcs": "grid.asdf", "output_shape": [40, 150]}, "ab"),
}  # fmt: skip


def answered(reference_pipeline, folder, jobs):
    """Have the reference pipeline do jobs with the exposures in a folder, unless it did them before."""
    digest = hashlib.sha256(STAGE3.read_bytes() + json.dumps(jobs).encode())
    for path in sorted(folder.glob("*_cal.fits")):
        with fits.open(path) as file:
            names = [hdu.name for hdu in file if hdu.name not in {"PRIMARY", "ASDF"}]
            for name in names:
                digest.update(np.nan_to_num(file[name].data).tobytes())
    kept = ROOT / ".cache" / "parity" / f"slit-{digest.hexdigest()[:32]}"
    if not kept.exists():
        reference_pipeline.require()
        (folder / "jobs.json").write_text(json.dumps(jobs))
        log = folder / "log"
        assert reference_pipeline.program(STAGE3, folder, log=log) == 0, log.read_text()[-3000:]
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, kept)
    return kept


@pytest.fixture(scope="module")
def rectified(reference_pipeline, nods):
    """Return the folder of what the reference pipeline made of them."""
    jobs = [
        {"name": name, "step": "ResampleSpecStep", "parameters": parameters,
         "inputs": [f"{one}_cal.fits" for one in members], "single": len(members) == 1}
        for name, (parameters, members) in RECTIFIED.items()
    ]  # fmt: skip
    return answered(reference_pipeline, nods, jobs)


@pytest.mark.parametrize("name", RECTIFIED)
def test_rectified_spectra(rectified, name):
    parameters, members = RECTIFIED[name]
    problem = rectified / f"{name}.json"
    assert not problem.exists(), problem.read_text()
    theirs = io.open(rectified / f"{name}_0.fits", RectifiedSlit)
    given = "output_wcs" in parameters
    if given:
        parameters = parameters | {"output_wcs": str(rectified / parameters["output_wcs"])}
    ours = ResampleSpec(**parameters)(Group("a", members_of(rectified, members)))
    assert ours.data.shape == theirs.data.shape
    np.testing.assert_allclose(ours.wavelength, theirs.wavelength, rtol=1e-6)
    cut = "output_shape" in parameters
    inner = np.s_[..., 2 * cut : -2 if cut else None, 2 * cut : -2 if cut else None]
    np.testing.assert_array_equal(ours.con[inner], theirs.con[inner])
    for plane in ("data", "err", "wht", "var_poisson", "var_rnoise", "var_flat"):
        mine, other = (getattr(one, plane)[inner] for one in (ours, theirs))
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-8, err_msg=plane)
    y, x = np.mgrid[0 : ours.data.shape[0] : 7, 0 : ours.data.shape[1] : 3].astype(float)
    mine, other = (np.stack(one.wcs(x, y)) for one in (ours, theirs))
    assert np.max(np.abs((mine - other)[:2])) * 3.6e6 < 1e-3
    assert np.max(np.abs((mine - other)[2])) < 1e-9
    assert ours.wcs.invert(*mine[:, 5, 5], with_bounding_box=False) == pytest.approx(
        theirs.wcs.invert(*other[:, 5, 5], with_bounding_box=False), abs=1e-5
    )
    wanted = ("resample.", "photometry.", "bunit_data", "exposure.")
    for key, value in theirs.meta.items():
        if not key.startswith(wanted) or key == "exposure.type":
            continue
        if given and key == "resample.pixel_scale_ratio":
            assert ours.meta[key] == pytest.approx(2, rel=1e-5)  # theirs says the parameter
        elif given and key.startswith("photometry."):
            assert ours.meta[key] == pytest.approx(value, rel=1e-5), key
        else:
            assert ours.meta.get(key) == pytest.approx(value), key
    corners = [np.array(m["wcsinfo.s_region"].split()[2:], float) for m in (ours.meta, theirs.meta)]
    if not cut:  # of which theirs knows nothing
        np.testing.assert_allclose(*corners, atol=2e-8)


def primary_of(kind, model):
    cards = {
        "TELESCOP": "JWST", "INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "REFTYPE": kind,
        "DATAMODL": model, "PEDIGREE": "DUMMY", "DESCRIP": "made for a test", "AUTHOR": "calcore",
        "USEAFTER": "2020-01-01T00:00:00", "EXP_TYPE": SLIT, "PIXAR_SR": 2.9e-13,
        "PIXAR_A2": 0.012338,
    }  # fmt: skip
    primary = fits.PrimaryHDU()
    primary.header.update(cards)
    return primary


def write_references(folder):
    """Write references of flux and of losses, the same for both."""
    n, size = 40, (9, 11)
    known = np.linspace(13.5, 4.5, n)
    rows = [("P750L", "GENERIC", 2.0), ("P750L", "FULL", 3.1)]
    names = [("filter", "S12"), ("subarray", "S17")]
    columns = [*names, ("photmjsr", "f4"), ("uncertainty", "f4"), ("nelem", "i2"),
               *((name, "f4", (n + 5,)) for name in ("wavelength", "relresponse", "reluncertainty"))]  # fmt: skip
    table = np.zeros(2, columns)
    lost = np.zeros(2, [*names, ("t0", "f4"), ("amplitude", "f4"), ("tau", "f4"), ("const", "f4")])
    for entry, fading, (element, subarray, factor) in zip(table, lost, rows, strict=True):
        for one in (entry, fading):
            one["filter"], one["subarray"] = element, subarray
        entry["photmjsr"], entry["nelem"] = factor, n
        entry["wavelength"][:n], entry["relresponse"][:n] = known, 1 + 0.1 * known**1.5
        fading["t0"], fading["amplitude"], fading["tau"], fading["const"] = 59900, 0.2, 300, 0.8
    hdus = [fits.BinTableHDU(table, name="PHOTOM"),
            fits.BinTableHDU(lost, name="TIMECOEFF_EXPONENTIAL")]  # fmt: skip
    fits.HDUList([primary_of("PHOTOM", "MirLrsPhotomModel"), *hdus]).writeto(folder / "photom.fits")
    row, column = np.mgrid[: size[0], : size[1]]
    maps = 1.3 + 0.02 * (column - 4) ** 2 + 0.03 * row**1.5 + 0.01 * known[:, None, None]
    losses = np.zeros(
        n, [("wavelength", "f4"), ("pathloss", "f4", size), ("pathloss_err", "f4", size)]
    )
    losses["wavelength"], losses["pathloss"] = known, maps
    hdu = fits.BinTableHDU(losses, name="PATHLOSS")
    hdu.header.update({"CRPIX1": 6.0, "CRPIX2": 5.0, "CRVAL1": 0.0, "CRVAL2": 0.0, "CDELT1": 4.0,
                       "CDELT2": 1.5})  # fmt: skip
    fits.HDUList([primary_of("PATHLOSS", "MirLrsPathlossModel"), hdu]).writeto(
        folder / "pathloss.fits"
    )


CALIBRATED = {
    "photom": ("PhotomStep", {}), "timeless": ("PhotomStep", {"apply_time_correction": False}),
    "loss": ("PathLossStep", {}), "loss_off": ("PathLossStep", {"user_slit_loc": 0.13}),
}  # fmt: skip


@pytest.fixture(scope="module")
def calibrated(make_meta, geometry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated")
    write_references(folder)
    image = exposure(
        make_meta, SLIT, filename="a_cal.fits", wcsinfo__v2_ref=-414.8478,
        wcsinfo__v3_ref=-400.4256, target__ra=359.9995, target__dec=-69.0001,
        exposure__mid_time=60100.0, bunit_data="DN/s", cal_step__assign_wcs="COMPLETE",
    )  # fmt: skip
    write(filled(assigned(image, geometry(SLIT)), 7), folder / "a_cal.fits")
    return folder


@pytest.mark.parametrize("name", CALIBRATED)
def test_calibrated_spectra(reference_pipeline, calibrated, name):
    step, parameters = CALIBRATED[name]
    slit = io.open(calibrated / "a_cal.fits", Slit)
    kinds = {"photom": "MirLrsPhotomModel", "pathloss": "MirLrsPathlossModel"}
    job = {
        "kind": "step", "step": step, "parameters": parameters, "members": [],
        "input": {
            "type": "SlitModel", "content": content_of(calibrated / "a_cal.fits"), "suffix": ".fits"
        },
        "references": {"area": "N/A"} | {
            kind: {"type": model, "content": content_of(calibrated / f"{kind}.fits"), "suffix": ".fits"}
            for kind, model in kinds.items()
        },
        "keep": {"attributes": ["pathloss_point"]},
    }  # fmt: skip
    (found,) = reference_pipeline.answer(job)["results"]
    theirs = found["attributes"]
    slit = slit.replace(meta=slit.meta.with_facts(discovery.instrument("MIRI").facts(slit.meta)))
    if step == "PhotomStep":
        reference = open_reference(calibrated / "photom.fits", Photom)
        ours = PhotomSpectra(**parameters)(slit, photom=reference)
    else:
        losses = open_reference(calibrated / "pathloss.fits", SlitLossMap)
        ours = SlitLoss(**parameters)(slit, pathloss=losses)
        np.testing.assert_allclose(ours.pathloss_point, theirs["pathloss_point"], rtol=1e-5)
    np.testing.assert_array_equal(ours.dq, theirs["dq"])
    for plane in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        np.testing.assert_allclose(getattr(ours, plane), theirs[plane], rtol=1e-5, err_msg=plane)
    assert np.isfinite(ours.data).sum() > 10000
    for key, value in found["meta"].items():
        if key.startswith(("photometry.", "bunit")):
            own = ours.meta.get(key)
            assert own == value or own == pytest.approx(value, rel=1e-6), key


OUTLIERS = {"spectra": {}, "strict": {"snr": "3.0 2.0", "scale": "0.8 0.3", "maskpt": 0.5}}


@pytest.fixture(scope="module")
def compared(reference_pipeline, nods, tmp_path_factory):
    """Return the folder of what the reference pipeline flagged in exposures with hits."""
    folder, rng = tmp_path_factory.mktemp("compared"), np.random.default_rng(5)
    for name in "abc":
        slit = io.open(nods / f"{name}_cal.fits", Slit)
        data = slit.data.copy()
        for _ in range(60):
            data[rng.integers(10, 390), rng.integers(15, 52)] += rng.choice([-1, 1]) * rng.uniform(
                3, 60
            )
        write(slit.replace(data=data), folder / f"{name}_cal.fits")
    jobs = [
        {"name": name, "step": "OutlierDetectionStep", "parameters": parameters,
         "inputs": [f"{one}_cal.fits" for one in "abc"]}
        for name, parameters in OUTLIERS.items()
    ]  # fmt: skip
    return answered(reference_pipeline, folder, jobs)


@pytest.mark.parametrize("name", OUTLIERS)
def test_outliers_of_spectra(compared, name):
    problem = compared / f"{name}.json"
    assert not problem.exists(), problem.read_text()
    group = Group("a", tuple(io.open(compared / f"{one}_cal.fits", Slit) for one in "abc"))
    ours = OutlierSpectra(**OUTLIERS[name])(group)
    found = 0
    for number, one in enumerate(ours.members):
        theirs = io.open(compared / f"{name}_{number}.fits", Slit)
        differ = np.argwhere(one.dq != theirs.dq)
        # What rounding decides.
        assert len(differ) <= 4, differ
        np.testing.assert_array_equal(
            np.isnan(one.data)[one.dq == theirs.dq], np.isnan(theirs.data)[one.dq == theirs.dq]
        )
        found += int((one.dq & 16 != 0).sum())
    assert found > 100


@pytest.mark.parametrize(
    ("number", "width"), [(40, 8), (30, 25), (12, 25), (40, 0)],
    ids=["even", "odd", "all", "all of many"],
)  # fmt: skip
def test_outliers_of_integrations(reference_pipeline, make_meta, number, width):
    rng, shape = np.random.default_rng(number + width), (number, 12, 10)
    data = rng.normal(10, 1, shape) + np.linspace(0, 6, number)[:, None, None]
    data[rng.random(shape) < 0.02] += 20
    data[rng.random(shape) < 0.005] = np.nan
    dq = np.where(rng.random(shape) < 0.01, np.uint32(1), np.uint32(0))
    dq |= np.where(np.isnan(data), np.uint32(1), np.uint32(0))
    meta = make_meta(
        "MIRIMAGE", (number, 5, 12, 10), start=(1, 529), subarray="SLITLESSPRISM",
        exposure__type=OPEN, instrument__filter="P750L", visit__tsovisit=True,
    )  # fmt: skip
    one = np.ones(shape, np.float32)
    image = Image(
        meta=meta, data=data.astype(np.float32), dq=dq, err=one, var_poisson=one / 2,
        var_rnoise=one / 2,
    )  # fmt: skip
    theirs = reference_pipeline.step("OutlierDetectionStep", image, rolling_window_width=width)
    ours = OutlierIntegrations(rolling_window_width=width, gaps="spread")(image)
    np.testing.assert_array_equal(ours.dq, theirs.dq)
    np.testing.assert_array_equal(np.isnan(ours.data), np.isnan(theirs.data))
    assert (ours.dq & 16 != 0).sum() > 10


def test_target_on_the_acquisition_image(
    reference_pipeline, make_meta, geometry, shared_data, tmp_path
):
    offsets = shared_data / "miri" / "jwst_miri_filteroffset_full_flt9.asdf"
    given = {
        "distortion": open_reference(geometry(SLIT)["distortion"], Distortion),
        "filter_offset": open_reference(offsets, FilterOffset),
    }
    told = {
        "wcsinfo__v2_ref": -414.8478, "wcsinfo__v3_ref": -400.4256, "wcsinfo__ra_ref": 120.0,
        "target__ra": 120.0, "target__dec": -69.0, "cal_step__assign_wcs": "COMPLETE",
    }  # fmt: skip
    image = exposure(
        make_meta, SLIT, exposure__type="MIR_TACONFIRM", instrument__filter="F1000W",
        dither__x_offset=0.0, dither__y_offset=0.0, **told,
    )  # fmt: skip
    y, x = np.mgrid[: SHAPES[SLIT][0], : SHAPES[SLIT][1]]
    star = 1000 * np.exp(-((x - 326.3) ** 2 + (y - 300.2) ** 2) / 2) + 1
    image = image.replace(data=star.astype(np.float32))
    image = AssignWcs()(image, **given)
    write(image, tmp_path / "ta_cal.fits")
    slit = assigned(exposure(make_meta, SLIT, filename="a_cal.fits", **told), geometry(SLIT))
    write(slit, tmp_path / "a_cal.fits")
    shutil.copy(offsets, tmp_path / "offsets.asdf")
    job = {
        "name": "target", "step": "TargCentroidStep", "inputs": ["a_cal.fits"], "single": True,
        "parameters": {"ta_file": "ta_cal.fits"}, "references": {"filteroffset": "offsets.asdf"},
    }  # fmt: skip
    theirs = answered(reference_pipeline, tmp_path, [job]) / "target_0.fits"
    ours = TargCentroid()(slit, filter_offset=given["filter_offset"], acquisitions=(image,)).meta
    header = fits.getheader(theirs, "SCI")
    for name, keyword in (("ta_", "TA_"), ("source_", "SRC")):
        for axis in "xy":
            value = header[f"{keyword}{axis.upper()}POS"]
            assert ours[f"slit.{name}{axis}pos"] == pytest.approx(value, abs=1e-3), keyword


def test_light_curve(reference_pipeline, tmp_path):
    rng, shape = np.random.default_rng(3), (7, 20)
    columns = {"INT_NUM": np.arange(1, 8), "WAVELENGTH": np.tile(np.linspace(5, 12, 20), (7, 1))}
    columns |= dict.fromkeys(COLUMNS[1:])
    columns["FLUX"] = rng.normal(2, 0.1, shape)
    columns["FLUX"][2, 3] = np.nan
    columns["DQ"] = rng.random(shape) < 0.1
    columns |= {name: np.full((7, 20), np.nan) for name, one in columns.items() if one is None}
    columns |= {"N_ALONGDISP": np.full(7, 20), "SEGMENT": np.ones(7)}
    columns |= {name: 60000 + 0.01 * np.arange(7) + 1e-3 * k for k, name in enumerate(TIMES)}
    meta = Meta({"instrument.name": "MIRI", "exposure.type": OPEN, "instrument.filter": "P750L"})
    one = SeriesSpectrum(meta=Meta({"spectrum.spectral_order": 1}), table=table_of(columns))
    series = SpectrumSeries(meta=meta, spectra=(one,))
    write(series, tmp_path / "a_x1dints_cal.fits")
    limits = {"min_wavelength": 6.0, "max_wavelength": 9.5}
    jobs = [
        {"name": name, "step": "WhiteLightStep", "parameters": parameters, "single": True,
         "inputs": ["a_x1dints_cal.fits"], "references": {}}
        for name, parameters in (("all", {}), ("some", limits))
    ]  # fmt: skip
    folder = answered(reference_pipeline, tmp_path, jobs)
    for name, parameters in (("all", {}), ("some", limits)):
        theirs = Table.read(folder / f"{name}.ecsv")
        ours = WhiteLight(fill_gaps=False, **parameters)(series).whtlt.table
        assert ours.colnames == theirs.colnames
        for column in ours.colnames:
            np.testing.assert_allclose(ours[column], theirs[column].value, rtol=1e-12)
        assert set(ours.meta) == set(theirs.meta) - {"__serialized_columns__"}
