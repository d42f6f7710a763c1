"""How exposures of a slit become one rectified spectrum: its grid and its metadata."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calcore.errors import CalcoreError, KeywordInvalid
from calcore.flags import DQ
from calcore.model.combine import blend
from calcore.model.meta import Meta
from calcore.model.slit import Slit
from calcore.wcs.divided import fineness_of
from calcore.wcs.pointing import ARCSEC_PER_DEGREE
from calcore.wcs.rectified import Measure, RectifiedGrid, given_grid, rectified_grid
from calcore.wcs.within import box_of

_AREAS = ("photometry.pixelarea_steradians", "photometry.pixelarea_arcsecsq")
_GONE = (
    "background.level", "background.subtracted",
    "slit.xstart", "slit.xsize", "slit.ystart", "slit.ysize",
)  # fmt: skip
"""Names of what was of an exposure, and is not of the rectified spectrum."""
_CORNERS = 4


def grid_of(
    members: Sequence[Slit],
    by: Measure,
    *,
    fineness: float = 1.0,
    scale_arcsec: float | None = None,
    path: str = "",
    shape: tuple[int, int] | None = None,
) -> RectifiedGrid:
    """Return the grid of a rectified spectrum of all exposures.

    Parameters
    ----------
    members : sequence of Slit
        Exposures with world coordinates.
    by
        See `calcore.wcs.rectified.rectified_grid`.
    fineness : float
        Pixels along the slit for each pixel of the first exposure, or of the detector where it has been
        oversampled.
    scale_arcsec : float, optional
        Size of pixels along the slit, instead of `fineness`.
    path : str
        An ASDF file that says all of it.
    shape : (nx, ny), optional
        Size that goes before what the file says.

    Raises
    ------
    CalcoreError
        An exposure has no world coordinates.
    KeywordInvalid
        The header does not say along which axis light is dispersed.
    """
    for member in members:
        name = member.meta.get("filename", "an exposure")
        if member.wcs is None or member.wcs.output_frame.naxes != 3:
            raise CalcoreError(f"{name} has no world coordinates of a spectrum; run assign_wcs")
    axis = members[0].meta.get("wcsinfo.dispersion_direction")
    if axis not in {1, 2}:
        raise KeywordInvalid("DISPAXIS", axis, "1 (x) or 2 (y), along which light is dispersed")
    sizes = [(member.data.shape[-2], member.data.shape[-1]) for member in members]
    already = fineness_of(members[0].wcs)
    if path:
        given = given_grid(path, members[0].wcs, sizes[0], dispersion=axis, shape=shape, by=by)
        return replace(given, fineness=given.fineness * already)
    grid = rectified_grid(
        [member.wcs for member in members],
        sizes,
        dispersion=axis,
        fineness=fineness / already,
        scale_arcsec=scale_arcsec,
        by=by,
    )
    return replace(grid, fineness=grid.fineness * already)


def within_slit(member: Slit) -> Slit:
    """Return an exposure whose pixels beside the slit are flagged NON_SCIENCE."""
    rows, columns = box_of(member.wcs, (member.data.shape[-2], member.data.shape[-1]))
    member = member.loaded("dq")
    dq = member.dq | np.uint32(DQ.NON_SCIENCE)
    dq[..., rows, columns] = member.dq[..., rows, columns]
    return member.replace(dq=dq)


def rectified_meta(metas: Sequence[Meta], onto: RectifiedGrid, *, mixed: bool) -> Meta:
    """Return the metadata of a rectified spectrum but for how it was made.

    Parameters
    ----------
    metas : sequence of Meta
        Of the members.
    onto : RectifiedGrid
        The spectrum's.
    mixed : bool
        Whether all keywords are those of all members; see `blend`.
    """
    meta = blend(metas, mixed=mixed)
    areas = {name: meta.get(name) for name in _AREAS}
    changes = {n: None if area is None else area / onto.fineness for n, area in areas.items()}
    width = _width(metas[0].get("wcsinfo.s_region"))
    region = {} if width is None else {"wcsinfo.s_region": onto.region(width)}
    gone = dict.fromkeys(_GONE)
    return meta.set(changes | region | gone)


def _width(region: str | None) -> float | None:
    """Return the length of the shorter side of an S_REGION of four corners [arcsec]."""
    numbers = [] if region is None else [float(word) for word in region.split()[2:]]
    if len(numbers) != 2 * _CORNERS:
        return None
    ra, dec = np.array(numbers).reshape(_CORNERS, 2).T
    east = ((np.roll(ra, -1) - ra + 180) % 360 - 180) * np.cos(np.radians(dec.mean()))
    return float(np.hypot(east, np.roll(dec, -1) - dec).min()) * ARCSEC_PER_DEGREE
