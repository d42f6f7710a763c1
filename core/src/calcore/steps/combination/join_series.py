"""Put the spectra of a time series' segments together."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcore.errors import ShapesDisagree
from calcore.model import Group
from calcore.model.combine import blend
from calcore.model.exposure import Table
from calcore.model.spectrum import SeriesSpectrum, SpectrumSeries
from calcore.step import Step


@dataclass(frozen=True, kw_only=True)
class JoinSeries(Step):
    """Join the spectra of all segments, integration after integration.

    Spectra of one order and aperture become one table; where segments have fewer wavelengths than
    others, NaN fills their rows, which N_ALONGDISP tells. Exposure times are added up.
    """

    def apply(self, group: Group[SpectrumSeries]) -> SpectrumSeries:
        """Return one series.

        Raises
        ------
        ShapesDisagree
            Segments have tables of other columns.
        """
        members = [member for _, member in group.in_time_order()]
        found: dict[tuple[Any, Any], list[SeriesSpectrum]] = {}
        for number, member in enumerate(members, 1):
            for one in member.spectra:
                key = one.meta.get("spectrum.name"), one.meta.get("spectrum.spectral_order")
                table = one.table.copy()
                if "SEGMENT" in (table.dtype.names or ()):
                    table["SEGMENT"] = member.meta.get("exposure.segment_number", number)
                found.setdefault(key, []).append(one.replace(table=table))
        spectra = tuple(_joined(parts) for parts in found.values())
        times = [member.int_times for member in members if member.int_times is not None]
        first = members[0]
        together = np.concatenate(times) if len(times) == len(members) else first.int_times
        # Each segment counts for itself, though all are of one exposure.
        metas = [m.meta.set({"group_id": str(number)}) for number, m in enumerate(members)]
        told = {"group_id": first.meta.get("group_id"), "exposure.segment_number": None}
        meta = blend(metas).set(told)
        return replace(first, meta=meta, spectra=spectra, int_times=together)


def _joined(parts: list[SeriesSpectrum]) -> SeriesSpectrum:
    """Return spectra of several segments as one table."""
    names = parts[0].table.dtype.names
    if any(part.table.dtype.names != names for part in parts):
        raise ShapesDisagree("segments have spectra of other columns; extract them all alike")
    longest = max(part.table["WAVELENGTH"].shape[1] for part in parts)
    return parts[0].replace(table=np.concatenate([_padded(part.table, longest) for part in parts]))


def _padded(table: Table, length: int) -> Table:
    """Return a table whose vectors are `length` long, filled with NaN, or zeros where they count."""
    kinds = [
        (name, table.dtype[name].base, (length,) if table.dtype[name].shape else ())
        for name in table.dtype.names or ()
    ]
    longer: Table = np.zeros(table.shape, kinds)
    for name, kind, shape in kinds:
        if shape and kind.kind == "f":
            longer[name] = np.nan
        own = table[name].shape[1] if shape else None
        longer[name][..., :own] = table[name]
    return longer
