"""Write what comes out of a product's slots."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from calcore import io
from calcore.errors import CalcoreError, OutputProblem
from calcore.io import files as names
from calcore.model import Catalog, Group, Image, Kept, Parts, Ramp, Rate, Record
from calcore.model.cube import Cube
from calcore.model.spectrum import SpectrumSeries
from calcore.model.superstripes import taken_apart
from calcore.run.folders import make_folder
from calcore.run.graph import HANDED_ON, Job
from calcore.run.outcome import Figure
from calcore.run.outputs import member_paths, product_path
from calcore.run.record import NODE, as_it_went, keywords
from calcore.run.resume import files_with, without
from calcore.run.states import files_left, write_states
from calcore.run.workshop import Workshop


@dataclass(frozen=True, eq=False)
class _File:
    """A file that is to be written: what it holds, and what its record says."""

    path: Path
    record: Any
    tree: dict[str, Any]


def save(shop: Workshop, suffix: str, result: Any) -> None:
    """Write what a slot has made while others are still to come.

    Exposures of a set are written behind the steps that follow, and so are the planes of the main
    product, whose header comes last.
    """
    if shop.main in _paths(shop.job, suffix, result):
        shop.held[suffix] = result  # a later slot may say it better
        if isinstance(result, Record) and not isinstance(result, Ramp):
            _check_free(shop, shop.main)
            record = _with_keywords(shop, shop.main, result)
            shop.behind.begin(partial(io.Begun, record, shop.main), shop.begin_with)
    elif isinstance(result, Group):
        for one in _members(shop, suffix, result):
            put = partial(_put, _ready(shop, *one), ahead=map)
            shop.behind.begin(put, partial(_tell_of, shop))
    else:
        _write_all(shop, suffix, result)


def write_held(shop: Workshop) -> None:
    """Write the main product, unless something that flows out has replaced it."""
    if shop.main not in shop.written:
        for suffix, held in shop.held.items():
            _write_all(shop, suffix, held)


def write_flowing(shop: Workshop, kept: Mapping[str, Kept], result: Any) -> None:
    """Write what flows out of the last slot, the main product last."""
    for path in files_left(shop.slots, shop.job):
        _check_free(shop, path)
    write_states(kept, shop.slots, shop.job)
    if isinstance(result, Ramp) and shop.pipeline.suffix is None:
        _write_all(shop, "ramp", result)
    elif isinstance(result, Group | Record | Parts):
        if shop.pipeline.suffix is not None:
            _write_all(shop, shop.pipeline.suffix, result)
    else:
        parts = {item.name: getattr(result, item.name) for item in fields(result)}
        catalogue = next((name for name in parts if isinstance(parts[name], Catalog)), None)
        last = HANDED_ON.get(shop.job.stage, "i2d")  # it tells a later run that all are there
        for name in sorted(parts, key=lambda name: name == last):
            part = parts[name]
            if isinstance(part, Record) and catalogue is not None:
                path = names.product_path(shop.job.folder, shop.job.name, catalogue)
                _write_all(shop, name, part.replace(meta=part.meta.set(source_catalog=path.name)))
            elif isinstance(part, Record | Catalog):
                _write_all(shop, name, part)


def _write_all(shop: Workshop, suffix: str, result: Any) -> None:
    """Write a result, its parts, each member of a set, or the rates of several results."""
    if isinstance(result, Group):
        ready = (_ready(shop, *one) for one in _members(shop, suffix, result))
        for file in shop.room.ahead(partial(_put, ahead=map), ready):
            _tell_of(shop, file)
        return
    for one in _single(shop.job, suffix, result):
        file = _ready(shop, *one)
        begun = shop.begun
        if begun is not None and file.path == shop.main and begun.is_of(file.record):
            begun.end(file.record, file.tree)
        else:
            _put(file, ahead=shop.room.ahead)
        _tell_of(shop, file)


def _single(job: Job, suffix: str, result: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the files of a result that is no set, and what each holds."""
    if isinstance(result, Parts):
        yield from zip(_paths(job, suffix, result), result.parts.values(), strict=True)
    elif isinstance(result, Record | Catalog):
        (path,) = _paths(job, suffix, result)
        yield path, result
    else:
        for item in fields(result):
            if isinstance(part := getattr(result, item.name), Rate):
                yield from _single(job, suffix, part)


