"""Stage 2 of images: backgrounds named by hand, each integration by itself, no look at acquisitions."""

import numpy as np
import pytest
from astropy.io import fits

from calcore.run import Status, run

pytestmark = pytest.mark.usefixtures("miri_references")
PLANES = ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE")


def written(source, path, integrations=0, **cards):
    """Write a count rate again, with other keywords, and for several integrations."""
    with fits.open(source, memmap=False) as file:
        file[0].header.update(cards)
        for hdu in file:
            if integrations and hdu.name in PLANES:
                hdu.data = np.stack([hdu.data] * integrations)
        path.parent.mkdir(exist_ok=True)
        file.writeto(path)
    return path


def statuses(outcome):
    return {slot.name: slot for slot in outcome.slots}


@pytest.fixture
def rates(miri_products):
    return sorted(miri_products[0].glob("*_rate.fits"))


def test_backgrounds_can_be_named(rates, miri_products, tmp_path):
    settings = {"bkg_subtract.bkg_list": [str(rates[0])]}
    result = run(rates[0], output=tmp_path, stage="2", settings=settings)
    assert result.exit_status == 0
    (outcome,) = result.products
    assert statuses(outcome)["bkg_subtract"].status is Status.COMPLETE
    (cal,) = tmp_path.glob("*_cal.fits")
    with fits.open(cal) as file:
        assert np.nanmax(np.abs(file["SCI"].data)) == 0  # less itself
        assert file[0].header["S_BKDSUB"] == "COMPLETE"
    again = run(rates[0], output=tmp_path, stage="2", settings=settings)
    assert again.products[0].status is Status.KEPT
    settings["bkg_subtract.bkg_list"] = [str(rates[1])]
    (other,) = run(rates[0], output=tmp_path, stage="2", settings=settings).products
    assert "use --overwrite to replace it" in other.reason


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({}, "there is an image for each integration, and they are not combined"),
        ({"TSOVISIT": True, "NINTS": 2}, "the images of a time series are not combined"),
        ({"PATTTYPE": "WFSC"}, "images for wavefront sensing (PATTTYPE is WFSC) are not combined"),
    ],
)
def test_what_is_not_resampled_says_why(rates, tmp_path, cards, reason):
    name = rates[0].name.replace("_rate", "_rateints")
    path = written(rates[0], tmp_path / "in" / name, integrations=2, **cards)
    result = run(path, output=tmp_path, stage="2")
    assert result.exit_status == 0
    resample = statuses(result.products[0])["resample"]
    assert (resample.status, resample.reason) == (Status.SKIPPED, reason)
    assert not list(tmp_path.glob("*_i2d.fits"))
    (cal,) = tmp_path.glob("*_calints.fits")
    with fits.open(cal) as file:
        assert file["SCI"].data.shape == (2, 64, 72)
        assert file["SCI"].header["BUNIT"] == "MJy/sr"
        assert {file[0].header[key] for key in ("S_WCS", "S_FLAT", "S_PHOTOM")} == {"COMPLETE"}
    assert run(path, output=tmp_path, stage="2").products[0].status is Status.KEPT


@pytest.mark.parametrize("exposure_type", ["MIR_TACQ", "MIR_CORONCAL"])
def test_there_is_no_look_at_what_is_no_image_of_the_sky(rates, tmp_path, exposure_type):
    path = written(rates[0], tmp_path / "in" / rates[0].name, EXP_TYPE=exposure_type)
    (outcome,) = run(path, output=tmp_path, stage="2").products
    assert list(statuses(outcome)) == ["bkg_subtract", "assign_wcs", "flat_field", "photom"]
    assert [file.name for file in outcome.files] == [rates[0].name.replace("_rate", "_cal")]
