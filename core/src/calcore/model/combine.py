"""What many exposures have in common: their grouping, and the metadata of their product."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.model.meta import Meta

_EXPOSURE = (
    "program_number", "observation_number", "visit_number", "visit_group", "sequence_id",
    "activity_id", "exposure_number",
)  # fmt: skip

_EARLIEST = (
    "observation.date", "observation.date_beg", "observation.time", "exposure.start_time",
    "exposure.start_time_mjd", "exposure.start_time_tdb", "exposure.integration_start",
)  # fmt: skip
_LATEST = (
    "observation.date_end", "exposure.end_time", "exposure.end_time_mjd", "exposure.end_time_tdb",
    "exposure.integration_end", "instrument.filter_wheel_offset", "instrument.pupil_wheel_offset",
)  # fmt: skip
_MEAN = ("exposure.mid_time", "exposure.mid_time_mjd", "exposure.mid_time_tdb")
_ONE_OR_MULTIPLE = (
    "instrument.detector", "instrument.module", "instrument.filter", "instrument.grating",
    "instrument.band",
)  # fmt: skip

# Product's name, and the name whose values it adds up, once for each exposure.
_SUMS = {
    "exposure.exposure_time": "exposure.exposure_time",
    "exposure.effective_exposure_time": "exposure.exposure_time",
    "exposure.measurement_time": "exposure.measurement_time",
    "exposure.duration": "exposure.duration",
    "exposure.elapsed_exposure_time": "exposure.duration",
}


def exposure_key(meta: Meta) -> tuple[Any, ...] | None:
    """Return what detectors read at the same time have in common, or None if it is not said."""
    named = meta.get("group_id")
    if named is not None:
        return (named,)
    key = tuple(meta.get(f"observation.{name}") for name in _EXPOSURE)
    return None if None in key else key


def by_exposure(metas: Sequence[Meta]) -> list[list[int]]:
    """Return the members of each exposure, by number, in order of first appearance."""
    groups: dict[Any, list[int]] = {}
    for number, meta in enumerate(metas):
        key = exposure_key(meta)
        groups.setdefault(number if key is None else key, []).append(number)
    return list(groups.values())


def blend(metas: Sequence[Meta], *, mixed: bool = True) -> Meta:
    """Return the metadata of a product made of several exposures.

    It has the first member's values, but for times, which span all members, and exposure times,
    which are summed, each exposure once however many detectors saw it.

    Parameters
    ----------
    metas : sequence of Meta
        Metadata of the members.
    mixed : bool
        If False, only start, end and exposure times are those of all members.
    """
    changes: dict[str, Any] = {}
    if mixed:
        for names, rule in ((_EARLIEST, min), (_LATEST, max), (_MEAN, np.mean)):
            changes.update(_reduce(metas, names, rule))
        for name in _ONE_OR_MULTIPLE:
            if len({meta.get(name) for meta in metas} - {None}) > 1:
                changes[name] = "MULTIPLE"
    changes.update(_reduce(metas, ("exposure.start_time",), min))
    changes.update(_reduce(metas, ("exposure.end_time",), max))
    first = [metas[members[0]] for members in by_exposure(metas)]
    for name, source in _SUMS.items():
        values = [meta[source] for meta in first if source in meta]
        if values:
            changes[name] = float(sum(values))
    return metas[0].set(changes)


def _reduce(
    metas: Sequence[Meta], names: Iterable[str], rule: Callable[[Any], Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        values = [meta[name] for meta in metas if name in meta]
        if values:
            found[name] = values[0] if len(values) == 1 else rule(values)
            if isinstance(found[name], np.generic):
                found[name] = found[name].item()
    return found


def header_table(metas: Sequence[Meta]) -> NDArray[np.void]:
    """Return one row for each member and one column for each name that any of them has a value of.

    Columns are called by the dotted names; a missing number is NaN (or 0 for whole numbers and
    truth values), a missing text is empty.
    """
    kinds: dict[str, type] = {}
    for meta in metas:
        for name, value in meta.items():
            if isinstance(value, str | bool | int | float | np.generic):
                plain = value.item() if isinstance(value, np.generic) else value
                kinds.setdefault(name, type(plain))
    columns: dict[str, NDArray[Any]] = {
        name: _column([meta.get(name) for meta in metas], kind) for name, kind in kinds.items()
    }
    table = np.zeros(len(metas), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


_MISSING: Mapping[type, Any] = {str: "", bool: False, int: 0, float: np.nan}


def _column(values: Sequence[Any], kind: type) -> NDArray[Any]:
    if kind is int and any(isinstance(value, float) for value in values):
        kind = float
    filled = [_MISSING[kind] if value is None else kind(value) for value in values]
    if kind is str:
        return np.array(filled, dtype=np.str_)
    return np.array(filled)
