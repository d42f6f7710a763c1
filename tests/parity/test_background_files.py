"""Masks of background, and the picture frame, by both pipelines from the same files."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import asdf
import numpy as np
import pytest
from astropy.io import fits

from calcore.simulate import VisitOptions, simulate

KEPT = Path(__file__).parents[2] / ".cache" / "parity"
THEIRS = Path(__file__).with_name("reference_batch.py")
SKIPPED = ("ipc", "dark_current", "charge_migration", "jump", "persistence")
COMMANDED = 245.76  # [degree]


@dataclass(frozen=True)
class Question:
    """A simulated exposure, one of its steps, and references that the simulator does not make."""

    instrument: str
    options: Mapping[str, Any]
    step: str
    settings: Mapping[str, Any]
    references: Mapping[str, Path]
    header: Mapping[str, Any] = field(default_factory=dict)

    def raw(self, folder: Path) -> Path:
        """Make the raw exposure."""
        tables = import_module(f"calcore_{self.instrument}.simulate").SIMULATION
        simulate(tables, folder, VisitOptions(seed=3, truth=False, **self.options))
        (path,) = folder.glob("*_uncal.fits")
        with fits.open(path, "update") as file:
            file[0].header.update(self.header)
        return path

    def theirs(self, raw: Path, reference_pipeline: Any) -> Path:
        """Return the folder of the reference pipeline's products."""
        digest = hashlib.sha256(json.dumps([self.step, dict(self.settings)]).encode())
        cache = sorted((raw.parent / "crds_cache").rglob("*"))
        for path in [THEIRS, raw, *self.references.values(), *cache]:
            if path.is_file():
                digest.update(path.read_bytes())
        kept = KEPT / f"background-{digest.hexdigest()[:32]}"
        if not (kept / "done").exists():
            reference_pipeline.require()
            kept.mkdir(parents=True, exist_ok=True)
            own = {f"override_{kind}": str(path) for kind, path in self.references.items()}
            job = {
                "pipeline": "Detector1Pipeline", "input": str(raw), "output": str(kept),
                "steps": {
                    **{step: {"skip": True} for step in SKIPPED},
                    self.step: {"skip": False, **self.settings, **own},
                },
            }  # fmt: skip
            (kept / "jobs.json").write_text(json.dumps([job]))
            reference_pipeline.batch(kept / "jobs.json", raw.parent / "crds_cache").finish()
            (kept / "done").touch()
        return kept

    def ours(self, raw: Path, own_batch: Any) -> Path:
        """Return the folder of our products."""
        folder = raw.parent / "ours"
        job = {
            "inputs": str(raw), "output": str(folder), "stage": "1",
            "references": {kind: str(path) for kind, path in self.references.items()},
            "settings": {
                **{f"{step}.skip": True for step in SKIPPED},
                f"{self.step}.skip": False,
                **{f"{self.step}.{name}": value for name, value in self.settings.items()},
            },
        }  # fmt: skip
        own_batch([job], folder, raw.parent / "crds_cache").finish()
        return folder


def planes(name: str, *folders: Path) -> Iterator[Any]:
    """Yield the image SCI of a kind of product in each folder, without axes of length 1."""
    for folder in folders:
        (path,) = folder.glob(f"*_{name}.fits")
        yield np.squeeze(fits.getdata(path, "SCI")).astype(float)


