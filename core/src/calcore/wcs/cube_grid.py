"""The grid of a cube: two angles on the sky and a wavelength."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
from astropy.modeling.models import Pix2Sky_TAN
from gwcs import WCS, FITSImagingWCSTransform
from numpy.typing import NDArray

from calcore.wcs import nodes, spectral_frames
from calcore.wcs.cube_planes import Spacing
from calcore.wcs.deferred import DeferredWcs
from calcore.wcs.footprint import enclosing_box, polygon
from calcore.wcs.nodes import Node
from calcore.wcs.tangent import TangentPlane

Angles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CubeGrid:
    """Voxels of a cube, from 0.

    Attributes
    ----------
    plane : TangentPlane
        The sky about the middle; y runs up its position angle, x the other way than its x.
    size : tuple of int
        Rows and columns; both are odd, and the middle is the point of touch.
    spaxel_arcsec : float
        Side of a spaxel [arcsec].
    spacing : EvenPlanes or TabledPlanes
        Where the planes lie.
    """

    plane: TangentPlane
    size: tuple[int, int]
    spaxel_arcsec: float
    spacing: Spacing

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns."""
        return self.spacing.count, *self.size

    def spaxels(self, x: Angles, y: Angles) -> tuple[Angles, Angles]:
        """Return columns and rows of places on the tangent plane [arcsec]."""
        rows, columns = self.size
        return (
            (columns - 1) / 2 - x / self.spaxel_arcsec,
            (rows - 1) / 2 + y / self.spaxel_arcsec,
        )

    @cached_property
    def wcs(self) -> "CubeCoordinates":
        """From x, y and plane to the sky [deg] and wavelengths [um]."""
        return CubeCoordinates(self)

    @property
    def region(self) -> str:
        """The box of right ascension and declination around the middles of corners, as S_REGION has it."""
        rows, columns = self.size
        x, y = np.array([0, 0, columns - 1, columns - 1]), np.array([0, rows - 1, rows - 1, 0])
        ra, dec, _ = self.wcs(x, y, 0 * x, with_bounding_box=False)
        west, south, east, north = enclosing_box(ra, dec)
        return polygon([(west, south), (west, north), (east, north), (east, south)])

    @property
    def keywords(self) -> dict[str, Any]:
        """The FITS keywords of the projection, in lower case (Greisen et al. 2006, A&A 446, 747)."""
        rows, columns = self.size
        angle = np.radians(self.plane.angle_deg)
        sine, cosine = float(np.sin(angle)), float(np.cos(angle))
        side = self.spaxel_arcsec / 3600
        return {
            "wcsaxes": 3,
            "crpix1": (columns + 1) / 2, "crpix2": (rows + 1) / 2, "crpix3": 1.0,
            "crval1": self.plane.ra_deg, "crval2": self.plane.dec_deg,
            "cdelt1": side, "cdelt2": side, "ctype1": "RA---TAN", "ctype2": "DEC--TAN",
            "cunit1": "deg", "cunit2": "deg", "cunit3": "um",
            "pc1_1": -cosine, "pc1_2": sine, "pc1_3": 0.0,
            "pc2_1": sine, "pc2_2": cosine, "pc2_3": 0.0,
            "pc3_1": 0.0, "pc3_2": 0.0, "pc3_3": 1.0,
            **self.spacing.keywords,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class CubeCoordinates(DeferredWcs):
    """World coordinates of a cube's voxels."""

    grid: CubeGrid

    @cached_property
    def wcs(self) -> WCS:
        """The gWCS from x, y and plane to the sky [deg] and wavelengths [um]."""
        sky = FITSImagingWCSTransform(Pix2Sky_TAN(), **self._projection)
        steps = [
            (spectral_frames.voxels(), sky & self.grid.spacing.transform),
            (spectral_frames.world(), None),
        ]
        wcs = WCS(steps)
        wcs.bounding_box = tuple((-0.5, size - 0.5) for size in reversed(self.grid.shape))
        return wcs

    @property
    def tree(self) -> Node:
        """The same as files have it."""
        tangent = nodes.transform("gnomonic-1.2.0", direction="pix2sky")
        sky = nodes.gwcs("fitswcs_imaging-1.0.0", projection=tangent, **self._projection)
        planes, rows, columns = self.grid.shape
        transform = nodes.beside(sky, self.grid.spacing.node)
        transform["bounding_box"] = nodes.bounding_box(x0=columns, y0=rows, x1=planes)
        return nodes.wcs([(nodes.voxels(), transform), (nodes.sky(), None)])

    @property
    def _projection(self) -> dict[str, NDArray[np.float64]]:
        told = self.grid.keywords
        return {
            "crpix": np.array([told["crpix1"] - 1, told["crpix2"] - 1]),
            "crval": np.array([told["crval1"], told["crval2"]]),
            "cdelt": np.array([told["cdelt1"], told["cdelt2"]]),
            "pc": np.array([[told[f"pc{axis}_{other}"] for other in (1, 2)] for axis in (1, 2)]),
        }


def middle_of(positions: Sequence[tuple[Angles, Angles]]) -> tuple[float, float]:
    """Return the middle of the box of right ascension and declination that holds all positions [deg].

    NaN does not count. Right ascensions may lie on both sides of 0.
    """
    ra, dec = (np.concatenate([place[axis].ravel() for place in positions]) for axis in (0, 1))
    west, south, east, north = enclosing_box(ra, dec)
    wide = (east - west) % 360
    return (west + wide / 2) % 360, (south + north) / 2


def cube_grid(
    positions: Sequence[tuple[Angles, Angles]],
    spacing: Spacing,
    *,
    spaxel_arcsec: float,
    centre: tuple[float | None, float | None] = (None, None),
    angle_deg: float = 0.0,
    size: tuple[int | None, int | None] = (None, None),
) -> CubeGrid:
    """Lay a grid over exposures.

    Parameters
    ----------
    positions : sequence of (right ascension, declination)
        Of pixels' centres [deg], for each exposure, those farthest out among them; NaN does not count.
    spacing : EvenPlanes or TabledPlanes
        Where the planes lie.
    spaxel_arcsec : float
        Size of a spaxel [arcsec].
    centre : tuple of float or None
        Right ascension and declination of the middle [deg]; that of all positions, where None.
    angle_deg : float
        Position angle of the cube's y axis [deg].
    size : tuple of int or None
        Columns and rows, made odd; as many as hold all pixels, where None.

    Returns
    -------
    CubeGrid
        One spaxel more on every side than the centres of pixels need.
    """
    ra, dec = (
        own if given is None else given
        for given, own in zip(centre, middle_of(positions), strict=True)
    )
    plane = TangentPlane(ra, dec, angle_deg)
    places = [plane.project(*some) for some in positions]
    half = [
        ceil(max(float(np.nanmax(np.abs(place[axis]))) for place in places) / spaxel_arcsec) + 1
        for axis in (0, 1)
    ]
    columns, rows = (
        2 * (given // 2 if given else own) + 1 for given, own in zip(size, half, strict=True)
    )
    return CubeGrid(plane=plane, size=(rows, columns), spaxel_arcsec=spaxel_arcsec, spacing=spacing)
