"""Small dithered exposures of a star field with a distorted camera, for tests of combination.

Tests load it with `runpy`, as test folders are no packages.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import ICRS
from astropy.modeling import models
from astropy.modeling.fitting import LinearLSQFitter
from gwcs import WCS
from gwcs.coordinate_frames import CelestialFrame, Frame2D
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian
from scipy.special import erf

from calcore.model import Group, Image, Meta

SCALE = 0.11
V2, V3 = -120.0, -480.0
OFFSETS = ((0.0, 0.0), (2.3, 1.7), (-1.9, 2.6), (1.4, -2.2), (3.1, -0.6), (-2.7, -1.3))


def make_wcs(shape, ra, dec, roll, parity=-1, angle=4.8, aberration=1.00005, bend=2e-6):
    """World coordinates through detector, v2v3, v2v3vacorr and world, with quadratic distortion."""
    ny, nx = shape
    turn = np.deg2rad(angle)
    centred = models.Shift(-(nx - 1) / 2) & models.Shift(-(ny - 1) / 2)
    bent_x = models.Polynomial2D(2, c1_0=SCALE, c2_0=bend, c1_1=-bend, c0_2=bend / 2)
    bent_y = models.Polynomial2D(2, c0_1=SCALE, c2_0=-bend, c1_1=bend, c0_2=bend)
    turned = models.AffineTransformation2D(
        [[parity * np.cos(turn), np.sin(turn)], [-parity * np.sin(turn), np.cos(turn)]]
    )
    placed = models.Shift(V2) & models.Shift(V3)
    camera = centred | models.Mapping((0, 1, 0, 1)) | (bent_x & bent_y) | turned | placed
    y, x = np.mgrid[-20 : ny + 20 : 12j, -20 : nx + 20 : 12j]
    v2, v3 = camera(x, y)
    fit = LinearLSQFitter()
    back = [fit(models.Polynomial2D(4), v2 - V2, v3 - V3, along) for along in (x, y)]
    unplaced = models.Shift(-V2) & models.Shift(-V3)
    camera.inverse = unplaced | models.Mapping((0, 1, 0, 1)) | (back[0] & back[1])
    aberrated = (models.Scale(aberration) & models.Scale(aberration)) | (
        models.Shift(V2 * (1 - aberration)) & models.Shift(V3 * (1 - aberration))
    )
    to_sky = (
        (models.Scale(1 / 3600) & models.Scale(1 / 3600))
        | SphericalToCartesian(wrap_lon_at=180)
        | models.RotationSequence3D([V2 / 3600, -V3 / 3600, roll, dec, -ra], axes_order="zyxyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    to_sky.name = "v23tosky"
    arcsec = {"axes_order": (0, 1), "unit": (u.arcsec, u.arcsec), "axes_names": ("v2", "v3")}
    pixel = Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))
    world = CelestialFrame(name="world", reference_frame=ICRS(), unit=(u.deg, u.deg))
    wcs = WCS(
        [
            (pixel, camera),
            (Frame2D(name="v2v3", **arcsec), aberrated),
            (Frame2D(name="v2v3vacorr", **arcsec), to_sky),
            (world, None),
        ]
    )
    wcs.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    wcs.array_shape = shape
    return wcs


@dataclass(frozen=True, eq=False)
class Dithers:
    """Exposures, and the truth about them.

    `x`, `y` (n_exposure, n_star) are true positions in each exposure [pixel], `flux` (n_star,) sums
    over pixels, `ra`, `dec` (n_star,) where the stars are [deg], `errors` (n_exposure, 2) how far
    each exposure's coordinates are off [pixel], `hits` masks of pixels with a cosmic ray,
    `true` coordinates of each exposure as the telescope really pointed (but for `errors`).
    """

    group: Group
    x: Any
    y: Any
    flux: Any
    ra: Any
    dec: Any
    errors: Any
    hits: list = field(default_factory=list)
    true: list = field(default_factory=list)


def keywords(number, shape, ra, dec, roll, parity):
    """Metadata of a calibrated exposure."""
    ny, nx = shape
    return {
        "filename": f"jw00001001001_02101_0000{number}_cam_cal.fits", "telescope": "JWST",
        "exposure.exposure_time": 100.0 + number, "exposure.effective_exposure_time": 99.0 + number,
        "exposure.measurement_time": 97.0 + number, "exposure.duration": 110.0 + number,
        "exposure.start_time": 59000.0 + number, "exposure.end_time": 59000.5 + number,
        "exposure.mid_time": 59000.25 + number,
        "observation.program_number": "00001", "observation.observation_number": "001",
        "observation.visit_number": "001", "observation.visit_group": "02",
        "observation.sequence_id": "1", "observation.activity_id": "01",
        "observation.exposure_number": f"0000{number}",
        "observation.date_beg": f"2020-05-31T00:0{number}:00.000",
        "observation.date_end": f"2020-05-31T00:0{number}:59.000",
        "subarray.name": "FULL", "subarray.xstart": 1, "subarray.ystart": 1,
        "subarray.xsize": nx, "subarray.ysize": ny,
        "wcsinfo.v2_ref": V2, "wcsinfo.v3_ref": V3, "wcsinfo.ra_ref": ra, "wcsinfo.dec_ref": dec,
        "wcsinfo.roll_ref": roll, "wcsinfo.vparity": parity, "wcsinfo.v3yangle": 4.8,
        "wcsinfo.crpix1": (nx + 1) / 2, "wcsinfo.crpix2": (ny + 1) / 2,
        "photometry.pixelarea_steradians": (SCALE / 206264.806) ** 2,
        "photometry.pixelarea_arcsecsq": SCALE**2, "bunit_data": "MJy/sr", "bunit_err": "MJy/sr",
    }  # fmt: skip


def star_field(
    n=4, shape=(120, 132), *, seed=1, stars=40, sky=(1.0,), ra=0.001, dec=-69.3, roll=31.0,
    parity=-1, astray=0.0, hits=0, noise=0.03, bad=True, fwhm=2.2, names=None, more=None,
    moved=None, turned=None, flux=(1.5, 3.3),
):  # fmt: skip
    """Return `Dithers` of Gaussian stars, across RA 0 unless asked otherwise.

    `astray` is how far coordinates are off [pixel, standard deviation]; `moved` how far east and
    north the telescope really pointed in some exposures, by index [arcsec], and `turned` how far it
    was rolled [deg]; `flux` is the range of log10 flux; `names` gives exposures their exposure
    numbers, `more(number)` further metadata.
    """
    rng = np.random.default_rng(seed)
    ny, nx = shape
    first = make_wcs(shape, ra, dec, roll, parity)
    star_x, star_y = rng.uniform(4, nx - 4, stars), rng.uniform(4, ny - 4, stars)
    flux = 10 ** rng.uniform(*flux, stars)
    star_ra, star_dec = first(star_x, star_y, with_bounding_box=False)
    sigma = fwhm / 2.3548
    members, xs, ys, errors, struck, true = [], [], [], [], [], []
    for k in range(n):
        along, up = OFFSETS[k]
        here = ra + along / 3600 / np.cos(np.deg2rad(dec)), dec + up / 3600
        wcs = make_wcs(shape, here[0] % 360, here[1], roll + 0.02 * k, parity)
        error = rng.normal(0, astray, 2) if k else np.zeros(2)
        true.append(wcs)
        if k in (moved or {}) or k in (turned or {}):
            east, north = (moved or {}).get(k, (0.0, 0.0))
            there = here[0] + east / 3600 / np.cos(np.deg2rad(dec)), here[1] + north / 3600
            rolled = roll + 0.02 * k + (turned or {}).get(k, 0.0)
            true[-1] = make_wcs(shape, there[0] % 360, there[1], rolled, parity)
        x, y = true[-1].invert(star_ra, star_dec, with_bounding_box=False)
        x, y = x + error[0], y + error[1]
        columns, rows = np.arange(nx)[None, :], np.arange(ny)[None, :]
        edge = sigma * np.sqrt(2)
        part_x = erf((columns + 0.5 - x[:, None]) / edge) - erf((columns - 0.5 - x[:, None]) / edge)
        part_y = erf((rows + 0.5 - y[:, None]) / edge) - erf((rows - 0.5 - y[:, None]) / edge)
        image = np.einsum("s,sy,sx->yx", flux / 4, part_y, part_x) + sky[k % len(sky)]
        var_poisson = np.float32(image * noise**2)
        var_rnoise = np.float32(noise**2 * rng.uniform(0.8, 1.25, shape))
        var_flat = np.float32((0.003 * image) ** 2)
        data = np.float32(image + rng.normal(size=shape) * np.sqrt(var_poisson + var_rnoise))
        dq = np.zeros(shape, np.uint32)
        struck.append(np.zeros(shape, bool))
        struck[-1][rng.integers(3, ny - 3, hits), rng.integers(3, nx - 3, hits)] = True
        data[struck[-1]] += 20 * rng.uniform(1, 5)
        if bad:
            dq[rng.integers(0, ny, 30), rng.integers(0, nx, 30)] = 1
            dq[rng.integers(0, ny, 5), rng.integers(0, nx, 5)] |= 512
            dq[rng.integers(0, ny, 9), rng.integers(0, nx, 9)] |= 4
            dq[:, :3] = 513
        planes = {"data": data, "err": np.sqrt(var_poisson + var_rnoise + var_flat),
                  "var_poisson": var_poisson, "var_rnoise": var_rnoise, "var_flat": var_flat}  # fmt: skip
        for plane in planes.values():
            plane[(dq & 1) != 0] = np.nan
        meta = keywords(k + 1, shape, here[0] % 360, here[1], roll + 0.02 * k, parity)
        if names is not None:
            meta["observation.exposure_number"] = names[k]
        meta.update(more(k) if more else {})
        members.append(Image(meta=Meta(meta), dq=dq, wcs=wcs, **planes))
        xs.append(x)
        ys.append(y)
        errors.append(error)
    return Dithers(
        Group("mosaic", tuple(members)), np.array(xs), np.array(ys), flux, star_ra, star_dec,
        np.array(errors), struck, true,
    )  # fmt: skip
