"""How images become a mosaic: its grid, and the weight of their pixels."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError
from calcore.flags import DQ
from calcore.kernels.drizzling import Drizzled, Drop, drizzle
from calcore.model.exposure import Image
from calcore.model.meta import Meta
from calcore.wcs.mosaic import Grid, Layout, Orientation, grid, read_grid

WeightType = Literal["ivm", "exptime"]


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
        An image has no world coordinates.
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
    return grid([member.wcs for member in members], orientation, layout)


def background(meta: Meta) -> float:
    """Return the sky level that was found in an image and is still in it, in units of BUNIT."""
    level = meta.get("background.level")
    return 0.0 if level is None or meta.get("background.subtracted", False) else float(level)


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
    good = usable(image) & ((image.dq & np.uint32(~good_bits & 0xFFFFFFFF)) == 0)
    if weight_type == "ivm" and image.var_rnoise is not None:
        with np.errstate(divide="ignore"):
            weight = 1 / image.var_rnoise
        return np.where(good & (image.var_rnoise > 0), weight, np.float32(0))
    value = exposure_time(image.meta) if weight_type == "exptime" else 1.0
    return np.where(good, np.float32(value), np.float32(0))


def drizzled(
    image: Image,
    planes: Sequence[NDArray[np.float32]],
    weight: NDArray[np.float32],
    onto: Grid,
    drop: Drop,
    *,
    flags: bool = False,
) -> Drizzled:
    """Drizzle planes of an image onto the part of a mosaic that it covers."""
    return drizzle(
        planes,
        weight,
        onto.map_from(image.wcs, image.data.shape),
        onto.shape,
        drop,
        image.dq if flags else None,
    )
