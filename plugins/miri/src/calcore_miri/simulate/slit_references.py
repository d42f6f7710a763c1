"""References of the low-resolution spectrometer, in the forms in which CRDS serves them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from calcore.simulate.reference_io import AUTHOR, Setup, keywords, write_fits
from calcore.simulate.slit_render import Slit
from calcore_miri.simulate.slit import SlitSpectrometer, calibration, spread, table

FloatArray = NDArray[np.float64]
SQUARE_ARCSEC_PER_SR = float(np.degrees(1) * 3600) ** 2
SUBARRAYS = {"slit": "FULL", "slitless": "SLITLESSPRISM"}
HALF_WIDTH = 20.0
"""Half the width of the slit's image that a trace states [pixel]."""
WIDTH = {"slit": 10, "slitless": 12}
"""Columns of the aperture in which spectra are extracted [pixel]."""
FIRST = 17
"""First column of the aperture in a rectified spectrum, which is about as wide as the slit is long."""
SKY = 12
"""Columns between aperture and sky, and of the sky on either side [pixel]."""
WIDTHS = (2, 4, 6, 8, 10, 12, 16, 20)
WAVES_UM = (4.0, 14.5, 43)
"""Wavelengths of tables: first, last, and how many."""
OFFSETS = (-2.0, 2.0, 41)
"""Places across the slit at which its losses are tabulated: first, last [pixel], and how many."""
ALONG = (-16.0, 16.0, 5)
FINE = 10
"""Samples of a star's image by pixel."""
SAMPLES = 40
"""How many pixels a star's image is tabulated over."""


def specwcs(spectrometer: SlitSpectrometer, setup: Setup, path: Path) -> None:
    """Write where the prism sends the light of the slit."""
    if spectrometer.file is not None:
        copyfile(spectrometer.file, path)
        return
    trace = spectrometer.trace
    names = ("x_center", "y_center", "wavelength", "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")
    rows = np.zeros(len(trace.rows), [(name, "f8") for name in names])
    rows["y_center"], rows["x_center"] = trace.rows, trace.columns
    rows["wavelength"] = trace.wavelengths
    for corner, (side, up) in enumerate(((-1, 1), (1, 1), (1, -1), (-1, -1))):
        rows[f"y{corner}"] = trace.rows + up / 2
        rows[f"x{corner}"] = trace.column(trace.rows + up / 2) + side * HALF_WIDTH
    header = keywords(setup, "specwcs", "MiriLRSSpecwcsModel", path.name)
    header |= {"EXP_TYPE": setup.exposure_type, "FILTER": "P750L"}
    header["IMX"], header["IMY"] = table()["slit"]
    header["IMXSLTL"], header["IMYSLTL"] = table()["slitless"]
    # Rows run from the top of the detector down, as flight's do.
    write_fits(path, header, {}, tables={"WAVETABLE": rows[::-1].copy()})


def photom(spectrometer: SlitSpectrometer, setup: Setup, path: Path) -> None:
    """Write the surface brightness of one DN/s, by wavelength [MJy/sr].

    The area that makes it a flux density is that of a pixel as long as the slit is wide, if there is one.
    """
    slit = _slit(spectrometer, setup)
    waves = np.linspace(*WAVES_UM[:2], 10 * WAVES_UM[2])
    values = calibration(waves, slit)
    middle = float(values.min())
    row = (
        b"P750L", SUBARRAYS[spectrometer.kind].encode(), middle, setup.quality.photometry * middle,
        len(waves), waves, values / middle, np.full(len(waves), setup.quality.photometry),
    )  # fmt: skip
    vector = (len(waves),)
    kinds = [
        ("filter", "S12"), ("subarray", "S15"), ("photmjsr", "f4"), ("uncertainty", "f4"),
        ("nelem", "i2"), ("wavelength", "f4", vector), ("relresponse", "f4", vector),
        ("reluncertainty", "f4", vector),
    ]  # fmt: skip
    header = keywords(setup, "photom", "MirLrsPhotomModel", path.name)
    header |= {"PIXAR_SR": slit.area_sr, "PIXAR_A2": slit.area_sr * SQUARE_ARCSEC_PER_SR}
    write_fits(path, header, {}, tables={"PHOTOM": np.array([row], kinds)})


