"""Associations that are made and followed: the same products, and what is said of members."""

import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from calcore.cli.app import commands
from calcore.run import Status, run

pytestmark = pytest.mark.usefixtures("miri_references")


def test_a_run_with_associations_of_both_levels_makes_the_same(miri_visit, miri_products, tmp_path):
    for path in miri_visit.raw:
        shutil.copy(path, tmp_path)
    with pytest.raises(SystemExit, match="0"):
        commands.main(["associate", str(tmp_path), "-q"])
    assert len(list(tmp_path.glob("*_asn.json"))) == 3
    result = run(tmp_path, output=tmp_path / "out")
    assert result.exit_status == 0
    before = {path.name: path for path in miri_products[0].glob("*.fits")}
    after = {path.name: path for path in (tmp_path / "out").glob("*.fits")}
    assert set(after) == set(before)
    for name, path in after.items():
        np.testing.assert_array_equal(fits.getdata(path, 1), fits.getdata(before[name], 1))
    (cal, _) = sorted(path for name, path in after.items() if name.endswith("_cal.fits"))
    assert fits.getval(cal, "ASNTABLE") == "jw01234-o001_image2_00002_asn.json"


@pytest.fixture
def mosaic(miri_visit, miri_products, tmp_path):
    """Return a function that makes a mosaic of which more is said of each member."""
    for path in miri_products[0].glob("*_cal.fits"):
        shutil.copy(path, tmp_path)
    content = json.loads(miri_visit.association.read_text())

    def make(more, **options):
        for member in content["products"][0]["members"]:
            member.update(more(member["expname"]))
        (tmp_path / "x_asn.json").write_text(json.dumps(content))
        result = run(tmp_path, stage="3", skip=("source_catalog",), **options)
        (product,) = result.products
        return product

    return make


def slots(product):
    return {slot.name: slot for slot in product.slots}


def test_members_of_a_group_move_as_one(mosaic):
    done = slots(mosaic(lambda name: {"group_id": "all"}))["tweakreg"]
    assert (done.status, "there is but one exposure" in done.reason) == (Status.SKIPPED, True)
    assert mosaic(lambda name: {"group_id": "all"}).status is Status.KEPT
    again = mosaic(lambda name: {"group_id": name})
    assert "what the association says of jw01234001001_02101_00001_mirimage_cal.fits" in again.why
    assert "there is but one exposure" not in slots(again)["tweakreg"].reason


def test_what_was_said_of_members_is_followed_when_a_run_is_done_again(mosaic, tmp_path):
    first = mosaic(lambda name: {"group_id": "all"})
    (tmp_path / "x_asn.json").unlink()
    (again,) = run(replay=first.files[-1], output=tmp_path / "again").products
    assert slots(again)["tweakreg"].reason == slots(first)["tweakreg"].reason


def test_catalogues_lie_beside_the_association(mosaic, tmp_path):
    settings = {"tweakreg.use_custom_catalogs": True}

    def more(name):
        return {"tweakreg_catalog": f"stars/{name}.ecsv"}

    missing = mosaic(more, settings=settings)
    assert "stars/jw01234001001_02101_00001_mirimage_cal.fits.ecsv" in missing.reason
    (tmp_path / "stars").mkdir()
    for name in sorted(path.name for path in tmp_path.glob("*_cal.fits")):
        stars = Table({"x": [10.0, 20.0, 30.0], "y": [12.0, 40.0, 25.0]})
        stars.write(tmp_path / "stars" / f"{name}.ecsv")
    product = mosaic(more, settings=settings)
    assert product.status is Status.COMPLETE
    first, _ = sorted(tmp_path.glob("*_crf.fits"))
    assert fits.getval(first, "TCATFILE") == first.name.replace("o001_crf", "cal") + ".ecsv"
    assert mosaic(more, settings=settings).status is Status.KEPT
    stars.write(tmp_path / "stars" / f"{name}.ecsv", overwrite=True)
    assert mosaic(more, settings=settings).status is Status.KEPT
    stars[:2].write(tmp_path / "stars" / f"{name}.ecsv", overwrite=True)
    assert f"what the association says of {name} has" in mosaic(more, settings=settings).why
