"""From raw ramps to count rates, images and mosaics: files of both pipelines, plane by plane.

Simulated exposures of many read-outs go through stage 1 of both. Images are compared twice: each
pipeline's from its own count rates, and both from the reference pipeline's.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.flags import DQ
from calcore.model import Image
from calcore.simulate import VisitOptions, simulate
from calcore.simulate.sky_options import SkyOptions

ROOT = Path(__file__).parents[2]
THEIRS = Path(__file__).with_name("reference_batch.py")
CROWDED = SkyOptions.crowded()
DENSE = SkyOptions(
    stars=3000.0, galaxies=0.0, brightest=50.0, faintest=0.01, slope=0.02, grid=False
)
STARRY = SkyOptions(stars=4000.0, galaxies=0.0, brightest=2.0, faintest=0.05, slope=0.1, grid=False)
EVERYTHING = {
    "charge_migration.skip": False,
    "jump.expand_large_events": True,
    "ramp_fit.suppress_one_group": False,
}


@dataclass(frozen=True, eq=False)
class Case:
    """An exposure, or a dithered pair, and how far it goes."""

    instrument: str
    options: Mapping[str, Any]
    stage: str = "1"
    settings: Mapping[str, Any] = field(default_factory=dict)
    spoiled: bool = False
    seed: int = 7

    @cached_property
    def observation(self) -> int:
        """The number of its files."""
        return 1 + list(CASES.values()).index(self)

    def find(self, folder: Path, suffix: str) -> list[Path]:
        """Return its products of a kind."""
        found = sorted(folder.glob(f"jw01234{self.observation:03d}*_{suffix}.fits"))
        assert found, (self, suffix)
        return found

    def mosaic(self, folder: Path) -> Path:
        """Return its mosaic."""
        return next(folder.glob(f"jw01234-o{self.observation:03d}_t*_i2d.fits"))


def nircam(subarray: str, pattern: str, integrations: int, groups: int, **more: Any) -> Case:
    return _case("nircam", subarray, pattern, integrations, groups, **more)


def miri(subarray: str, integrations: int, groups: int, **more: Any) -> Case:
    return _case("miri", subarray, "FASTR1", integrations, groups, **more)


def _case(
    instrument: str, subarray: str, pattern: str, n_ints: int, n_groups: int,
    sky: SkyOptions | None = None, n_dithers: int = 1, **more: Any,
) -> Case:  # fmt: skip
    sky = sky or (CROWDED if subarray == "FULL" else DENSE)
    options = {
        "subarray": subarray, "pattern": pattern, "n_ints": n_ints, "n_groups": n_groups,
        "sky": sky, "n_dithers": n_dithers,
    }  # fmt: skip
    return Case(instrument, options, **more)


CASES = {
    "miri, two exposures": miri("SUB128", 2, 6, sky=STARRY, n_dithers=2, stage="3"),
    "miri, full frame": miri("FULL", 2, 5, stage="2"),
    "miri, full frame, one group": miri("FULL", 1, 1, sky=SkyOptions()),
    "miri, twelve groups": miri("SUB64", 2, 12),
    "miri, four groups": miri("SUB64", 1, 4),
    "miri, three groups": miri("SUB64", 2, 3),
    "miri, two groups": miri("SUB64", 2, 2),
    "miri, one group": miri("SUB64", 2, 1),
    "miri, no reference pixels": miri("BRIGHTSKY", 1, 5, sky=SkyOptions()),
    "miri, spoiled references": miri("SUB64", 2, 6, stage="2", spoiled=True),
    "nircam, two exposures": nircam("SUB320", "RAPID", 1, 5, sky=STARRY, n_dithers=2, stage="3"),
    "nircam, four frames": nircam("SUB160", "SHALLOW4", 2, 4, stage="2"),
    "nircam, two frames": nircam("SUB160", "BRIGHT2", 1, 10),
    "nircam, ten groups": nircam("SUB160", "RAPID", 2, 10),
    "nircam, three groups": nircam("SUB160", "RAPID", 2, 3),
    "nircam, two groups": nircam("SUB160", "RAPID", 2, 2),
    "nircam, one group": nircam("SUB160", "RAPID", 2, 1),
    "nircam, reference pixels": nircam("SUB400P", "RAPID", 1, 4),
    "nircam, full frame, one group": nircam("FULL", "RAPID", 1, 1),
    "nircam, full frame": nircam("FULL", "BRIGHT2", 1, 3),
    "nircam, every correction": nircam("SUB160", "SHALLOW4", 2, 5, settings=EVERYTHING),
    "nircam, spoiled references": nircam("SUB160", "RAPID", 2, 6, stage="2", spoiled=True),
}


def of(stage: str) -> Any:
    """Parametrize over the cases that go at least to a stage."""
    return pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.stage >= stage])


SPOILED = {
    "dark": ("SCI",), "superbias": ("SCI",), "reset": ("SCI",), "linearity": ("COEFFS",),
    "saturation": ("SCI",), "gain": ("SCI",), "readnoise": ("SCI",), "flat": ("SCI", "ERR"),
}  # fmt: skip
IN_STEP = {
    "dark": "dark_current", "superbias": "superbias", "reset": "reset", "linearity": "linearity",
    "saturation": "saturation", "gain": "jump ramp_fit gain_scale",
    "readnoise": "jump ramp_fit", "flat": "flat_field",
}  # fmt: skip


def spoil(raw: Path, cache: Path) -> dict[str, Path]:
    """Write copies of references for an exposure's sub-array, with NaN here and there."""
    exposure = fits.getheader(raw)
    made = {}
    for kind, planes in SPOILED.items():
        files = sorted(cache.glob(f"references/jwst/*/*_{kind}_*.fits"))
        headers = {path: fits.getheader(path) for path in files}
        for name in (exposure["SUBARRAY"], "FULL"):
            fitting = [path for path in files if headers[path]["SUBARRAY"] == name]
            if fitting:
                break
        else:
            continue
        y, x = (slice(exposure[f"SUBSTRT{n}"] - 1, None) for n in (2, 1))
        ny, nx = exposure["SUBSIZE2"], exposure["SUBSIZE1"]
        random = np.random.default_rng(len(made))
        with fits.open(fitting[0]) as hdus:
            for hdu in hdus[1:]:
                if hdu.is_image and hdu.data.shape[-2:] != (ny, nx):
                    hdu.data = hdu.data[..., y, x][..., :ny, :nx].copy()
                if hdu.name in planes:
                    hdu.data[..., random.random((ny, nx)) < 0.01] = np.nan
                if kind in {"gain", "flat"} and hdu.name == "SCI":
                    hdu.data[random.random((ny, nx)) < 0.003] = 0.0
                if kind == "gain":
                    hdu.data[random.random((ny, nx)) < 0.003] = -1.0
            for name in ("SUBARRAY", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2"):
                hdus[0].header[name] = exposure[name]
            made[kind] = raw.with_name(f"{raw.name.removesuffix('_uncal.fits')}_{kind}.fits")
            hdus.writeto(made[kind])
    return made


@dataclass(frozen=True)
class Answers:
    """Folders of one instrument's files.

    `mixed` has our images made of the reference pipeline's count rates.
    """

    raw: Path
    theirs: Path
    ours: Path
    mixed: Path


class Bench:
    """Has both pipelines do all cases of an instrument."""

    def __init__(self, instrument: str, folder: Path) -> None:
        self.raw, self.folder = folder / "raw", folder
        self.cache = self.raw / "crds_cache"
        self.cases = [case for case in CASES.values() if case.instrument == instrument]
        tables = import_module(f"calcore_{instrument}.simulate").SIMULATION
        for case in self.cases:
            options = VisitOptions(
                **case.options, observation=case.observation, seed=case.seed, truth=False
            )
            simulate(tables, self.raw, options)
        self.references = {
            case.observation: spoil(case.find(self.raw, "uncal")[0], self.cache)
            if case.spoiled else {}
            for case in self.cases
        }  # fmt: skip

    def ask(self, reference_pipeline: Any) -> tuple[Path, Any]:
        """Start the reference pipeline, or find what it answered before."""
        jobs = list(self.their_jobs())
        digest = hashlib.sha256(json.dumps(jobs).encode() + THEIRS.read_bytes())
        for path in sorted(self.raw.rglob("*")):
            if path.is_file():
                digest.update(path.read_bytes())
        kept = ROOT / ".cache" / "parity" / f"end-to-end-{digest.hexdigest()[:32]}"
        if kept.exists():
            return kept, None
        reference_pipeline.require()
        asked = self.folder / "asked"
        asked.mkdir()
        for path in self.raw.glob("*_asn.json"):
            shutil.copy(path, asked)
        text = json.dumps(jobs).replace("RAW", str(self.raw)).replace("THEIRS", str(asked))
        (asked / "jobs.json").write_text(text)
        return kept, reference_pipeline.batch(asked / "jobs.json", self.cache)

    def answer(self, kept: Path, batch: Any) -> Path:
        """Wait for the reference pipeline, and return where its products are kept."""
        if batch is not None:
            batch.finish()
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(self.folder / "asked", kept)
        return kept

    def their_jobs(self) -> Iterator[dict[str, Any]]:
        """Yield jobs for the reference pipeline; RAW and THEIRS stand for folders."""
        for case in self.cases:
            steps: dict[str, dict[str, Any]] = {}
            for name, value in case.settings.items():
                slot, _, parameter = name.partition(".")
                steps.setdefault(slot, {})[parameter] = value
            second: dict[str, dict[str, Any]] = {}
            for kind, path in self.references[case.observation].items():
                for step in IN_STEP[kind].split():
                    into = second if kind == "flat" else steps
                    into.setdefault(step, {})[f"override_{kind}"] = f"RAW/{path.name}"
            for raw in case.find(self.raw, "uncal"):
                yield {
                    "pipeline": "Detector1Pipeline", "input": f"RAW/{raw.name}", "steps": steps,
                    "output": "THEIRS", "parameters": {"save_calibrated_ramp": True},
                }  # fmt: skip
                if case.stage >= "2":
                    rate = raw.name.replace("_uncal", "_rate")
                    yield {"pipeline": "Image2Pipeline", "input": f"THEIRS/{rate}",
                           "steps": second, "output": "THEIRS"}  # fmt: skip
            if case.stage == "3":
                (path,) = self.raw.glob(f"jw01234-o{case.observation:03d}_*_asn.json")
                yield {"pipeline": "Image3Pipeline", "input": f"THEIRS/{path.name}",
                       "steps": {}, "output": "THEIRS"}  # fmt: skip

    def calibrate(self, own_batch: Any, theirs: Path | None = None) -> Path:
        """Do stages 1 and 2, or what follows from the reference pipeline's products."""
        folder = self.folder / ("ours" if theirs is None else "mixed")
        jobs = list(self.stage_1(folder) if theirs is None else self.from_theirs(theirs, folder))
        own_batch(jobs, folder, self.cache).finish()
        return folder

    def stage_1(self, output: Path) -> Iterator[dict[str, Any]]:
        for case in self.cases:
            for raw in case.find(self.raw, "uncal"):
                common = {
                    "inputs": str(raw), "settings": case.settings, "output": str(output),
                    "references": self.overrides(case, flat=False), "stage": "1",
                }  # fmt: skip
                yield common | {"until": "jump"}
                yield common
                if case.stage >= "2":
                    rate = output / raw.name.replace("_uncal", "_rate")
                    yield {"inputs": str(rate), "output": str(output), "stage": "2",
                           "references": self.overrides(case, flat=True)}  # fmt: skip

    def from_theirs(self, theirs: Path, output: Path) -> Iterator[dict[str, Any]]:
        for case in self.cases:
            if case.stage >= "2":
                rates = [str(path) for path in case.find(theirs, "rate")]
                yield {"inputs": rates, "output": str(output), "stage": "2",
                       "references": self.overrides(case, flat=True)}  # fmt: skip
            if case.stage == "3":
                (path,) = theirs.glob(f"jw01234-o{case.observation:03d}_*_asn.json")
                yield {"inputs": str(path), "output": str(output), "stage": "3"}

    def overrides(self, case: Case, *, flat: bool) -> dict[str, str]:
        found = self.references[case.observation].items()
        return {kind: str(path) for kind, path in found if flat == (kind == "flat")}


@pytest.fixture(scope="module")
def answers(reference_pipeline, own_batch, tmp_path_factory) -> dict[str, Answers]:
    """Simulate, and have both pipelines calibrate; the reference pipeline runs in the background."""
    benches, asked, ours = {}, {}, {}
    try:
        for instrument in ("miri", "nircam"):
            folder = tmp_path_factory.mktemp(f"end_to_end_{instrument}")
            benches[instrument] = Bench(instrument, folder)
            asked[instrument] = benches[instrument].ask(reference_pipeline)
        ours = {instrument: bench.calibrate(own_batch) for instrument, bench in benches.items()}
    finally:  # whatever happens, answers that took minutes are kept
        kept = {instrument: benches[instrument].answer(*asked[instrument]) for instrument in asked}
    mixed = {name: bench.calibrate(own_batch, kept[name]) for name, bench in benches.items()}
    return {
        name: Answers(bench.raw, kept[name], ours[name], mixed[name])
        for name, bench in benches.items()
    }


# Keywords that differ, and why; None stands for what only the reference pipeline writes.
KEYWORDS = {
    "DATE": "when the file was made",
    "CAL_VER": "which program made it",
    "PRIMECRS": "negative there where too few groups are usable to look for jumps",
    "EXTNCRS": "written there where too few groups are usable to look for jumps",
    "R_RSCD": "named there although exposures of one or two groups skip the step",
    "INT1UGP1": "counted there although no group is to be left out",
    "INT2UGP1": "counted there although no group is to be left out",
}
# Of those, the ones that may differ in the cases named alone.
ONLY = {
    "PRIMECRS": lambda ours, theirs: ours is None and theirs < 0,
    "EXTNCRS": lambda ours, theirs: ours is None and theirs == 0,
    "R_RSCD": lambda ours, theirs: ours is None,
    "INT1UGP1": lambda ours, theirs: ours == 0,
    "INT2UGP1": lambda ours, theirs: ours == 0,
}
# In mosaics too:
MOSAIC = {
    "S_REGION": "the same polygon from another corner",
    "S_TWKREG": "COMPLETE there where stars do not suffice to align exposures",
    "BKGLEVEL": "a measured number: see LEVEL",
}
LEVEL = 1e-5  # [MJy/sr]; errors of pixels are a thousand times as large
# In tables of headers: what the association, and the name of the flagged image, say of a member.
MEMBERS = {"FILENAME", "ASNPOOL", "ASNTABLE"}


def differing_keywords(ours: fits.HDUList, theirs: fits.HDUList) -> dict[str, tuple[Any, Any]]:
    """Return the cards of `theirs` that `ours` lacks or has otherwise, but for the exceptions."""
    found = {}
    for hdu in theirs:
        own = ours[hdu.name].header
        for card in hdu.header.cards:
            name, value = card.keyword, own.get(card.keyword)
            if name in {"", "COMMENT", "HISTORY"} or hdu.name in {"ASDF", "HDRTAB"}:
                continue
            same = value == card.value
            if isinstance(card.value, float) and isinstance(value, float):
                same = bool(np.isclose(value, card.value, rtol=1e-9, atol=0))
            if name.startswith("R_") and isinstance(value, str):
                # A file of the user's own: its name here, its whole path there.
                same = Path(card.value).name == Path(value).name
            if name in KEYWORDS:
                same = same or ONLY.get(name, lambda *_: True)(value, card.value)
            if not same:
                found[f"{hdu.name} {name}"] = (value, card.value)
    return found


def assert_same_structure(ours: fits.HDUList, theirs: fits.HDUList) -> None:
    """Assert that extensions are there, and tables the same row for row."""
    assert {hdu.name for hdu in theirs} == {hdu.name for hdu in ours} - {"HDRTAB"} | {
        hdu.name for hdu in theirs if hdu.name == "HDRTAB"
    }
    for hdu in theirs:
        if isinstance(hdu, fits.BinTableHDU) and hdu.name != "ASDF":
            own = ours[hdu.name].data
            assert len(own) == len(hdu.data)
            for name in hdu.data.names:
                if name not in {*KEYWORDS, *MOSAIC, *MEMBERS}:
                    np.testing.assert_array_equal(own[name], hdu.data[name], err_msg=name)


def assert_close(
    ours: fits.HDUList, theirs: fits.HDUList, part: Any, *, signal: float, planes: float,
    but: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Assert that planes agree in a part of the image.

    SCI to `signal` of ERR. Other planes to `planes`, relative; where they are next to nothing, to
    a millionth of ERR, or of its square. `but` names pixels to leave out, for each plane.
    """
    error = np.nan_to_num(theirs["ERR"].data.astype(float))
    for hdu in theirs:
        if not hdu.is_image or hdu.data is None or hdu.data.dtype.kind != "f":
            continue
        mine, other = ours[hdu.name].data.astype(float), hdu.data.astype(float)
        np.testing.assert_array_equal(np.isnan(mine)[part], np.isnan(other)[part], hdu.name)
        limit = planes * np.abs(other)
        if hdu.name == "SCI":
            limit = np.maximum(signal * error, limit * (signal == planes))
        elif hdu.name.startswith("VAR"):
            limit = np.maximum(limit, 1e-6 * error**2)
        differ = np.abs(mine - other)
        wrong = (differ > limit) & np.isfinite(other)
        wrong &= ~(but or {}).get(hdu.name, np.zeros(1, bool))
        assert not wrong[part].any(), (hdu.name, np.argwhere(wrong)[:5], np.max(differ[wrong]))


def same_groups(case: Case, found: Answers, raw: Path, figures: Any) -> Any:
    """Return where the ramps of both have the same flags in all groups, (n_int, ny, nx)."""
    name = raw.name.replace("_uncal", "_ramp")
    with fits.open(found.ours / name) as ours, fits.open(found.theirs / name) as theirs:
        np.testing.assert_array_equal(ours["PIXELDQ"].data, theirs["PIXELDQ"].data)
        for plane in ("PIXELDQ", "GROUPDQ"):
            figures.saw_flags(plane, ours[plane].data, theirs[plane].data)
        differ = ours["GROUPDQ"].data != theirs["GROUPDQ"].data
        listed = np.argwhere(differ)
        assert len(listed) <= 1e-6 * differ.size, listed
        saturated = (theirs["GROUPDQ"].data & int(DQ.SATURATED)) != 0
        if case.options["sky"] in {CROWDED, DENSE}:
            assert saturated.any(axis=(0, 1)).mean() > 0.005
        return ~differ.any(axis=1)


def without_read_noise(case: Case, found: Answers, raw: Path, ours: Any, theirs: Any) -> Any:
    """Return where DQ may differ: rates that are unknown since the read noise is.

    They carry DO_NOT_USE here; the reference pipeline flags them in stage 2.
    """
    if not case.spoiled:
        return np.zeros(theirs["DQ"].shape, bool)
    path = found.raw / raw.name.replace("_uncal", "_readnoise")
    unknown = np.isnan(fits.getdata(path, "SCI")) & np.isnan(theirs["SCI"].data)
    only = (ours["DQ"].data ^ theirs["DQ"].data) == int(DQ.DO_NOT_USE)
    return unknown & only


def lost_zero_frames(case: Case, found: Answers, raw: Path) -> Any:
    """Return where a zero frame stands for a ramp that charge migrated from, (n_int, ny, nx).

    The reference pipeline loses the read-noise variance of such integrations.
    """
    with fits.open(found.theirs / raw.name.replace("_uncal", "_ramp")) as theirs:
        flags = theirs["GROUPDQ"].data
    unusable = ((flags & int(DQ.DO_NOT_USE | DQ.SATURATED)) != 0).all(axis=1)
    migrated = ((flags & int(DQ.CHARGELOSS)) != 0).any(axis=1)
    saturated = ((flags & int(DQ.SATURATED)) != 0).any(axis=1)
    return unusable & migrated & saturated & (case.settings == EVERYTHING)


@of("1")
def test_count_rates(answers, compare, figures, name):
    case = CASES[name]
    found = answers[case.instrument]
    for raw in case.find(found.raw, "uncal"):
        figures.subject = "Detector1Pipeline"
        same = same_groups(case, found, raw, figures)
        lost = lost_zero_frames(case, found, raw)
        for suffix in ("rate", "rateints"):
            file = raw.name.replace("_uncal", f"_{suffix}")
            with fits.open(found.ours / file) as ours, fits.open(found.theirs / file) as theirs:
                assert_same_structure(ours, theirs)
                assert differing_keywords(ours, theirs) == {}
                excepted = without_read_noise(case, found, raw, ours, theirs)
                mine, other = ({hdu.name: hdu.data for hdu in hdus} for hdus in (ours, theirs))
                mine["DQ"] = np.where(excepted, other["DQ"], mine["DQ"])
                part = same if suffix == "rateints" else same.all(axis=0)
                lost_here = lost if suffix == "rateints" else lost.any(axis=0)
                mine["VAR_RNOISE"] = np.where(lost_here, np.nan, mine["VAR_RNOISE"])
                compare.images(mine, other)
                np.testing.assert_array_equal(
                    ours["DQ"].data[~excepted], theirs["DQ"].data[~excepted]
                )
                but = {"VAR_RNOISE": lost_here}
                assert_close(ours, theirs, part, signal=1e-4, planes=1e-5, but=but)


def pixels(image: Image) -> tuple[Any, Any]:
    ny, nx = image.data.shape
    return np.meshgrid(np.linspace(0, nx - 1, 9), np.linspace(0, ny - 1, 9))


@of("2")
def test_images_of_the_same_count_rates(answers, name):
    case = CASES[name]
    found = answers[case.instrument]
    for path in case.find(found.theirs, "cal"):
        with fits.open(found.mixed / path.name) as ours, fits.open(path) as theirs:
            assert_same_structure(ours, theirs)
            assert differing_keywords(ours, theirs) == {}
            np.testing.assert_array_equal(ours["DQ"].data, theirs["DQ"].data)
            assert_close(ours, theirs, np.s_[:], signal=1e-6, planes=1e-6)
        one, other = io.open(found.mixed / path.name, Image), io.open(path, Image)
        x, y = pixels(one)
        sky = one.wcs(x, y, with_bounding_box=False)
        straight = np.stack(one.wcs.invert(*sky, with_bounding_box=False))
        at = np.stack(
            one.wcs.invert(*other.wcs(x, y, with_bounding_box=False), with_bounding_box=False)
        )
        assert np.abs(at - straight).max() < 1e-4


@of("2")
def test_images_of_own_count_rates(answers, name):
    case = CASES[name]
    found = answers[case.instrument]
    for path in case.find(found.theirs, "cal"):
        with fits.open(found.ours / path.name) as ours, fits.open(path) as theirs:
            assert differing_keywords(ours, theirs) == {}
            np.testing.assert_array_equal(ours["DQ"].data, theirs["DQ"].data)
            assert_close(ours, theirs, np.s_[:], signal=1e-4, planes=1e-5)


@pytest.mark.parametrize("name", ["miri, two exposures", "nircam, four frames"])
def test_the_reference_pipeline_takes_our_count_rates(reference_pipeline, answers, tmp_path, name):
    case = CASES[name]
    found = answers[case.instrument]
    rate, cal = (case.find(found.ours, suffix)[0] for suffix in ("rate", "cal"))
    job = {"pipeline": "Image2Pipeline", "input": str(rate), "output": str(tmp_path / "crossed"),
           "steps": {}}  # fmt: skip
    (tmp_path / "jobs.json").write_text(json.dumps([job]))
    reference_pipeline.batch(tmp_path / "jobs.json", found.raw / "crds_cache").finish()
    with fits.open(cal) as ours, fits.open(tmp_path / "crossed" / cal.name) as theirs:
        assert differing_keywords(ours, theirs) == {}
        np.testing.assert_array_equal(ours["DQ"].data, theirs["DQ"].data)
        assert_close(ours, theirs, np.s_[:], signal=1e-6, planes=1e-6)


@of("2")
def test_single_exposures_resampled(answers, name):
    case = CASES[name]
    found = answers[case.instrument]
    for path in case.find(found.theirs, "cal"):
        file = path.name.replace("_cal", "_i2d")
        with fits.open(found.mixed / file) as ours, fits.open(found.theirs / file) as theirs:
            assert_same_mosaic(ours, theirs)


@of("3")
def test_mosaic_of_the_same_images(answers, name):
    case = CASES[name]
    found = answers[case.instrument]
    path = case.mosaic(found.theirs)
    with fits.open(found.mixed / path.name) as ours, fits.open(path) as theirs:
        assert_same_mosaic(ours, theirs)
    for path in sorted(found.theirs.glob(f"jw01234{case.observation:03d}*_crf.fits")):
        with fits.open(found.mixed / path.name) as ours, fits.open(path) as theirs:
            assert_same_structure(ours, theirs)
            assert_mosaic_keywords(ours, theirs)
            inner = np.s_[1:-1, 1:-1]
            differ = ours["DQ"].data[inner] != theirs["DQ"].data[inner]
            assert np.count_nonzero(differ) <= 2
            assert np.count_nonzero(theirs["DQ"].data[inner] & int(DQ.OUTLIER)) > 10


def assert_mosaic_keywords(ours: fits.HDUList, theirs: fits.HDUList) -> None:
    differ = differing_keywords(ours, theirs)
    assert {name.split()[1] for name in differ} <= set(MOSAIC), differ
    level, expected = differ.get("PRIMARY BKGLEVEL", (0.0, 0.0))
    assert abs(level - expected) < LEVEL


def assert_same_mosaic(ours: fits.HDUList, theirs: fits.HDUList) -> None:
    """Assert that mosaics agree but for their outermost rows and columns, see differences.md.

    Planes agree to a hundred-thousandth where they have any weight to speak of, weights to that of
    a hundredth of the largest.
    """
    assert_same_structure(ours, theirs)
    assert_mosaic_keywords(ours, theirs)
    inner = np.s_[..., 1:-1, 1:-1]
    np.testing.assert_array_equal(ours["CON"].data[inner], theirs["CON"].data[inner])
    error, weight = (theirs[name].data.astype(float)[inner] for name in ("ERR", "WHT"))
    some = (weight > 1e-3 * np.nanmedian(weight[weight > 0])) | ~np.isfinite(error)
    for plane in ("SCI", "ERR", "WHT", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"):
        mine, other = (hdus[plane].data.astype(float)[inner] for hdus in (ours, theirs))
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(other), plane)
        least = {"SCI": 1e-4 * error, "WHT": 1e-7 * np.nanmax(other)}.get(plane, 1e-5 * error**2)
        wrong = some & (np.abs(mine - other) > np.fmax(1e-5 * np.abs(other), least))
        assert not wrong.any(), (plane, np.argwhere(wrong)[:5], np.nanmax(np.abs(mine - other)))
