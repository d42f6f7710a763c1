"""How exposures of image slicers become a cube."""

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, CalcoreError, Doubtful
from calcore.flags import DQ
from calcore.kernels.cube_drizzle import CubeSums
from calcore.kernels.cube_shepard import Nearness, add_points
from calcore.model.combine import blend, header_table
from calcore.model.cube import Cube
from calcore.model.exposure import Image
from calcore.model.layout import times
from calcore.model.meta import Meta
from calcore.wcs.cube_grid import CubeGrid
from calcore.wcs.slice_boxes import slice_boxes, slice_points
from calcore.wcs.slicer import Field, SlicedCoordinates
from calcore.wcs.slicer_of import sliced

NOTHING = np.uint32(DQ.DO_NOT_USE | DQ.NON_SCIENCE)
"""Flags of voxels that nothing fell into."""

_ROWS = 256
"""So many of an exposure are placed in a cube at a time: a pixel's box takes as much as ten exposures."""
_MOST_VOXELS = 1_000_000_000
"""More than these are a slip of a parameter, or of coordinates: they would take 30 GB."""


class Workers(Protocol):
    """Threads that do work for items; `calcore.room.Room` is one."""

    @property
    def threads(self) -> int:
        """How many there are."""

    def each(self, work: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Do some work for each item, on all threads."""

    def ahead(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        """Yield what some work gives for each item, in order, begun before it is asked for."""


@dataclass(frozen=True, eq=False)
class Piece:
    """What one field of one exposure contributes to a cube."""

    image: Image
    coordinates: SlicedCoordinates
    field: Field

    def positions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return right ascension and declination of pixels at the ends of slices (n_pixel,) [deg]."""
        alpha, _, beta, *_ = self.coordinates.seen_by(self.coordinates.outline(self.field))
        return self.coordinates.sky(self.field, alpha, beta)


def coordinates_of(image: Image) -> SlicedCoordinates:
    """Return an exposure's coordinates in a form that maps whole frames quickly.

    Raises
    ------
    CalcoreError
        It has none, or none of an image slicer.
    """
    name = image.meta.get("filename", "an exposure")
    if image.wcs is None:
        raise CalcoreError(f"{name} has no world coordinates; run assign_wcs")
    found = sliced(image.wcs)
    if found is None:
        raise CalcoreError(
            f"the world coordinates of {name} are not those of an image slicer; run assign_wcs"
        )
    return found


def check_size(grid: CubeGrid) -> None:
    """Refuse a cube that is larger than any that was meant.

    Raises
    ------
    BadParameter
        It has too many voxels.
    """
    if prod(grid.shape) > _MOST_VOXELS:
        raise BadParameter(
            f"the cube would have {times(grid.shape)} voxels, more than {_MOST_VOXELS:.0e}; look at "
            "cube_build.scalexy, scalew, nspax_x, nspax_y, ra_center and dec_center, and at where "
            "the exposures lie"
        )


def fill(
    bands: Sequence[Sequence[Piece]],
    grid: CubeGrid,
    nearness: Nearness | None,
    workers: Workers,
) -> CubeSums:
    """Return what falls into a cube.

    Where planes lie as a table has them, the ends of bands are left out: planes of which no band
    fills half as many spaxels as it does at most, or as are filled of most planes.

    Parameters
    ----------
    bands : sequence of sequences of Piece
        What is combined, band by band.
    grid : CubeGrid
        Its voxels.
    nearness : Nearness, optional
        How near pixels count; they are drizzled if it is None.
    workers : Workers
        Threads; the sums are the same to the bit for any number.
    """
    sums, planes = CubeSums.over(grid.shape), grid.spacing.planes
    lit: dict[Piece, set[int]] = {piece: set() for pieces in bands for piece in pieces}
    edges = np.linspace(0, grid.shape[0], workers.threads + 1).astype(int).tolist()

    def adding(part: tuple[Piece, slice]) -> Callable[[int, int], None]:
        piece, rows = part
        image = piece.image
        data, err, dq = image.data[rows], image.err[rows], image.dq[rows]
        good = ((dq & DQ.DO_NOT_USE) == 0) & np.isfinite(data)
        lit[piece].update(
            np.flatnonzero(np.bincount(piece.coordinates.labels[rows][good])).tolist()
        )
        given = piece.coordinates.on_rows(rows), piece.field, grid, data, err**2, good
        if nearness is None:
            return partial(sums.add, slice_boxes(*given), planes)
        return partial(add_points, sums, slice_points(*given), nearness, planes)

    filled = np.zeros((len(bands), grid.shape[0]))
    for number, pieces in enumerate(bands):
        before = sums.pixels.copy() if grid.spacing.rows is not None else 0
        parts = [(piece, rows) for piece in pieces for rows in _parts(len(piece.image.data))]
        for add in workers.ahead(adding, parts):
            workers.each(_unpacked(add), list(pairwise(edges)))
        filled[number] = np.count_nonzero(sums.pixels != before, axis=(1, 2))
    if grid.spacing.rows is not None:
        ends = ends_of_bands(filled, np.count_nonzero(sums.pixels, axis=(1, 2)))
        sums.weights[ends] = sums.pixels[ends] = 0
    if np.any(sums.pixels):
        _say_dark(lit)
    return sums


def _say_dark(lit: Mapping[Piece, Collection[int]]) -> None:
    """Say which exposures, and which slices of others, contribute nothing, by what is usable of each."""
    dark = []
    for piece, numbers in lit.items():
        place = piece.coordinates.fields.index(piece.field)
        own = [part.number for part in piece.coordinates.slices if part.field == place]
        gone = [str(number) for number in own if number not in numbers]
        if gone:
            some = f"slice{'s' * (len(gone) > 1)} {', '.join(gone)}"
            which = "any slice" if len(gone) == len(own) else some
            dark.append(f"{which} of {piece.image.meta.get('filename', 'an exposure')}")
    if dark:
        said = "no pixel is usable, all are NaN or flagged DO_NOT_USE, in"
        warnings.warn(f"{said} {'; '.join(dark)}", Doubtful, stacklevel=4)


def _parts(rows: int) -> list[slice]:
    """Return the rows of exposures that are held in memory at a time."""
    return [slice(first, min(first + _ROWS, rows)) for first in range(0, rows, _ROWS)]


def ends_of_bands(filled: NDArray[np.float64], together: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which planes are ends of bands, by how many spaxels each band and all fill of them."""
    usual = np.median(together[together > 0]) if together.any() else 0.0
    least = np.minimum(filled.max(axis=1, initial=0), usual) / 2
    return np.asarray(~(filled >= least[:, None]).any(axis=0))


def _unpacked(add: Callable[[int, int], None]) -> Callable[[tuple[int, int]], None]:
    return lambda planes: add(*planes)


def cube_of(pieces: Sequence[Piece], grid: CubeGrid, sums: CubeSums) -> Cube:
    """Return a cube of what fell into it."""
    seen = sums.weights > 0
    metas = [image.meta for image in {id(piece.image): piece.image for piece in pieces}.values()]
    return Cube(
        meta=_meta(metas, grid),
        data=_mean(sums.values, sums.weights, seen),
        err=_mean(np.sqrt(sums.variances), sums.weights, seen),
        dq=np.where(seen, np.uint32(0), NOTHING),
        wmap=sums.pixels.astype(np.float32),
        correlation=sums.correlation,
        shared=_shared(pieces, grid),
        hdrtab=header_table(metas),
        wavetable=grid.spacing.rows,
        wcs=grid.wcs,
    )


def _shared(pieces: Sequence[Piece], grid: CubeGrid) -> NDArray[np.float32] | None:
    """Return how exposures that have the noise of one background lie to each other; see `Cube`."""
    groups: dict[object, list[tuple[float, float, float]]] = {}
    for piece in pieces:
        part = piece.image.meta.get("background.noise_share")
        if part is None:
            continue
        middle = np.zeros(())
        x, y = grid.spaxels(
            *grid.plane.project(*piece.coordinates.sky(piece.field, middle, middle))
        )
        pixels = piece.image.meta.get("instrument.detector"), piece.field.wavelengths
        groups.setdefault(pixels, []).append((float(x), float(y), float(part)))
    rows = [
        (other[0] - one[0], other[1] - one[1], 2 * np.sqrt(one[2] * other[2]) / len(pieces))
        for own in groups.values()
        for one, other in combinations(own, 2)
    ]
    return np.array(rows, np.float32) if rows else None


def _mean(
    sums: NDArray[np.float64], weights: NDArray[np.float64], seen: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return sums over weights; NaN where nothing was seen."""
    mean = np.full(sums.shape, np.nan, np.float32)
    np.divide(sums, weights, out=mean, where=seen, casting="unsafe")
    return mean


def _meta(metas: Sequence[Meta], grid: CubeGrid) -> Meta:
    meta = blend(metas)
    gone = (name for name in meta if name.startswith("wcsinfo.") and name not in _KEPT)
    changes: dict[str, object] = dict.fromkeys(gone)
    changes.update({f"wcsinfo.{name}": value for name, value in grid.keywords.items()})
    changes["wcsinfo.s_region"] = grid.region
    changes["photometry.pixelarea_arcsecsq"] = grid.spaxel_arcsec**2
    changes["photometry.pixelarea_steradians"] = np.radians(grid.spaxel_arcsec / 3600) ** 2
    changes["model_type"] = None
    return meta.set(changes)


_KEPT = frozenset(f"wcsinfo.{name}" for name in ("velosys", "specsys", "dispersion_direction"))
