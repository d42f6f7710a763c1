"""The exposures whose calibration is timed: how each is simulated, and what is asked of both programs."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

PROFILES = ("reference", "default")
PROGRAMS = (*PROFILES, "jwst")
SERVERLESS = "https://crds-serverless-mode.stsci.edu"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One exposure, or several that are combined, and how they are calibrated.

    Attributes
    ----------
    name
        Of its folder, and on the command line.
    title
        What it is, in a few words.
    instrument
        Name of the instrument.
    options
        What ``calcore simulate`` is asked beyond its defaults.
    like
        Name of the row whose exposure is taken; that of its own unless said.
    stage
        Which stage is timed; what it takes is made once, by the stages before.
    pipeline
        What the reference pipeline calls that stage; that of images unless said.
    exposures
        So many are simulated; of a row that takes those of another, so many are made of them, which
        come over and over.
    dithers
        So many positions are simulated, if not one for each exposure.
    integrations
        So many integrations are made of those of that exposure, which come over and over.
    settings
        Parameters by ``step.parameter``, the same in all programs.
    programs
        Who is timed.
    rounds
        Runs within a process, of which the first is not counted unless it is the only one.
    compiled
        Whether to measure compilation, too.
    """

    name: str
    title: str
    instrument: str
    options: tuple[str, ...] = ()
    like: str = ""
    stage: str = "1"
    pipeline: str = ""
    exposures: int = 1
    dithers: int = 0
    integrations: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    programs: tuple[str, ...] = PROGRAMS
    rounds: int = 3
    compiled: bool = False

    @property
    def theirs(self) -> str:
        """The class of the reference pipeline that is timed."""
        named = {"1": "Detector1Pipeline", "2": "Image2Pipeline", "3": "Image3Pipeline"}
        return self.pipeline or named[self.stage]

    def exposure(self, work: Path) -> tuple[Path, dict[str, str]]:
        """Simulate the exposure unless it is there; return it and its references' environment."""
        folder = work / (self.like or self.name)
        if not list(folder.glob("*_uncal.fits")):
            print(f"{self.name}: simulating …", flush=True)
            command = ["simulate", "--instrument", self.instrument, "-o", str(folder), "-q"]
            _calcore([*command, "--dithers", str(self.dithers or self.exposures), *self.options])
        environment = {
            "CRDS_PATH": str(folder / "crds_cache"),
            "CRDS_SERVER_URL": SERVERLESS,
            "CRDS_OBSERVATORY": "jwst",
            "CRDS_READONLY_CACHE": "1",
            "STPIPE_DISABLE_CRDS_STEPPARS": "True",
        }
        path = min(folder.glob("*_uncal.fits"))
        if self.integrations:
            path = _repeat(path, work / self.name / path.name, self.integrations)
        if self.stage == "2":
            path = min(_made(folder, "1", "rate", environment))
        if self.stage == "3":
            _made(folder, "1", "rate", environment)
            images = _made(folder, "2", "cal", environment)
            path = _association(images, folder, work / self.name / "members", self.exposures)
        return path, environment


def _calcore(words: list[str], environment: Mapping[str, str] | None = None) -> None:
    """Run calcore's command."""
    command = [sys.executable, "-m", "calcore.cli", *words]
    subprocess.run(command, env={**os.environ, **(environment or {})}, check=True)


def _made(folder: Path, stage: str, suffix: str, environment: Mapping[str, str]) -> list[Path]:
    """Return what a stage makes of a folder of exposures, in their order; it is made once."""
    if not list(folder.glob(f"*_{suffix}.fits")):
        print(f"{folder.name}: stage {stage} …", flush=True)
        words = ["run", str(folder), "--stage", stage, "-o", str(folder), "--no-pictures", "-q"]
        _calcore(words, environment)
    return sorted(folder.glob(f"*_{suffix}.fits"))


def _association(images: list[Path], folder: Path, members: Path, number: int) -> Path:
    """Write an association of so many exposures, which are links to those there are."""
    path = min(folder.glob("*3_*_asn.json"))
    association = json.loads(path.read_text(encoding="utf-8"))
    members.mkdir(parents=True, exist_ok=True)
    listed = []
    for index in range(number):
        image = images[index % len(images)]
        *visit, _, detector, suffix = image.name.split("_")
        link = members / "_".join([*visit, f"{index + 1:05d}", detector, suffix])
        if not link.exists():
            os.link(image, link)
        listed.append({"expname": link.name, "exptype": "science", "group_id": f"{index + 1}"})
    association["products"][0]["members"] = listed
    own = members / path.name
    own.write_text(json.dumps(association, indent=1), encoding="utf-8")
    return own


def _repeat(path: Path, longer: Path, n_int: int) -> Path:
    """Write an exposure whose integrations are another's, over and over, unless it is there."""
    if not longer.exists():
        longer.parent.mkdir(parents=True, exist_ok=True)
        with fits.open(path) as exposure:
            order = np.arange(n_int) % exposure[0].header["NINTS"]
            exposure[0].header.update(NINTS=n_int, INTSTART=1, INTEND=n_int)
            for name in ("SCI", "INT_TIMES"):
                exposure[name].data = exposure[name].data[order]
            exposure["INT_TIMES"].data["integration_number"] = 1 + np.arange(n_int)
            exposure.writeto(longer)
    return longer


