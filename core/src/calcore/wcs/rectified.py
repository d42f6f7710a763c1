"""The grid of rectified spectra: places along a slit, and wavelengths."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import (
    Linear1D,
    Mapping,
    Pix2Sky_TAN,
    Polynomial2D,
    RotateCelestial2Native,
    RotateNative2Celestial,
    Sky2Pix_TAN,
    Tabular1D,
)
from gwcs import WCS
from numpy.typing import NDArray

from calcore.errors import FileInvalid
from calcore.wcs import frames, spectral_frames
from calcore.wcs.footprint import polygon
from calcore.wcs.given_wcs import read_wcs, sized
from calcore.wcs.grid import PixelMap, Tabulated
from calcore.wcs.pointing import ARCSEC_PER_DEGREE
from calcore.wcs.tangent import TangentPlane
from calcore.wcs.within import continued, within_box

Values = NDArray[np.float64]
_AXES = 3
Measure = Literal["slit", "axis"]
"""How places along the slit are measured; see `rectified_grid`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RectifiedGrid:
    """Pixels of rectified spectra.

    Attributes
    ----------
    plane : TangentPlane
        Touches the sky at the middle of the slit.
    step : (float, float)
        From one pixel to the next along the slit, on this plane [arcsec].
    measure : (float, float)
        What place along the slit an arcsecond on this plane is [pixel/arcsec].
    places : int
        Pixels along the slit.
    wavelengths : float64 (n,)
        Wavelength of each pixel across, ascending or descending [um].
    dispersion : int
        Axis of wavelengths: 1 is x, 2 is y.
    fineness : float
        Pixels along the slit for each pixel of the first exposure.
    whole : bool
        Whether pixels just outside the slit have places, so that those at its edge contribute; the
        former must not have any weight.
    """

    plane: TangentPlane
    step: tuple[float, float]
    measure: tuple[float, float]
    places: int
    wavelengths: Values
    dispersion: int
    fineness: float = 1.0
    whole: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        sizes = self.places, len(self.wavelengths)
        return sizes if self.dispersion == 1 else sizes[::-1]

    @property
    def middle(self) -> float:
        """Where along the slit the plane touches the sky [pixel]."""
        return (self.places - 1) / 2

    @property
    def wavelength(self) -> NDArray[np.float32]:
        """Wavelength of each pixel (ny, nx) [um]."""
        wide = self.wavelengths if self.dispersion == 1 else self.wavelengths[:, None]
        return np.broadcast_to(wide, self.shape).astype(np.float32)

    def map_from(self, wcs: WCS, shape: tuple[int, int]) -> PixelMap:
        """Return where an exposure's pixels fall.

        They have no place where they have no coordinates, or a wavelength beyond the grid's.
        """
        ra, dec, wavelength = within_box(wcs, shape)
        place = along(self.plane, self.measure, ra, dec) + self.middle
        order = np.argsort(self.wavelengths)
        channel = np.interp(
            wavelength, self.wavelengths[order], order.astype(float), left=np.nan, right=np.nan
        )
        both = np.stack((channel, place) if self.dispersion == 1 else (place, channel))
        return PixelMap(Tabulated(continued(both, wcs) if self.whole else both))

    @property
    def wcs(self) -> WCS:
        """The same as a gWCS."""
        axis = self.dispersion - 1
        x_step, y_step = (step / ARCSEC_PER_DEGREE for step in self.step)
        ra, dec = self.plane.ra_deg, self.plane.dec_deg
        lines = (Linear1D(step, -step * self.middle) for step in (x_step, y_step))
        x_line, y_line = lines
        numbers = np.arange(len(self.wavelengths), dtype=float)
        order = np.argsort(self.wavelengths)
        to_sky = x_line & y_line | Pix2Sky_TAN() | RotateNative2Celestial(ra, dec, 180.0)
        forward = Mapping((1 - axis, 1 - axis, axis)) | to_sky & _table(numbers, self.wavelengths)
        x_measure, y_measure = (one * ARCSEC_PER_DEGREE for one in self.measure)
        place = Polynomial2D(1, c0_0=self.middle, c1_0=x_measure, c0_1=y_measure)
        to_place = RotateCelestial2Native(ra, dec, 180.0) | Sky2Pix_TAN() | place
        channel = _table(self.wavelengths[order], numbers[order])
        forward.inverse = to_place & channel | Mapping((1, 0) if axis == 0 else (0, 1))
        return sized(
            WCS([(frames.detector(), forward), (spectral_frames.world(), None)]), self.shape
        )

    def region(self, width: float) -> str:
        """Return the outline of a slit of some width [arcsec], as the keyword S_REGION has it."""
        length = np.hypot(*self.step)
        ends = np.array([[-self.middle], [self.middle]]) * self.step
        side = np.array([-self.step[1], self.step[0]]) / length * width / 2
        corners = [ends[0] + side, ends[1] + side, ends[1] - side, ends[0] - side]
        return polygon(self.plane.place(*corner) for corner in corners)