def _members(shop: Workshop, suffix: str, group: Group[Any]) -> Iterator[tuple[Path, Any]]:
    """Yield the files of a set and what each holds; remove those of exposures that are left out."""
    science = [path.name for path in shop.job.members["science"]]
    ints = "ints" if _is_series(group.members[0]) else ""
    paths = dict(zip(science, member_paths(shop.job, f"{suffix}{ints}"), strict=True))
    for number, member in enumerate(group.members):  # a step may have left some out
        name = member.meta["filename"] if isinstance(member, Record) else science[number]
        yield paths.pop(name), member
    for path in paths.values():
        _remove(shop, path)


def _ready(shop: Workshop, path: Path, record: Any) -> _File:
    """Return a file as it is written: with the keywords and the record of what was done until now.

    Raises
    ------
    OutputProblem
        The file is there, and what a single step has left is not to be replaced.
    """
    if isinstance(record, Catalog):
        path = path.with_suffix(f".{record.format}")
    _check_free(shop, path)
    if isinstance(record, Ramp):
        record = taken_apart(record)
    if isinstance(record, Record):
        record = _with_keywords(shop, path, record)
    last = path == shop.main
    tree = as_it_went(shop.tree, shop.outcomes, ended=last)
    if last:
        tree = {**tree, "files": {**files_with(shop.written), **without(shop.lost)}}
    return _File(path, record, {NODE: {shop.pipeline.name: tree}})


def _with_keywords(shop: Workshop, path: Path, record: Record) -> Record:
    made = keywords(record.meta, shop.pipeline, shop.slots, shop.job.association)
    return record.replace(meta=record.meta.set({**made, "filename": path.name}))


def _put(file: _File, *, ahead: Any) -> _File:
    io.write(file.record, file.path, record_tree=file.tree, ahead=ahead)
    return file


def _paths(job: Job, suffix: str, result: Any) -> tuple[Path, ...]:
    """Return where a result that is no set is written, and each of its parts."""
    if isinstance(result, Parts):
        return tuple(product_path(job, suffix, word=word) for word in result.parts)
    return (product_path(job, suffix, per_integration=_is_series(result)),)


def _is_series(result: Any) -> bool:
    """Tell whether a result holds something for each integration."""
    return isinstance(result, SpectrumSeries) or (
        isinstance(result, Rate) and result.per_integration
    )


def _remove(shop: Workshop, path: Path) -> None:
    """Remove what an earlier run has made of an exposure that is left out now."""
    if shop.only is not None and not shop.request.overwrite:
        return
    with suppress(CalcoreError):
        if path not in shop.job.inputs and shop.pipeline.name in io.read_node(path, NODE):
            path.unlink()


def _check_free(shop: Workshop, path: Path) -> None:
    """Make the folder of a file, and refuse to replace what a single step has left before.

    Raises
    ------
    OutputProblem
        The file is there, or the folder cannot be made.
    """
    make_folder(path.parent)
    if shop.only is not None and path.exists() and not shop.request.overwrite:
        raise OutputProblem(path, "is there already; use --overwrite to replace it")


def _tell_of(shop: Workshop, file: _File) -> None:
    """Take down that a file was written, and have it judged."""
    path, record = file.path, file.record
    shop.written.append(path)
    judge = shop.hook.calcore_diagnose
    is_image = isinstance(record, Image) and not record.per_integration
    if judge.get_hookimpls() and (is_image or isinstance(record, Cube)):
        record = record.loaded()  # who judges these takes their planes for arrays
    suffix = names.suffix_of(path)
    judged = judge(product=shop.job.name, suffix=suffix, record=record, path=path)
    shop.figures.extend(Figure(*figure) for figures in judged for figure in figures or ())
