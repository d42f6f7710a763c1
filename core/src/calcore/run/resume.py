"""What of a product is there already, and whether it must be made again."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from calcore import io
from calcore.errors import CalcoreError, OutputProblem
from calcore.io.content import content_of, is_whole, sealed
from calcore.pipeline import Pipeline
from calcore.run.assemble import BuiltSlot
from calcore.run.graph import Job
from calcore.run.record import NODE, differences
from calcore.run.states import files_left

_TOLD = 3
"""So many differences are told."""
_NOT_WRITTEN = "not written"
"""What is told of a file that could not be written: no file holds that."""


class Prepared(Protocol):
    """A job of which is known how its product would be made."""

    job: Job
    pipeline: Pipeline
    slots: tuple[BuiltSlot, ...]

    @property
    def main(self) -> Path:
        """The product that is written last."""

    @property
    def tree(self) -> dict[str, Any]:
        """The record it would have."""


def why_again(shop: Prepared) -> str | None:
    """Return why a product is made: None if it is there as it would be made, whole and complete.

    What users asked for decides what may be replaced. A product that they asked for in the same way
    is made again when inputs, references, or the packages that bring steps have changed, and when
    files are damaged or missing. One that was asked for in another way stays.

    Returns
    -------
    str or None
        Empty if nothing is there yet.

    Raises
    ------
    OutputProblem
        It is there, but was asked for in another way, or made by somebody else.
    FileProblem
        An input or a reference cannot be read.
    """
    path = shop.main
    there = os.path.isfile(path)  # noqa: PTH113 - False of a name that no file can have
    if not there or path in shop.job.inputs:
        return ""
    try:
        if not is_whole(path):
            return f"{path.name} is damaged"
        record = io.read_node(path, NODE).get(shop.pipeline.name)
    except CalcoreError:
        return f"{path.name} is damaged"
    if not isinstance(record, Mapping):
        raise OutputProblem(
            path, "is no product of this pipeline, or a piece of one; use --overwrite to replace it"
        )
    found = differences(record, shop.tree)
    if found and record.get("asked") != shop.tree["asked"]:
        raise OutputProblem(
            path, f"was made otherwise: {_some(found)}; use --overwrite to replace it"
        )
    found += [amiss for name, held in record.get("files", {}).items()
              if (amiss := _amiss(path.with_name(name), held))]  # fmt: skip
    found += [f"{left.name} is missing" for left in files_left(shop.slots, shop.job)
              if not left.is_file()]  # fmt: skip
    return _some(found) if found else None


def files_with(paths: Iterable[Path]) -> dict[str, str]:
    """Return what is told of the files that are made with a product: names, and what they hold.

    Nothing is told of what those hold that say it themselves: another product's may replace them.
    """
    return {path.name: "" if sealed(path) else content_of(path) for path in paths}


def without(paths: Iterable[Path]) -> dict[str, str]:
    """Return what is told of files that could not be written: whatever lies there is not theirs."""
    return {path.name: _NOT_WRITTEN for path in paths}


def _amiss(path: Path, held: str) -> str:
    """Return what is wrong with a file that was made with a product; nothing if nothing is."""
    if not path.is_file():
        return f"{path.name} is missing"
    try:
        if content_of(path) != (held or sealed(path)):
            return f"{path.name} is damaged"
        if not held and (name := io.read_meta(path).get("filename", path.name)) != path.name:
            return f"{path.name} holds what was written as {name}"
    except CalcoreError:
        return f"{path.name} is damaged"
    return ""


def _some(found: list[str]) -> str:
    """Return the first few of what was found, in one sentence."""
    more = f", and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return f"{'; '.join(found[:_TOLD])}{more}"
