"""Stage 3 of imaging, step by step, on files that both pipelines read."""

import hashlib
import json
import runpy
import shutil
from dataclasses import dataclass
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from calcore import io
from calcore.model import Group, Image, Mosaic
from calcore.model.reference import AbVegaOffset, ApertureCorrection
from calcore.steps.combination.outlier_detection import OutlierDetection
from calcore.steps.combination.resample import Resample
from calcore.steps.combination.skymatch import SkyMatch
from calcore.steps.combination.source_catalog import SourceCatalog
from calcore.steps.combination.tweakreg import TweakReg
from calcore.wcs.footprint import region

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("reference_stage3.py")
STARS = runpy.run_path(str(Path(__file__).parents[1] / "star_field.py"))

RESAMPLE = {
    "plain": {},
    "by_time": {"weight_type": "exptime"},
    "fine": {"pixel_scale_ratio": 0.5},
    "scaled": {"pixel_scale": 0.08},
    "turned": {"rotation": 10.0},
    "small_drops": {"pixfrac": 0.6},
    "turbo": {"kernel": "turbo", "pixfrac": 0.8},
    "point": {"kernel": "point"},
    "flags": {"propagate_dq": True},
    "bare": {"enable_ctx": False, "enable_err": False, "blendheaders": False},
}
OUTLIER = {
    "outliers": {},
    "outliers_by_time": {"weight_type": "exptime"},
    "outliers_masked": {"maskpt": 0.9},
    "outliers_as_is": {"resample_data": False},
    "outliers_loose": {"snr": "8.0 6.0", "scale": "2.0 1.5"},
}
SKY = {
    "local": {"skymethod": "local"},
    "local_mean": {"skymethod": "local", "skystat": "mean"},
    "local_median": {"skymethod": "local", "skystat": "median"},
    "local_midpt": {"skymethod": "local", "skystat": "midpt"},
    "local_limits": {"skymethod": "local", "skystat": "mean", "lower": 0.9, "upper": 1.5},
    "global": {"skymethod": "global"},
    "match": {},
    "match_midpt": {"skystat": "midpt"},
    "match_median": {"skystat": "median"},
    "match_mean": {"skystat": "mean"},
    "match_up": {"skystat": "median", "match_down": False},
    "global_match": {"skymethod": "global+match", "skystat": "median"},
    "subtracted": {"skystat": "median", "subtract": True},
}
ALIGN = {
    "aligned": {},
    "aligned_shift": {"fitgeometry": "shift"},
    "aligned_general": {"fitgeometry": "general"},
    "aligned_segments": {"starfinder": "segmentation"},
    "aligned_ordered": {"enforce_user_order": True},
}
CATALOGUE = {
    "cat": {},
    "cat_blends": {"deblend": False},
    "cat_small": {"npixels": 8},
    "cat_bright": {"snr_threshold": 10.0},
    "cat_dao": {"starfinder": "dao"},
}


def exposure_meta(number):
    """Keywords that the reference pipeline asks for."""
    return {
        "instrument.name": "MIRI", "instrument.detector": "MIRIMAGE", "instrument.filter": "F770W",
        "exposure.type": "MIR_IMAGE", "exposure.nints": 1, "exposure.ngroups": 10,
        "exposure.integration_time": 98.0, "target.ra": 0.001, "target.dec": -69.3,
        "observation.date": f"2020-06-0{number + 1}", "observation.time": "00:00:00.000",
        "velocity_aberration.scale_factor": 1.00005 + 1e-6 * number,
        "photometry.conversion_megajanskys": 0.4, "cal_step.photom": "COMPLETE",
        "instrument.band": "LONG" if number else "SHORT", "exposure.readpatt": "FASTR1",
    }  # fmt: skip


