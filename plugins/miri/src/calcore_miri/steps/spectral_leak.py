"""Take light of channel 1 out of channel 3's spectrum."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.model import Parts
from calcore.model.spectrum import Spectra, Spectrum
from calcore.parameters import Doc
from calcore.step import Step
from calcore_miri.kernels.leak import leaked
from calcore_miri.references import SpectralLeak as LeakReference

_FROM, _INTO = ("1", "MEDIUM"), ("3", "SHORT")


@dataclass(frozen=True, kw_only=True)
class SpectralLeak(Step):
    """Subtract light near 6 um, second order of the grating, that leaks into band 3A near 12.2 um.

    What leaks is a known part of the flux in band 1B at half the wavelength (Gasman et al. 2023,
    A&A 673, A102), so both bands must have a spectrum. Errors stay as they are.
    """

    cites = ("Gasman et al. 2023, A&A 673, A102",)

    surface_brightness: Annotated[
        bool, Doc("Correct the surface brightness, too, by that of band 1B.")
    ] = True

    def apply(self, parts: Parts[Spectra], *, mrsptcorr: LeakReference) -> Parts[Spectra]:
        """Return the spectra, that of band 3A without the light of band 1B.

        Raises
        ------
        StepSkipped
            One of the two bands has no spectrum.
        """
        words = {_band(spectra): word for word, spectra in parts.parts.items()}
        if _FROM not in words or _INTO not in words:
            raise StepSkipped("it takes spectra of bands 1B (channel 1 MEDIUM) and 3A (3 SHORT)")
        source = parts.parts[words[_FROM]].spectra[0]
        into = parts.parts[words[_INTO]]
        cleared = tuple(self._cleared(one, source, mrsptcorr.table) for one in into.spectra)
        return Parts({**parts.parts, words[_INTO]: into.replace(spectra=cleared)})

    def _cleared(self, spectrum: Spectrum, source: Spectrum, leaks: NDArray[np.void]) -> Spectrum:
        scales = ("FLUX", "SURF_BRIGHT") if self.surface_brightness else ("FLUX",)
        there = set(spectrum.table.dtype.names or ()) & set(source.table.dtype.names or ())
        order = np.argsort(leaks["wavelength"])
        fractions = {
            "wavelength": leaks["wavelength"][order].astype(np.float64),
            "fraction": leaks["frac_leak"][order].astype(np.float64),
        }
        changed: dict[str, Any] = {}
        for name in there.intersection(
            f"{mark}{scale}" for mark in ("", "RF_") for scale in scales
        ):
            known = np.isfinite(source.table[name])
            if known.any():
                light = {
                    "wavelength": source.table["WAVELENGTH"][known],
                    "flux": source.table[name][known],
                }
                here = np.asarray(spectrum.table["WAVELENGTH"], np.float64)
                changed[name] = spectrum.table[name] - leaked(here, light, fractions)
        return spectrum.with_columns(**changed)


def _band(spectra: Spectra) -> tuple[str, str]:
    """Return channel and band of what was extracted from one cube."""
    meta = spectra.meta
    return str(meta.get("instrument.channel")), str(meta.get("instrument.band")).upper()
