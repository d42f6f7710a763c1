"""Where NIRSpec's spectra fall, against the reference pipeline: the same optics, the same shutters."""

import hashlib
import json
import shutil
from pathlib import Path

import asdf
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from calcore.io import open_reference
from calcore.model import Meta
from calcore.simulate.reference_cache import ReferenceCache
from calcore_nirspec.hooks import calcore_mask
from calcore_nirspec.simulate import SIMULATION
from calcore_nirspec.simulate import optics as simulated_optics

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "nirspec"
ANSWERS = ROOT / ".cache" / "parity"
PROGRAM = Path(__file__).with_name("reference_masks.py")
REAL = {
    "fpa": "fpa_0005", "camera": "camera_0004", "collimator": "collimator_0004",
    "fore": "fore_0028", "ote": "ote_0005", "wavelengthrange": "wavelengthrange_0004",
    "ifupost": "ifupost_0004",
}  # fmt: skip
USE_AFTER = "2020-01-01T00:00:00"
DISPERSERS = "G395M", "G235H", "PRISM"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="shared data are not here")


def case(detector, kind, light, *, subarray="FULL", start=1, rows=2048, **more):
    fast, slow = (2, 1) if detector == "NRS1" else (-2, -1)
    return {
        "instrument.name": "NIRSPEC", "instrument.detector": detector, "exposure.type": kind,
        "instrument.filter": light[0], "instrument.grating": light[1],
        "instrument.gwa_xtilt": 0.31, "instrument.gwa_ytilt": 0.302, "instrument.gwa_tilt": 37.0,
        "observation.date": "2022-08-09", "observation.time": "00:00:00.000",
        "observation.program_number": "95065",
        "wcsinfo.ra_ref": 10.0, "wcsinfo.dec_ref": -30.0, "wcsinfo.roll_ref": 123.4,
        "wcsinfo.v2_ref": 378.0, "wcsinfo.v3_ref": -428.0, "wcsinfo.vparity": -1,
        "wcsinfo.v3yangle": 138.0, "wcsinfo.velosys": 0.0,
        "velocity_aberration.scale_factor": 1.0, "subarray.name": subarray,
        "subarray.xstart": 1, "subarray.ystart": start, "subarray.xsize": 2048,
        "subarray.ysize": rows, "subarray.fastaxis": fast, "subarray.slowaxis": slow, **more,
    }  # fmt: skip


MEDIUM, HIGH, PRISM = ("F290LP", "G395M"), ("F170LP", "G235H"), ("CLEAR", "PRISM")
SHUTTERS = {
    "instrument.msa_metadata_file": "msa_configuration.fits", "dither.position_number": 1,
}  # fmt: skip
CASES = {
    "slits, medium": case("NRS1", "NRS_FIXEDSLIT", MEDIUM),
    "slits, high, second detector": case("NRS2", "NRS_FIXEDSLIT", HIGH),
    "slits, prism": case("NRS1", "NRS_FIXEDSLIT", PRISM),
    "all slits": case("NRS2", "NRS_FIXEDSLIT", HIGH, subarray="ALLSLITS", start=897, rows=256),
    "one slit": case("NRS1", "NRS_FIXEDSLIT", MEDIUM, subarray="SUBS400A1", start=897, rows=256),
    "bright object": case("NRS1", "NRS_BRIGHTOBJ", MEDIUM, subarray="SUB2048", start=897, rows=256),
    "slitlet": case("NRS1", "NRS_MSASPEC", MEDIUM, **SHUTTERS, **{"instrument.msa_metadata_id": 2}),
    "slitlets, prism": case(
        "NRS1", "NRS_MSASPEC", PRISM, **SHUTTERS, **{"instrument.msa_metadata_id": 16}
    ),
    "slices": case("NRS1", "NRS_IFU", MEDIUM),
}  # fmt: skip


def shutter(quadrant, row, column, *open_in):
    states = dict.fromkeys(("state", "TA state", "Internal state"), "closed")
    return {"Q": quadrant, "x": row, "y": column, "Vignetted": "no", **states,
            **dict.fromkeys(open_in, "open")}  # fmt: skip


