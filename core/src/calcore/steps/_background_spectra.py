"""The spectrum of background members, and whether it is of the wavelengths of exposures."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calcore.errors import DataUnusable, Doubtful, StepSkipped
from calcore.kernels.spectra_combination import Places
from calcore.model import Image, Meta
from calcore.model.spectrum import CombinedSpectrum, Spectra
from calcore.steps._combining_spectra import combined


def background_of(meta: Meta, members: tuple[Spectra, ...], places: Places) -> CombinedSpectrum:
    """Return the mean of the members' background.

    Raises
    ------
    StepSkipped
        There are none.
    DataUnusable
        One has no spectrum.
    """
    if not members:
        raise StepSkipped("there are no background members, and no spectrum of the user's own")
    empty = [str(m.meta.get("filename", "a member")) for m in members if not m.spectra]
    if empty:
        raise DataUnusable(f"{empty[0]} holds no spectrum; name the x1d files of the background")
    own = [(spectrum, member.meta) for member in members for spectrum in member.spectra]
    weights = [float(told.get("exposure.exposure_time") or 1.0) for _, told in own]
    field = meta.has_facts and meta.facts.exposure_type.data.get("integral_field", False)
    plain = [bool(told.get("observation.bkgdtarg")) and not field for _, told in own]
    columns = ["SURF_BRIGHT" if alone else "BACKGROUND" for alone in plain]
    spectra = [spectrum for spectrum, _ in own]
    return combined(spectra, weights, meta, places=places, brightness=columns)


def check_reached(
    pairs: Sequence[tuple[Image, NDArray[np.float64]]], wavelength: NDArray[np.float64]
) -> None:
    """Say which exposures have no pixel with a wavelength of the background; stop where none has.

    Raises
    ------
    DataUnusable
        None has.
    """
    missed = [image.meta.get("filename", "an exposure") for image, level in pairs
              if not np.isfinite(level).any()]  # fmt: skip
    if not missed:
        return
    said = (
        f"the background's spectrum is of {wavelength.min():.2f} to {wavelength.max():.2f} um, and no "
        f"pixel of {', '.join(missed)} has such a wavelength; name background members of the same bands"
    )
    if len(missed) == len(pairs):
        raise DataUnusable(said)
    warnings.warn(said, Doubtful, stacklevel=3)