def extract1d(spectrometer: SlitSpectrometer, setup: Setup, path: Path) -> None:
    """Write the aperture in which spectra are extracted.

    With a slit, it is one of rectified spectra, and moves to where the star is; the sky is taken off by
    the other nod. Without, it follows the trace, and the sky is that on both sides.
    """
    aperture: dict[str, Any] = {
        "id": setup.exposure_type, "region_type": "target", "dispaxis": 2, "bkg_order": 0,
    }  # fmt: skip
    if spectrometer.kind == "slit":
        aperture |= {"xstart": FIRST, "xstop": FIRST + WIDTH["slit"] - 1}
    else:
        low = WIDTH["slitless"] / 2
        high = low + SKY
        aperture |= {
            "independent_var": "pixel",
            "src_coeff": [_beside(spectrometer, setup, by) for by in (-low, low)],
            "bkg_coeff": [
                _beside(spectrometer, setup, side)
                for side in (-high - SKY, -high, high, high + SKY)
            ],
        }  # fmt: skip
    content = {
        "REFTYPE": "EXTRACT1D", "INSTRUME": setup.instrument, "TELESCOP": "JWST",
        "EXP_TYPE": setup.exposure_type, "PEDIGREE": "SIMULATION", "AUTHOR": AUTHOR,
        "DESCRIP": "Simulated extract1d", "HISTORY": "", "USEAFTER": setup.use_after,
        "apertures": [aperture],
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def apcorr(spectrometer: SlitSpectrometer, setup: Setup, path: Path) -> None:
    """Write what apertures of some widths miss of a star's light that passes the slit."""
    slit = _slit(spectrometer, setup)
    waves = np.linspace(*WAVES_UM[:2], WAVES_UM[2])
    half = np.array(WIDTHS) * slit.scales[0] / 2
    high = np.inf if slit.width_arcsec is None else slit.width_arcsec / 2
    star = spread()
    passed = star.within(waves[:, None], -np.inf, np.inf, -high, high)
    factors = passed / star.within(waves[:, None], -half, half, -high, high)
    row = (
        SUBARRAYS[spectrometer.kind].encode(), waves, len(waves), WIDTHS, len(WIDTHS), factors,
        0.001 * factors,
    )  # fmt: skip
    both = (len(waves), len(WIDTHS))
    kinds = [
        ("subarray", "S15"), ("wavelength", "f4", both[:1]), ("nelem_wl", "i2"),
        ("size", "u1", both[1:]), ("nelem_size", "i2"), ("apcorr", "f4", both),
        ("apcorr_err", "f4", both),
    ]  # fmt: skip
    header = keywords(setup, "apcorr", "MirLrsApcorrModel", path.name)
    write_fits(path, header, {}, tables={"APCORR": np.array([row], kinds)})
    fits.setval(path, "SIZEUNIT", value="pixels", extname="APCORR")


def pathloss(spectrometer: SlitSpectrometer, setup: Setup, path: Path) -> None:
    """Write what makes up for a star's light that the slit stops: a factor, by wavelength and place.

    Axes are the place across the slit and along it, from its middle [pixel].
    """
    slit = _slit(spectrometer, setup)
    waves = np.linspace(*WAVES_UM[:2], WAVES_UM[2])
    across, along = (np.linspace(*span[:2], span[2]) for span in (OFFSETS, ALONG))
    passed = np.stack(
        [slit.passed(spread(), waves, float(place) * slit.scales[1]) for place in across], axis=-1
    )
    values = np.repeat(passed[:, :, None], len(along), axis=2)
    shape = values.shape[1:]
    rows = np.zeros(
        len(waves), [("wavelength", "f4"), ("pathloss", "f4", shape), ("pathloss_err", "f4", shape)]
    )
    rows["wavelength"], rows["pathloss"] = waves, 1 / values
    header = keywords(setup, "pathloss", "MirLrsPathlossModel", path.name)
    header["EXP_TYPE"] = setup.exposure_type
    # From long wavelengths to short ones, as the rows of the detector have them.
    write_fits(path, header, {}, tables={"PATHLOSS": rows[::-1].copy()})
    with fits.open(path, mode="update") as hdus:
        for axis, places, name in ((1, along, "along"), (2, across, "across")):
            own = hdus["PATHLOSS"].header
            step = float(places[1] - places[0])
            own[f"CRPIX{axis}"], own[f"CRVAL{axis}"] = 1.0 - float(places[0]) / step, 0.0
            own[f"CDELT{axis}"] = step
            own[f"CTYPE{axis}"] = name.upper()


def psf(spectrometer: SlitSpectrometer, setup: Setup, path: Path) -> None:
    """Write a star's image along the slit, by wavelength and fine steps of a pixel."""
    waves = np.linspace(*WAVES_UM[:2], WAVES_UM[2])
    slit = _slit(spectrometer, setup)
    along = slit.scales[0]
    places = (np.arange(SAMPLES * FINE + 1) - SAMPLES * FINE / 2) / FINE
    half = 0.5 / FINE
    high = np.inf if slit.width_arcsec is None else slit.width_arcsec / 2
    star = spread()
    passed = star.within(waves[:, None], -np.inf, np.inf, -high, high)
    values = (
        star.within(waves[:, None], (places - half) * along, (places + half) * along, -high, high)
        / passed
    )
    header = keywords(setup, "psf", "SpecPsfModel", path.name)
    header |= {"EXP_TYPE": setup.exposure_type, "FILTER": "P750L"}
    write_fits(path, header, {"PSF": values, "WAVE": waves})
    with fits.open(path, mode="update") as hdus:
        told = {"APERTURE": "ANY", "CENTCOL": SAMPLES * FINE / 2, "CENTROW": 0.0, "SUBPIX": FINE}
        hdus["PSF"].header.update(told)


MAKERS: Mapping[str, Callable[[SlitSpectrometer, Setup, Path], None]] = {
    "specwcs_slit": specwcs,
    "photom_slit": photom,
    "extract1d_slit": extract1d,
    "apcorr_slit": apcorr,
    "pathloss_slit": pathloss,
    "psf_slit": psf,
}


def _slit(spectrometer: SlitSpectrometer, setup: Setup) -> Slit:
    return spectrometer.slit(setup.detector, setup.detector.full.shape, (0, 0))


def _beside(spectrometer: SlitSpectrometer, setup: Setup, columns: float) -> list[float]:
    """Return the polynomial of a sub-array's rows that runs beside the trace, from the constant on."""
    (x, y), trace, part = spectrometer.middle(), spectrometer.trace, setup.subarray
    rows = trace.rows + y - (part.ystart - 1)
    places = trace.columns + x - (part.xstart - 1) + columns
    return [float(value) for value in np.polynomial.Polynomial.fit(rows, places, 2).convert().coef]
