"""Images of NIRISS from raw exposures to a mosaic and a catalogue."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from calcore.run import Status, run
from calcore.simulate import VisitOptions, simulate
from calcore_niriss.simulate import SIMULATION


@pytest.fixture(scope="module")
def products(niriss_products):
    folder, result = niriss_products
    assert {outcome.status for outcome in result.products} == {Status.COMPLETE}
    return folder


def test_the_mosaic_has_the_filters_flux_scale(products):
    (mosaic,) = products.glob("*_t001_niriss_clear-f150w-sub128_i2d.fits")
    with fits.open(mosaic) as file:
        assert file["SCI"].header["BUNIT"] == "MJy/sr"
        assert file["SCI"].header["PHOTMJSR"] == pytest.approx(SIMULATION.filter("F150W").photmjsr)
        assert file[0].header["S_RESAMP"] == "COMPLETE"
        assert len(file["HDRTAB"].data) == 2


def test_each_exposure_has_a_quick_look(products):
    assert len(list(products.glob("*_nis_cal.fits"))) == 2
    assert len(list(products.glob("*_nis_i2d.fits"))) == 2


def test_stars_have_both_magnitudes(products):
    (path,) = products.glob("*_cat.ecsv")
    stars = Table.read(path)
    assert len(stars) > 0
    vega_jy = 655.0 * (2.19 / SIMULATION.filter("F150W").pivot_micron) ** 2
    offset = stars["aper_total_abmag"] - stars["aper_total_vegamag"]
    np.testing.assert_allclose(offset, 2.5 * np.log10(3631 / vega_jy), atol=1e-5)


def test_references_of_filters_in_either_wheel(niriss_visit):
    folder = niriss_visit.folder / "crds_cache" / "references" / "jwst" / "niriss"
    for kind, extension in (("photom", "PHOTOM"), ("apcorr", "APCORR")):
        table = fits.getdata(folder / f"jwst_niriss_{kind}_0001.fits", extension)
        wheels = {(row["filter"].strip(), row["pupil"].strip()) for row in table}
        assert {("CLEAR", "F150W"), ("F380M", "CLEARP"), ("F480M", "NRM")} <= wheels
        assert ("F150W", "F150W") not in wheels


def test_interferometry_keeps_its_integrations_apart(tmp_path, monkeypatch):
    options = VisitOptions(mode="ami", size="small", n_groups=3, truth=False, seed=3)
    made = simulate(SIMULATION, tmp_path / "raw", options)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    result = run(tmp_path / "raw", output=tmp_path)
    assert [outcome.pipeline for outcome in result.products] == ["detector1", "image2"]
    suffixes = {path.stem.rpartition("_")[2] for path in tmp_path.glob("*.fits")}
    assert suffixes == {"rate", "rateints", "calints"}
    with fits.open(next(tmp_path.glob("*_calints.fits"))) as file:
        assert file["SCI"].data.shape == (2, 80, 80)
        assert file["SCI"].header["BUNIT"] == "MJy/sr"
        assert file["SCI"].header["PHOTMJSR"] == pytest.approx(SIMULATION.filter("NRM").photmjsr)
