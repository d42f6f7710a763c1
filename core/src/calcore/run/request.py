"""What a user asks for, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
        Folder of the products; that of the first input by default.
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
        Packages whose edits of pipelines are wanted (``--with``).
    executor : str
        Who runs the products: ``"serial"``, ``"processes"`` or one that a plugin brings.
    jobs : int, optional
        Threads or processes; all cores by default.
    band_rows : int, optional
        Rows of a band; chosen from the size of the exposure by default. Results do not depend on it.
    overwrite : bool
        Make products again even if their record differs.
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
    jobs: int | None = None
    band_rows: int | None = None
    overwrite: bool = False
