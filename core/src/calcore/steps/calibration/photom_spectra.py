"""Convert count rates of spectra to surface brightness."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError, ReferenceInvalid
from calcore.kernels import photometry
from calcore.kernels.by_wavelength import by_wavelength
from calcore.model import Meta, Reference
from calcore.model.reference import Photom as PhotomReference
from calcore.model.slit import Slit
from calcore.step import Rows
from calcore.steps.converting import ConvertingStep, areas_of, elements_of

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PhotomSpectra(ConvertingStep):
    """Multiply a spectrum by the flux calibration of its filter at each pixel's wavelength.

    The result is in MJy/sr, whatever the source: extraction sums it up. The conversion is that of the
    exposure's optical elements and sub-array times the relative response at the wavelength,
    divided by the sensitivity left at the time of the exposure where the reference knows how that
    changes. Pixels without a wavelength, or beyond those of the reference, become NaN; pixels that are
    NaN in any plane, or flagged DO_NOT_USE, are made so in all.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, slit: Slit, *, photom: PhotomReference) -> Slit:
        """Convert signal, errors and variances; write the conversion and the area of pixels.

        Raises
        ------
        CalcoreError
            The spectrum has no wavelengths.
        ReferenceInvalid
            The reference has no response by wavelength.
        """
        changes: dict[str, Any] = areas_of(photom, None)
        conversion = self.conversion(slit.meta, photom)
        if conversion is None:
            return slit.replace(meta=slit.meta.set(changes))
        if slit.wavelength is None:
            raise CalcoreError("the spectrum has no plane of wavelengths; run assign_wcs first")
        response = by_wavelength(slit.wavelength, *response_of(slit.meta, photom))
        return self.converted(slit, conversion * response, conversion, changes)


def response_of(meta: Meta, photom: PhotomReference) -> tuple[Values, Values]:
    """Return wavelengths [um], and by how much the conversion is more there than its nominal value.

    Raises
    ------
    ReferenceInvalid
        The reference has none.
    """
    row = photometry.matching_row(photom.table, elements_of(meta))
    names = set(photom.table.dtype.names or ())
    if row is None or not {"nelem", "wavelength", "relresponse"} <= names:
        raise ReferenceInvalid(
            "the photom reference has no columns nelem, wavelength and relresponse, so it is none for "
            "spectra; use another reference"
        )
    entry = photom.table[row]
    count = int(entry["nelem"])
    known, response = (
        np.asarray(entry[name][:count], np.float64) for name in ("wavelength", "relresponse")
    )
    if count < 2 or not np.isfinite(known).all():
        raise ReferenceInvalid(
            f"the photom reference's response has {count} wavelengths, some of which may be NaN; it "
            "takes two or more; use another reference"
        )
    return known, response
