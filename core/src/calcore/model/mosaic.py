"""How images become a mosaic: its grid, and the weight of their pixels."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError
from calcore.flags import DQ
from calcore.kernels.drizzling import Drizzled, Drop, Strip, drizzle_strips, window
from calcore.model.combine import blend, by_exposure
from calcore.model.exposure import Image
from calcore.model.meta import Meta
from calcore.wcs.area import ARCSEC
from calcore.wcs.grid import PixelMap
from calcore.wcs.mosaic import Grid, Layout, Orientation, grid, read_grid, union_region
from calcore.wcs.outline import outline, parts

ROWS_AT_ONCE = 64
"""Images that lie in files are read so many rows at a time: what is made of them stays in the cache."""
WeightType = Literal["ivm", "exptime"]
_KEPT = frozenset(
    f"wcsinfo.{name}" for name in ("velosys", "specsys", "mt_ra", "mt_dec", "mt_avra", "mt_avdec")
)
_LARGE = 1 << 26
"""Grids of fewer pixels do no harm, however empty."""
_EMPTY = 10
"""Others are worth their memory if exposures cover this fraction's inverse of them."""


def mosaic_grid(members: Sequence[Image], layout: Layout, path: str = "") -> Grid:
    """Return the grid of a mosaic of all images.

    Parameters
    ----------
    members : sequence of Image
        Images with world coordinates.
    layout : Layout
        What the user says of the grid.
    path : str
        An ASDF file that says all of it.

    Raises
    ------
    CalcoreError
        An image has no world coordinates; or images lie so far apart that next to nothing of their
        mosaic would be covered.
    """
    for member in members:
        if member.wcs is None:
            raise CalcoreError(
                f"{member.meta.get('filename', 'an image')} has no world coordinates; run assign_wcs"
            )
    if path:
        return read_grid(path, members[0].wcs, layout.shape)
    meta = members[0].meta
    orientation = Orientation(
        ra_deg=float(meta["wcsinfo.ra_ref"]),
        dec_deg=float(meta["wcsinfo.dec_ref"]),
        roll_deg=float(meta["wcsinfo.roll_ref"]),
        v3i_deg=float(meta["wcsinfo.v3yangle"]),
        parity=int(meta["wcsinfo.vparity"]),
    )
    found = grid([member.wcs for member in members], orientation, layout)
    _check_filled(members, found, layout)
    return found


def _check_filled(members: Sequence[Image], found: Grid, layout: Layout) -> None:
    """Refuse a large grid that images in places far apart would leave empty.

    A few tiles that lie apart are not worth a word, nor is a strip of them that runs askew. No
    detectors that are read at the same time lie so far from each other.
    """
    rows, columns = found.shape
    covered = sum(member.data.size for member in members) / found.pixel_scale_ratio**2
    if layout.shape is not None or rows * columns < max(_LARGE, _EMPTY * covered):
        return
    places = in_places(members)
    if len(places) == 1:
        places = in_places(members, tied=False)
    if len(places) > 1:
        raise CalcoreError(
            f"the exposures lie too far apart for one mosaic, which would have {columns} x {rows} "
            f"pixels, almost all of them empty: {told(places)} do not overlap; make an "
            "association for each place"
        )


def in_places(members: Sequence[Image], *, tied: bool = True) -> list[list[str]]:
    """Return the names of images, those together that hang together on the sky.

    If `tied`, detectors that were read at the same time do, since they are shifted together.
    """
    names = [str(member.meta.get("filename", "an image")) for member in members]
    exposures = by_exposure([member.meta for member in members]) if tied else ()
    found = parts([outline(member.wcs) for member in members], exposures)
    return [[names[number] for number in part] for part in found]


def told(places: Sequence[Sequence[str]]) -> str:
    """Return places in words, at most three of them, and two images of each."""
    words = [
        " and ".join(place) if len(place) < 3 else f"{place[0]} and {len(place) - 1} more"
        for place in places[:3]
    ]
    left = [f"{len(places) - 3} more places"] if len(places) > 3 else []
    return "; ".join([*words, *left])