@dataclass(frozen=True, eq=False, kw_only=True)
class GivenGrid(RectifiedGrid):
    """Pixels of rectified spectra whose coordinates the user gave.

    Attributes
    ----------
    given : gwcs.WCS
        They, with their inverse.
    """

    given: WCS

    def map_from(self, wcs: WCS, shape: tuple[int, int]) -> PixelMap:
        """Return where an exposure's pixels fall."""
        world = within_box(wcs, shape)
        seen = np.isfinite(world).all(axis=0)
        both = np.full((2, *shape), np.nan)
        both[:, seen] = self.given.invert(*world[:, seen], with_bounding_box=False)
        return PixelMap(Tabulated(continued(both, wcs) if self.whole else both))

    @property
    def wcs(self) -> WCS:
        """The gWCS that was given."""
        return sized(self.given, self.shape)


def given_grid(
    path: str,
    image: WCS,
    image_shape: tuple[int, int],
    *,
    dispersion: int,
    shape: tuple[int, int] | None = None,
    by: Measure = "slit",
) -> GivenGrid:
    """Return the grid that an ASDF file holds; see `calcore.wcs.given_wcs.read_wcs`.

    Parameters
    ----------
    path : str
        The file, whose gWCS leads to right ascension, declination [deg] and wavelength [um].
    image : gwcs.WCS
        The first exposure's.
    image_shape : (int, int)
        Its rows and columns.
    dispersion : int
        Axis along which light is dispersed: 1 is x, 2 is y.
    shape : (nx, ny), optional
        Size that goes before what the file says.
    by
        See `rectified_grid`.

    Raises
    ------
    FileInvalid
        As `read_wcs`; or the gWCS is not one of a spectrum.
    """
    found = read_wcs(path, shape)
    if found.wcs.output_frame.naxes != _AXES:
        raise FileInvalid(
            path,
            "output_wcs leads to no right ascension, declination and wavelength; give that of a spectrum",
        )
    worlds = [
        within_box(image, image_shape),
        within_box(sized(found.wcs, found.shape), found.shape),
    ]
    lines = [_slit_of(world, _profile(world[2], dispersion), dispersion) for world in worlds]
    ra, dec = lines[1]
    near = TangentPlane(_mean_angle(ra), float(dec.mean()))
    plane = TangentPlane(*near.place(*(float(one.mean()) for one in near.project(ra, dec))))
    own, step = (_step(plane, *line) for line in lines)
    return GivenGrid(
        plane=plane,
        step=step,
        measure=_MEASURES[by](step),
        places=found.shape[dispersion - 1],
        wavelengths=_profile(worlds[1][2], dispersion),
        dispersion=dispersion,
        fineness=float(np.hypot(*own) / np.hypot(*step)),
        whole=by == "slit",
        given=found.wcs,
    )


def along(plane: TangentPlane, measure: tuple[float, float], ra: Values, dec: Values) -> Values:
    """Return places along a slit [pixel], 0 where the plane touches the sky."""
    x, y = plane.project(ra, dec)
    return np.asarray(x * measure[0] + y * measure[1])


