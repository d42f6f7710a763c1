"""What the grouping of exposures needs to know of each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcore.model import Meta

_WHEELS = ("instrument.filter", "instrument.pupil", "instrument.grating")
_SENSING = ("visit.type", "dither.primary_type")
_NOTHING = frozenset({"", "N/A", "NULL", "NONE"})

TIME_SERIES = "time series"
MOVING = "moving target"
BACKGROUND = "background"
PSF = "psf"
IMPRINT = "imprint"
WAVEFRONT = "wavefront sensing"
NOT_SCIENCE = "not science"


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """An exposure, as far as it matters to which products it belongs.

    Attributes
    ----------
    root : str
        Name of its files without suffix.
    folder : Path
        Where they are.
    program, observation : str
        Numbers, with leading zeros.
    target : str
        What the program calls its target; empty if it has no name.
    instrument, detector, subarray, exposure_type : str
        As the header has them.
    elements : tuple of str
        Filter, pupil and grating, in small letters and in order; what is not there is left out.
    role : str
        What its type is to an association: ``science``, ``target_acquisition`` …
    pipelines : mapping
        Pipelines of its type, by stage.
    marks : frozenset of str
        What it is beside an image of the program's target: ``time series``, ``moving target``,
        ``background``, ``psf``, ``imprint``, ``wavefront sensing``, ``not science``.
    each_integration : bool
        Its integrations stay apart in stage 2.
    lacks : str
        The pipeline that would combine exposures of its type, if this version does not have it.
    association : mapping
        What its exposure type says of associations of spectra; empty where it says nothing.
    setting : tuple of str
        What more a background has in common with it, such as its band.
    pattern : str
        Its primary dither pattern (PATTTYPE).
    """

    root: str
    folder: Path
    program: str
    observation: str
    target: str
    instrument: str
    detector: str
    subarray: str
    exposure_type: str
    elements: tuple[str, ...]
    role: str
    pipelines: Mapping[str, str]
    marks: frozenset[str] = frozenset()
    each_integration: bool = False
    lacks: str = ""
    association: Mapping[str, Any] = field(default_factory=dict)
    setting: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def nodded(self) -> bool:
        """Whether its source is elsewhere in others of its observation, which so are its background."""
        return self.pattern in self.association.get("nods", ())


def exposure_of(root: str, folder: Path, meta: Meta) -> Exposure:
    """Return what is needed of an exposure.

    Parameters
    ----------
    root
        Name of its files without suffix.
    folder
        Where they are.
    meta
        Its metadata, with what the instrument's tables say.

    Raises
    ------
    KeywordMissing
        The header does not say of which program or observation it is.
    """
    own = meta.facts.exposure_type
    told = own.data.get("association", {})
    series = own.time_series or bool(meta.get("visit.tsovisit", False))
    marks = {
        TIME_SERIES: series,
        MOVING: str(meta.get("target.type", "")).upper() == "MOVING",
        BACKGROUND: bool(meta.get("observation.bkgdtarg", False)),
        PSF: bool(meta.get("exposure.psf_reference", False)),
        IMPRINT: bool(meta.get("exposure.imprint", False)),
        WAVEFRONT: any("WFSC" in str(meta.get(name, "")).upper() for name in _SENSING),
        NOT_SCIENCE: own.role != "science",
    }
    return Exposure(
        root=root,
        folder=folder,
        program=str(meta["observation.program_number"]).zfill(5),
        observation=str(meta["observation.observation_number"]).zfill(3),
        target=str(meta.get("target.catalog_name") or meta.get("target.proposer_name") or ""),
        instrument=meta.instrument,
        detector=meta.detector,
        subarray=_named(meta, "subarray.name") or "FULL",
        exposure_type=meta.exposure_type,
        elements=tuple(sorted(value.lower() for name in _WHEELS if (value := _named(meta, name)))),
        role=own.role,
        pipelines=own.stages,
        marks=frozenset(name for name, present in marks.items() if present),
        each_integration=series or bool(own.data.get("integrations", False)),
        lacks=str(own.data.get("lacks", "")),
        association=told,
        setting=tuple(_named(meta, name) for name in told.get("setting", ())),
        pattern=_named(meta, "dither.primary_type").upper(),
    )


def _named(meta: Meta, name: str) -> str:
    """Return the value of a keyword; empty for the words that say that there is none."""
    value = str(meta.get(name) or "").strip()
    return "" if value.upper() in _NOTHING else value
