"""Simulated visits of spectrographs through whole pipelines of stages 2 and 3, flight geometry.

Count rates are ours, and stage 3 of both begins with our calibrated exposures.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from calcore import io
from calcore.model.cube import Cube
from calcore.simulate import VisitOptions, simulate
from calcore_miri.simulate import SIMULATION

ROOT = Path(__file__).parents[2]
THEIRS = Path(__file__).with_name("reference_batch.py")


@dataclass(frozen=True, eq=False)
class Case:
    """A visit, and what is done with it.

    `alone` is an exposure without an association of stage 2, from which nothing is subtracted then.
    The reference pipeline takes minutes to model what slices scatter; `test_slicer_steps` compares that.
    """

    mode: str
    options: dict[str, Any]
    pipelines: tuple[str, str]
    second: dict[str, dict[str, Any]]
    third: dict[str, dict[str, Any]]

    def settings(self, stage: str) -> dict[str, Any]:
        """Return the settings of a stage as ours has them."""
        steps = self.second if stage == "2" else self.third
        return {f"{step}.{name}": v for step, own in steps.items() for name, v in own.items()}


SECOND, THIRD = "Spec2Pipeline", "Spec3Pipeline"
SLICERS = "12A", "12B", "34A"


def of_slicer(low: float, high: float, step: float, **options: Any) -> Case:
    """Return a visit of the image slicer; of both channels a part goes into its cubes.

    In a single short exposure there is more noise than fringes, and the reference pipeline takes half a
    minute for them.
    """
    cube = {"output_type": "multi", "wavemin": low, "wavemax": high}
    spectrum = {"ifu_rfcorr": options["n_dithers"] > 1}
    return Case(
        "mrs", {"n_groups": 3, **options}, (SECOND, THIRD),
        {"straylight": {"skip": True}, "cube_build": cube, "extract_1d": spectrum},
        {"cube_build": {"scalew": step}, "extract_1d": spectrum},
    )  # fmt: skip


CASES = {
    "12A": of_slicer(5.6, 7.7, 0.008, n_dithers=2),
    "12B": of_slicer(6.4, 8.9, 0.008, n_dithers=1, bands=("MEDIUM",)),
    "34A": of_slicer(13.0, 18.2, 0.02, n_dithers=1, detectors=("MIRIFULONG",)),
    "slit": Case("lrs-fixedslit", {"n_groups": 3, "n_dithers": 2}, (SECOND, THIRD), {}, {}),
    "slitless": Case(
        "lrs-slitless", {"n_groups": 3, "n_ints": 6, "segment_ints": 3}, (SECOND, "Tso3Pipeline"),
        {}, {},
    ),
}  # fmt: skip


class Bench:
    """Simulates a visit, and has both pipelines calibrate it."""

    def __init__(self, case: Case, folder: Path, own_batch: Any, geometry: Path) -> None:
        self.case, self.folder, self.own_batch = case, folder, own_batch
        options = VisitOptions(
            mode=case.mode, size="small", seed=3, truth=False, geometry=geometry, **case.options
        )
        simulate(SIMULATION, folder / "raw", options)
        self.cache = folder / "raw" / "crds_cache"
        self.rates, self.ours, self.cals, self.last = (
            folder / name for name in ("rates", "ours", "cals", "last")
        )
        raw = sorted(str(path) for path in (folder / "raw").glob("*_uncal.fits"))
        self.run("1", raw, self.rates)
        self.gather("2", self.rates)
        (self.second, *_), (self.third,) = self.associations("2"), self.associations("3")

    def associations(self, stage: str) -> list[str]:
        found = sorted((self.folder / "raw").glob("*_asn.json"))
        return [path.name for path in found if f"{stage}_00" in path.name]

    def gather(self, stage: str, folder: Path) -> None:
        """Put associations beside their members."""
        for name in self.associations(stage):
            shutil.copy(self.folder / "raw" / name, folder)

    def run(self, stage: str, inputs: Any, output: Path) -> None:
        job = {"inputs": inputs, "stage": stage, "output": str(output)}
        job |= {"settings": self.case.settings(stage)} if stage != "1" else {}
        self.own_batch([job], output, self.cache).finish()

    def calibrate(self) -> Iterator[dict[str, Any]]:
        """Do stages 2 and 3, and yield the jobs of the reference pipeline."""
        self.run("2", str(self.rates / self.second), self.ours)
        # Without associations, so that there is a background left to subtract in stage 3.
        apart = self.case.mode == "mrs"
        suffix = "rateints" if self.case.mode == "lrs-slitless" else "rate"
        rates = sorted(self.rates.glob(f"*_{suffix}.fits"))
        inputs = rates if apart else [self.rates / name for name in self.associations("2")]
        self.run("2", [str(path) for path in inputs], self.cals)
        self.gather("3", self.cals)
        self.run("3", str(self.cals / self.third), self.last)
        files = (self.rates / self.second, self.cals / self.third)
        steps = (self.case.second, self.case.third)
        for name, file, own, place in zip(
            self.case.pipelines, files, steps, ("2", "3"), strict=True
        ):
            yield {"pipeline": name, "input": str(file), "steps": own,
                   "output": f"THEIRS/{place}"}  # fmt: skip


def digest_of(benches: dict[str, Bench], jobs: list[Any]) -> str:
    """Return a hash of what the reference pipeline is asked."""
    text = json.dumps(jobs)
    for bench in benches.values():
        text = text.replace(str(bench.folder), bench.case.mode)
    digest = hashlib.sha256(text.encode() + THEIRS.read_bytes())
    for bench in benches.values():
        for path in sorted(path for path in bench.cache.rglob("*") if path.is_file()):
            digest.update(path.read_bytes())
        for path in sorted([*bench.rates.glob("*.fits"), *bench.cals.glob("*.fits")]):
            for plane, values in planes_of(path).items():  # headers tell when they were made
                digest.update(plane.encode() + values.tobytes())
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class Answers:
    """Folders of what both made: of the same count rates, and of the same calibrated exposures."""

    ours: Path
    last: Path
    theirs: Path

    def pairs(self, stage: str, suffix: str) -> list[tuple[Path, Path]]:
        """Return files of ours and theirs that have the same name."""
        own = self.ours if stage == "2" else self.last
        found = [
            (own / path.name, path) for path in sorted((self.theirs / stage).glob(f"*_{suffix}.*"))
        ]
        assert found, (stage, suffix)
        return found


@pytest.fixture(scope="module")
def answers(reference_pipeline, own_batch, shared_data, module_folder) -> dict[str, Answers]:
    """Simulate and calibrate; the reference pipeline does all visits, one after the other."""
    folder = module_folder
    benches = {
        name: Bench(case, folder / name, own_batch, shared_data / "miri")
        for name, case in CASES.items()
    }
    jobs = {name: list(bench.calibrate()) for name, bench in benches.items()}
    kept = ROOT / ".cache" / "parity" / f"spectra-{digest_of(benches, list(jobs.values()))}"
    if not kept.exists():
        reference_pipeline.require()
        made = folder / "theirs"
        made.mkdir()
        for name, bench in benches.items():
            text = json.dumps(jobs[name]).replace("THEIRS", str(made / name))
            (folder / f"{name}.json").write_text(text)
            reference_pipeline.batch(folder / f"{name}.json", bench.cache).finish()
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, kept)
    return {name: Answers(bench.ours, bench.last, kept / name) for name, bench in benches.items()}


def planes_of(path: Path) -> dict[str, Any]:
    with fits.open(path) as hdus:
        return {hdu.name: hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None}


@pytest.mark.parametrize(
    ("name", "suffix"),
    [*((name, "cal") for name in SLICERS), ("slit", "cal"), ("slitless", "calints")],
)
def test_calibrated_exposures(answers, compare, figures, name, suffix):
    figures.subject = SECOND
    for own, other in answers[name].pairs("2", suffix):
        ours, theirs = planes_of(own), planes_of(other)
        compare.images(ours, theirs)
        np.testing.assert_array_equal(ours["DQ"], theirs["DQ"])
        for plane, values in theirs.items():
            if plane != "DQ":
                np.testing.assert_allclose(ours[plane], values, rtol=1e-6, err_msg=plane)


@pytest.mark.parametrize(
    ("name", "suffix"), [("12A", "crf"), ("slit", "crf"), ("slitless", "crfints")]
)
def test_exposures_without_outliers(answers, compare, figures, name, suffix):
    figures.subject = CASES[name].pipelines[1]
    for own, other in answers[name].pairs("3", suffix):
        ours, theirs = planes_of(own), planes_of(other)
        compare.images(ours, theirs)
        for plane, values in theirs.items():
            np.testing.assert_array_equal(ours[plane], values, err_msg=plane)


@pytest.mark.parametrize("band", SLICERS)
def test_cubes(answers, figures, band):
    """The same grid; voxels to a ten-thousandth, or that of their error, where light cancelled."""
    figures.subject = THIRD
    pairs = answers[band].pairs("3", "s3d")
    assert len(pairs) == 2
    for own, other in pairs:
        ours, theirs = planes_of(own), planes_of(other)
        np.testing.assert_array_equal(ours["DQ"], theirs["DQ"])
        np.testing.assert_allclose(ours["WMAP"], theirs["WMAP"])
        weight = theirs["WMAP"]
        known = weight > 0.01 * np.median(weight[weight > 0])
        for plane in ("SCI", "ERR"):
            mine, their = (planes[plane][known].astype(float) for planes in (ours, theirs))
            np.testing.assert_array_equal(np.isnan(mine), np.isnan(their), err_msg=plane)
            limit = 1e-4 * np.maximum(np.abs(their), theirs["ERR"][known])
            assert (np.abs(mine - their) <= limit)[np.isfinite(their)].all(), plane
        total = [np.nansum(planes["SCI"], dtype=float) for planes in (ours, theirs)]
        assert total[0] == pytest.approx(total[1], rel=1e-5)
        apart = np.abs(ours["SCI"] - theirs["SCI"]) / theirs["ERR"]
        figures.saw("voxels [ERR]", np.nanmax(apart[known]), int(known.sum()))
        figures.saw_flags("DQ", ours["DQ"], theirs["DQ"])
        one, two = (io.open(path, Cube) for path in (own, other))
        corners = [
            np.ravel(axis) for axis in np.meshgrid(*((0, n - 1) for n in one.data.shape[::-1]))
        ]
        np.testing.assert_allclose(
            np.stack(one.wcs(*corners)), np.stack(two.wcs(*corners)), rtol=1e-9, atol=1e-10
        )


@pytest.mark.parametrize("stage", ["2", "3"])
def test_rectified_spectra(answers, figures, stage):
    figures.subject = (SECOND, THIRD)[stage == "3"]
    for own, other in answers["slit"].pairs(stage, "s2d"):
        ours, theirs = planes_of(own), planes_of(other)
        np.testing.assert_array_equal(ours["CON"], theirs["CON"])
        for plane in ("SCI", "ERR", "WAVELENGTH", "WHT", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"):
            least = 1e-5 * theirs["ERR"] if plane == "SCI" else 0.0
            apart = np.abs(ours[plane] - theirs[plane])
            np.testing.assert_array_equal(np.isnan(ours[plane]), np.isnan(theirs[plane]))
            good = np.isfinite(theirs[plane])
            assert (apart <= np.fmax(1e-5 * np.abs(theirs[plane]), least))[good].all(), plane


def tables_of(path: Path) -> Any:
    """Return spectra of a product, a row for each wavelength; tables of segments are joined."""
    with fits.open(path) as hdus:
        return np.concatenate([
            np.array(hdu.data) for hdu in hdus if hdu.name in {"EXTRACT1D", "COMBINE1D"}
        ])  # fmt: skip


SPECTRA = [*((name, "x1d", "3") for name in SLICERS), ("slit", "x1d", "2"), ("slit", "x1d", "3"),
           ("slitless", "x1dints", "2"), ("slitless", "x1dints", "3")]  # fmt: skip


@pytest.mark.parametrize(("name", "suffix", "stage"), SPECTRA)
def test_extracted_spectra(answers, figures, name, suffix, stage):
    """Wavelengths ascend here, and errors of slits whose apertures lack pixels differ; see differences.md."""
    figures.subject = (SECOND, CASES[name].pipelines[1])[stage == "3"]
    for own, other in answers[name].pairs(stage, suffix):
        ours, theirs = tables_of(own), tables_of(other)
        assert ours.shape == theirs.shape
        order = np.argsort(theirs["WAVELENGTH"], axis=-1)
        number = np.take_along_axis(theirs["NPIXELS"], order, axis=-1)
        whole = number > (0 if name in SLICERS else 0.999 * number.max())
        assert whole.mean() > 0.9
        for column in set(ours.dtype.names) & set(theirs.dtype.names):
            mine, their = ours[column], theirs[column]
            if mine.ndim == order.ndim:
                their = np.take_along_axis(their, order, axis=-1)
            if mine.shape == whole.shape:
                mine, their = mine[whole], their[whole]
            scale = np.nanmax(np.abs(their), initial=0)
            if column.startswith("RF_"):  # fringes are found otherwise here; see differences.md
                np.testing.assert_array_equal(np.isfinite(mine), np.isfinite(their))
                known = np.isfinite(their) & (their != 0)
                assert known.any() == (name == "12A"), column
                if known.any():
                    apart = np.sqrt(np.mean((mine[known] / their[known] - 1) ** 2))
                    assert apart < 8e-3, column
                continue
            np.testing.assert_allclose(mine, their, rtol=1e-4, atol=1e-7 * scale, err_msg=column)
            if column == "FLUX":
                good = np.isfinite(their) & (their != 0)
                apart = np.abs(mine / np.where(good, their, 1) - 1)[good]
                figures.saw("FLUX [relative]", apart.max(), apart.size)


def test_times_of_integrations(answers):
    for own, other in answers["slitless"].pairs("3", "x1dints"):
        with fits.open(own) as ours, fits.open(other) as theirs:
            for name in theirs["INT_TIMES"].columns.names:
                np.testing.assert_array_equal(
                    ours["INT_TIMES"].data[name], theirs["INT_TIMES"].data[name], err_msg=name
                )
        ours, theirs = tables_of(own), tables_of(other)
        for name in ("INT_NUM", "MJD-BEG", "MJD-AVG", "MJD-END", "TDB-BEG", "TDB-MID", "TDB-END"):
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_light_curves(answers):
    for own, other in answers["slitless"].pairs("3", "whtlt"):
        ours, theirs = (Table.read(path, format="ascii.ecsv") for path in (own, other))
        assert len(ours) == len(theirs) == 6
        for name in theirs.colnames:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6, err_msg=name)


# Keywords that differ, and why.
KEYWORDS = {
    "DATE": "when the file was made",
    "CAL_VER": "which program made it",
    "EXSEGNUM": "of the first segment there; a joined series is of all",
    "EXTRXSTR": "of the middle of the spectrum there",
    "EXTRXSTP": "of the middle of the spectrum there",
    "PIXAR_SR": "a square arcsecond has one digit less there",
    "R_FILOFF": "named there, although nothing takes it of spectra",
    "R_MRSPT": "named there, although no spectrum is corrected",
    "SLIT_DEC": "of the middle of cubes there, half a spaxel off; here of the aperture",
    "SLIT_RA": "of the middle of cubes there, half a spaxel off; here of the aperture",
    "S_REGION": "a rectified slit reaches to the last pixels, and corners are rounded",
}
OF_RECTIFIED = {f"SLT{what}{axis}": "of the exposure" for what in ("STRT", "SIZE") for axis in "12"}
LAYOUT = re.compile(r"(EXTVER|NAXIS|TFIELDS|TFORM|TUNIT|TDIM|TZERO|TSCAL)\d*$")


def differing_keywords(ours: Path, theirs: Path, but: Collection[str]) -> dict[str, Any]:
    """Return the cards of theirs that ours lacks or has otherwise, but for the exceptions."""
    found = {}
    with fits.open(ours) as own, fits.open(theirs) as others:
        for hdu in others:
            if hdu.name in {"ASDF", "HDRTAB", "WCS-TABLE"}:
                continue
            header = own[hdu.name].header
            for card in hdu.header.cards:
                value = header.get(card.keyword)
                same = value == card.value
                if isinstance(value, float):
                    same = value == pytest.approx(card.value, rel=1e-9, abs=1e-12)
                name = card.keyword
                if not (same or name in {"", "COMMENT", "HISTORY", *but} or LAYOUT.match(name)):
                    found[f"{hdu.name} {name}"] = value, card.value
    return found


SUFFIXES = [
    (name, stage, suffix)
    for name, suffixes in {
        "12A": {"2": ("cal", "s3d", "x1d"), "3": ("crf", "s3d", "x1d")},
        **{band: {"2": ("cal",), "3": ("s3d", "x1d")} for band in SLICERS[1:]},
        "slit": {"2": ("cal", "s2d", "x1d"), "3": ("crf", "s2d", "x1d")},
        "slitless": {"2": ("calints", "x1dints"), "3": ("crfints", "x1dints")},
    }.items()
    for stage, own in suffixes.items()
    for suffix in own
]  # fmt: skip


@pytest.mark.parametrize(("name", "stage", "suffix"), SUFFIXES)
def test_keywords(answers, name, stage, suffix):
    but = {**KEYWORDS, **(OF_RECTIFIED if suffix == "s2d" else {})}
    if CASES[name].options.get("n_dithers") == 1:
        but["S_OUTLIR"] = "FAILED there where there is but one exposure"
    for own, other in answers[name].pairs(stage, suffix):
        assert differing_keywords(own, other, but) == {}


# Run by the reference pipeline's interpreter.
READER = """
import json, sys, warnings
from stdatamodels.jwst import datamodels

warnings.simplefilter("error")
kinds = {}
for path in json.loads(open(sys.argv[1]).read()):
    with datamodels.open(path, strict_validation=True) as model:
        model.validate()
        kinds[path] = type(model).__name__
        model.save(sys.argv[2])
open(sys.argv[1], "w").write(json.dumps(kinds))
"""


def test_the_reference_pipeline_opens_products_as_its_own(answers, reference_pipeline, tmp_path):
    pairs = [pair for name, *what in SUFFIXES for pair in answers[name].pairs(*what)]
    program, asked, log = (tmp_path / name for name in ("reader.py", "paths.json", "reader.log"))
    program.write_text(READER)
    asked.write_text(json.dumps([str(own) for own, _ in pairs]))
    status = reference_pipeline.program(program, asked, tmp_path / "copy.fits", log=log)
    assert status == 0, log.read_text()
    kinds = json.loads(asked.read_text())
    assert kinds == {str(own): fits.getval(other, "DATAMODL") for own, other in pairs}
