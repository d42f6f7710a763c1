"""A target that moves among the stars: its coordinates, and the mosaic in which it stands still."""

import hashlib
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from calcore import io
from calcore.model import Group, Image, Mosaic
from calcore.steps.combination.assign_mtwcs import AssignMTWcs
from calcore.steps.combination.resample import Resample
from calcore.wcs.footprint import region

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("reference_stage3.py")
STARS = runpy.run_path(str(Path(__file__).parents[1] / "star_field.py"))
FILES = [f"moving{k}_cal.fits" for k in range(3)]
JOBS = [
    {"name": "followed", "step": "AssignMTWcsStep", "inputs": FILES},
    {"name": "mosaic", "step": "ResampleStep", "inputs": [f"followed_{k}.fits" for k in range(3)]},
]


def exposure_meta(number):
    """Keywords that the reference pipeline asks for; the FITS approximation as it was assigned."""
    return {
        "instrument.name": "MIRI", "instrument.detector": "MIRIMAGE", "instrument.filter": "F770W",
        "exposure.type": "MIR_IMAGE", "exposure.nints": 1, "exposure.ngroups": 10,
        "exposure.integration_time": 98.0, "exposure.readpatt": "FASTR1", "target.type": "MOVING",
        "observation.date": f"2020-06-0{number + 1}", "observation.time": "00:00:00.000",
        "photometry.conversion_megajanskys": 0.4, "cal_step.photom": "COMPLETE",
        "wcsinfo.crval1": 10.0, "wcsinfo.crval2": 20.3,
        "wcsinfo.mt_ra": 10.0 + 3e-4 * number, "wcsinfo.mt_dec": 20.3 + 2e-4 * number,
    }  # fmt: skip


@pytest.fixture(scope="module")
def answers(reference_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("moving")
    field = STARS["star_field"](
        n=3, shape=(100, 110), stars=20, ra=10.0, dec=20.3, more=exposure_meta
    )
    digest = hashlib.sha256(WORKER.read_bytes() + json.dumps(JOBS).encode())
    for file, member in zip(FILES, field.group.members, strict=True):
        digest.update(np.nan_to_num(member.data).tobytes())
        meta = member.meta.set({"wcsinfo.s_region": region(member.wcs)})
        io.write(member.replace(meta=meta), folder / file)
    kept = ROOT / ".cache" / "parity" / f"moving-{digest.hexdigest()[:32]}"
    if not kept.exists():
        reference_pipeline.require()
        (folder / "jobs.json").write_text(json.dumps(JOBS))
        log = folder / "jobs.log"
        assert reference_pipeline.program(WORKER, folder, log=log) == 0, log.read_text()[-4000:]
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, kept)
    return kept


@pytest.fixture(scope="module")
def followed(answers):
    group = Group("mosaic", tuple(io.open(answers / file, Image) for file in FILES))
    return AssignMTWcs(sip_approx=False)(group)  # as the profile `reference` has it


def test_exposures_follow_the_target_alike(answers, followed):
    for number, ours in enumerate(followed.members):
        theirs = io.open(answers / f"followed_{number}.fits", Image)
        assert theirs.meta["cal_step.assign_mtwcs"] == "COMPLETE"
        assert ours.wcs.available_frames == theirs.wcs.available_frames
        x, y = np.meshgrid([0.0, 50.0, 109.0], [0.0, 40.0, 99.0])
        np.testing.assert_allclose(ours.wcs(x, y), theirs.wcs(x, y), rtol=0, atol=1e-12)
        own = {name: value for name, value in ours.meta.items() if name.startswith("wcsinfo.")}
        own.pop("wcsinfo.s_region")
        assert own == pytest.approx({name: theirs.meta[name] for name in own}, rel=1e-12)
        corners = [np.array(m.meta["wcsinfo.s_region"].split()[2:], float) for m in (ours, theirs)]
        np.testing.assert_allclose(*corners, atol=2e-9)


def test_so_do_mosaics(answers, followed):
    ours, theirs = Resample()(followed), io.open(answers / "mosaic_0.fits", Mosaic)
    assert ours.data.shape == theirs.data.shape
    inner = np.s_[:-1, :-1]
    np.testing.assert_allclose(ours.data[inner], theirs.data[inner], rtol=2e-5, atol=2e-5)
    for name in ("mt_ra", "mt_dec", "mt_avra", "mt_avdec", "crval1", "crval2", "crpix1"):
        value = theirs.meta[f"wcsinfo.{name}"]
        assert ours.meta[f"wcsinfo.{name}"] == pytest.approx(value, rel=1e-9), name
