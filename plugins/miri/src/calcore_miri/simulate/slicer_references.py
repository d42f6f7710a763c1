"""References of the medium-resolution spectrometer, in the forms in which CRDS serves them."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
from astropy.modeling.models import Const1D
from astropy.units import Unit
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.simulate.reference_io import Setup, keywords, numbered, write_asdf, write_fits
from calcore_miri.simulate import slicers
from calcore_miri.simulate.spectrometer import (
    Spectrometer,
    leak,
    spread,
    stray_rows,
)

FloatArray = NDArray[np.float64]
SQUARE_ARCSEC_PER_SR = float(np.degrees(1) * 3600) ** 2
LETTERS = dict(zip("ABC", slicers.BANDS, strict=True))
RADIUS, SKY = 2.0, (2.5, 3.3)
"""Radius of apertures, and of the annulus for the sky, over the width of a star's image."""
RADII = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""Radii for which corrections are tabulated, likewise."""
WAVES = 25
"""Wavelengths at which apertures are tabulated, for each channel and band."""
MULTIPLE_OF_WIDTH = 1.5
"""Samples that count for a voxel lie within so many spaxels or planes."""


def distortion(spectrometer: Spectrometer, setup: Setup, path: Path) -> None:
    """Write where the slices lie on the detector and in the field of view."""
    if _given(spectrometer, setup, "distortion", path):
        return
    slicer = spectrometer.slicer(setup.detector.name)
    names = [field.name for field in slicer.fields]
    tree = {
        "slices": [part.number for part in slicer.slices],
        "alpha_model": [part.alpha for part in slicer.slices],
        "beta_model": [Const1D(part.beta) for part in slicer.slices],
        "x_model": [part.x for part in slicer.slices],
        "y_model": [part.y for part in slicer.slices],
        "abv2v3_model": {
            "channel_band": names,
            "model": [field.to_telescope for field in slicer.fields],
        },
        "bzero": {"channel_band": names, "beta_zero": [f.beta_zero for f in slicer.fields]},
        "bdel": {"channel_band": names, "delta_beta": [f.beta_step for f in slicer.fields]},
        "meta": {**_instrument(setup), "input_units": Unit("pix"), "output_units": Unit("arcsec")},
    }
    write_asdf(path, setup, "distortion", "DistortionMRSModel", tree)


def specwcs(spectrometer: Spectrometer, setup: Setup, path: Path) -> None:
    """Write the wavelengths of the slices."""
    if _given(spectrometer, setup, "specwcs", path):
        return
    slicer = spectrometer.slicer(setup.detector.name)
    tree = {
        "slices": [part.number for part in slicer.slices],
        "model": [part.wavelength for part in slicer.slices],
        "meta": {
            **_instrument(setup), "subarray": {"name": "N/A"}, "input_units": Unit("pix"),
            "output_units": Unit("um"),
        },
    }  # fmt: skip
    write_asdf(path, setup, "specwcs", "SpecwcsModel", tree)


def regions(spectrometer: Spectrometer, setup: Setup, path: Path) -> None:
    """Write which slice a pixel belongs to."""
    tree = {
        "regions": spectrometer.slicer(setup.detector.name).labels,
        "meta": _instrument(setup),
    }
    write_asdf(path, setup, "regions", "RegionsModel", tree)


def wavelengthrange(setup: Setup, path: Path) -> None:
    """Write the limits that tell channels from each other, crossed settings included.

    A crossed setting names the band of channels 1 and 4 first, then that of 2 and 3.
    """
    names, ranges = [], []
    settings = [(band, band) for band in slicers.BANDS]
    settings += [(a, b) for a in slicers.BANDS for b in slicers.BANDS if a != b]
    for first, second in settings:
        for number in range(1, 5):
            names.append(f"{number}{first}" if first == second else f"{number}{first}-{second}")
            ranges.append(list(slicers.limits(number, first if number in {1, 4} else second)))
    tree = {
        "waverange_selector": names,
        "wavelengthrange": ranges,
        "meta": {
            "wavelength_units": Unit("um"),
            "instrument": {"name": setup.instrument, "detector": "N/A"},
        },
    }
    write_asdf(path, setup, "wavelengthrange", "WavelengthrangeModel", tree)


def photom(spectrometer: Spectrometer, setup: Setup, path: Path) -> None:
    """Write the surface brightness of one DN/s [MJy/sr], pixel by pixel."""
    values = spectrometer.calibration(setup.detector.name)
    slicer = spectrometer.slicer(setup.detector.name)
    planes, steps = slicer.planes, np.array([field.beta_step for field in slicer.fields])
    size = np.diff(planes.alpha, axis=0)[0] * steps[planes.field]
    known = np.isfinite(values)
    flags = np.where(known, 0, int(DQ.DO_NOT_USE | DQ.NON_SCIENCE)).astype(np.uint32)
    header = keywords(setup, "photom", "MirMrsPhotomModel", path.name)
    area = float(np.median(size[known]))
    header.update(
        PHOTMJSR=float(np.median(values[known])),
        PIXAR_A2=area,
        PIXAR_SR=area / SQUARE_ARCSEC_PER_SR,
    )
    planes_of_file = {
        "SCI": values.astype(np.float32),
        "ERR": (setup.quality.photometry * values).astype(np.float32),
        "PIXSIZ": np.where(known, size, np.nan).astype(np.float32),
    }
    names = (DQ.DO_NOT_USE, DQ.NON_SCIENCE)
    tables = {}
    if setup.effects.ageing:
        for number in range(1, 5):  # which the reference pipeline wants to be there all, or none
            tables[f"TIMECOEFF_POWERLAW_CH{number}"] = _ageing(number)
    write_fits(path, header, planes_of_file, flags=numbered(flags, names), tables=tables)


def _ageing(number: int) -> NDArray[np.void]:
    """Return how a channel's sensitivity changes."""
    row = slicers.table()["ageing"]
    own = row[str(number)]
    names = ("binwave", "alpha", "year1value", "tsoft", "t0")
    table = np.zeros(len(own["binwave"]), [(name, "f4") for name in names])
    for name in names:
        table[name] = own.get(name, row.get(name))
    return table


