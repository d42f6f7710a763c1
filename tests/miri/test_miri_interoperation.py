"""What other software makes of our images: astropy, photutils and asdf know nothing of calcore."""

from io import BytesIO

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from photutils.aperture import SkyCircularAperture, aperture_photometry

# astropy says that it has made dates of MJD-BEG and the like.
pytestmark = pytest.mark.filterwarnings("ignore:'datfix' made the change")
UNITS = {"SCI": "MJy/sr", "ERR": "MJy/sr", "CON": None, "WHT": None}


def files(products, suffix):
    return sorted(products[0].glob(f"*_{suffix}"))


def known_by_asdf(path):
    """Return the gWCS that asdf finds in the extension of that name."""
    with asdf.open(BytesIO(fits.getdata(path, "ASDF")["ASDF_METADATA"][0].tobytes())) as tree:
        return tree["meta"]["wcs"]


def apart(exact, header, shape):
    """Return how far the keywords' coordinates are from the exact ones, all over [pixel]."""
    y, x = np.meshgrid(*(np.linspace(0, size - 1, 9) for size in shape), indexing="ij")
    inside = np.isfinite(exact(x, y)[0])
    x, y = x[inside], y[inside]
    at = header.all_world2pix(*exact(x, y), 0)
    return np.hypot(at[0] - x, at[1] - y).max()


@pytest.fixture(scope="module")
def mosaic(miri_products):
    (path,) = [path for path in files(miri_products, "i2d.fits") if "-o" in path.name]
    return path


def test_keywords_give_the_coordinates_of_a_mosaic(mosaic):
    with fits.open(mosaic) as hdus:
        assert {name: hdus[name].header.get("BUNIT") for name in UNITS} == UNITS
        header = WCS(hdus["SCI"].header)
        assert apart(known_by_asdf(mosaic), header, hdus["SCI"].shape) < 1e-6
        area = header.proj_plane_pixel_area().to_value("arcsec2")
        assert hdus["SCI"].header["PIXAR_A2"] == pytest.approx(area, rel=1e-6)


def test_keywords_approximate_the_coordinates_of_an_image(miri_products):
    for path in files(miri_products, "cal.fits"):
        header = fits.getheader(path, "SCI")
        assert header["CTYPE1"] == "RA---TAN-SIP"
        distance = apart(known_by_asdf(path), WCS(header), (header["NAXIS2"], header["NAXIS1"]))
        assert distance < 0.01  # tweakreg.sip_max_pix_error


def test_photutils_measures_the_sources_of_the_catalogue(mosaic):
    found = QTable.read(mosaic.with_name(mosaic.name.replace("_i2d.fits", "_cat.ecsv")))
    with fits.open(mosaic) as hdus:
        data, error = (hdus[name].data.astype(float) for name in ("SCI", "ERR"))
        wcs, area = WCS(hdus["SCI"].header), hdus["SCI"].header["PIXAR_SR"]
    ny, nx = data.shape
    x, y = (np.asarray(found[name]) for name in ("xcentroid", "ycentroid"))
    found = found[(x > 6) & (x < nx - 7) & (y > 6) & (y < ny - 7)]
    assert len(found) > 3
    radius, expected = found.meta["aperture_radii"][1], found["aper50_flux"].to_value("Jy")
    side = np.sqrt(wcs.proj_plane_pixel_area())
    apertures = SkyCircularAperture(found["sky_centroid"], radius * side)
    table = aperture_photometry(data, apertures, error=error, wcs=wcs)
    # Of MJy/sr, with the sky that the catalogue found around each source.
    flux = np.asarray(table["aperture_sum"]) * area * 1e6
    flux -= found["aper_bkg_flux"].to_value("Jy") * np.pi * radius**2
    np.testing.assert_allclose(flux, expected, rtol=1e-4)
    assert np.isfinite(table["aperture_sum_err"]).all()
