"""Where on a cube a source is, and how large a circle to extract it with."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, DataUnusable, Doubtful, ReferenceInvalid
from calcore.kernels.centroids import windowed
from calcore.kernels.common_noise import overlap
from calcore.kernels.extrapolation import linear
from calcore.kernels.peaks import matched
from calcore.model.cube import Cube
from calcore.model.meta import Meta
from calcore.model.reference import CubeApertureCorrection, CubeApertures
from calcore.steps._spaxels import Spaxels

F8 = NDArray[np.float64]
_FAINT_UM = 26.0
"""Beyond, telescopes' own light drowns sources."""
_FWHM = 3.0
_EDGE = 2


class Ring(NamedTuple):
    """Radii of a ring, by wavelength (n_plane,)."""

    inner: F8
    outer: F8


class Rings(NamedTuple):
    """Radii of a circle and of the ring around it, by wavelength (n_plane,) [arcsec]."""

    radius: F8
    inner: F8
    outer: F8

    def scaled(self, factor: float) -> "Rings":
        """Return them in other units."""
        return Rings(*(radius * factor for radius in self))


def rings_of(extract1d: CubeApertures, wavelength: F8, scale: float = 1.0) -> Rings:
    """Return radii at some wavelengths [um], the circle's `scale` times what the reference has.

    Raises
    ------
    ReferenceInvalid
        The reference lacks a vector, or leads to circles without size at these wavelengths.
    """
    vectors = extract1d.vectors
    names = ("wavelength", "radius", "inner_bkg", "outer_bkg")
    lacks = [name for name in names if name not in vectors]
    if lacks:
        raise ReferenceInvalid(
            f"reference extract1d: it has no {' and '.join(lacks)}; give another file"
        )
    known, *radii = (np.asarray(vectors[name], np.float64) for name in names)
    radius, inner, outer = (linear(wavelength, known, values) for values in radii)
    rings = Rings(radius * scale, inner, outer)
    if not (rings.radius > 0).all() or not ((inner > 0) & (outer > inner)).all():
        raise ReferenceInvalid(
            f"reference extract1d: its radii are known from {known.min():.2f} to {known.max():.2f} "
            f"um, and make no circle at {wavelength.min():.2f} to {wavelength.max():.2f} um; give "
            "the file of this channel"
        )
    return rings


def correction(apcorr: CubeApertureCorrection, wavelength: F8, radius: F8) -> F8:
    """Return what a point source's flux in circles [arcsec] is multiplied by, to be all of it.

    Radii and factors are interpolated in wavelength, then factors in radius; both go on straight.

    Raises
    ------
    ReferenceInvalid
        The reference lacks a vector, or knows less than two radii.
    """
    table = apcorr.table
    lacks = [name for name in ("wavelength", "radius", "apcorr") if name not in table]
    if lacks:
        raise ReferenceInvalid(
            f"reference apcorr: it has no {' and '.join(lacks)}; give another file"
        )
    known = np.asarray(table["wavelength"], np.float64)
    radii, factors = (np.asarray(table[name], np.float64) for name in ("radius", "apcorr"))
    if radii.ndim != 2 or radii.shape != factors.shape or radii.shape[1] != known.size:
        raise ReferenceInvalid(
            f"reference apcorr: radius has the shape {radii.shape} and apcorr {factors.shape}, "
            f"which is not (radius, wavelength) for {known.size} wavelengths; give another file"
        )
    if len(radii) < 2:
        raise ReferenceInvalid("reference apcorr: it knows one radius only; give another file")
    at, factor = (
        np.stack([linear(wavelength, known, row) for row in rows]) for rows in (radii, factors)
    )
    return np.array(
        [float(linear(radius[[k]], at[:, k], factor[:, k])[0]) for k in range(wavelength.size)]
    )


def centre_of(
    cube: Cube, given: tuple[float, float] | None, *, search: bool, exact: bool
) -> tuple[float, float]:
    """Return column and row of the source: as given, the brightest, or the target.

    A target that is not in the cube, or not told, is warned of, and the cube's middle taken.
    Without `exact`, it is the middle of the source's spaxel.

    Raises
    ------
    BadParameter
        What is given lies beside the cube.
    """
    if given is not None and not _is_inside(cube, *given):
        rows, columns = cube.data.shape[1:]
        raise BadParameter(
            f"extract_1d.center_xy is {given[0]:g}, {given[1]:g}, beside the cube of {columns} columns and "
            f"{rows} rows; they are counted from 0"
        )
    place = given or (brightest(cube) if search else place_of(cube))
    if place is None:
        said = "the target is not in the cube, or not told, and the cube's middle is extracted"
        warnings.warn(f"{said}; set center_xy or ifu_autocen", Doubtful, stacklevel=3)
        return middle_of(cube)
    return place if exact else (float(round(place[0])), float(round(place[1])))