def write_references(folder):
    energies = np.arange(0.1, 0.85, 0.1)
    sigma = 2.2 / 2.3548
    names = [("filter", "S12"), ("subarray", "S15")]
    numbers = [(n, "f4") for n in ("eefraction", "radius", "apcorr", "skyin", "skyout")]
    table = np.zeros(len(energies), names + numbers)
    table["filter"], table["subarray"] = b"F770W", b"FULL"
    table["eefraction"], table["apcorr"] = energies, 1 / energies
    table["radius"] = sigma * np.sqrt(-2 * np.log(1 - energies))
    table["skyin"], table["skyout"] = 8.0, 11.0
    primary = fits.PrimaryHDU()
    cards = {"TELESCOP": "JWST", "INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "REFTYPE": "APCORR",
             "DATAMODL": "MirImgApcorrModel", "PEDIGREE": "DUMMY", "DESCRIP": "test",
             "AUTHOR": "test", "USEAFTER": "2020-01-01T00:00:00", "EXP_TYPE": "MIR_IMAGE"}  # fmt: skip
    primary.header.update(cards)
    hdus = fits.HDUList([primary, fits.BinTableHDU(table, name="APCORR")])
    hdus.writeto(folder / "apcorr.fits")
    vega = Table({"filter": ["F770W", "F1000W"], "abvega_offset": np.array([4.4, 4.9], "f4")})
    meta = {"telescope": "JWST", "reftype": "abvegaoffset", "pedigree": "DUMMY", "author": "test",
            "description": "test", "useafter": "2020-01-01T00:00:00",
            "instrument": {"name": "MIRI", "detector": "MIRIMAGE"},
            "exposure": {"type": "MIR_IMAGE"}, "model_type": "ABVegaOffsetModel"}  # fmt: skip
    asdf.AsdfFile({"meta": meta, "abvega_offset": vega}).write_to(folder / "abvega.asdf")


@dataclass(frozen=True)
class Answers:
    """What the reference pipeline made of the exposures in a folder."""

    folder: Path

    def group(self, kind="still"):
        files = sorted(self.folder.glob(f"{kind}*_cal.fits"))
        return Group("mosaic", tuple(io.open(file, Image) for file in files))

    def files(self, name):
        problem = self.folder / f"{name}.json"
        if problem.exists():
            raise AssertionError(json.loads(problem.read_text()))
        return sorted(self.folder.glob(f"{name}_[0-9].fits"))

    def images(self, name):
        return [io.open(file, Image) for file in self.files(name)]


def jobs():
    still = [f"still{k}_cal.fits" for k in range(4)]
    astray = [f"astray{k}_cal.fits" for k in range(4)]
    references = {"apcorr": "apcorr.fits", "abvegaoffset": "abvega.asdf"}
    listed = []
    for step, table, inputs in (
        ("ResampleStep", RESAMPLE, still), ("OutlierDetectionStep", OUTLIER, still),
        ("SkyMatchStep", SKY, still), ("TweakRegStep", ALIGN, astray),
    ):  # fmt: skip
        listed += [
            {"name": name, "step": step, "parameters": parameters, "inputs": inputs}
            for name, parameters in table.items()
        ]
    listed.append({"name": "alone", "step": "ResampleStep", "inputs": still[:1]})
    listed += [
        {"name": name, "step": "SourceCatalogStep", "parameters": parameters, "single": True,
         "inputs": ["plain_0.fits"], "references": references}
        for name, parameters in CATALOGUE.items()
    ]  # fmt: skip
    return listed


@pytest.fixture(scope="module")
def answers(reference_pipeline, tmp_path_factory):
    """Run all jobs once; answers are kept with those of the other parity tests."""
    folder = tmp_path_factory.mktemp("stage3")
    make = STARS["star_field"]
    fields = {
        "still": make(shape=(150, 160), stars=45, hits=15, sky=(1.0, 1.3, 0.8, 1.1),
                      more=exposure_meta),
        "astray": make(shape=(200, 210), stars=90, astray=1.5, more=exposure_meta, seed=2),
    }  # fmt: skip
    digest = hashlib.sha256(WORKER.read_bytes() + json.dumps(jobs()).encode())
    for kind, field in fields.items():
        for number, member in enumerate(field.group.members):
            digest.update(np.nan_to_num(member.data).tobytes())
            meta = member.meta.set({"wcsinfo.s_region": region(member.wcs)})
            io.write(member.replace(meta=meta), folder / f"{kind}{number}_cal.fits")
    kept = ROOT / ".cache" / "parity" / f"stage3-{digest.hexdigest()[:32]}"
    if not kept.exists():
        reference_pipeline.require()
        write_references(folder)
        (folder / "jobs.json").write_text(json.dumps(jobs()))
        log = folder / "jobs.log"
        assert reference_pipeline.program(WORKER, folder, log=log) == 0, log.read_text()[-4000:]
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, kept)
    return Answers(kept)


