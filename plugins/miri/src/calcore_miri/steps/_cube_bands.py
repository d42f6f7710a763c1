"""Which bands exposures and cubes are of."""

from collections.abc import Sequence

from calcore.errors import KeywordInvalid
from calcore.model import Meta
from calcore_miri.steps._cube_sampling import Band

_BANDS = ("short", "medium", "long")


def band_of(meta: Meta) -> str:
    """Return which band an exposure is of, such as ``short``, or which two.

    Raises
    ------
    KeywordInvalid
        BAND is none.
    """
    told = meta.get("instrument.band")
    name = str(told).lower()
    if not set(name.split("-")) <= set(_BANDS):
        wanted = "SHORT, MEDIUM or LONG, or two of them with a dash between"
        raise KeywordInvalid("BAND", told, wanted)
    return name


def told_of(bands: Sequence[Band]) -> dict[str, str]:
    """Return what a cube's metadata say of the bands that are in it."""
    told = {"instrument.channel": "".join(sorted({str(number) for number, _ in bands}))}
    names = {name.upper() for _, name in bands}
    return told | {"instrument.band": names.pop() if len(names) == 1 else "MULTIPLE"}


def place_of(band: Band) -> tuple[int, int]:
    """Return where a band stands among others: by channel, then by wavelength."""
    number, name = band
    return number, _BANDS.index(name.partition("-")[0])
