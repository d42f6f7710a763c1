"""World coordinates of an image: the distortion of its detector, and where the telescope looked."""

from astropy.modeling import Model
from astropy.modeling.models import Identity, Shift
from gwcs import WCS

from calcore.wcs import frames
from calcore.wcs.pointing import Pointing, aberration, attitude

Box = tuple[tuple[float, float], tuple[float, float]]
"""Limits ``((x_low, x_high), (y_low, y_high))`` at the outer edges of pixels [pixel]."""


def imaging_wcs(
    distortion: Model,
    pointing: Pointing,
    *,
    shape: tuple[int, int],
    corner: tuple[int, int] = (0, 0),
    offset: tuple[float, float] = (0.0, 0.0),
) -> WCS:
    """Return the world coordinates of an image.

    Parameters
    ----------
    distortion : Model
        From pixels (x, y) of the full frame, counted from 0, to V2, V3 [arcsec], with its inverse.
        It is copied, not changed.
    pointing : Pointing
        Where the aperture's reference point looks.
    shape : tuple of int
        Rows and columns of the image.
    corner : tuple of int
        Row and column of the image's first pixel in the full frame, from 0.
    offset : tuple of float
        Column and row by which the filter shifts the image [pixel]; added to x and y.

    Returns
    -------
    gwcs.WCS
        From pixels (x, y) of the image, counted from 0, to right ascension and declination [deg].
        Outside its bounding box it gives NaN: on a full frame the box of the distortion, as far
        as the image reaches; else the outer edges of the image.
    """
    own = distortion.copy()
    limits = bounding_box(own, shape, corner)
    if own.has_user_bounding_box:
        del own.bounding_box
    link = own if offset == (0.0, 0.0) else Shift(offset[0]) & Shift(offset[1]) | own
    if corner != (0, 0):
        link = _shift(corner[1]) & _shift(corner[0]) | link
    wcs = WCS(
        [
            (frames.detector(), link),
            (frames.v2v3(), aberration(pointing)),
            (frames.v2v3vacorr(), attitude(pointing)),
            (frames.world(), None),
        ]
    )
    wcs.bounding_box = limits
    return wcs


def bounding_box(distortion: Model, shape: tuple[int, int], corner: tuple[int, int]) -> Box:
    """Return the part of an image for which its world coordinates are meant [pixel].

    A distortion's own box holds for frames that begin at the detector's first pixel. It is cut to
    the image.
    """
    ny, nx = shape
    whole = (-0.5, nx - 0.5), (-0.5, ny - 0.5)
    if corner != (0, 0) or not distortion.has_user_bounding_box:
        return whole
    own = distortion.bounding_box.bounding_box(order="F")
    low = [max(float(a), b) for (a, _), (b, _) in zip(own, whole, strict=True)]
    high = [min(float(a), b) for (_, a), (_, b) in zip(own, whole, strict=True)]
    return (low[0], high[0]), (low[1], high[1])


def _shift(pixels: int) -> Model:
    return Shift(float(pixels)) if pixels else Identity(1)
