"""Wavelengths of the pixels of spectral images."""

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError
from calcore.model.exposure import Image
from calcore.wcs.slicer_of import sliced


def wavelengths_of(image: Image) -> NDArray[np.float64]:
    """Return the wavelength at the middle of each pixel (ny, nx) [um]; NaN where there is none.

    Raises
    ------
    CalcoreError
        The image has neither a plane of wavelengths nor world coordinates.
    """
    plane = getattr(image, "wavelength", None)
    if plane is not None:
        known = np.asarray(plane, np.float64)
        return np.where(known > 0, known, np.nan)
    if image.wcs is None:
        raise CalcoreError(
            f"{image.meta.get('filename', 'an image')} has neither wavelengths nor world "
            "coordinates; run assign_wcs"
        )
    coordinates = sliced(image.wcs)
    if coordinates is not None:
        return np.asarray(coordinates.local()[2])
    y, x = np.mgrid[: image.data.shape[-2], : image.data.shape[-1]].astype(np.float64)
    return np.asarray(image.wcs(x, y)[2], np.float64)
