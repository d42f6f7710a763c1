"""The grid of a mosaic: a tangent projection that holds all exposures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.modeling.models import Pix2Sky_TAN
from gwcs import WCS, FITSImagingWCSTransform
from numpy.typing import NDArray

from calcore.kernels.polygon import clip, union
from calcore.wcs import frames
from calcore.wcs.area import ARCSEC, pixel_area, pixel_scale
from calcore.wcs.footprint import corners
from calcore.wcs.given_wcs import read_wcs, sized
from calcore.wcs.grid import PixelMap, pixel_map

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grid:
    """Pixels of a mosaic.

    Attributes
    ----------
    wcs : gwcs.WCS
        From pixels to the sky, with its inverse.
    shape : tuple of int
        Rows and columns.
    pixel_area_sr : float
        Solid angle of a pixel at the reference point [sr].
    pixel_scale_ratio : float
        Linear size of a pixel over that of the exposures' pixels.
    """

    wcs: WCS
    shape: tuple[int, int]
    pixel_area_sr: float
    pixel_scale_ratio: float
    _maps: dict[tuple[int, tuple[int, int]], tuple[WCS, PixelMap]] = field(
        default_factory=dict, init=False, repr=False
    )

    def map_from(self, wcs: WCS, shape: tuple[int, int]) -> PixelMap:
        """Return where an exposure's pixels fall; it is worked out once."""
        key = id(wcs), shape
        if key not in self._maps:
            self._maps[key] = wcs, pixel_map(wcs, self.wcs, shape)
        return self._maps[key][1]

    @property
    def keywords(self) -> dict[str, Any]:
        """The FITS keywords of the projection, in lower case; empty if it is none."""
        projection = self.wcs.forward_transform
        if not isinstance(projection, FITSImagingWCSTransform):
            return {}
        matrix = projection.pc.value
        found: dict[str, Any] = {"wcsaxes": 2, "radesys": "ICRS"}
        for axis, name in ((0, "RA---TAN"), (1, "DEC--TAN")):
            number = axis + 1
            found[f"crpix{number}"] = float(projection.crpix.value[axis]) + 1.0
            found[f"crval{number}"] = float(projection.crval.value[axis])
            found[f"cdelt{number}"] = float(projection.cdelt.value[axis])
            found[f"ctype{number}"] = name
            found[f"cunit{number}"] = "deg"
            found[f"pc{number}_1"] = float(matrix[axis][0])
            found[f"pc{number}_2"] = float(matrix[axis][1])
        return found


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a user may say of a mosaic's grid; None is found from the exposures.

    Attributes
    ----------
    shape : (nx, ny)
    crpix, crval : (x, y), (ra, dec)
        Reference pixel, counted from 0, and its place on the sky [deg].
    rotation_deg : float
        Position angle of the y axis [deg].
    scale_arcsec, scale_ratio : float
        Size of a pixel [arcsec], or over the exposures' pixels where that is None.
    """

    shape: tuple[int, int] | None = None
    crpix: tuple[float, float] | None = None
    crval: tuple[float, float] | None = None
    rotation_deg: float | None = None
    scale_arcsec: float | None = None
    scale_ratio: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """How the first exposure lies on the sky: its reference point, V3's angle, the detector's."""

    ra_deg: float
    dec_deg: float
    roll_deg: float
    v3i_deg: float
    parity: int

    def matrix(self, rotation_deg: float | None) -> Float:
        """Return the matrix from pixels to the tangent plane, without scale."""
        if rotation_deg is None:
            angle = np.deg2rad(self.roll_deg - self.parity * self.v3i_deg)
        else:
            angle = np.deg2rad(rotation_deg)
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.array([[self.parity * cosine, sine], [-self.parity * sine, cosine]])


def _unit(sky: Float) -> Float:
    """Return unit vectors (n, 3) of positions (n, 2) [deg]."""
    longitude, latitude = np.radians(sky).T
    across = np.cos(latitude)
    return np.stack(
        [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], axis=1
    )


def _centre(sky: Float) -> tuple[float, float]:
    """Return the middle of a box around positions, in Cartesian coordinates [deg]."""
    vectors = _unit(sky)
    x, y, z = (vectors.min(axis=0) + vectors.max(axis=0)) / 2
    return float(np.degrees(np.arctan2(y, x)) % 360), float(
        np.degrees(np.arctan2(z, np.hypot(x, y)))
    )


def _projection(crpix: Float, crval: tuple[float, float], scale_deg: float, matrix: Float) -> WCS:
    transform = FITSImagingWCSTransform(
        Pix2Sky_TAN(), crpix=crpix, crval=crval, cdelt=[scale_deg, scale_deg], pc=matrix
    )
    return WCS([(frames.detector(), transform), (frames.world(), None)])


def grid(images: Sequence[WCS], orientation: Orientation, layout: Layout) -> Grid:
    """Return the grid of a mosaic of all images, oriented as the first.

    The reference point is the middle of the footprints, and pixels are squares as large as the
    first image's pixels at its own reference point.

    Parameters
    ----------
    images : sequence of gwcs.WCS
        From pixels to the sky, with bounding boxes.
    orientation : Orientation
        Of the first image.
    layout : Layout
        What is not to be found from the images.
    """
    # Rounded as S_REGION has them, so that the grid is what anyone finds from the headers.
    outline = np.round(np.concatenate([corners(wcs) for wcs in images]), 9)
    crval = layout.crval or _centre(outline)
    reference = images[0].invert(orientation.ra_deg, orientation.dec_deg, with_bounding_box=False)
    native = _side(images[0], float(reference[0]), float(reference[1]))
    scale = native * layout.scale_ratio if layout.scale_arcsec is None else layout.scale_arcsec
    matrix = orientation.matrix(layout.rotation_deg)
    centred = _projection(np.zeros(2), crval, scale / 3600, matrix)
    x, y = centred.invert(outline[:, 0], outline[:, 1], with_bounding_box=False)
    low = np.array([np.min(x), np.min(y)])
    high = np.array([np.max(x), np.max(y)])
    crpix = -low if layout.crpix is None else np.array(layout.crpix)
    columns, rows = layout.shape or (int(size) for size in np.floor(crpix + high + 0.5))
    wcs = _projection(crpix, crval, scale / 3600, matrix)
    ratio = layout.scale_ratio
    if layout.scale_arcsec is not None:
        ratio = scale / pixel_scale(images[0], float(reference[0]), float(reference[1]))
    return _finished(wcs, (max(rows, 1), max(columns, 1)), (scale * ARCSEC) ** 2, ratio)


def _side(wcs: WCS, x: float, y: float) -> float:
    """Return the geometric mean of the steps a pixel along x and along y [arcsec]."""
    at, right, up = _unit(
        np.stack(wcs(np.array([x, x + 1, x]), np.array([y, y, y + 1]), with_bounding_box=False), 1)
    )
    steps = np.linalg.norm(right - at), np.linalg.norm(up - at)
    return float(np.sqrt(steps[0] * steps[1]) / ARCSEC)


def _finished(wcs: WCS, shape: tuple[int, int], area: float, ratio: float) -> Grid:
    return Grid(sized(wcs, shape), shape, area, ratio)


def read_grid(path: str, image: WCS, shape: tuple[int, int] | None) -> Grid:
    """Return the grid that an ASDF file holds; see `calcore.wcs.given_wcs.read_wcs`.

    Parameters
    ----------
    path : str
        The file.
    image : gwcs.WCS
        World coordinates of the first exposure.
    shape : (nx, ny), optional
        Size that goes before what the file says.
    """
    given = read_wcs(path, shape)
    wcs, (rows, columns) = given.wcs, given.shape
    middle = (columns - 1) / 2, (rows - 1) / 2
    area = given.area_sr or float(pixel_area(wcs, *middle))
    x, y = image.invert(*wcs(*middle, with_bounding_box=False), with_bounding_box=False)
    ratio = float(np.sqrt(area) / ARCSEC / pixel_scale(image, float(x), float(y)))
    return _finished(wcs, (rows, columns), area, ratio)


def union_region(images: Sequence[WCS], mosaic: Grid) -> str:
    """Return the outline of all images together on a mosaic, as the keyword S_REGION has it.

    Parameters
    ----------
    images : sequence of gwcs.WCS
        The exposures; what of them lies beyond the mosaic does not count.
    mosaic : Grid
        The mosaic; on its plane great circles are straight.

    Returns
    -------
    str
        ``POLYGON ICRS  ra dec …`` to 1e-9 deg, once for each part that touches no other.
    """
    rows, columns = mosaic.shape
    outlines = []
    for wcs in images:
        x, y = mosaic.wcs.invert(*corners(wcs).T, with_bounding_box=False)
        outlines.append(clip(np.stack([x, y], axis=1), columns, rows))
    parts = []
    for ring in union([outline for outline in outlines if len(outline) > 2]):
        clockwise = np.concatenate([ring[:1], ring[:0:-1]])
        sky = np.stack(mosaic.wcs(*clockwise.T, with_bounding_box=False), axis=1)
        pairs = " ".join(f"{ra % 360:.9f} {dec:.9f}" for ra, dec in sky)
        parts.append(f"POLYGON ICRS  {pairs}")
    return " ".join(parts)
