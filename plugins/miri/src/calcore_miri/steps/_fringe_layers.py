"""What interferes in the spectrometer's detectors."""

from typing import NamedTuple

import numpy as np

from calcore.errors import ReferenceInvalid
from calcore.model import Meta
from calcore_miri.kernels.fringe_waves import Layer
from calcore_miri.references import FringeFrequencies

_COLUMNS = ("slice", "ffreq", "dffreq", "max_nfringes", "min_snr")
_FIRST_BAND = (1, 4)
"""Channels whose band stands first in BAND where it names two."""
_SUBSTRATE = Layer(1 / 4.2, 1 / 1.4)
"""The detectors' substrate makes waves of about 2.8 1/cm (Argyriou et al. 2020, A&A 641, A150)."""
_DICHROIC = Layer(1 / 0.54, 1 / 0.24)
"""Layers of dichroics make waves, too (Gasman et al. 2025, A&A 697, A58), as long as these are thick.

That they are looked for at 0.39 ± 0.15 1/cm, which channels 3 and 4 resolve, is a choice and no measurement:
exposures have a reference that says it (fringefreq), spectra none. It hardly matters: ranges from 0.05
to 0.2 about 0.39 leave less than 0.01 % of a wave of 2 % there, and change nothing without one; of a wave
outside, all is left.
"""
CHANNELS = {
    "1": (_SUBSTRATE,),
    "2": (_SUBSTRATE,),
    "3": (_SUBSTRATE, _DICHROIC),
    "4": (_SUBSTRATE, _DICHROIC),
}
"""What interferes in extracted spectra, by CHANNEL."""


class Looked(NamedTuple):
    """A layer whose waves are looked for where the signal over noise is at least `least_snr`."""

    layer: Layer
    least_snr: float


def layers_of(reference: FringeFrequencies, meta: Meta, number: int) -> tuple[Looked, ...]:
    """Return what interferes in a slice, by its number; the first digit is that of its channel.

    Raises
    ------
    ReferenceInvalid
        The table of the slice's band lacks a column, or holds waves without length.
    """
    first, _, second = str(meta["instrument.band"]).lower().partition("-")
    band = first if not second or number // 100 in _FIRST_BAND else second
    table = getattr(reference, band)
    lacks = [name for name in _COLUMNS if name not in table.dtype.names]
    if lacks:
        raise ReferenceInvalid(
            f"reference fringefreq: the table RFC_FREQ_{band.upper()} has no column "
            f"{', '.join(lacks)}; give another file"
        )
    found = []
    for row in table[table["slice"] == number]:
        of_layers = (np.atleast_1d(row[name]) for name in _COLUMNS[1:])
        for period, reach, numbers, least in zip(*of_layers, strict=True):
            if not period > reach >= 0:
                raise ReferenceInvalid(
                    f"reference fringefreq: slice {number} of RFC_FREQ_{band.upper()} has waves of "
                    f"{period} ± {reach} 1/cm; give another file"
                )
            layer = Layer(1 / (period + reach), 1 / (period - reach), int(numbers))
            found.append(Looked(layer, float(least)))
    return tuple(found)
