"""Whether what an exposure's header says can be true: looked at before anything rests on it."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcore import io
from calcore.errors import FileInvalid, KeywordInvalid, KeywordMissing
from calcore.io.keywords import Row, row_of
from calcore.model import Facts, Meta
from calcore.model.interleaved import Interleaved
from calcore.model.layout import times
from calcore.model.stripes import in_stripes

_LOG = logging.getLogger(__name__)
_SIZE = ("subarray.xsize", "subarray.ysize")
_START = ("subarray.xstart", "subarray.ystart")
_TIMING = tuple(
    f"exposure.{name}"
    for name in ("nints", "ngroups", "nframes", "groupgap", "frame_time", "group_time")
)
NEEDED: Mapping[str, tuple[str, ...]] = {
    "1": (*_TIMING, *_SIZE, *_START),
    "2": (*_SIZE, *_START),
    "3": (),
}
"""Names without which a stage would guess; a step says itself what else it needs."""


@dataclass(frozen=True)
class Limits:
    """Smallest and largest value that can be true; None is no limit."""

    low: float
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        # written so that NaN is outside
        return value >= self.low and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"{self.low:g} or more"
        return f"between {self.low:g} and {self.high:g}"


LIMITS: Mapping[str, Limits] = {
    "exposure.nints": Limits(1),
    "exposure.integration_start": Limits(1),
    "exposure.integration_end": Limits(1),
    "exposure.ngroups": Limits(1),
    "exposure.nframes": Limits(1, 10000),
    "exposure.groupgap": Limits(0, 10000),
    "exposure.frame_time": Limits(1e-6),
    "exposure.group_time": Limits(1e-6),
    "exposure.exposure_time": Limits(0),
    "exposure.measurement_time": Limits(0),
    "exposure.gain_factor": Limits(1e-6),
    "exposure.frame_divisor": Limits(1),
    "exposure.nsamples": Limits(1),
    "exposure.noutputs": Limits(1),
    "exposure.start_time": Limits(0, 1e6),
    "exposure.mid_time": Limits(0, 1e6),
    "exposure.average_dark_current": Limits(0),
    "subarray.xsize": Limits(1),
    "subarray.ysize": Limits(1),
    "subarray.xstart": Limits(1),
    "subarray.ystart": Limits(1),
    "velocity_aberration.scale_factor": Limits(0.9, 1.1),
    "target.ra": Limits(-360, 720),
    "target.dec": Limits(-90, 90),
    "wcsinfo.velosys": Limits(-1e6, 1e6),
    "wcsinfo.ra_ref": Limits(-360, 720),
    "wcsinfo.dec_ref": Limits(-90, 90),
    "wcsinfo.roll_ref": Limits(-360, 720),
    "wcsinfo.v2_ref": Limits(-3600, 3600),
    "wcsinfo.v3_ref": Limits(-3600, 3600),
    "wcsinfo.v3yangle": Limits(-360, 720),
}
"""Numbers that results rest on."""

_FORMS = {
    "observation.date": (re.compile(r"\d{4}-\d\d-\d\d"), "a date such as 2026-02-28"),
    "observation.time": (re.compile(r"\d\d:\d\d:\d\d(\.\d*)?"), "a time such as 23:59:59.999"),
    "wcsinfo.vparity": (re.compile(r"-?1"), "1 or -1"),
}


def check(path: Path, stage: str, facts: Facts) -> None:
    """Look at the header of an exposure, and compare it with its pixels.

    Parameters
    ----------
    path : Path
        The exposure.
    stage : str
        The stage that will work on it.
    facts : Facts
        What is known of such exposures: what this stage needs of them, if it is not what it usually
        needs, and in which rows they are read.

    Raises
    ------
    KeywordMissing
        A keyword is missing without which a wrong result would be made.
    KeywordInvalid
        A keyword has a value that cannot be true.
    FileInvalid
        The pixels contradict the header.
    """
    contents = io.contents(path)
    needed = facts.exposure_type.data.get("needed")
    required = tuple(NEEDED[stage] if needed is None else needed)
    meta = io.read_meta(contents, required=required).with_facts(facts)
    for name, value in meta.items():
        row = row_of(name)
        if row is not None:
            _check_value(path, row, value)
    science = contents.find("SCI")
    shape = () if science is None else science.shape
    resampled = {"WHT", "WMAP"} & {extension.name for extension in contents.extensions}
    if len(shape) >= 2 and not resampled:  # what else is amiss with it, its reader says
        _check_shape(path, meta, shape)
    if stage == "1" and needed is None:
        _check_stripes(meta)
        _compare_times(path, meta)


def _check_value(path: Path, row: Row, value: Any) -> None:
    """Check type, range and form of one keyword."""
    limits, form = LIMITS.get(row.name), _FORMS.get(row.name)
    if limits is not None:
        whole = row.type == "int"
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not (right and value in limits):
            kind = "a whole number" if whole else "a number"
            raise KeywordInvalid(row.keyword, value, f"{kind}, {limits}", path)
    if form is not None and not form[0].fullmatch(str(value)):
        raise KeywordInvalid(row.keyword, value, form[1], path)


def _check_shape(path: Path, meta: Meta, shape: tuple[int, ...]) -> None:
    """Compare what the header says of the size of the exposure with its pixels."""
    told = meta.get("subarray.ysize"), meta.get("subarray.xsize")
    interleaved = Interleaved.of(meta)
    if interleaved is not None:
        told = interleaved.rows, told[1]
    if None not in told and told != shape[-2:]:
        raise FileInvalid(
            path,
            f"SUBSIZE2 and SUBSIZE1 say {told[0]} rows and {told[1]} columns, but the pixels are "
            f"{times(shape[-2:])}; correct the header",
        )
    if len(shape) != 4:
        return
    if meta.n_groups != shape[1]:
        raise FileInvalid(
            path,
            f"NGROUPS says {meta.n_groups} groups, but the file holds {shape[1]}; correct the header",
        )
    first, last = meta.get("exposure.integration_start"), meta.get("exposure.integration_end")
    segment = meta.n_integrations if None in (first, last) else last - first + 1
    if segment != shape[0]:
        words = "NINTS says" if None in (first, last) else "INTSTART and INTEND say"
        raise FileInvalid(
            path,
            f"{words} {segment} integrations, but the file holds {shape[0]}; correct the header",
        )
    if last is not None and last > meta.n_integrations:
        raise KeywordInvalid(
            "INTEND", last, f"NINTS, which is {meta.n_integrations}, or less", path
        )


def _check_stripes(meta: Meta) -> None:
    """Check that a raw exposure of a sub-array called a stripe says which lines were read.

    Raises
    ------
    KeywordMissing
        It does not; references would be taken where the frame would lie in one piece.
    """
    raw = not any(name.startswith("cal_step.") for name in meta)
    if raw and "STRIPE" in str(meta.get("subarray.name")) and not in_stripes(meta):
        raise KeywordMissing("subarray.multistripe_reads1", "MSTR_RD1")


def _compare_times(path: Path, meta: Meta) -> None:
    """Say so if the time between groups is not that of the frames in it."""
    frames = (meta.frames_per_group + meta.group_gap) * meta.frame_time_s
    if abs(frames - meta.group_time_s) > 0.01 * meta.group_time_s:
        _LOG.warning(
            "%s: TGROUP is %g s, but NFRAMES and GROUPGAP frames of TFRAME take %g s; one of them "
            "is wrong", path.name, meta.group_time_s, frames,
        )  # fmt: skip
