"""Extract a spectrum from a cube of the spectrometer, with a copy that has no fringes left."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.model.cube import Cube
from calcore.model.spectrum import Spectrum
from calcore.parameters import Doc
from calcore.steps.calibration.extract_cube import ExtractCube
from calcore_miri.kernels.fringe_waves import transmission
from calcore_miri.steps._fringe_layers import CHANNELS
from calcore_miri.wcs.slices import BANDS

_CM_UM = 1e4
_ERRORS = {"FLUX": "FLUX_ERROR", "SURF_BRIGHT": "SB_ERROR", "BACKGROUND": "BKGD_ERROR"}


@dataclass(frozen=True, kw_only=True)
class Extract1d(ExtractCube):
    """Extract a spectrum from a cube, and divide copies of it by the fringes that are found.

    Flux, surface brightness and background without fringes are the columns RF_FLUX,
    RF_SURF_BRIGHT and RF_BACKGROUND, NaN where the cube is of several channels or bands, in which
    waves of the same path have other phases.
    """

    cites = (*ExtractCube.cites, "Argyriou et al. 2020, A&A 641, A150")
    model = "MRSMultiSpecModel"

    ifu_rfcorr: Annotated[bool, Doc("Find fringes, if the cube is of one channel and band.")] = True

    def completed(self, spectrum: Spectrum, cube: Cube) -> Spectrum:
        """Return the spectrum with the columns that have no fringes."""
        table = spectrum.table
        layers = CHANNELS.get(str(cube.meta.get("instrument.channel")))
        of_one_band = cube.meta.get("instrument.band") in BANDS
        if not self.ifu_rfcorr or layers is None or not of_one_band:
            nothing = np.full(len(table), np.nan)
            return spectrum.with_columns(**{f"RF_{name}": nothing for name in _ERRORS})
        unusable = (table["DQ"] & DQ.DO_NOT_USE) != 0
        wavenumber = _CM_UM / table["WAVELENGTH"]

        def without(name: str) -> NDArray[np.float64]:
            signal = np.where(unusable, np.nan, table[name])
            fringes = transmission(wavenumber, signal, table[_ERRORS[name]], layers)
            return np.asarray(table[name] / fringes)

        return spectrum.with_columns(**{f"RF_{name}": without(name) for name in _ERRORS})
