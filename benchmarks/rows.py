"""The exposures whose calibration is timed: how each is simulated, and what is asked of both programs."""

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
    """One exposure, and how it is calibrated.

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
    integrations: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    programs: tuple[str, ...] = PROGRAMS
    rounds: int = 3
    compiled: bool = False

    def exposure(self, work: Path) -> tuple[Path, dict[str, str]]:
        """Simulate the exposure unless it is there; return it and its references' environment."""
        folder = work / (self.like or self.name)
        if not list(folder.glob("*_uncal.fits")):
            print(f"{self.name}: simulating …", flush=True)
            command = [sys.executable, "-m", "calcore.cli", "simulate", "--instrument",
                       self.instrument, "-o", str(folder), "--dithers", "1", "-q"]  # fmt: skip
            subprocess.run([*command, *self.options], check=True)
        path = min(folder.glob("*_uncal.fits"))
        if self.integrations:
            path = _repeat(path, work / self.name / path.name, self.integrations)
        environment = {
            "CRDS_PATH": str(folder / "crds_cache"),
            "CRDS_SERVER_URL": SERVERLESS,
            "CRDS_OBSERVATORY": "jwst",
            "CRDS_READONLY_CACHE": "1",
            "STPIPE_DISABLE_CRDS_STEPPARS": "True",
        }
        return path, environment


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


_NIRCAM = ("--detector", "NRCA1", "--pattern", "RAPID", "--subarray", "FULL")
_SOSS = ("--mode", "soss", "--subarray", "SUBSTRIP256", "--groups", "5")

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
)  # fmt: skip