FAILED = [
    shutter(4, 200, 60, "state"), shutter(4, 190, 90, "TA state"), shutter(3, 200, 120),
    shutter(3, 210, 20, "Internal state"),
]  # fmt: skip


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Return a CRDS cache of real optics, and of simulated ones where there are none; and its files."""
    cache = ReferenceCache(tmp_path_factory.mktemp("crds"), "NIRSPEC")
    common = {
        "telescope": "JWST", "author": "calcore", "pedigree": "DUMMY", "useafter": USE_AFTER,
        "description": "made for a test", "exposure": {"type": "N/A"},
    }  # fmt: skip
    files = {}

    def place(kind, tree, *grating):
        path, _ = cache.place(
            kind, ["EXP_TYPE", *(["GRATING"] if grating else [])], ["N/A", *grating],
            use_after=USE_AFTER, recipe="", length=0, extension="asdf",
        )  # fmt: skip
        files[(kind, *grating)] = path
        if kind in REAL:
            shutil.copy(SHARED / f"jwst_nirspec_{REAL[kind]}.asdf", path)
            return
        instrument = {"name": "NIRSPEC", **({"grating": grating[0]} if grating else {})}
        meta = {**common, "reftype": kind, "instrument": instrument, **tree.get("meta", {})}
        asdf.AsdfFile({**tree, "meta": meta}, version="1.5.0").write_to(path)

    for kind, (_, tree) in simulated_optics.TREES.items():
        place(kind, tree())
    for name in DISPERSERS:
        place("disperser", simulated_optics.disperser_tree(name), name)
    path, _ = cache.place(
        "msaoper", ["EXP_TYPE"], ["N/A"], use_after=USE_AFTER, recipe="", length=0,
        extension="json",
    )  # fmt: skip
    path.write_text(json.dumps({"reftype": "MSAOPER", "msaoper": FAILED}))
    files[("msaoper",)] = path
    table = SIMULATION.table
    types = {*table["not_applicable"]["types"], *table["references"]}
    cache.write(types - {entry.type for entry in cache.entries})
    return cache.folder, files


@pytest.fixture(scope="module")
def theirs(references, reference_pipeline, tmp_path_factory):
    """Return the reference pipeline's masks by case, kept once they are known."""
    folder, files = references
    digest = hashlib.sha256(PROGRAM.read_bytes() + json.dumps(CASES).encode())
    for path in files.values():
        digest.update(path.read_bytes())
    kept = ANSWERS / f"masks_{digest.hexdigest()[:24]}.npz"
    if not kept.exists():
        work = tmp_path_factory.mktemp("masks")
        named = "instrument.msa_metadata_file"
        there = {
            name: {**own, named: str(SHARED / own[named])} if named in own else own
            for name, own in CASES.items()
        }
        (work / "cases.json").write_text(json.dumps(there))
        log = work / "log"
        wait = reference_pipeline.ready.start(
            reference_pipeline.require(), PROGRAM, work, log=log, cache=folder
        )
        assert wait() == 0, log.read_text()[-3000:]
        ANSWERS.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "masks.npz", kept)
    with np.load(kept) as masks:
        return dict(masks)


@pytest.mark.parametrize("name", CASES)
def test_masks_of_science_regions(references, theirs, figures, name):
    meta, (_, files) = Meta(CASES[name]), references
    figures.subject = "CleanFlickerNoise"

    class Asked:
        def __call__(self, kind, named=None):
            if named is not None:
                return open_reference(SHARED / meta[named], kind)
            grating = (meta["instrument.grating"],) if kind.type == "disperser" else ()
            return open_reference(files[(kind.type, *grating)], kind)

        if_any = __call__

    ours, other = calcore_mask(meta, Asked()), theirs[name]
    figures.saw_flags("science mask", ours, other)
    assert 0.01 < other.mean() < 0.9
    assert (ours != other).mean() < 3e-3
    for inner, outer in ((ours, other), (other, ours)):  # edges are at most a pixel apart
        assert not (inner & ~binary_dilation(outer, np.ones((3, 5)))).any()
