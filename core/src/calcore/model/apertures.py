"""Circles that hold a given part of a star's light, and magnitudes, as references have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.model.calibration_tables import matching_rows, numbers
from calcore.model.meta import Meta

LABELS = ("instrument.filter", "instrument.pupil")


@dataclass(frozen=True, eq=False)
class Apertures:
    """Radii of circles and of the ring around them [pixel], and the largest circle's correction.

    `correction` is a star's flux over what the largest circle holds above the ring.
    """

    radii: NDArray[np.float64]
    inner: float
    outer: float
    correction: float


def apertures(table: Any, meta: Meta, energies: Sequence[int]) -> Apertures:
    """Return the apertures for an image's pixels; the table's are those of the detector.

    Parameters
    ----------
    table : structured array
        With columns eefraction, radius, apcorr, skyin, skyout, and filter, pupil, subarray if they
        matter. A sub-array that is not named has the apertures of any.
    meta : Meta
        Metadata of the image.
    energies : sequence of int
        Parts of a star's light [percent].

    Raises
    ------
    ReferenceInvalid
        There is no row for the image's filter and one of the energies.
    """
    rows = matching_rows(table, meta, (*LABELS, "subarray.name")) or matching_rows(
        table, meta, LABELS
    )
    column = {
        name: numbers(table, name, rows, "apcorr")
        for name in ("eefraction", "radius", "apcorr", "skyin", "skyout")
    }
    percent = np.rint(np.where(column["eefraction"] > 1, 1, 100) * column["eefraction"])
    places = [np.flatnonzero(percent == energy) for energy in energies]
    if any(place.size == 0 for place in places):
        label = " ".join(str(meta[name]) for name in LABELS if name in meta)
        raise ReferenceInvalid(
            f"the apcorr reference has no row for {label} at {', '.join(map(str, energies))} %; "
            f"it has {sorted({int(value) for value in percent})}: choose aperture_ee1, 2, 3 of these"
        )
    chosen = np.array([place[0] for place in places])
    scale = 1 / float(meta.get("resample.pixel_scale_ratio", 1.0))
    return Apertures(
        column["radius"][chosen] * scale,
        float(column["skyin"][chosen[-1]]) * scale,
        float(column["skyout"][chosen[-1]]) * scale,
        float(column["apcorr"][chosen[-1]]),
    )


def ab_minus_vega(table: Any, meta: Meta) -> float:
    """Return the difference between magnitude systems; NaN if none is given for this filter."""
    rows = matching_rows(table, meta, (*LABELS, "instrument.detector"))
    found = numbers(table, "abvega_offset", rows, "abvegaoffset")
    return float(found[0]) if found.size else np.nan