_IMAGES = ("--detector", "NRCA1", "--pattern", "BRIGHT1", "--subarray", "FULL", "--groups", "4",
           "--filter", "F200W")  # fmt: skip
_NIRCAM = ("--detector", "NRCA1", "--pattern", "RAPID", "--subarray", "FULL")
_SOSS = ("--mode", "soss", "--subarray", "SUBSTRIP256", "--groups", "5")

_MRS = ("--mode", "mrs", "--detector", "MIRIFUSHORT", "--groups", "5", "--background", "0")
_BANDS = tuple(word for band in ("SHORT", "MEDIUM", "LONG") for word in ("--band", band))


def _skipped(*steps: str) -> dict[str, Any]:
    return {f"{step}.skip": True for step in steps}


ROWS = (
    Row(
        name="nircam",
        title="NIRCam, 10 groups of 2048 x 2048",
        instrument="nircam",
        options=(*_NIRCAM, "--groups", "10"),
        compiled=True,
    ),
    Row(
        name="nircam_20",
        title="NIRCam, 20 groups of 2048 x 2048",
        instrument="nircam",
        options=(*_NIRCAM, "--groups", "20"),
    ),
    Row(
        name="nircam_flicker",
        title="NIRCam, 10 groups of 2048 x 2048, with snowballs and 1/f noise cleaned",
        instrument="nircam",
        like="nircam",
        settings={"jump.expand_large_events": True, "clean_flicker_noise.skip": False},
    ),
    Row(
        name="nirspec_irs2",
        title="NIRSpec, IRS2 read-out, 20 groups of 2048 x 3200",
        instrument="nirspec",
        options=("--mode", "msa", "--detector", "NRS1", "--pattern", "NRSIRS2RAPID",
                 "--groups", "20"),
    ),
    Row(
        name="nirspec_sub2048",
        title="NIRSpec, SUB2048, 60 integrations of 12 groups",
        instrument="nirspec",
        options=("--mode", "bright_object", "--detector", "NRS1", "--subarray", "SUB2048",
                 "--integrations", "60", "--groups", "12"),
    ),
    Row(
        name="miri",
        title="MIRI, 10 groups of 1024 x 1032",
        instrument="miri",
        options=("--subarray", "FULL", "--groups", "10"),
        compiled=True,
    ),
    Row(
        name="miri_40",
        title="MIRI, 40 groups of 1024 x 1032",
        instrument="miri",
        options=("--subarray", "FULL", "--groups", "40"),
    ),
    Row(
        name="niriss_soss",
        title="NIRISS SOSS, SUBSTRIP256, 40 integrations of 5 groups",
        instrument="niriss",
        options=(*_SOSS, "--integrations", "40"),
    ),
    Row(
        name="niriss_soss_500",
        title="NIRISS SOSS, SUBSTRIP256, 500 integrations of 5 groups, calcore alone",
        instrument="niriss",
        options=(*_SOSS, "--integrations", "40"),
        like="niriss_soss",
        integrations=500,
        programs=PROFILES,
        rounds=1,
    ),
    Row(
        name="image3",
        title="image3 of four dithered exposures of NIRCam, 2048 x 2048",
        instrument="nircam",
        options=_IMAGES,
        stage="3",
        exposures=4,
        compiled=True,
    ),
    Row(
        name="image2",
        title="image2 of an exposure of NIRCam, 2048 x 2048",
        instrument="nircam",
        like="image3",
        options=_IMAGES,
        stage="2",
        exposures=4,
    ),
    Row(
        name="image3_20",
        title="image3 of twenty exposures of NIRCam, 2048 x 2048, calcore alone",
        instrument="nircam",
        options=_IMAGES,
        like="image3",
        stage="3",
        exposures=20,
        programs=PROFILES,
        rounds=2,
    ),
    Row(
        name="mrs_wcs",
        title="MIRI MRS, world coordinates of an exposure (the other steps of spec2 skipped)",
        instrument="miri",
        options=(*_MRS, "--band", "SHORT"),
        stage="2",
        pipeline="Spec2Pipeline",
        exposures=4,
        settings=_skipped("bkg_subtract", "srctype", "straylight", "flat_field", "fringe",
                          "photom", "cube_build", "extract_1d"),
    ),
    Row(
        name="mrs_cubes",
        title="MIRI MRS, cubes of four exposures of one band (the other steps of spec3 skipped)",
        instrument="miri",
        options=(*_MRS, "--band", "SHORT"),
        like="mrs_wcs",
        stage="3",
        pipeline="Spec3Pipeline",
        exposures=4,
        settings=_skipped("master_background", "outlier_detection", "extract_1d", "spectral_leak"),
        rounds=2,
        compiled=True,
    ),
    Row(
        name="mrs_spec3",
        title="MIRI MRS, spec3 of three bands in four dithers",
        instrument="miri",
        options=(*_MRS, *_BANDS),
        stage="3",
        pipeline="Spec3Pipeline",
        exposures=12,
        dithers=4,
        rounds=2,
    ),
)  # fmt: skip
