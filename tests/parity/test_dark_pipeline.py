"""Dark exposures through both pipelines: files, plane by plane and keyword by keyword."""

from importlib import import_module

import numpy as np
import pytest
from astropy.io import fits

from calcore.simulate import VisitOptions, simulate

CASES = {
    "miri": ("MIR_DARKIMG", {"subarray": "SUB64", "n_groups": 8}),
    "nircam": ("NRC_DARK", {"subarray": "SUB160", "n_groups": 4, "pattern": "SHALLOW4"}),
    "nirspec": ("NRS_DARK", {
        "mode": "bright_object", "detectors": ("NRS2",), "subarray": "SUB512", "n_groups": 3,
    }),
    "niriss": ("NIS_DARK", {"mode": "ami", "n_groups": 4}),
    "fgs": ("FGS_DARK", {"detectors": ("GUIDER2",), "subarray": "SUB128LL", "n_groups": 4}),
}  # fmt: skip
# What is written at another time, by another program, or is said in another way on purpose.
OTHERWISE = {"", "COMMENT", "HISTORY", "DATE", "CAL_VER", "CAL_VCS", "FILENAME", "FILETYPE"}
# Reference output rides along as raw counts; the reference pipeline makes floats of them.
STORED = {"BITPIX", "EXTVER", "BSCALE", "BZERO"}


@pytest.mark.parametrize("instrument", CASES)
def test_same_raw_exposure_gives_the_same_dark(
    reference_pipeline, own_batch, compare, figures, tmp_path, instrument
):
    reference_pipeline.require()
    exposure_type, options = CASES[instrument]
    tables = import_module(f"calcore_{instrument}.simulate").SIMULATION
    simulate(
        tables,
        tmp_path / "raw",
        VisitOptions(n_ints=2, n_dithers=1, seed=3, truth=False, **options),
    )
    raw = next((tmp_path / "raw").glob("*_uncal.fits"))
    fits.setval(raw, "EXP_TYPE", value=exposure_type)
    cache = tmp_path / "raw" / "crds_cache"
    (answer,) = reference_pipeline.pipeline("DarkPipeline", raw, tmp_path / "theirs", cache=cache)
    job = {"inputs": str(raw), "output": str(tmp_path / "ours"), "pipeline": "calwebb_dark"}
    own_batch([job], tmp_path / "ours", cache).finish()
    ours = next((tmp_path / "ours").glob("*_dark.fits"))
    with fits.open(ours) as mine, fits.open(answer) as theirs:
        assert {hdu.name for hdu in mine} == {hdu.name for hdu in theirs}
        for hdu in theirs:
            if hdu.name == "ASDF":
                continue
            skipped = OTHERWISE | (STORED if hdu.name == "REFOUT" else set())
            header = mine[hdu.name].header
            cards = [card for card in hdu.header.cards if card.keyword not in skipped]
            assert [c.keyword for c in cards if header.get(c.keyword) != c.value] == []
            if hdu.name == "SCI":
                compare.ulp(mine["SCI"].data.astype("f4"), hdu.data.astype("f4"))
                np.testing.assert_allclose(mine["SCI"].data, hdu.data, rtol=1e-6, atol=0)
            elif hdu.name != "PRIMARY":
                if hdu.name.endswith("DQ"):
                    figures.saw_flags(hdu.name, mine[hdu.name].data, hdu.data)
                np.testing.assert_array_equal(mine[hdu.name].data, hdu.data, err_msg=hdu.name)