def relative(ours, theirs):
    """Largest relative difference; NaN must stand where NaN stands."""
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    good = np.isfinite(theirs)
    scale = np.maximum(np.abs(theirs[good]), 1e-3 * np.nanmax(np.abs(theirs)))
    return np.max(np.abs(ours[good].astype(float) - theirs[good]) / scale)


@pytest.mark.parametrize("name", [*RESAMPLE, "alone"])
def test_resample(answers, name):
    group = answers.group()
    if name == "alone":
        group = Group("one", group.members[:1])
    ours = Resample(**RESAMPLE.get(name, {}))(group)
    (file,) = answers.files(name)
    theirs = io.open(file, Mosaic)
    assert ours.data.shape == theirs.data.shape
    # The last row and column: pixels whose centre lies beyond them count in part there.
    inner = np.s_[..., :-1, :-1]
    for plane in ("data", "err", "wht", "var_poisson", "var_rnoise", "var_flat"):
        mine, other = getattr(ours, plane), getattr(theirs, plane)
        if name == "bare" and plane not in {"data", "wht"}:
            assert mine is None
            continue
        limit = 6e-6 if name == "scaled" else 2e-6
        assert relative(mine[inner], other[inner]) < limit, plane
    if ours.con is not None:
        np.testing.assert_array_equal(ours.con[inner], theirs.con[inner])
    if name == "flags":
        np.testing.assert_array_equal(ours.dq[inner], theirs.dq[inner])
    x, y = np.meshgrid([0.0, 70.0, 150.0], [0.0, 80.0, 140.0])
    at = theirs.wcs.invert(*ours.wcs(x, y, with_bounding_box=False), with_bounding_box=False)
    np.testing.assert_allclose(at, [x, y], atol=1e-6)
    differing = {
        key: (ours.meta.get(key), value)
        for key, value in theirs.meta.items()
        if not same(ours.meta.get(key), value)
    }
    for key in (
        "filename", "date", "model_type", "wcsinfo.s_region", "cal_step.resample", "group_id",
        "asn.exptype", "calibration_software_version", "calibration_software_revision",
    ):  # fmt: skip
        differing.pop(key, None)
    if name == "scaled":
        ratio = differing.pop("resample.pixel_scale_ratio")
        assert ratio[0] == pytest.approx(ratio[1], rel=1e-5)
    assert differing == {}
    mine, other = (corner_set(m.meta["wcsinfo.s_region"]) for m in (ours, theirs))
    # Edges that are nearly parallel cross somewhere along them, or there is no corner at all.
    gaps = np.abs(mine[:, None] - other).max(axis=-1)
    assert gaps.min(axis=0).max() < 2e-7
    assert abs(len(mine) - len(other)) <= 1


def same(ours, theirs):
    if isinstance(theirs, float) and isinstance(ours, float | int):
        return ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    return ours == theirs


def corner_set(text):
    """Corners of a polygon, in an order that does not depend on the first."""
    numbers = np.array(text.split()[2:], float).reshape(-1, 2)
    numbers[:, 0] = (numbers[:, 0] + 180) % 360 - 180
    return numbers[np.lexsort(numbers.T)]


