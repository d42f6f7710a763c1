"""Whether what a step gives back can flow on."""

import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from calcore.errors import PluginBroken
from calcore.model.exposure import Catalog, Group
from calcore.model.record import Parts, Record

_SHOWN = 60
"""So many characters of what is no record are shown."""


def confirmed(step: Any, result: Any) -> Any:
    """Return what the `apply` of a step has returned, if it is something that flows.

    Raises
    ------
    PluginBroken
        It is neither a record, nor records in parts or of a set, nor a dataclass that holds a record or a table.
    """
    if isinstance(result, Record | Group | Parts):
        return result
    parts = fields(result) if is_dataclass(result) and not isinstance(result, type) else ()
    if any(isinstance(getattr(result, item.name), Record | Group | Catalog) for item in parts):
        return result
    kind = type(step)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    alone = file is not None and kind.__module__.startswith("calcore_file_")  # of no package
    place = Path(str(file)).name if alone else kind.__module__
    shown = " ".join(repr(result).split())
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    what = shown if result is None else f"{shown} ({type(result).__name__})"
    raise PluginBroken(
        f"{kind.__name__}.apply of {place} gives back {what}, where a record is needed, or a frozen "
        "dataclass of records; correct it, or tell its authors"
    )
