"""Which files a product is written to: told before anything is made, and followed when it is."""

import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from calcore.io import files as names
from calcore.model import Catalog, Group, Image, Kept, Mosaic, Parts, Ramp, Rate, Record
from calcore.model.spectrum import Spectra, SpectrumSeries
from calcore.parameters import Format, If
from calcore.pipeline import Pipeline
from calcore.run.assemble import BuiltSlot
from calcore.run.graph import HANDED_ON, Job
from calcore.run.states import files_left

Kinds = dict[str, type[Any]]
"""Classes of what flows, by the names they are written under; one that has none is called ""."""


def product_path(job: Job, suffix: str, *, per_integration: bool = False, word: str = "") -> Path:
    """Return where a result is written; one with an image for each integration ends in ``ints``.

    A part of a product has a `word` of its own.
    """
    ints = "ints" if per_integration and not suffix.endswith("ints") else ""
    told = f"{word}_" if word else ""
    return names.product_path(job.folder, job.name, f"{told}{suffix}{ints}")


def main_path(job: Job, pipeline: Pipeline, slots: Sequence[BuiltSlot]) -> Path:
    """Return where the product is written that comes last, and so tells that all are there."""
    suffix = pipeline.suffix or HANDED_ON.get(job.stage, "i2d")
    usual = product_path(job, suffix, per_integration=_each(job))
    made = () if pipeline.suffix else outputs(job, pipeline, slots)
    files = [path for path in made if path.suffix == ".fits"]
    return files[-1] if files and usual not in files else usual


def _each(job: Job) -> bool:
    """Tell whether what is worked on has an image for each integration."""
    science = job.members.get("science", ())
    return bool(science) and names.suffix_of(science[0]).endswith("ints")


def member_paths(job: Job, suffix: str) -> tuple[Path, ...]:
    """Return where the members of a group are written, which tell the association they are of."""
    mark = job.association.identity if job.association is not None else ""
    roots = [names.exposure_root(path) for path in job.members["science"]]
    return tuple(
        names.product_path(job.folder, f"{root}_{mark}" if mark else root, suffix) for root in roots
    )


def outputs(job: Job, pipeline: Pipeline, slots: Sequence[BuiltSlot]) -> tuple[Path, ...]:
    """Return all files that a product is written to, as far as can be known before it is made.

    What a step leaves out because of what the pixels hold, as a catalogue without sources, is there.
    """
    used = [built for built in slots if built.step is not None and not built.skip]
    ints = _each(job)
    first_takes_all = bool(used) and used[0].diet.grouped
    grouped = job.stage == "3" and (first_takes_all or job.association is not None)
    flow: Kinds = {"": Ramp if job.stage == "1" else Image}
    words: tuple[str, ...] = ("",)
    branch: tuple[Kinds, tuple[str, ...]] | None = None
    found: list[Path] = []

    def add(suffix: str, kind: type[Any], *, members: bool = False, ending: str = "ecsv") -> None:
        each = ints and issubclass(kind, Rate | Spectra | SpectrumSeries)
        parts = [product_path(job, suffix, per_integration=each, word=word) for word in words]
        paths = member_paths(job, f"{suffix}ints" if each else suffix) if members else parts
        tables = issubclass(kind, Catalog)
        found.extend(path.with_suffix(f".{ending}") if tables else path for path in paths)

    for built in used:
        if ints and built.diet.returns is Mosaic:
            continue  # images of each integration are not combined
        sets, formats = _sets(built), _formats(built)
        group = grouped and (bool(sets) or not built.diet.grouped)
        trunk = flow, words
        if built.slot.branch and branch is not None:
            flow, words = branch
        if get_origin(built.diet.returns) is Parts and not built.diet.parted:
            words = built.step.parts(job.metas)  # type: ignore[union-attr]  # of used slots
        result = _left(built, flow)
        result, aside = _parted(result, built, sets)
        for name, kind in aside.items():
            add(name, kind, members=name in sets, ending=formats.get(name, "ecsv"))
        if built.slot.runs("save"):
            suffix = built.slot.runs("suffix", built.slot.name)
            for name, kind in result.items():  # of several results, rates are saved
                if not name or issubclass(kind, Rate):
                    more = "ints" if name.endswith("ints") else ""
                    add(f"{suffix}{more}", kind, members=group)
        if built.slot.branch:
            branch = result, words
            flow, words = trunk
        else:
            branch, flow, grouped = None, result, group
    found.extend(files_left(slots, job))
    for name, kind in flow.items():
        suffix = name or pipeline.suffix or ("ramp" if issubclass(kind, Ramp) else "")
        if suffix:
            add(suffix, kind, members=grouped)
    return tuple(dict.fromkeys(found))


