"""What can be known to be wrong before the first product is begun: said once, for the whole run."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from calcore.errors import CalcoreError, OutputProblem, PluginBroken, UsageError
from calcore.pipeline import Pipeline
from calcore.references.resolve import NOT_APPLICABLE
from calcore.registry import discovery
from calcore.registry.steps import step_class
from calcore.run.assemble import BuiltSlot, check_types, step_of
from calcore.run.by_hand import with_members
from calcore.run.choice import choose_pipeline, slots_with_state
from calcore.run.folders import check_folder
from calcore.run.graph import Job
from calcore.run.outputs import main_path, outputs
from calcore.run.request import Request
from calcore.run.settings import UserFile, read_user_file, references_of, slots_named
from calcore.run.states import in_order


@dataclass(frozen=True)
class Ready:
    """The jobs of a run in the order they are made, and what the user should know of the request."""

    jobs: list[Job]
    notes: tuple[str, ...] = ()


def ready(
    jobs: Sequence[Job], request: Request, only: str | None = None, *, writing: bool = True
) -> Ready:
    """Find out that what the user asked for can be carried out, and put the jobs in order.

    What is wrong with one job alone is said when that is made. Stages after the one that ``--until``
    ends in are left out. Whether products can be written is asked if there will be any `writing`.

    Raises
    ------
    UsageError
        A setting, a step, a profile or a reference that the user names is not there or not so.
    OutputProblem
        No product can be written where it is to stand.
    """
    file = read_user_file(request.config)
    _check_edits(file)
    pipelines: dict[str, Pipeline] = {}
    given = references_of(request, file)
    several = len({job.instrument for job in jobs}) > 1
    for job in jobs:
        if job.error is not None:
            continue
        try:
            pipelines[job.key] = choose_pipeline(job, request, only).pipeline
            _check_settings(pipelines[job.key], file)
            with_members(job, pipelines[job.key])
        except UsageError as error:
            if several:
                raise UsageError(f"{job.instrument}: {error}") from error
            raise
        except CalcoreError:
            continue  # of this job alone
        given |= _overrides(pipelines[job.key])
    check_types(references_of(request, file))
    _check_references(given)
    _check_ends(request, pipelines.values())
    jobs = _until(jobs, pipelines, request.until)
    if writing:
        jobs = _writable(jobs, pipelines, again=only is not None and not request.overwrite)
    keeps = {key: slots_with_state(pipeline) for key, pipeline in pipelines.items()}
    return Ready(
        in_order(jobs, lambda job: keeps.get(job.key, ())),
        _notes(request, file, pipelines.values()),
    )


def _check_edits(file: UserFile) -> None:
    """Check that the steps which a user's file puts into slots are there."""
    for content in (file.everywhere, *file.pipelines.values()):
        for edit in content.get("edit", ()):
            use = edit.get("use", edit.get("insert")) if isinstance(edit, Mapping) else None
            if isinstance(use, str):
                discovery.found("calcore.steps", use)


def _check_settings(pipeline: Pipeline, file: UserFile) -> None:
    """Build the steps of which the user sets something."""
    for slot in pipeline.slots:
        if any(s.given or s.origin == file.origin for s in slot.settings.values()):
            try:
                kind = step_class(slot.use)
            except PluginBroken:
                continue
            step_of(slot, kind)


def _overrides(pipeline: Pipeline) -> dict[str, tuple[Any, str]]:
    """Return the references that the user gave for single slots."""
    return {
        f"{slot.name}.{key}": (setting.value, setting.origin)
        for slot in pipeline.slots
        for key, setting in slot.runner.items()
        if key.startswith("override.") and setting.given
    }


def _check_references(given: Mapping[str, tuple[Any, str]]) -> None:
    """Check that the files are there which the user names."""
    for kind, (value, origin) in given.items():
        if not isinstance(value, str | PathLike) or str(value).upper() == NOT_APPLICABLE:
            continue
        if not os.path.isfile(value):  # noqa: PTH113 - False in a folder that is closed
            raise UsageError(
                f"the {kind} reference {os.fspath(value)} (from {origin}) is not there; name a "
                f"file, or {NOT_APPLICABLE} for none"
            )