@pytest.mark.parametrize("name", OUTLIER)
def test_outlier_detection(answers, name):
    ours = OutlierDetection(**OUTLIER[name])(answers.group())
    count = 0
    for mine, theirs in zip(ours.members, answers.images(name), strict=True):
        # A pixel may lie on a threshold; single precision decides.
        assert np.count_nonzero(mine.dq != theirs.dq) <= 2
        assert np.count_nonzero(np.isnan(mine.data) != np.isnan(theirs.data)) <= 2
        count += int(((theirs.dq & 16) != 0).sum())
    assert count > 40


@pytest.mark.parametrize("name", SKY)
def test_skymatch(answers, name):
    group = answers.group()
    ours, theirs = SkyMatch(**SKY[name])(group), answers.images(name)
    for mine, other, before in zip(ours.members, theirs, group.members, strict=True):
        level, expected = mine.meta["background.level"], other.meta["background.level"]
        assert level == pytest.approx(expected, abs=1e-6)
        for key in ("background.method", "background.subtracted"):
            assert mine.meta[key] == other.meta[key]
        if name == "subtracted":
            np.testing.assert_allclose(mine.data, before.data - np.float32(level))


@pytest.mark.parametrize("name", ALIGN)
def test_tweakreg(answers, name):
    ours, theirs = TweakReg(**ALIGN[name])(answers.group("astray")).group, answers.images(name)
    x, y = np.meshgrid([0.0, 100.0, 209.0], [0.0, 100.0, 199.0])
    for mine, other in zip(ours.members, theirs, strict=True):
        assert list(mine.wcs.available_frames) == list(other.wcs.available_frames)
        at = other.wcs.invert(*mine.wcs(x, y), with_bounding_box=False)
        # Backgrounds are clipped more often here, which moves the centroids of segments.
        np.testing.assert_allclose(at, [x, y], atol=3e-3 if "segments" in name else 5e-4)
        if "v2v3corr" in mine.wcs.available_frames:
            for key in ("crval1", "crval2", "cd1_1", "cd2_1", "a_2_0", "b_0_2", "ap_1_1"):
                value = other.meta[f"wcsinfo.{key}"]
                assert mine.meta[f"wcsinfo.{key}"] == pytest.approx(value, rel=1e-4)
            ours_at, theirs_at = (corner_set(m.meta["wcsinfo.s_region"]) for m in (mine, other))
            np.testing.assert_allclose(ours_at, theirs_at, atol=2e-7)


@pytest.mark.parametrize("name", CATALOGUE)
def test_source_catalog(answers, name):
    (file,) = answers.files("plain")
    references = {
        "apcorr": io.open_reference(answers.folder / "apcorr.fits", ApertureCorrection),
        "abvegaoffset": io.open_reference(answers.folder / "abvega.asdf", AbVegaOffset),
    }
    answers.files(name)
    ours = SourceCatalog(**CATALOGUE[name])(io.open(file, Mosaic), **references).cat.table
    theirs = QTable.read(answers.folder / f"{name}.ecsv")
    assert ours.colnames == theirs.colnames
    assert len(ours) == len(theirs)
    order = np.hypot(
        np.array(ours["xcentroid"])[:, None] - np.array(theirs["xcentroid"]),
        np.array(ours["ycentroid"])[:, None] - np.array(theirs["ycentroid"]),
    ).argmin(axis=0)
    stars = name == "cat_dao"
    for column in theirs.colnames:
        if column.startswith("sky_bbox") and (stars or column != "sky_bbox_ll"):
            continue  # the far corners are a pixel too far there
        mine, other = ours[column][order], theirs[column]
        if column.startswith("sky_") and column != "sky_orientation":
            assert mine.separation(other).arcsec.max() < 1e-5
            continue
        if stars and column in {"label", "nn_label", "sky_orientation"}:
            continue
        if getattr(other, "unit", None) is not None:
            assert mine.unit == other.unit
        a, b = (np.asarray(getattr(v, "value", v), float) for v in (mine, other))
        if column == "sky_orientation":
            # North is found at each source, not once; east is left or right.
            assert np.abs((a - b + 90) % 180 - 90).max() < 0.02
            continue
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=column)
        scale = np.nanmax(np.abs(b)) if np.isfinite(b).any() else 1.0
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5 * scale, err_msg=column)