def mosaic_meta(metas: Sequence[Meta], images: Sequence[Any], onto: Grid, *, mixed: bool) -> Meta:
    """Return the metadata of a mosaic but for how it was made.

    Parameters
    ----------
    metas : sequence of Meta
        Of the members.
    images : sequence of gwcs.WCS
        Their world coordinates.
    onto : Grid
        The mosaic's.
    mixed : bool
        Whether all keywords are those of all members; see `blend`.
    """
    meta = blend(metas, mixed=mixed)
    own = ("wcsinfo.", "alignment.")  # of the first exposure, and not of the mosaic
    gone = (name for name in meta if name.startswith(own) and name not in _KEPT)
    changes: dict[str, Any] = dict.fromkeys(gone)
    changes.update({f"wcsinfo.{name}": value for name, value in onto.keywords.items()})
    changes["wcsinfo.s_region"] = union_region(images, onto)
    changes["photometry.pixelarea_steradians"] = onto.pixel_area_sr
    changes["photometry.pixelarea_arcsecsq"] = onto.pixel_area_sr / ARCSEC**2
    changes["background.level"] = changes["background.subtracted"] = None  # no longer there
    return meta.set(changes)


def background(meta: Meta) -> float:
    """Return the sky level that was found in an image and is still in it, in units of BUNIT."""
    level = meta.get("background.level")
    return 0.0 if level is None or meta.get("background.subtracted", False) else float(level)


def net(image: Image) -> NDArray[np.float32]:
    """Return the data of an image without the sky that is still in them."""
    return image.data - np.float32(background(image.meta))


def usable(image: Image) -> NDArray[np.bool_]:
    """Tell which pixels have data, error and variances, and are not flagged DO_NOT_USE."""
    good = (image.dq & DQ.DO_NOT_USE) == 0
    for plane in (image.data, image.err, image.var_rnoise, image.var_poisson, image.var_flat):
        if plane is not None:
            good &= np.isfinite(plane)
    return np.asarray(good)


def exposure_time(meta: Meta) -> float:
    """Return the time an exposure is weighted by: TMEASURE, or EFFEXPTM if that is missing [s]."""
    return float(meta.get("exposure.measurement_time") or meta["exposure.exposure_time"])


def weights(image: Image, weight_type: WeightType | None, good_bits: int) -> NDArray[np.float32]:
    """Return the weight of each pixel of an image.

    Parameters
    ----------
    image : Image
        Calibrated exposure.
    weight_type
        ``"ivm"``: inverse of the variance by read noise, which is the same for bright and faint
        pixels (Casertano et al. 2000, AJ 120, 2747, appendix A2); ``"exptime"``: exposure time;
        None: 1.
    good_bits : int
        Flags that do not harm; a pixel with any other has weight 0.

    Returns
    -------
    float32 (ny, nx)
        0 for pixels that are not to be used.
    """
    good = usable(image)
    good &= (image.dq & np.uint32(~good_bits & 0xFFFFFFFF)) == 0
    if weight_type == "ivm" and image.var_rnoise is not None:
        with np.errstate(divide="ignore"):
            weight = 1 / image.var_rnoise
        return np.where(good & (image.var_rnoise > 0), weight, np.float32(0))
    value = exposure_time(image.meta) if weight_type == "exptime" else 1.0
    return np.where(good, np.float32(value), np.float32(0))


def drizzled(
    image: Image,
    planes: Callable[[Image], Sequence[NDArray[np.float32]]],
    weight: Callable[[Image], NDArray[np.float32]],
    onto: PixelMap,
    shape: tuple[int, int],
    drop: Drop,
    *,
    count: int = 1,
    flags: bool = False,
) -> Drizzled:
    """Drizzle an image onto the part of a mosaic that it covers.

    It may lie in its file, and is read a few rows at a time if drops are square.

    Parameters
    ----------
    image : Image
        Calibrated exposure.
    planes, weight : callable
        What is averaged, `count` float32 (ny, nx), and the weight of each pixel, float32 (ny, nx),
        of some rows of the image.
    onto : PixelMap
        Where its pixels fall.
    shape : tuple of int
        Rows and columns of the mosaic.
    drop : Drop
        What pixels are shrunk to.
    count : int
        Number of planes.
    flags : bool
        Whether to join the flags of all that contributed.
    """
    image = image.replace(area=None)
    whole = image.frame
    in_strips = drop.kernel == "square" and not flags

    def strips() -> Iterator[Strip]:
        for band in whole.tiles(
            ROWS_AT_ONCE if in_strips else whole.frame_rows, whole.frame_columns
        ):
            # Corners of pixels lie half-way to those of the rows beside them.
            around = band.grown(1)
            part = image.cut(around)
            own, _ = band.within(around)
            counting = weight(part)
            counting[: own.start] = counting[own.stop :] = 0
            places = onto.on_rows(around.row_start, around.row_stop)
            yield Strip(planes(part), counting, places, part.dq if flags else None)

    return drizzle_strips(strips(), count, window(onto.extent(), shape, drop), drop)
