"""What a user asks for, in one value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from calcore.errors import UsageError
from calcore.model import Record

_TEXT = (str, type(None))
_WORDS = ("pipeline", "instrument", "start", "until", "scheduler")
COMMAND_LINE, CALL = "the command line", "the Python call"
"""Who may ask, as plans, manifests and messages name them."""
EITHER = "the command line or a call"
"""What products say, which are the same whoever asks."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for; the command line and `calcore.run` both make one.

    Attributes
    ----------
    inputs : tuple of Path
        Exposures at any stage, association files, or folders.
    instrument : str, optional
        Take only this instrument's exposures, and load only its plugin.
    stage : str
        ``"1"``, ``"2"``, ``"3"`` or ``"all"``.
    pipeline : str, optional
        This pipeline instead of the one the exposure type names (``calwebb_…`` names are known).
    output : Path, optional
        Folder of the products; that of each exposure by default.
    settings : mapping
        ``"slot.parameter"`` or ``"pipeline:slot.parameter"`` and the value.
    skip, save : tuple of str
        Slots to leave out; slots whose result is saved.
    start, until : str, optional
        First and last slot to do.
    references : mapping
        Reference type and path, or ``"N/A"``.
    config : Path, optional
        A TOML file of settings, edits and references.
    profile : str
        ``"default"`` or ``"reference"``, or another that a pipeline defines.
    packages : tuple of str
        Packages whose edits of pipelines are wanted (``--with``): ``acme``, ``acme>=1.2``, or files
        and folders of steps.
    executor : str
        Who runs the products: ``"serial"``, ``"processes"``, ``"dask"`` or one that a plugin brings.
    scheduler : str, optional
        Address of the dask cluster to use; one on this machine by default.
    jobs : int, optional
        Threads or processes; all cores by default.
    band_rows : int, optional
        Rows of a band; chosen from the size of the exposure by default. Results do not depend on it.
    memory_budget : int or str
        Memory that one product may take [byte], or as text: ``"4GB"``. A ramp that would take more
        than a quarter of it between two passes of bands lies in scratch files. Results do not
        depend on it.
    overwrite : bool
        Make products again, whatever is there.
    asked_by : str
        Who is said to have given the settings: `COMMAND_LINE` or `CALL`.
    pinned : mapping
        Records of products that are to be made as they were, by ``name:pipeline``; see `replay`.

    Raises
    ------
    UsageError
        A value is of the wrong type or out of range.
    """

    inputs: tuple[Path, ...] = (Path(),)
    instrument: str | None = None
    stage: str = "all"
    pipeline: str | None = None
    output: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    save: tuple[str, ...] = ()
    start: str | None = None
    until: str | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    config: Path | None = None
    profile: str = "default"
    packages: tuple[str, ...] = ()
    executor: str = "serial"
    scheduler: str | None = None
    jobs: int | None = None
    band_rows: int | None = None
    memory_budget: int | str = "4GB"
    overwrite: bool = False
    asked_by: str = CALL
    pinned: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would only be found out, or misread, much later."""
        _check("inputs", "at least one path", bool(self.inputs), self.inputs)
        for name in _WORDS:
            word = getattr(self, name)
            _check(name, "a text that is not empty", isinstance(word, _TEXT) and word != "", word)
        for name in ("stage", "profile", "executor", "asked_by"):
            _check(name, "a text", isinstance(getattr(self, name), str), getattr(self, name))
        for name in ("skip", "save", "packages"):
            words = getattr(self, name)
            _check(name, "names", all(isinstance(word, str) for word in words), words)
        for name in ("jobs", "band_rows"):
            _check(name, "a number above 0", _is_count(getattr(self, name)), getattr(self, name))
        octets(self.memory_budget)
        _check("overwrite", "True or False", isinstance(self.overwrite, bool), self.overwrite)
        for name, kinds in (("settings", object), ("references", (str, PathLike, Record))):
            values = getattr(self, name)
            fits = isinstance(values, Mapping) and all(
                isinstance(key, str) and isinstance(value, kinds) for key, value in values.items()
            )
            what = (
                "a mapping of names to values" if kinds is object else "a mapping of types to files"
            )
            _check(name, what, fits, values)


def octets(budget: int | str) -> int:
    """Return a memory budget as a number of bytes.

    Raises
    ------
    UsageError
        It is none.
    """
    if isinstance(budget, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?) *([kMGT]?)(i?)B?", budget.strip())
        base = 1024 if found and found[3] else 1000
        number = int(float(found[1]) * base ** " kMGT".index(found[2] or " ")) if found else 0
    else:
        number = budget if _is_count(budget) and budget is not None else 0
    what = "a number of bytes above 0, or a text such as '4GB'"
    _check("memory_budget", what, number > 0, budget)
    return number


def _check(name: str, wanted: str, fits: bool, found: object) -> None:
    if not fits:
        raise UsageError(f"{name} must be {wanted}, not {found!r}")


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
