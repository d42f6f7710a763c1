"""Reference files of what lies before the detector: flat field, photometry, geometry, apertures.

Conventions: the flat field holds everything that makes a uniform sky uneven, the pixels' relative
solid angle included. A uniform sky is then uniform in calibrated images, and the flux of a star is
the sum of its calibrated pixels times the relative area times the nominal solid angle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.simulate.detector_maps import switched
from calcore.simulate.geometry import distortion_model, pixel_area_map
from calcore.simulate.optics import PointSpread
from calcore.simulate.reference_io import Setup, keywords, numbered, write_asdf, write_fits
from calcore.simulate.tables import Filter

SQUARE_ARCSEC_PER_SR = float(np.degrees(1) * 3600) ** 2
FRACTIONS = (0.3, 0.5, 0.7, 0.8)
SKY_PIXEL = (14.0, 20.0)
"""Annulus in which apertures measure the sky [pixel]."""
MOSAIC_RADII = np.linspace(0.2, 16.0, 159)
"""Radii at which the light in a combined image is tabulated [pixel]."""
WIDTHS = {
    "filter": "S12",
    "pupil": "S15",
    "subarray": "S17",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class OpticsSetup:
    """What the references before the detector are made from.

    Attributes
    ----------
    setup
        The exposure's detector, sub-array, filter and the row of the type.
    filters
        All filters of the instrument.
    point_spread, pixel_width
        Give the point-spread function of a filter, and the width of its detectors' pixels [arcsec].
    exact
        Filters whose point-spread function is worth its time; others are scaled by wavelength.
    detectors
        Names of all detectors of the instrument.
    """

    setup: Setup
    filters: Mapping[str, Filter]
    detectors: Sequence[str]
    point_spread: Callable[[Filter], PointSpread]
    pixel_width: Callable[[Filter], float]
    exact: frozenset[str]

    def labels(self, chosen: Filter) -> list[list[str]]:
        """Return what the columns that select rows hold for a filter, row by row."""
        columns = self.setup.table["columns"]
        subarrays = self.setup.table.get("subarrays", ["N/A"])
        if subarrays == "all":
            subarrays = list(self.setup.detector.subarrays)
        choices = {
            "filter": [chosen.header_value or "N/A"],
            "pupil": [chosen.pupil or "N/A"],
            "subarray": subarrays,
            "detector": self.detectors,
        }
        return [list(values) for values in product(*(choices[column] for column in columns))]

    def kinds(self) -> list[tuple[str, str]]:
        """Return the types of these columns."""
        return [(name, WIDTHS[name]) for name in self.setup.table["columns"]]

    def own_filters(self) -> list[Filter]:
        """Return the filters that the detector's channel has."""
        channel = self.setup.detector.channel
        return [chosen for chosen in self.filters.values() if chosen.channel == channel]


def flat(optics: OpticsSetup, path: Path) -> None:
    """Write the response of pixels to a uniform sky, relative to the mean gain and efficiency."""
    setup = optics.setup
    window = setup.window
    maps, quality = setup.maps.cut(window), setup.quality
    truth = switched(maps, setup.physics, setup.effects)
    response = truth.efficiency * (setup.physics.pixels.gain / truth.gain)
    if setup.table.get("solid_angle", True):
        response = response * pixel_area_map(setup.detector)[window]
    values = response * (1 + np.float32(quality.flat) * setup.error("flat", setup.filter.name))
    dead = truth.efficiency <= 0
    flags = np.zeros(maps.shape, np.uint32)
    flags[~maps.active] = DQ.DO_NOT_USE | DQ.NO_FLAT_FIELD
    flags[dead & maps.active] = DQ.DO_NOT_USE | DQ.NO_FLAT_FIELD
    flags[maps.dq & np.uint32(DQ.LOW_QE) != 0] |= np.uint32(DQ.UNRELIABLE_FLAT)
    values = np.where(maps.active, values, 1)
    values[dead & maps.active] = np.nan
    errors = np.where(np.isfinite(values), quality.flat * np.abs(values), np.nan)
    header = keywords(setup, "flat", "FlatModel", path.name)
    planes = {"SCI": values.astype(np.float32), "ERR": errors.astype(np.float32)}
    names = (DQ.DO_NOT_USE, DQ.NO_FLAT_FIELD, DQ.UNRELIABLE_FLAT)
    write_fits(path, header, planes, flags=numbered(flags, names))


def area(optics: OpticsSetup, path: Path) -> None:
    """Write the pixels' solid angle relative to the nominal one."""
    setup = optics.setup
    header = keywords(setup, "area", "PixelAreaModel", path.name)
    header.update(_nominal_area(setup))
    values = pixel_area_map(setup.detector)[setup.window]
    write_fits(path, header, {"SCI": values.astype(np.float32)})


def _nominal_area(setup: Setup) -> dict[str, float]:
    """Return the keywords of the nominal solid angle of a pixel."""
    steradian = setup.detector.pixel_area_sr
    return {"PIXAR_SR": steradian, "PIXAR_A2": steradian * SQUARE_ARCSEC_PER_SR}


def photom(optics: OpticsSetup, path: Path) -> None:
    """Write the surface brightness of one DN/s, filter by filter [MJy/sr]."""
    setup = optics.setup
    rows = [
        (*labels, chosen.photmjsr, setup.quality.photometry * chosen.photmjsr)
        for chosen in optics.own_filters()
        for labels in optics.labels(chosen)
    ]
    kinds = [*optics.kinds(), ("photmjsr", "f4"), ("uncertainty", "f4")]
    header = keywords(setup, "photom", setup.table["model"], path.name)
    header.update(_nominal_area(setup))
    write_fits(path, header, {}, tables={"PHOTOM": _table(rows, kinds)})


