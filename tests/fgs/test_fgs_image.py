"""Images of the guiders from raw exposures to a mosaic and a catalogue: without a filter."""

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from calcore.run import Status
from calcore_fgs.simulate import SIMULATION


@pytest.fixture(scope="module")
def products(fgs_products):
    folder, result = fgs_products
    assert {outcome.status for outcome in result.products} == {Status.COMPLETE}
    return folder


def test_the_sky_has_its_brightness(products):
    (mosaic,) = products.glob("*_t001_fgs_clear-sub128cntr_i2d.fits")
    with fits.open(mosaic) as file:
        assert file["SCI"].header["BUNIT"] == "MJy/sr"
        sky = SIMULATION.filter("OPEN").background_mjysr
        assert np.nanmedian(file["SCI"].data) == pytest.approx(sky, rel=0.2)
        assert "FILTER" not in file[0].header
    assert len(list(products.glob("*_guider1_i2d.fits"))) == 2


def test_stars_have_both_magnitudes(products):
    """The difference between them is the guider's."""
    (path,) = products.glob("*_cat.ecsv")
    stars = Table.read(path)
    assert len(stars) > 0
    vega_jy = 655.0 * (2.19 / SIMULATION.filter("OPEN").pivot_micron) ** 2
    offset = stars["aper_total_abmag"] - stars["aper_total_vegamag"]
    np.testing.assert_allclose(offset, 2.5 * np.log10(3631 / vega_jy), atol=1e-5)


def test_references_serve_either_guider(fgs_visit):
    folder = fgs_visit.folder / "crds_cache" / "references" / "jwst" / "fgs"
    with asdf.open(folder / "jwst_fgs_abvegaoffset_0001.asdf") as file:
        table = file["abvega_offset"]
        assert list(table["detector"]) == ["GUIDER1", "GUIDER2"]
        assert len(set(table["abvega_offset"])) == 1
    conversion = fits.getdata(folder / "jwst_fgs_photom_0001.fits", "PHOTOM")
    assert conversion.dtype.names == ("photmjsr", "uncertainty")
    assert len(conversion) == 1
