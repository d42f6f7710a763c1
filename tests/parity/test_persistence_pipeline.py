"""Windows carried through files, exposure after exposure, by both pipelines.

The reference pipeline is given the files in the order of time, calcore in the other.
"""

import hashlib
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.simulate import VisitOptions, simulate
from calcore.simulate.sky_options import SkyOptions

KEPT = Path(__file__).parents[2] / ".cache" / "parity"
THEIRS = Path(__file__).with_name("reference_batch.py")
BRIGHT = SkyOptions(
    stars=3000.0, galaxies=0.0, brightest=50.0, faintest=0.01, slope=0.02, grid=False
)
CASES: dict[str, tuple[float, dict[str, Any]]] = {
    "nircam": (20000.0, {
        "subarray": "SUB160", "pattern": "SHALLOW4", "n_groups": 4, "n_ints": 2, "n_dithers": 2,
        "sky": BRIGHT,
    }),
    "niriss": (20000.0, {
        "mode": "soss", "subarray": "SUBSTRIP96", "n_groups": 3, "n_ints": 3, "segment_ints": 2,
    }),
    "miri": (20000.0, {
        "subarray": "SUB64", "n_groups": 6, "n_ints": 2, "n_dithers": 2, "sky": BRIGHT,
    }),
    "fgs": (1000.0, {
        "subarray": "SUB128LL", "n_groups": 4, "n_dithers": 2, "detectors": ("GUIDER1",),
    }),
    "nirspec": (20000.0, {
        "mode": "bright_object", "subarray": "SUB512", "detectors": ("NRS1",), "n_groups": 4,
        "n_ints": 3, "segment_ints": 2,
    }),
}  # fmt: skip


def theirs(reference_pipeline, files, cache, settings):
    """Return the folder of the reference pipeline's products and windows."""
    digest = hashlib.sha256(json.dumps(settings).encode() + THEIRS.read_bytes())
    for path in [*files, *sorted(cache.rglob("*"))]:
        if path.is_file():
            digest.update(path.read_bytes())
    kept = KEPT / f"persistence-{digest.hexdigest()[:32]}"
    if (kept / "done").exists():
        return kept
    reference_pipeline.require()
    kept.mkdir(parents=True, exist_ok=True)
    windows = kept / "windows.asdf"
    windows.unlink(missing_ok=True)
    jobs = []
    for number, path in enumerate(files):
        before = {"persistence_array_file": str(windows)} if number else {}
        step = {"skip": False, "save_persistence": str(windows), **before, **settings}
        jobs.append(
            {"pipeline": "Detector1Pipeline", "input": str(path), "output": str(kept),
             "steps": {"persistence": step}}
        )  # fmt: skip
    (kept / "jobs.json").write_text(json.dumps(jobs))
    reference_pipeline.batch(kept / "jobs.json", cache).finish()
    (kept / "done").touch()
    return kept


@pytest.mark.parametrize("instrument", CASES)
def test_rates_and_windows(reference_pipeline, own_batch, tmp_path, instrument):
    threshold, options = CASES[instrument]
    tables = import_module(f"calcore_{instrument}.simulate").SIMULATION
    simulate(tables, tmp_path, VisitOptions(seed=7, truth=False, **options))
    files, cache = sorted(tmp_path.glob("*_uncal.fits")), tmp_path / "crds_cache"
    settings = {"persistence_time": 400, "dn_threshold": threshold}
    asked = theirs(reference_pipeline, files, cache, settings)
    job = {
        "inputs": [str(path) for path in reversed(files)], "output": str(tmp_path / "ours"),
        "stage": "1",
        "settings": {
            "persistence.skip": False,
            "persistence.save_persistence": str(tmp_path / "windows.asdf"),
            **{f"persistence.{name}": value for name, value in settings.items()},
        },
    }  # fmt: skip
    own_batch([job], tmp_path / "ours", cache).finish()
    flagged = 0
    for path in files:
        root = path.name.removesuffix("_uncal.fits")
        for suffix in ("rate", "rateints"):
            name = f"{root}_{suffix}.fits"
            with fits.open(tmp_path / "ours" / name) as mine, fits.open(asked / name) as other:
                np.testing.assert_array_equal(mine["DQ"].data, other["DQ"].data)
                assert mine[0].header["S_PERSIS"] == other[0].header["S_PERSIS"] == "COMPLETE"
                flagged += int((other["DQ"].data & 32 != 0).sum())
    assert flagged > 50
    ours, known = (
        io.read_asdf_tree(folder / "windows.asdf") for folder in (tmp_path, asked)
    )  # fmt: skip
    assert ours.keys() == known.keys()
    for detector, node in known.items():
        for column in ("rows", "cols", "vals"):
            np.testing.assert_array_equal(ours[detector][column], node[column])
        assert ours[detector]["pers_time"] == node["pers_time"]
        assert ours[detector]["filename"] == node["filename"]