def fringe(spectrometer: Spectrometer, setup: Setup, path: Path) -> None:
    """Write how interference changes the light of a lamp."""
    name = setup.detector.name
    values = spectrometer.fringes(name) if setup.effects.fringes else np.ones(setup.area.shape)
    header = keywords(setup, "fringe", "FringeModel", path.name)
    planes = {
        "SCI": values.astype(np.float32),
        "ERR": np.full(values.shape, 1e-3, np.float32),
    }
    flags = np.zeros(values.shape, np.uint32)
    write_fits(path, header, planes, flags=numbered(flags, (DQ.DO_NOT_USE,)))


def fringefreq(spectrometer: Spectrometer, setup: Setup, path: Path) -> None:
    """Write which waves are looked for after the lamp's were taken out."""
    period = 1 / slicers.table()["fringes"]["path_cm"]
    kinds = [
        ("slice", "f8"), ("ffreq", "f8", (2,)), ("dffreq", "f8", (2,)),
        ("min_nfringes", "i8", (2,)), ("max_nfringes", "i8", (2,)), ("min_snr", "f8", (2,)),
        ("pgram_res", "f8", (2,)),
    ]  # fmt: skip
    numbers = [part.number for part in spectrometer.slicer(setup.detector.name).slices]
    rows = [
        (n, (period, 0.39), (1.5, 0.15), (5, 10), (10, 15), (10.0, 10.0), (0.001, 0.001))
        for n in numbers
    ]
    table = np.array(rows, kinds)
    ends = [
        limit
        for number, band in _bands()
        for limit in slicers.channel(number)["band"][band]["range"]
    ]
    waves = np.linspace(min(ends), max(ends), 50)
    largest = np.array([(wave, 0.2) for wave in waves], [("wavelength", "f8"), ("amplitude", "f8")])
    tables = {f"RFC_FREQ_{band}": table for band in slicers.BANDS} | {"MAX_AMP": largest}
    header = keywords(setup, "fringefreq", "FringeFreqModel", path.name)
    write_fits(path, header, {}, tables=tables)


def mrsxartcorr(setup: Setup, path: Path) -> None:
    """Write how rows of the detector scatter light along themselves."""
    names = ("lor_fwhm", "lor_scale", "gau_fwhm", "gau_xoff", "gau_scale1", "gau_scale2")
    kinds = [("yrow", "i2"), *((name, "f4") for name in names)]
    tables = {}
    for number, letter in product(range(1, 5), LETTERS):
        table = np.zeros(slicers.ROWS, kinds)
        table["yrow"] = np.arange(slicers.ROWS)
        for name, values in stray_rows(slicers.table()["stray"][str(number)], slicers.ROWS).items():
            off = name in names and "scale" in name and not setup.effects.stray_light
            table[name] = 0 if off else values
        tables[f"CH{number}{letter}"] = table
    header = keywords(setup, "mrsxartcorr", "MirMrsXArtCorrModel", path.name)
    write_fits(path, header, {}, tables=tables)