def rectified_grid(
    images: Sequence[WCS],
    shapes: Sequence[tuple[int, int]],
    *,
    dispersion: int,
    fineness: float = 1.0,
    scale_arcsec: float | None = None,
    by: Measure = "slit",
) -> RectifiedGrid:
    """Return the grid of all exposures of a slit, whose pixels are like the first's in its middle.

    Its wavelengths are those of the first exposure, and of others beyond them.

    Parameters
    ----------
    images : sequence of gwcs.WCS
        From pixels to right ascension, declination [deg] and wavelength [um].
    shapes : sequence of (int, int)
        Rows and columns of each.
    dispersion : int
        Axis along which light is dispersed: 1 is x, 2 is y.
    fineness : float
        Pixels along the slit for each pixel of the first exposure.
    scale_arcsec : float, optional
        Size of pixels along the slit, instead of `fineness`.
    by
        ``"slit"``: places are measured along the slit, and all pixels have a place. ``"axis"``: along
        right ascension or declination, whichever is closer to the slit; a single exposure's mean
        position at its median wavelength is the middle, so that pixels at an end may have no place.

    Raises
    ------
    ValueError
        An exposure has no pixel with coordinates.
    """
    worlds = [within_box(wcs, shape) for wcs, shape in zip(images, shapes, strict=True)]
    colours = [_profile(world[2], dispersion) for world in worlds]
    if not all(np.isfinite(colour).any() for colour in colours):
        raise ValueError("an exposure has no pixel with coordinates")
    ra, dec = _slit_of(worlds[0], colours[0], dispersion)
    plane = TangentPlane(_mean_angle(ra), float(dec.mean()))
    own = _step(plane, ra, dec)
    if scale_arcsec is not None:
        fineness = float(np.hypot(own[0], own[1])) / scale_arcsec
    step = own[0] / fineness, own[1] / fineness
    measure = _MEASURES[by](step)
    if len(worlds) > 1 or by == "slit":
        plane = _amid(worlds, plane)
    ends = [_ends(along(plane, measure, *world[:2])) for world in worlds]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    places = int(np.ceil(high - low))
    if by == "slit":
        shift = (low + high) / 2
        middle = plane.place(shift * step[0], shift * step[1])
        plane, places = TangentPlane(*middle), places + 1
    return RectifiedGrid(
        plane=plane,
        step=step,
        measure=measure,
        places=places,
        wavelengths=_extended(colours),
        dispersion=dispersion,
        fineness=fineness,
        whole=by == "slit",
    )


def _step(plane: TangentPlane, ra: Values, dec: Values) -> tuple[float, float]:
    """Return how far it is from one pixel along a slit to the next [arcsec]."""
    pixels = np.arange(ra.size, dtype=float)
    x, y = (float(np.polyfit(pixels, one, 1)[0]) for one in plane.project(ra, dec))
    return x, y


def _along_slit(step: tuple[float, float]) -> tuple[float, float]:
    square = step[0] ** 2 + step[1] ** 2
    return step[0] / square, step[1] / square


def _along_axis(step: tuple[float, float]) -> tuple[float, float]:
    if abs(step[0]) > abs(step[1]):
        return 1 / step[0], 0.0
    return 0.0, 1 / step[1]


_MEASURES = {"slit": _along_slit, "axis": _along_axis}


def _profile(wavelength: Values, dispersion: int) -> Values:
    """Return the median wavelength across the slit of each row (or column), NaN where there is none."""
    lines = wavelength if dispersion == 2 else wavelength.T
    found = np.full(len(lines), np.nan)
    lit = np.isfinite(lines).any(axis=1)
    found[lit] = np.nanmedian(lines[lit], axis=1)
    return found


def _slit_of(world: Values, colour: Values, dispersion: int) -> tuple[Values, Values]:
    """Return right ascension and declination along the slit, in light of the median wavelength."""
    middle = int(np.nanargmin(np.abs(colour - np.nanmedian(world[2]))))
    ra, dec = world[:2, middle] if dispersion == 2 else world[:2, :, middle]
    there = np.isfinite(ra) & np.isfinite(dec)
    return ra[there], dec[there]


def _mean_angle(ra: Values) -> float:
    beside = (ra - ra[0] + 180) % 360 - 180
    return float((ra[0] + beside.mean()) % 360)


def _amid(worlds: Sequence[Values], near: TangentPlane) -> TangentPlane:
    """Return the plane in the middle of the box of right ascension and declination around all."""
    ra = np.concatenate([world[0][np.isfinite(world[0])] for world in worlds])
    dec = np.concatenate([world[1][np.isfinite(world[1])] for world in worlds])
    beside = (ra - near.ra_deg + 180) % 360 - 180
    middle = near.ra_deg + (beside.min() + beside.max()) / 2
    return replace(near, ra_deg=float(middle % 360), dec_deg=float((dec.min() + dec.max()) / 2))


def _ends(places: Values) -> tuple[float, float]:
    return float(np.nanmin(places)), float(np.nanmax(places))


def _extended(colours: Sequence[Values]) -> Values:
    """Return the first exposure's wavelengths, with those of others that lie beyond."""
    first, *others = (colour[np.isfinite(colour)] for colour in colours)
    falls = first[0] > first[-1]
    found = np.sort(first)
    for one in others:
        beyond = one[(one < found[0]) | (one > found[-1])]
        found = np.sort(np.concatenate([found, beyond]))
    return found[::-1] if falls else found


def _table(points: Values, values: Values) -> Model:
    return Tabular1D(points=points, lookup_table=values, bounds_error=False, fill_value=np.nan)
