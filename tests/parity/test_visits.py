"""Dithered visits of every imager, from count rates to mosaic and catalogue, by both pipelines.

Files and references are the same; each pipeline goes on with its own images. Particles that hit in
the last read-outs, which no first stage has seen, are for outlier_detection to find.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from photutils.aperture import CircularAperture

from calcore import io
from calcore.flags import DQ
from calcore.model import Image, Mosaic, Ramp, Rate
from calcore.model.reference import AbVegaOffset, ApertureCorrection
from calcore.simulate import VisitOptions, simulate
from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore.simulate.physics import Effects
from calcore.simulate.sky_options import SkyOptions
from calcore.steps.combination.source_catalog import SourceCatalog

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("reference_batch.py")
EFFECTS = Effects.only("photon_noise", "efficiency", "dark", "particles", "read_noise")
USED = {"flat", "photom", "area", "distortion", "filteroffset", "apcorr", "abvegaoffset"}
OTHERWISE = {"DATE", "CAL_VER", "BKGLEVEL"}
"""Keywords of mosaics that are compared elsewhere, or say when and by whom they were made."""


def stars(density: float) -> SkyOptions:
    """Return a sky of so many stars in a million pixels."""
    return SkyOptions(
        stars=density, galaxies=0.0, brightest=2.0, faintest=0.05, slope=0.1, grid=False
    )


VISITS: dict[str, dict[str, Any]] = {
    "nircam": {
        "detectors": ("NRCA1", "NRCA3"), "subarray": "SUB320", "pattern": "RAPID", "n_dithers": 2,
        "sky": stars(400.0),
    },
    "niriss": {"subarray": "SUB256", "filters": ("F480M",), "sky": stars(1500.0)},
    "fgs": {"subarray": "SUB128CNTR", "sky": stars(3000.0)},
    "miri": {"subarray": "SUB256", "sky": stars(1500.0)},
}  # fmt: skip
TIMES = ("exposure_time", "effective_exposure_time", "measurement_time", "duration")
ASTRAY = 0.12
"""How far pointings are off [arcsec, standard deviation along either axis]."""


@dataclass(frozen=True)
class Products:
    """Folders of both pipelines, and of the references."""

    ours: Path
    theirs: Path
    cache: Path

    def pairs(self, suffix: str) -> list[tuple[Path, Path]]:
        """Return products of a kind, ours and theirs."""
        found = [(self.ours / path.name, path) for path in sorted(self.theirs.glob(f"*{suffix}"))]
        assert found, suffix
        return found

    @property
    def mosaics(self) -> tuple[Path, Path]:
        """Our mosaic, and theirs."""
        (pair,) = self.pairs("_t001_*_i2d.fits")
        return pair

    def reference(self, kind: str, cls: Any) -> Any:
        """Return the reference of a kind."""
        (path,) = self.cache.glob(f"references/jwst/*/*_{kind}_*")
        return io.open_reference(path, cls)


def write_rate(raw: Path, number: int) -> tuple[Path, bytes]:
    """Write a rough count rate of a raw exposure, its last minus its first group, a little astray.

    It is returned with what is random in it.
    """
    ramp = io.open(raw, Ramp)
    seconds = np.float32(ramp.meta["exposure.group_time"] * (ramp.meta["exposure.ngroups"] - 1))
    first, last = (ramp.data[0, group].astype(np.float32) for group in (0, -1))
    data = (last - first) / seconds
    exposure = int(ramp.meta["observation.exposure_number"])
    east, north = np.random.default_rng(exposure).normal(0, ASTRAY / 3600, 2) * (exposure > 1)
    meta = ramp.meta
    meta = meta.set(
        {
            "bunit_data": "DN/s",
            "bunit_err": "DN/s",
            "wcsinfo.dec_ref": meta["wcsinfo.dec_ref"] + north,
            "wcsinfo.ra_ref": meta["wcsinfo.ra_ref"]
            + east / np.cos(np.radians(meta["wcsinfo.dec_ref"])),
        }
    )
    rng = np.random.default_rng(number)
    dq = (rng.random(data.shape) < 0.003).astype(np.uint32)
    var_poisson = np.maximum(data, 0) / (2 * seconds)
    var_rnoise = (rng.gamma(50, 0.02, data.shape) * (12 / seconds) ** 2).astype(np.float32)
    rate = Rate(
        meta=meta, carried=ramp.carried, data=data, err=np.sqrt(var_poisson + var_rnoise), dq=dq,
        var_poisson=var_poisson, var_rnoise=var_rnoise,
    )  # fmt: skip
    path = raw.with_name(raw.name.replace("_uncal", "_rate"))
    io.write(rate, path)
    raw.unlink()
    planes = rate.data, dq, var_rnoise, np.array([meta["wcsinfo.ra_ref"], meta["wcsinfo.dec_ref"]])
    return path, b"".join(plane.tobytes() for plane in planes)


def observe(instrument: str, folder: Path) -> tuple[list[Path], str]:
    """Simulate a visit with references of stages 2 and 3; return count rates, and a digest."""
    tables = SimulatedInstrument(f"calcore_{instrument}")
    rows = {kind: row for kind, row in tables.table["references"].items() if kind in USED}
    vars(tables)["table"] = {**tables.table, "references": rows}
    options = {"n_groups": 4, "effects": EFFECTS, "n_dithers": 4, **VISITS[instrument]}
    visit = simulate(tables, folder, VisitOptions(seed=7, truth=False, **options))
    digest = hashlib.sha256(WORKER.read_bytes())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    rates = []
    for number, raw in enumerate(sorted(visit.raw)):
        path, content = write_rate(raw, number)
        rates.append(path)
        digest.update(content)
    return rates, digest.hexdigest()[:32]


def their_jobs(rates: list[Path], association: Path) -> list[dict[str, Any]]:
    """Return what the reference pipeline is asked."""
    output = str(association.parent)
    second = {"pipeline": "Image2Pipeline", "steps": {"resample": {"skip": True}}}
    third = {"pipeline": "Image3Pipeline", "steps": {}, "input": str(association)}
    jobs = [{**second, "input": str(rate), "output": output} for rate in rates]
    return [*jobs, {**third, "output": output}]


@pytest.fixture(scope="module")
def visits(reference_pipeline: Any, own_batch: Any, tmp_path_factory: Any) -> dict[str, Products]:
    """Have both pipelines calibrate all visits; answers of the reference pipeline are kept."""
    waiting, made = {}, {}
    for instrument in VISITS:
        folder = tmp_path_factory.mktemp(f"visit_{instrument}")
        rates, digest = observe(instrument, folder)
        (association,) = folder.glob("*_asn.json")
        kept = ROOT / ".cache" / "parity" / f"visit-{instrument}-{digest}"
        cache, asked, batch = folder / "crds_cache", folder / "asked", None
        if not kept.exists():
            asked.mkdir()
            shutil.copy(association, asked)
            jobs = their_jobs(rates, asked / association.name)
            (asked / "jobs.json").write_text(json.dumps(jobs))
            batch = reference_pipeline.batch(asked / "jobs.json", cache)
        job = {
            "inputs": [str(path) for path in (*rates, association)], "output": str(folder / "ours"),
            "settings": {"image2:resample.skip": True},
        }  # fmt: skip
        waiting[instrument] = folder, kept, batch, own_batch([job], folder, cache)
    for instrument, (folder, kept, batch, ours) in waiting.items():
        ours.finish()
        if batch is not None:
            batch.finish()
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder / "asked", kept)
        made[instrument] = Products(folder / "ours", kept, folder / "crds_cache")
    return made


every = pytest.mark.parametrize("instrument", VISITS)


@every
def test_images(visits: Any, instrument: str, compare: Any, figures: Any) -> None:
    figures.subject = "Image2Pipeline"
    for ours, theirs in visits[instrument].pairs("_cal.fits"):
        mine, other = io.open(ours, Image), io.open(theirs, Image)
        compare.records(mine, other)
        np.testing.assert_array_equal(mine.dq, other.dq)
        assert np.nanmax(np.abs(mine.data - other.data) / other.err) < 1e-6


@every
def test_alignment(visits: Any, instrument: str, figures: Any) -> None:
    figures.subject = "TweakReg"
    for ours, theirs in visits[instrument].pairs("_crf.fits"):
        mine, other = io.open(ours, Image), io.open(theirs, Image)
        distance = apart(mine.wcs, other.wcs, mine.data.shape)
        assert distance < 1e-3
        figures.saw("place [pixel]", distance, 25)


@every
def test_sky_and_outliers(visits: Any, instrument: str, figures: Any) -> None:
    figures.subject = "SkyMatch"
    either = both = 0
    for ours, theirs in visits[instrument].pairs("_crf.fits"):
        mine, other = io.open(ours, Image), io.open(theirs, Image)
        level, expected = (image.meta["background.level"] for image in (mine, other))
        noise = float(np.nanmedian(other.err))
        figures.saw("level [sky noise]", abs(level - expected) / noise, 1)
        assert abs(level - expected) < 1e-3 * noise
        found, known = ((image.dq & DQ.OUTLIER) != 0 for image in (mine, other))
        either += np.count_nonzero(found | known)
        both += np.count_nonzero(found & known)
    figures.saw("outliers flagged by one of both [share]", 1 - both / either, either)
    assert either > 20
    assert both >= 0.95 * either


@every
def test_mosaic(visits: Any, instrument: str, figures: Any) -> None:
    figures.subject = "Image3Pipeline"
    ours, theirs = visits[instrument].mosaics
    one, other = io.open(ours, Mosaic), io.open(theirs, Mosaic)
    assert one.data.shape == other.data.shape
    assert apart(one.wcs, other.wcs, other.data.shape) < 1e-3
    inner = np.s_[..., 2:-2, 2:-2]  # see docs/differences.md
    np.testing.assert_array_equal(one.con[inner], other.con[inner])
    weight = np.abs(one.wht - other.wht)[inner].max() / other.wht.max()
    catalog = QTable.read(theirs.with_name(theirs.name.replace("_i2d.fits", "_cat.ecsv")))
    mine, expected = (fluxes(mosaic, catalog) for mosaic in (one, other))
    distance = apart(one.wcs, other.wcs, other.data.shape)
    figures.saw("place [pixel]", distance, 25)
    figures.saw("weight [largest]", weight, one.wht.size)
    figures.saw("flux [relative]", np.abs(mine / expected - 1).max(), mine.size)
    assert distance < 1e-3
    assert weight < 1e-5
    np.testing.assert_allclose(mine, expected, rtol=1e-4)


@every
def test_keywords_of_mosaics(visits: Any, instrument: str) -> None:
    ours, theirs = visits[instrument].mosaics
    mine, other = fits.getheader(ours), fits.getheader(theirs)
    wrong = {
        card.keyword: (mine.get(card.keyword), card.value)
        for card in other.cards
        if card.keyword not in {"", "COMMENT", "HISTORY", *OTHERWISE}
        and mine.get(card.keyword) != card.value
        and not np.isclose(number(mine.get(card.keyword)), number(card.value), rtol=1e-9, atol=0)
    }
    assert wrong == {}
    # Detectors that are read at the same time count once.
    single = {}
    for _, path in visits[instrument].pairs("_crf.fits"):
        meta = io.open(path, Image).meta
        single[meta["observation.exposure_number"]] = meta
    assert len(single) == VISITS[instrument].get("n_dithers", 4)
    combined = io.open(ours, Mosaic).meta
    for time in TIMES:
        total = sum(meta[f"exposure.{time}"] for meta in single.values())
        assert combined[f"exposure.{time}"] == pytest.approx(total), time


@every
def test_catalogue(visits: Any, instrument: str, figures: Any) -> None:
    figures.subject = "SourceCatalog"
    products = visits[instrument]
    _, mosaic = products.mosaics
    (pair,) = products.pairs("_cat.ecsv")
    references = {
        "apcorr": products.reference("apcorr", ApertureCorrection),
        "abvegaoffset": products.reference("abvegaoffset", AbVegaOffset),
    }
    ours = SourceCatalog()(io.open(mosaic, Mosaic), **references).cat.table
    theirs = QTable.read(pair[1])
    assert len(ours) == len(theirs) == len(QTable.read(pair[0]))
    for axis in ("xcentroid", "ycentroid"):
        np.testing.assert_allclose(ours[axis], theirs[axis], atol=1e-3)
    sure = 0
    for column in (name for name in theirs.colnames if name.endswith(("_abmag", "_vegamag"))):
        flux = column.replace("_abmag", "_flux").replace("_vegamag", "_flux")
        bright = theirs[flux] > 20 * theirs[f"{flux}_err"]
        apart = np.abs(np.asarray(ours[column] - theirs[column], float)[bright])
        assert apart.max() < 1e-3, column
        figures.saw("magnitude [mag]", apart.max(), apart.size)
        sure += apart.size
    assert sure > 100


def test_the_reference_pipeline_opens_our_mosaics(
    visits: Any, reference_pipeline: Any, tmp_path: Path
) -> None:
    pixels = [[0.0, 100.0, 300.0], [5.0, 150.0, 250.0]]
    paths = [visits[instrument].mosaics[0] for instrument in ("nircam", "fgs")]
    jobs = [{"open": str(path), "pixels": pixels} for path in paths]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    reference_pipeline.batch(tmp_path / "jobs.json", visits["fgs"].cache).wait()
    answers = json.loads((tmp_path / "jobs.answers.json").read_text())
    for path, answer in zip(paths, answers, strict=True):
        assert answer["model"] == "ImageModel"
        sky = io.open(path, Mosaic).wcs(*pixels, with_bounding_box=False)
        np.testing.assert_array_equal(answer["sky"], sky)


def apart(one: Any, other: Any, shape: tuple[int, ...]) -> float:
    """Return how far the same pixels are apart on the sky [pixel]."""
    y, x = np.meshgrid(*(np.linspace(0, size - 1, 5) for size in shape[-2:]), indexing="ij")
    at = one.invert(*other(x, y, with_bounding_box=False), with_bounding_box=False)
    return float(np.hypot(at[0] - x, at[1] - y).max())


def number(value: Any) -> float:
    """Return a keyword's number, or NaN."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else np.nan


def fluxes(mosaic: Mosaic, catalog: Any) -> Any:
    """Return sums within 3 pixels of sources that lie well inside."""
    ny, nx = mosaic.data.shape
    places = np.stack([np.asarray(catalog[axis]) for axis in ("xcentroid", "ycentroid")], axis=1)
    inside = ((places > 5) & (places < [nx - 6, ny - 6])).all(axis=1)
    filled = np.nan_to_num(mosaic.data).astype(float)
    return CircularAperture(places[inside], 3.0).do_photometry(filled)[0]
