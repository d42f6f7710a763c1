"""Guide-star exposures of every mode through both pipelines: files, plane by plane, card by card."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

FILES = runpy.run_path(str(Path(__file__).parents[1] / "guide_star.py"))
STEPS = {"mask": "dq_init", "gain": "guider_cds", "readnoise": "guider_cds", "flat": "flat_field"}
# What is written at another time or by another program, or names files by their folder.
OTHERWISE = {"", "COMMENT", "HISTORY", "DATE", "CAL_VER", "CAL_VCS", "CRDS_VER", "CRDS_CTX",
             "R_MASK", "R_GAIN", "R_READNO", "R_FLAT"}  # fmt: skip


@pytest.fixture(scope="module")
def made(reference_pipeline, own_batch, miri_visit, tmp_path_factory):
    """Folders of products: theirs and ours."""
    reference_pipeline.require()
    folder = tmp_path_factory.mktemp("guider")
    flows = [FILES["ramp"](mode) for mode in FILES["SHAPES"]]
    given = FILES["references"](np.random.default_rng(3))
    raw, paths = FILES["write"](folder, flows, given)
    # Any cache will do, since every reference is given.
    cache = miri_visit.folder / "crds_cache"
    for mode, path in raw.items():
        steps = {name: {} for name in STEPS.values()}
        for kind, name in STEPS.items():
            steps[name][f"override_{kind}"] = str(paths[kind])
        steps["flat_field"] |= {f"override_{one}flat": "N/A" for one in "fds"}
        if mode == "FGS_ID-STACK":
            steps["dq_init"] = {"skip": True}  # else it raises an error: no mask covers the strips
        reference_pipeline.pipeline(
            "GuiderPipeline", path, folder / "theirs", cache=cache, steps=steps
        )
    job = {
        "inputs": [str(path) for path in raw.values()], "output": str(folder / "ours"),
        "references": {kind: str(path) for kind, path in paths.items()},
    }  # fmt: skip
    own_batch([job], folder / "ours", cache).finish()
    return folder


@pytest.mark.parametrize("mode", FILES["SHAPES"])
def test_same_reads_give_the_same_images(made, compare, figures, mode):
    name = f"jw01234001001_{FILES['NAMES'][mode]}_cal.fits"
    with fits.open(made / "ours" / name) as mine, fits.open(made / "theirs" / name) as theirs:
        assert [hdu.name for hdu in mine] == [hdu.name for hdu in theirs]
        for hdu in theirs[:-1]:
            header = mine[hdu.name].header
            cards = [card for card in hdu.header.cards if card.keyword not in OTHERWISE]
            if hdu.name in {"PRIMARY", "SCI", "ERR", "DQ"}:
                assert [c.keyword for c in cards if header.get(c.keyword) != c.value] == []
        figures.subject = "GuiderPipeline"
        compare.images(*({hdu.name: hdu.data for hdu in hdus} for hdus in (mine, theirs)))
        for plane in ("SCI", "ERR"):
            np.testing.assert_allclose(
                mine[plane].data, theirs[plane].data, rtol=3e-7, atol=0, err_msg=plane
            )
        np.testing.assert_array_equal(mine["DQ"].data, theirs["DQ"].data)
        for table in mine[4:-1]:
            for column in table.data.names:
                own, other = table.data[column], theirs[table.name].data[column]
                assert own.astype(str).tolist() == other.astype(str).tolist(), column