def _sets(built: BuiltSlot) -> frozenset[str]:
    """Return which parts of a result are one for each member; the result itself is called ""."""
    found: set[str] = set()
    for returns in _options(built.diet.returns):
        hints = _hints(returns) or {"": returns}
        found |= {n for n, hint in hints.items()
                  if any(get_origin(o) is Group for o in _options(_bare(hint)))}  # fmt: skip
    return frozenset(found)


def _formats(built: BuiltSlot) -> dict[str, str]:
    """Return the formats of tables that parameters choose, by the parts of a result."""
    returns = built.diet.returns
    hints = _hints(returns)
    return {
        name: str(getattr(built.step, rule.parameter))
        for name, hint in hints.items()
        for rule in getattr(hint, "__metadata__", ())
        if isinstance(rule, Format)
    }


def _left(built: BuiltSlot, flow: Kinds) -> Kinds:
    """Return what a step leaves of what flows into it, but for what it keeps."""
    options = _options(built.diet.returns)
    kinds = (get_args(o)[0] if get_origin(o) in {Group, Parts} else o for o in options)
    single = next((kind for kind in kinds if _is_record(kind)), None)
    several = next((_parts(kind, built) for kind in options if is_dataclass(kind)
                    and not _is_record(kind)), {})  # fmt: skip
    extra = any(told and there for _, told, there in several.values())
    if single is not None and not extra:
        return {"": single} if "" in flow else flow  # what is made of several, is so of each
    return {
        name: kind
        for name, (kind, _, there) in several.items()
        if there and not issubclass(kind, Kept)
    }


def _parted(result: Kinds, built: BuiltSlot, sets: frozenset[str]) -> tuple[Kinds, Kinds]:
    """Part what flows on from what is only saved, as is done with results."""
    if "" in result or (built.diet.grouped and not sets):
        return result, {}
    own = [name for name, kind in result.items() if issubclass(kind, built.diet.flow)]
    if len(own) == 1:
        aside = {name: kind for name, kind in result.items() if name not in own}
        return {"": result[own[0]]}, aside
    aside = {n: kind for n, kind in result.items() if issubclass(kind, Record) and kind.aside}
    return {name: kind for name, kind in result.items() if name not in aside}, aside


def _parts(kind: Any, built: BuiltSlot) -> dict[str, tuple[type[Any], bool, bool]]:
    """Return the parts of a result: class, whether settings decide on it, and whether it is there.

    One that may be left out, and of which no setting decides, is taken to be there.
    """
    hints = _hints(kind)
    found = {}
    for item in fields(kind):
        hint = hints[item.name]
        rules = [rule for rule in getattr(hint, "__metadata__", ()) if isinstance(rule, If)]
        options = [get_args(o)[0] if get_origin(o) is Group else o for o in _options(_bare(hint))]
        own = [option for option in options if _is_record(option) or option is Catalog]
        if own:
            there = all(rule.holds(built.step) for rule in rules)
            found[item.name] = own[0], bool(rules), there
    return found


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return what the fields of a dataclass are annotated with, found out once."""
    return get_type_hints(kind, include_extras=True) if is_dataclass(kind) else {}


def _bare(hint: Any) -> Any:
    """Return an annotation without what is said beside the type."""
    return get_args(hint)[0] if hasattr(hint, "__metadata__") else hint


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Record)
