"""Spectra that are still images: a slit, or the part of a detector that a source's light falls on."""

from dataclasses import dataclass
from typing import Annotated

from calcore.model.exposure import Float, Image
from calcore.model.layout import Plane


@dataclass(frozen=True, eq=False, kw_only=True)
class Slit(Image):
    """A dispersed image of one slit or source; fields as in `Image`, metadata of it are ``slit.…``.

    Attributes
    ----------
    wavelength : float32 (ny, nx), optional
        Wavelength at the middle of each pixel [um]; NaN or 0 where no light of the slit falls.
    """

    wavelength: Annotated[Float, Plane("WAVELENGTH", "f4", single=True)] | None = None
