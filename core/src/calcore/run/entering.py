"""What flows into the first slot of a job: read, and told what its instrument knows of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calcore import io
from calcore.errors import FileInvalid, with_article
from calcore.model import Group, Image, Ramp, Rate, Record
from calcore.model.superstripes import taken_together
from calcore.registry import discovery
from calcore.run.assemble import BuiltSlot
from calcore.run.graph import Job
from calcore.step import diet_of


def entering(job: Job, facts: Any, slots: Sequence[BuiltSlot]) -> Any:
    """Return what flows into the first slot.

    Raises
    ------
    FileInvalid
        A file holds something else than what is to be made of it.
    """
    science = job.members["science"]
    used = [built for built in slots if not built.skip] or list(slots)
    step = next((built.step for built in used if built.step is not None), None)
    kind: Any = type(step)
    grouped = step is not None and diet_of(kind).grouped
    if job.stage == "3" and (grouped or job.association is not None):
        if _combines_images(used):
            _check_single(science)
        members = [_with_facts(_member(path, job), facts, job) for path in science]
        asn = job.association
        _check_units(science, members)
        return Group(job.name, tuple(members), asn.path.name if asn is not None else "")
    flow = {"1": Ramp, "2": Image, "3": Image}[job.stage]
    if step is not None and issubclass(diet_of(kind).flow, Record):
        flow = diet_of(kind).flow
    if flow is Rate:
        flow = Image
    _check_kind(science[0], flow)
    record = _with_facts(io.open_lazy(science[0], flow), facts, job)
    return taken_together(record) if isinstance(record, Ramp) else record


def _member(path: Path, job: Job) -> Image:
    """Open an exposure that is to be combined with others; what its association says of it holds.

    Its planes stay in the file.

    Raises
    ------
    FileInvalid
        It does not know where on the sky it lies.
    """
    held = io.kind_of(io.contents(path))
    image: Image = io.open(path, held if issubclass(held, Image) else Image, planes=False)
    if image.wcs is None:
        raise FileInvalid(path, "has no world coordinates; make it again, with assign_wcs")
    return image.replace(meta=image.meta.set(job.told.get(path), filename=path.name))


def _check_units(paths: Sequence[Path], members: Sequence[Image]) -> None:
    """Check that all exposures have one unit; one that has none told is believed.

    Raises
    ------
    FileInvalid
        One is in another unit than those before it.
    """
    first = None
    for path, member in zip(paths, members, strict=True):
        unit = member.meta.get("bunit_data")
        if first is not None and unit not in (None, first):
            raise FileInvalid(
                path,
                f"is in {unit}, where the exposures before it are in {first}; calibrate all in the "
                "same way, with photom or without",
            )
        first = first or unit


def _combines_images(slots: Sequence[BuiltSlot]) -> bool:
    """Tell whether some step combines images, of which each exposure then has a single one."""
    return any(built.diet.grouped and issubclass(built.diet.flow, Rate) for built in slots)


def _check_single(paths: Sequence[Path]) -> None:
    """Check that exposures have one image each.

    Raises
    ------
    FileInvalid
        One has an image for each integration.
    """
    for path in paths:
        science = io.contents(path).find("SCI")
        if science is not None and len(science.shape) > 2:
            raise FileInvalid(
                path, "has an image for each integration; give one that has a single one"
            )


def _check_kind(path: Path, wanted: Any) -> None:
    """Check that a file holds what is to be made of it: a rate is no mosaic without weights.

    Raises
    ------
    FileInvalid
        It holds something else.
    """
    if wanted not in io.KINDS:
        return  # a class of a plugin's own, which its files say themselves
    held = io.kind_of(io.contents(path))
    if not (issubclass(held, wanted) or issubclass(wanted, held)):
        raise FileInvalid(
            path,
            f"holds {with_article(held.__name__.lower())}, where "
            f"{with_article(wanted.__name__.lower())} is needed; give another file",
        )


def _with_facts(record: Any, facts: Any, job: Job) -> Any:
    instrument = discovery.instrument(job.instrument)
    own = instrument.facts(record.meta) if "instrument.detector" in record.meta else facts
    return record.replace(meta=record.meta.with_facts(own))
