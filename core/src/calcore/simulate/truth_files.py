"""What a simulation knows and an observer does not: tables and images beside the raw files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from calcore.simulate.converter import deviation
from calcore.simulate.cosmic_rays import KINDS
from calcore.simulate.coupling import couple
from calcore.simulate.detector import Deposits, Ramps
from calcore.simulate.detector_maps import DetectorMaps
from calcore.simulate.headers import ExposureFacts
from calcore.simulate.physics import Effects, Physics
from calcore.simulate.render import SkyImage
from calcore.simulate.scene import Scene
from calcore.simulate.spectrograph import SpectralImage


def hit_table(deposits: Sequence[Deposits]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return all deposits of charge by particles, one row a pixel and frame.

    Columns: integration, group (the first that holds any of it), frame since the reset, partly
    (true if that group holds a part only), y, x, electrons, kind, event; all counted from 0.
    """
    kinds = [
        ("integration", "i2"),
        ("group", "i2"),
        ("frame", "i2"),
        ("partly", "?"),
        ("y", "i2"),
        ("x", "i2"),
        ("electrons", "f4"),
        ("kind", "u1"),
        ("event", "i4"),
    ]
    table = np.zeros(sum(len(part.hits) for part in deposits), kinds)
    row, events = 0, 0
    for part in deposits:
        here = slice(row, row + len(part.hits))
        for name in ("integration", "group", "frame", "partly"):
            table[name][here] = getattr(part, name)
        for name in ("y", "x", "electrons", "kind"):
            table[name][here] = getattr(part.hits, name)
        table["event"][here] = part.hits.event + events
        events += int(part.hits.event.max()) + 1 if len(part.hits) else 0
        row += len(part.hits)
    return table


def write_exposure_truth(
    folder: Path,
    facts: ExposureFacts,
    sky: SkyImage | SpectralImage,
    ramps: Ramps,
    maps: DetectorMaps,
    physics: Physics,
    effects: Effects,
    parts: Sequence[tuple[Any, Any]] | None = None,
) -> tuple[Path, Path]:
    """Write what is known of one exposure.

    Parameters
    ----------
    folder
        Where to.
    facts, sky, ramps
        The exposure, its noiseless scene, and its raw numbers.
    maps
        True properties of its pixels, switches applied.
    physics, effects
        What the detector is made of, and what is switched on.
    parts
        Parts of the frame whose pixels are neighbours; None where that is all of it.

    Returns
    -------
    images : Path
        FITS with RATE_E [electron/s] and RATE_DN [DN/s], the light each pixel detects, RATE_IPC
        [DN/s], the same as neighbours share it, FIRSTFULL, the first group at the full well, the
        table HITS, and GIVEN [electron/s], what traps give in each integration, if there are any; then
        what is known of the light that a spectrograph's pixels see.
    sources : Path
        ECSV of the sources on the frame.
    """
    electrons = (sky.rate * maps.efficiency).astype(np.float32)
    numbers = (electrons / maps.gain).astype(np.float32)
    shared = numbers
    if effects.coupling:
        pixels = physics.pixels
        share = pixels.coupling, pixels.coupling_diagonal
        shared = couple(numbers, maps.active, *share, parts)
    hits = fits.BinTableHDU(hit_table(ramps.deposits), name="HITS")
    for number, name in KINDS.items():
        hits.header[f"KIND{number}"] = name
    hdus = [
        fits.PrimaryHDU(),
        _image("RATE_E", electrons, "electron/s"),
        _image("RATE_DN", numbers, "DN/s"),
        _image("RATE_IPC", shared, "DN/s"),
        _image("FIRSTFULL", ramps.first_full, "group"),
        hits,
    ]
    hdus += [_image(name, plane.astype("f4"), unit) for name, (plane, unit) in sky.planes.items()]
    if ramps.given is not None:
        hdus.append(_image("GIVEN", ramps.given, "electron/s"))
    images = folder / f"{facts.root}_truth.fits"
    fits.HDUList(hdus).writeto(images, overwrite=True)
    sources = folder / f"{facts.root}_sources.ecsv"
    sky.table().write(sources, format="ascii.ecsv", overwrite=True)
    return images, sources


def write_detector_truth(folder: Path, detector: str, maps: DetectorMaps, physics: Physics) -> Path:
    """Write the true properties of a whole detector, switches applied, as FITS.

    The table ADCINL, if its converter departs from a straight line, is what calibration may be given
    as a reference of type adcinl.
    """
    hdus: list[fits.ImageHDU | fits.PrimaryHDU | fits.BinTableHDU] = [
        fits.PrimaryHDU(),
        _image("GAIN", maps.gain, "electron/DN"),
        _image("READNOISE", maps.read_noise, "DN"),
        _image("EFFICIENCY", maps.efficiency, ""),
        _image("DARK", maps.dark, "electron/s"),
        _image("BIAS", maps.bias, "DN"),
        _image("FULLWELL", maps.full_well(physics), "electron"),
        _image("TERMS", maps.terms, ""),
        _image("DQ", maps.dq, ""),
    ]
    hdus[7].header["SCALE"] = (physics.pixels.full_scale_dn, "signal the terms refer to [DN]")
    electronics = physics.electronics
    if electronics.adc_wave:
        counts = np.arange(0, electronics.adc_top_dn + 8, 8, dtype=np.float64)
        rows = Table({"counts": counts, "deviation": deviation(counts, electronics)})
        hdus.append(fits.BinTableHDU(rows, name="ADCINL"))
    path = folder / f"{detector.lower()}_detector.fits"
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def write_scene(folder: Path, scene: Scene) -> Path:
    """Write the sky as a table of its sources, ECSV."""
    names = [name for name in vars(scene) if isinstance(getattr(scene, name), np.ndarray)]
    table = Table({name: getattr(scene, name) for name in names})
    table.meta["ra_deg"], table.meta["dec_deg"] = scene.ra_deg, scene.dec_deg
    table.meta["background_mjysr"] = scene.background.level_mjysr
    table.meta["background_gradient_mjysr_arcmin"] = list(scene.background.gradient_mjysr_arcmin)
    path = folder / "scene.ecsv"
    table.write(path, format="ascii.ecsv", overwrite=True)
    return path


def _image(
    name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], unit: str
) -> fits.ImageHDU:
    """Return an image extension with its unit."""
    hdu = fits.ImageHDU(values, name=name)
    if unit:
        hdu.header["BUNIT"] = unit
    return hdu