def _check_ends(request: Request, pipelines: Iterable[Pipeline]) -> None:
    """Check that somebody does what the run is to begin and to end with, in this order."""
    places: dict[str, list[tuple[str, str]]] = {}
    names = {pipeline.name: pipeline for pipeline in pipelines}
    for option, slot in (("--from", request.start), ("--until", request.until)):
        if slot is None or not names:
            continue
        places[option] = [
            (pipeline.stage, pipeline.name)
            for pipeline in names.values()
            if any(own.name == slot for own in pipeline.slots)
        ]
        if not places[option]:
            raise UsageError(
                f"{option} {slot}: this is no step of {' or '.join(sorted(names))}; `calcore plan` "
                "shows the steps that your exposures go through"
            )
    if len(places) == 2 and min(places["--from"]) > max(places["--until"]):
        (_, late), (_, early) = min(places["--from"]), max(places["--until"])
        if late != early:
            raise UsageError(
                f"nothing lies between --from {request.start} and --until {request.until}: "
                f"{early} does {request.until} before {late} does {request.start}; exchange them"
            )


def _until(jobs: Sequence[Job], pipelines: Mapping[str, Pipeline], until: str | None) -> list[Job]:
    """Return the jobs of the stages up to the last one that does a slot."""
    last = max(
        (
            job.stage
            for job in jobs
            if job.key in pipelines and any(s.name == until for s in pipelines[job.key].slots)
        ),
        default="",
    )
    return [job for job in jobs if not last or job.stage <= last]


def _writable(jobs: Iterable[Job], pipelines: Mapping[str, Pipeline], *, again: bool) -> list[Job]:
    """Return the jobs, with an error if what they make cannot be written where it is to stand.

    Products that are there already may be kept, and need not be written. What a single step has left
    is not written `again`.

    Raises
    ------
    OutputProblem
        None of them can be written.
    """
    checked = []
    problems: list[OutputProblem] = []
    for job in jobs:
        pipeline = pipelines.get(job.key)
        paths, main = _outputs(job, pipeline)
        error = job.error
        try:
            _check_room(job, paths, main)
        except OutputProblem as problem:
            problems.append(problem)
            error = error or problem
        there = next((path for path in paths if again and os.path.lexists(path)), None)
        if there is not None:
            reason = "is there already; use --overwrite to replace it"
            error = error or OutputProblem(there, reason)
        checked.append(replace(job, error=error))
    if problems and len(problems) == len(checked):
        raise problems[0]
    return checked


def _outputs(job: Job, pipeline: Pipeline | None) -> tuple[tuple[Path, ...], Path | None]:
    """Return the files of a product, and the main one; none of one that cannot be made anyway."""
    if pipeline is None:
        return (), None
    slots = [slot for slot in pipeline.slots if not slot.runs("skip", default=False)]
    try:
        steps = [BuiltSlot(slot, "", step_of(slot, step_class(slot.use))[0]) for slot in slots]
        return outputs(job, pipeline, steps), main_path(job, pipeline, steps)
    except CalcoreError:
        return (), None


def _check_room(job: Job, paths: Sequence[Path], main: Path | None) -> None:
    """Check that files can be written; a main product that is there may be kept."""
    if main is None or not os.path.isfile(main):  # noqa: PTH113 - False of names too long
        check_folder(job.folder)
    for path in paths:
        if path.is_dir():
            raise OutputProblem(path, "is a folder, and a product is to be called so; remove it")


def _notes(request: Request, file: UserFile, pipelines: Iterable[Pipeline]) -> tuple[str, ...]:
    """Return a note for each slot that the user sets something of, and no product passes."""
    pipelines = list(pipelines)
    done = {slot.name for pipeline in pipelines for slot in pipeline.slots}
    named = slots_named(request, file, sorted({pipeline.name for pipeline in pipelines}))
    return tuple(
        f"{slot} (set by {origin}) is no step of what is made"
        for slot, origin in named.items()
        if slot not in done and pipelines
    )