def mrsptcorr(setup: Setup, path: Path) -> None:
    """Write how much of the light of half the wavelength is seen where gratings leak."""
    row = slicers.table()["leak"]
    low, high = slicers.channel(row["channel"])["band"][row["band"]]["range"]
    waves = np.linspace(low, high, 200)
    part = leak(row["channel"], row["band"], waves)
    assert part is not None
    if not setup.effects.leak:
        part = 0 * part
    table = np.zeros(len(waves), [(name, "f4") for name in ("wavelength", "frac_leak", "err_leak")])
    table["wavelength"], table["frac_leak"], table["err_leak"] = waves, part, 0.05 * part
    header = keywords(setup, "mrsptcorr", "MirMrsPtCorrModel", path.name)
    write_fits(path, header, {}, tables={"LEAKCOR": table})


def cubepar(setup: Setup, path: Path) -> None:
    """Write how cubes are sampled."""
    place = [("channel", "S3"), ("band", "S12")]
    near = [("roispatial", "f4"), ("roispectral", "f4")]
    sizes, powers, exponentials = [], [], []
    waves: list[float] = []
    around = []
    for number, band in sorted(_bands()):
        row = slicers.channel(number)
        spaxel, step = row["spaxel"], row["step"]
        low, high = row["band"][band]["range"]
        key = str(number).encode(), band.lower().encode()
        reach = MULTIPLE_OF_WIDTH * max(spaxel, row["slice_arcsec"]), MULTIPLE_OF_WIDTH * step
        sizes.append((*key, spaxel, step, low, high))
        powers.append((*key, *reach, 2.0, 0.01))
        exponentials.append((*key, *reach, spaxel / 2))
    for number in range(1, 5):
        row = slicers.channel(number)
        ranges = [row["band"][band]["range"] for band in slicers.BANDS]
        start = max(ranges[0][0], waves[-1] + row["step"] if waves else 0)
        own = np.arange(start, ranges[-1][1], row["step"])
        waves += own.tolist()
        reach = MULTIPLE_OF_WIDTH * max(row["spaxel"], row["slice_arcsec"])
        around += [(wave, reach, MULTIPLE_OF_WIDTH * row["step"], row["spaxel"]) for wave in own]
    tables = {
        "CUBEPAR": np.array(
            sizes,
            [*place, *((n, "f4") for n in ("spaxelsize", "spectralstep", "wavemin", "wavemax"))],
        ),
        "CUBEPAR_MSM": np.array(powers, [*place, *near, ("power", "f4"), ("softrad", "f4")]),
        "CUBEPAR_EMSM": np.array(exponentials, [*place, *near, ("scalerad", "f4")]),
        "MULTICHANNEL_DRIZ": np.array([(wave,) for wave in waves], [("wavelength", "f4")]),
        "MULTICHANNEL_MSM": np.array(
            [(wave, space, spectral, 2.0, 0.01) for wave, space, spectral, _ in around],
            [("wavelength", "f4"), *near, ("power", "f4"), ("softrad", "f4")],
        ),
        "MULTICHANNEL_EMSM": np.array(
            [(wave, space, spectral, spaxel / 2) for wave, space, spectral, spaxel in around],
            [("wavelength", "f4"), *near, ("scalerad", "f4")],
        ),
    }
    header = keywords(setup, "cubepar", "MiriIFUCubeParsModel", path.name)
    write_fits(path, header, {}, tables=tables)