def traces_file(path: Path) -> Path:
    """Write traces that curve, end within the frame, and run from right to left."""
    x = np.linspace(150, 1900, 60), np.linspace(300, 2200, 1200)[::-1], np.arange(-50.0, 2100)
    y = 60 + 2e-5 * (x[0] - 1000) ** 2, 130 + 3e-5 * (x[1] - 900) ** 2, 230 - x[2] / 90
    tree = {
        "meta": {
            "pwcpos_cmd": COMMANDED, "pwcpos_bounds": [245.0, 246.5], "subarray_ymin": 1792,
            "order2_separation_cutoff": [0.7, 0.8], "soss_xdim": 2048, "soss_ydim": 256,
            "wavemap_nwl": 5001, "wavemap_wlmin": 0.5, "wavemap_wlmax": 5.5,
            "telescope": "JWST", "reftype": "pastasoss", "exposure": {"type": "NIS_SOSS"},
            "instrument": {"name": "NIRISS", "detector": "NIS", "filter": "CLEAR"},
            "model_type": "PastasossModel", "author": "x", "description": "x", "pedigree": "DUMMY",
            "useafter": "2020-01-01T00:00:00",
        },
        "traces": [
            {"spectral_order": order, "pivot_x": 1200.0, "pivot_y": 90.0,
             "trace": np.stack(trace, axis=1), "oversampling": 1, "cutoff": 1500}
            for order, trace in enumerate(zip(x, y, strict=True), 1)
        ],
        "wavecal_models": [
            {"spectral_order": order, "polynomial_degree": 1, "coefficients": np.ones(3),
             "coefficient_labels": ["a", "b", "c"],
             "scale_extents": np.array([[0.0, -1.0], [2048.0, 1.0]])}
            for order in (1, 2, 3)
        ],
    }  # fmt: skip
    asdf.AsdfFile(tree).write_to(path)
    return path


def glow_file(path: Path) -> Path:
    """Write a frame that glows at its edges."""
    away = np.abs(np.arange(2048) - 1023.5) / 1024
    glow = 3 * (np.maximum(away, away[:, None]) ** 8).astype(np.float32)
    header = fits.Header(
        {"DATAMODL": "PictureFrameModel", "TELESCOP": "JWST", "INSTRUME": "NIRSPEC",
         "DETECTOR": "NRS1", "REFTYPE": "PICTUREFRAME", "PEDIGREE": "DUMMY", "AUTHOR": "a",
         "DESCRIP": "d", "USEAFTER": "2020-01-01T00:00:00"}
    )  # fmt: skip
    fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(glow, name="SCI")]).writeto(path)
    return path


@pytest.mark.parametrize("position", [COMMANDED, COMMANDED + 0.5])
@pytest.mark.parametrize("subarray", ["SUBSTRIP96", "SUBSTRIP256"])
def test_traces(reference_pipeline, own_batch, tmp_path, subarray, position):
    question = Question(
        "niriss", {"mode": "soss", "subarray": subarray, "n_groups": 3, "n_ints": 1},
        "clean_flicker_noise",
        {"mask_science_regions": True, "n_sigma": 0.0, "save_mask": True},
        {"pastasoss": traces_file(tmp_path / "traces.asdf")}, {"PWCPOS": position},
    )  # fmt: skip
    raw = question.raw(tmp_path / "raw")
    theirs = question.theirs(raw, reference_pipeline)
    ours, known = planes("mask", question.ours(raw, own_batch), theirs)
    assert 0.3 < 1 - known.mean() < 0.8
    # A thousandth of a pixel along both edges of three traces.
    assert (ours != known).sum() <= 12


def test_picture_frame(reference_pipeline, own_batch, tmp_path):
    question = Question(
        "nirspec",
        {"mode": "ifu", "detectors": ("NRS1",), "pattern": "NRSRAPID", "n_groups": 3, "n_ints": 1},
        "picture_frame",
        {"mask_science_regions": False, "save_mask": True, "save_correction": True},
        {"pictureframe": glow_file(tmp_path / "glow.fits")},
    )
    raw = question.raw(tmp_path / "raw")
    both = question.ours(raw, own_batch), question.theirs(raw, reference_pipeline)
    ours, known = planes("pctfrm_mask", *both)
    assert 0.05 < known.mean() < 0.95
    np.testing.assert_array_equal(ours, known)
    ours, known = planes("pctfrm_correction", *both)
    assert np.abs(known).max() > 5
    # Ours is what was subtracted; it was taken from counts of up to 65 000.
    np.testing.assert_allclose(-ours, known, atol=2 * np.spacing(np.float32(4e4)))
    ours, known = planes("rate", *both)
    (path,) = both[1].glob("*_rate.fits")
    error = fits.getdata(path, "ERR")
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(known))
    assert np.nanmax(np.abs(ours - known) / error) < 1e-3