def place_of(cube: Cube) -> tuple[float, float] | None:
    """Return column and row of the target; None if that is not told, or not in the cube."""
    ra, dec = (cube.meta.get(f"target.{name}") for name in ("ra", "dec"))
    if ra is None or dec is None:
        return None
    middle = cube.wcs(0, 0, 0, with_bounding_box=False)[2]
    x, y, _ = (float(v) for v in cube.wcs.invert(ra, dec, middle, with_bounding_box=False))
    return (x, y) if _is_inside(cube, x, y) else None


def _is_inside(cube: Cube, x: float, y: float) -> bool:
    rows, columns = cube.data.shape[1:]
    return bool(-0.5 <= x <= columns - 0.5 and -0.5 <= y <= rows - 0.5)


def brightest(cube: Cube) -> tuple[float, float]:
    """Return column and row of the brightest source of a cube's median over wavelength.

    Raises
    ------
    DataUnusable
        No spaxel has any light.
    """
    planes = np.arange(len(cube.data))
    wavelength = cube.wcs(0 * planes, 0 * planes, planes, with_bounding_box=False)[2]
    data = np.asarray(cube.data)[(wavelength < _FAINT_UM) | (wavelength.min() >= _FAINT_UM)]
    known = np.isfinite(data).sum(axis=0) > len(data) // 2
    if not known[_EDGE:-_EDGE, _EDGE:-_EDGE].any():
        raise DataUnusable("the cube has no light to find a source in; set extract_1d.center_xy")
    image = np.full(known.shape, np.nan)
    image[known] = np.nanmedian(data[:, known], axis=0)
    image -= np.nanmedian(image)
    filtered = matched(np.where(known, image, 0.0), _FWHM, 1.5)
    filtered[~known] = -np.inf
    inner = np.full(known.shape, -np.inf)
    inner[_EDGE:-_EDGE, _EDGE:-_EDGE] = filtered[_EDGE:-_EDGE, _EDGE:-_EDGE]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    x, y = windowed(
        np.where(known, image, 0.0).astype(np.float32), ~known,
        np.array([float(column)]), np.array([float(row)]), _FWHM,
    )  # fmt: skip
    return float(x[0]), float(y[0])


def scale_at(cube: Cube, place: tuple[float, float]) -> float:
    """Return the side of a spaxel at some place [arcsec]."""
    x, y = place
    (ra, other), (dec, near), _ = cube.wcs(
        np.array([x, x + 1]), np.array([y, y]), np.zeros(2), with_bounding_box=False
    )
    east = (other - ra + 180) % 360 - 180
    return 3600 * float(np.hypot(east * np.cos(np.radians((dec + near) / 2)), near - dec))


def middle_of(cube: Cube) -> tuple[float, float]:
    """Return column and row of a cube's middle."""
    rows, columns = cube.data.shape[1:]
    return (columns - 1) / 2, (rows - 1) / 2


def of_spectra(meta: Meta, model: str) -> Meta:
    """Return a cube's metadata without what tells of its planes, for spectra called a `model`."""
    gone = dict.fromkeys(name for name in meta if name.startswith("ifu."))
    return meta.set(gone, model_type=model)


def described(cube: Cube, kind: str, place: tuple[float, float]) -> Meta:
    """Return a cube's metadata and those of a spectrum of a point or extended source in it."""
    ra, dec, _ = cube.wcs(*place, 0, with_bounding_box=False)
    told = {
        "name": cube.meta.get("exposure.type"), "detector": cube.meta.get("instrument.detector"),
        "source_type": kind, "extraction_x": place[0], "extraction_y": place[1],
        "slit_ra": float(ra), "slit_dec": float(dec),
        "position_angle": cube.meta.get("aperture.position_angle"),
    }  # fmt: skip
    return cube.meta.set({f"spectrum.{name}": value for name, value in told.items()})


def in_common(cube: Cube) -> Any:
    """Return by how much errors grow, at each wavelength, since spaxels share pixels; 1 if unknown."""
    return 1.0 if cube.correlation is None else cube.correlation


def shared(cube: Cube, spaxels: Spaxels, radius: F8, ring: Ring | None) -> F8:
    """Return what a background's noise that dithered exposures share adds to variances of sums.

    One background is subtracted from all, so that what it has too much of in a pixel is missing in all
    places that this pixel saw. Circles that hold several of them have it several times; those whose
    ring holds the others have less of it, and what is returned is negative. In single spaxels
    exposures meet that are independent.

    Parameters
    ----------
    cube : Cube
        It tells how exposures lie to each other.
    spaxels : Spaxels
        Of it.
    radius : float64 (n_plane,)
        Of the circles [spaxel].
    ring : Ring, optional
        Where the level that is subtracted is measured [spaxel].
    """
    grown = np.zeros_like(radius)
    if cube.shared is None:
        return grown
    usual = np.array([_median(e[s]) for e, s in zip(spaxels.err, spaxels.seen, strict=True)])
    for x, y, part in np.asarray(cube.shared, np.float64):
        grown += part * overlap(radius, ring, float(np.hypot(x, y)))
    return np.asarray(usual**2 * grown)


def _median(values: NDArray[np.float32]) -> float:
    return float(np.median(values)) if values.size else 0.0