def apcorr(optics: OpticsSetup, path: Path) -> None:
    """Write how much light of a star circular apertures miss, the sky annulus taken into account.

    Apertures are those for combined images, which are a little less sharp than exposures. All
    filters have rows; those that are not `exact` have the image of the exposure's own filter,
    scaled by wavelength and by the width of a pixel.
    """
    setup = optics.setup
    inner, outer = SKY_PIXEL
    rows = []
    own_spread, own_width = optics.point_spread(setup.filter), optics.pixel_width(setup.filter)
    for chosen in optics.filters.values():
        if chosen.name in optics.exact:
            spread, scale = optics.point_spread(chosen), 1.0
        else:
            spread = own_spread
            scale = chosen.pivot_micron / setup.filter.pivot_micron
            scale *= own_width / optics.pixel_width(chosen)
        energy = energy_in_mosaic(spread, MOSAIC_RADII)
        for fraction in FRACTIONS:
            radius = float(np.interp(fraction, energy, MOSAIC_RADII)) * scale
            edges = spread.encircled_energy(np.array([inner, outer]) / scale)
            sky = float(edges[1] - edges[0]) * radius**2 / (outer**2 - inner**2)
            rows += [
                (*labels, fraction, radius, 1 / (fraction - sky), inner, outer)
                for labels in optics.labels(chosen)
            ]
    kinds = [
        *optics.kinds(),
        *((name, "f4") for name in ("eefraction", "radius", "apcorr", "skyin", "skyout")),
    ]
    header = keywords(setup, "apcorr", setup.table["model"], path.name)
    write_fits(path, header, {}, tables={"APCORR": _table(rows, kinds)})


def energy_in_mosaic(spread: PointSpread, radius_pixel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of a star's light within circles on a combined image.

    Combination shares each pixel's light among pixels as large by the area they have in common: on
    average over their places the star seems moved by up to a pixel either way, rather less than
    more. The light within a circle off the centre follows from that within centred ones, the image
    taken as round: a ring of radius R has the angle ``2 arccos((R² + d² - r²) / 2 R d)`` inside a
    circle of radius r at distance d.

    Parameters
    ----------
    spread
        The image of a star on an exposure.
    radius_pixel : array (radius,)
        Radii r [pixel].

    Returns
    -------
    array (radius,)
    """
    edges = np.linspace(0, float(radius_pixel.max()) + 1, 2000)
    light = np.diff(spread.encircled_energy(edges))
    ring = (edges[1:] + edges[:-1]) / 2
    offsets = (np.arange(6) + 0.5) / 6
    distances = np.hypot(offsets[:, None], offsets[None, :]).ravel()
    weights = np.outer(1 - offsets, 1 - offsets).ravel()
    total = np.zeros(radius_pixel.shape)
    for d, weight in zip(distances, weights / weights.sum(), strict=True):
        r = radius_pixel[:, None]
        cosine = (ring**2 + d**2 - r**2) / (2 * ring * d)
        total += weight * (np.arccos(np.clip(cosine, -1, 1)) / np.pi) @ light
    return total


def _table(rows: list[tuple[object, ...]], kinds: list[tuple[str, str]]) -> NDArray[np.void]:
    """Return a table of bytes and numbers."""
    plain = [tuple(v.encode() if isinstance(v, str) else v for v in row) for row in rows]
    return np.array(plain, dtype=kinds)


def distortion(optics: OpticsSetup, path: Path) -> None:
    """Write the way from pixels to the telescope's frame and back."""
    setup = optics.setup
    model = distortion_model(setup.detector)
    write_asdf(path, setup, "distortion", "DistortionModel", {"model": model})


def filteroffset(optics: OpticsSetup, path: Path) -> None:
    """Write the shifts of the image between filters [pixel]."""
    rows = [
        {
            "filter": chosen.header_value,
            "pupil": chosen.pupil or "N/A",
            "column_offset": chosen.column_offset,
            "row_offset": chosen.row_offset,
        }
        for chosen in optics.own_filters()
    ]
    tree = {"filters": rows}
    write_asdf(path, optics.setup, "filteroffset", "FilteroffsetModel", tree)


def abvegaoffset(optics: OpticsSetup, path: Path) -> None:
    """Write the differences between magnitude systems, of a star with a Rayleigh-Jeans spectrum.

    Vega's flux density falls as the wavelength squared from 655 Jy at 2.19 micron; zero of the AB
    system is 3631 Jy.
    """
    columns: dict[str, list[str | float]] = {name: [] for name in optics.setup.table["columns"]}
    offsets: list[float] = []
    for chosen in optics.filters.values():
        vega_jy = 655.0 * (2.19 / chosen.pivot_micron) ** 2
        for labels in optics.labels(chosen):
            for name, value in zip(columns, labels, strict=True):
                columns[name].append(value)
            offsets.append(2.5 * float(np.log10(3631.0 / vega_jy)))
    table = Table({**columns, "abvega_offset": offsets})
    tree = {"abvega_offset": table}
    write_asdf(path, optics.setup, "abvegaoffset", "ABVegaOffsetModel", tree)


MAKERS: Mapping[str, Callable[[OpticsSetup, Path], None]] = {
    "flat": flat,
    "area": area,
    "photom": photom,
    "apcorr": apcorr,
    "distortion": distortion,
    "filteroffset": filteroffset,
    "abvegaoffset": abvegaoffset,
}
