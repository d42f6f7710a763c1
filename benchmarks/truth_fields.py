"""Small dithered fields of stars, as both programs get them: for alignment, mosaics and catalogues.

The exposures are those of tests/star_field.py: calibrated, with a camera's distortion, pixels that
collect a Gaussian star's light, and noise that ERR states. What the reference pipeline makes of them
is kept below a folder, by the hash of all it was given.
"""

import hashlib
import json
import os
import runpy
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.truth_visits import SERVERLESS, jwst_python

from calcore import io
from calcore.model import Group, Image
from calcore.wcs.footprint import region

ROOT = Path(__file__).parents[1]
WORKER = ROOT / "tests" / "parity" / "reference_stage3.py"
_LOADED = runpy.run_path(str(ROOT / "tests" / "star_field.py"))
star_field, SCALE = _LOADED["star_field"], float(_LOADED["SCALE"])
"""The maker of fields, and the size of their pixels [arcsec]."""


def profile(name: str, slot: str) -> dict[str, Any]:
    """Return what a profile sets in a slot of stage 3, all parameters else at their defaults."""
    text = resources.files("calcore.pipelines").joinpath("image3.toml").read_text("utf-8")
    found: dict[str, Any] = {}
    for condition in tomllib.loads(text)["when"]:
        if condition.get("profile") == name:
            found |= condition["set"].get(slot, {})
    return found


def keywords(number: int) -> dict[str, Any]:
    """Return the keywords that the reference pipeline asks for."""
    return {
        "instrument.name": "MIRI", "instrument.detector": "MIRIMAGE", "instrument.filter": "F770W",
        "exposure.type": "MIR_IMAGE", "exposure.nints": 1, "exposure.ngroups": 10,
        "exposure.integration_time": 98.0, "target.ra": 0.001, "target.dec": -69.3,
        "observation.date": f"2020-06-0{number + 1}", "observation.time": "00:00:00.000",
        "velocity_aberration.scale_factor": 1.00005, "photometry.conversion_megajanskys": 0.4,
        "cal_step.photom": "COMPLETE", "instrument.band": "SHORT", "exposure.readpatt": "FASTR1",
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Job:
    """One step of the reference pipeline, with its parameters."""

    name: str
    step: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answers:
    """What the reference pipeline made of a group."""

    folder: Path

    def files(self, name: str) -> list[Path]:
        """Return the products of a job; none if it failed."""
        return sorted(self.folder.glob(f"{name}_[0-9].fits"))

    def images(self, name: str) -> list[Image]:
        """Return the exposures that a job returned."""
        return [io.open(file, Image) for file in self.files(name)]


def theirs(group: Group[Image], jobs: Sequence[Job], work: Path) -> Answers | None:
    """Have the reference pipeline do jobs on a group; None if there is no reference pipeline."""
    python = jwst_python()
    asked = [
        {"name": job.name, "step": job.step, "parameters": dict(job.parameters),
         "inputs": [f"exposure{k}_cal.fits" for k in range(len(group.members))]}
        for job in jobs
    ]  # fmt: skip
    digest = hashlib.sha256(WORKER.read_bytes() + json.dumps(asked).encode())
    for member in group.members:
        digest.update(np.nan_to_num(member.data).tobytes())
        x, y = np.meshgrid([0.0, 100.0], [0.0, 100.0])
        sky = np.round(member.wcs(x, y, with_bounding_box=False), 9)
        digest.update(sky.tobytes())
    kept = work / "fields" / digest.hexdigest()[:32]
    if kept.exists():
        return Answers(kept)
    if python is None:
        return None
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as made:
        folder = Path(made)
        for k, member in enumerate(group.members):
            meta = member.meta.set({"wcsinfo.s_region": region(member.wcs)})
            io.write(member.replace(meta=meta), folder / f"exposure{k}_cal.fits")
        (folder / "jobs.json").write_text(json.dumps(asked))
        environment = {
            **os.environ, "CRDS_SERVER_URL": SERVERLESS, "CRDS_OBSERVATORY": "jwst",
            "CRDS_PATH": made, "CRDS_READONLY_CACHE": "1", "STPIPE_DISABLE_CRDS_STEPPARS": "True",
            "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
        }  # fmt: skip
        with (folder / "jobs.log").open("w") as log:
            subprocess.run(
                [python, WORKER, folder], env=environment, check=True, stdout=log, stderr=log
            )
        for file in folder.glob("exposure*_cal.fits"):
            file.unlink()
        shutil.copytree(folder, kept)
    return Answers(kept)