def extract1d(setup: Setup, path: Path) -> None:
    """Write the apertures in which spectra of cubes are extracted."""
    waves = _waves()
    width = spread().width(waves)
    inner, outer = SKY
    tree = {
        "data": {
            "wavelength": waves.astype(np.float32),
            "wavelength_units": "micron",
            "radius": (RADIUS * width).astype(np.float32),
            "radius_units": "arcsec",
            "inner_bkg": (inner * width).astype(np.float32),
            "inner_bkg_units": "arcsec",
            "outer_bkg": (outer * width).astype(np.float32),
            "outer_bkg_units": "arcsec",
            "axis_ratio": np.ones(len(waves), np.float32),
            "axis_pa": np.zeros(len(waves), np.float32),
            "axis_pa_units": "degrees",
        },
        "meta": {
            **_whole(setup), "region_type": "target", "subtract_background": True,
            "method": "exact", "subpixels": 10,
        },
    }  # fmt: skip
    write_asdf(path, setup, "extract1d", "Extract1dIFUModel", tree)


def apcorr(setup: Setup, path: Path) -> None:
    """Write what apertures miss of a star's light, of cubes made of many dithers."""
    image, waves = spread(), _waves()
    widths = image.width(waves)
    factors = np.empty((len(RADII), len(waves)))
    for k, (wave, width) in enumerate(zip(waves, widths, strict=True)):
        row = _channel_at(float(wave))
        # A pixel averages over its own width and that of its slice; the cube shares it by the area
        # that it has in common with spaxels, which averages over the same again, and over a spaxel.
        pixel = (row["pixel_arcsec"], row["slice_arcsec"])
        boxes = (*pixel, *pixel, row["spaxel"], row["spaxel"])
        *held, inner, outer = image.within_circle(
            float(wave), np.array([*RADII, *SKY]) * width, boxes
        )
        sky = (outer - inner) / (SKY[1] ** 2 - SKY[0] ** 2)
        factors[:, k] = 1 / (np.array(held) - sky * np.array(RADII) ** 2)
    tree = {
        "apcorr_table": {
            "channel": "ANY",
            "band": "ANY",
            "wavelength": waves.astype(np.float32),
            "wavelength_units": "micron",
            "radius": np.outer(RADII, widths).astype(np.float32),
            "radius_units": "arcsec",
            "apcorr": factors.astype(np.float32),
            "apcorr_err": (0.001 * factors).astype(np.float32),
        },
        "meta": _whole(setup),
    }
    write_asdf(path, setup, "apcorr", "MirMrsApcorrModel", tree)


OF_A_BAND: Mapping[str, Callable[[Spectrometer, Setup, Path], None]] = {
    "distortion_slices": distortion,
    "specwcs_slices": specwcs,
    "regions_slices": regions,
    "photom_slices": photom,
    "fringe": fringe,
    "fringefreq": fringefreq,
}
"""Makers of what belongs to a detector and band, by kind."""
OF_ALL: Mapping[str, Callable[[Setup, Path], None]] = {
    "wavelengthrange_slices": wavelengthrange,
    "mrsxartcorr": mrsxartcorr,
    "mrsptcorr": mrsptcorr,
    "cubepar": cubepar,
    "extract1d_cube": extract1d,
    "apcorr_cube": apcorr,
}
"""Makers of what holds for all of them."""


def _given(spectrometer: Spectrometer, setup: Setup, kind: str, path: Path) -> bool:
    """Copy a reference that the user gave; return whether there is one."""
    if spectrometer.folder is None:
        return False
    given = slicers.find_files(spectrometer.folder, setup.detector.name, spectrometer.band)
    copyfile(given[kind], path)
    return True


def _instrument(setup: Setup) -> dict[str, Any]:
    """Return what metadata say of the instrument."""
    own = {
        "name": setup.instrument, "detector": setup.detector.name,
        "channel": setup.detector.channel, "band": setup.value("BAND"),
    }  # fmt: skip
    return {"instrument": own}


def _whole(setup: Setup) -> dict[str, Any]:
    """Return what metadata say of the instrument, of a file for all channels and bands."""
    return {"instrument": {"name": setup.instrument}}


def _bands() -> Iterator[tuple[int, str]]:
    yield from product(range(1, 5), slicers.BANDS)


def _waves() -> FloatArray:
    """Return wavelengths from the shortest to the longest of all channels [um]."""
    ends = [
        limit
        for number, band in _bands()
        for limit in slicers.channel(number)["band"][band]["range"]
    ]
    return np.geomspace(min(ends) - 0.1, max(ends) + 0.2, 3 * WAVES)


def _channel_at(wave: float) -> Mapping[str, Any]:
    """Return the channel that sees a wavelength."""
    for number in range(1, 4):
        if wave < slicers.channel(number)["band"]["LONG"]["range"][1]:
            return slicers.channel(number)
    return slicers.channel(4)
