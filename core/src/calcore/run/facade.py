"""The three things users ask for: run, plan, and one step on one file."""

import logging
import time
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor
from contextlib import closing
from dataclasses import dataclass, fields, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from calcore import io
from calcore.errors import (
    CalcoreError,
    FileInvalid,
    KeywordMissing,
    UnknownName,
    UsageError,
    WorkerDied,
)
from calcore.model import Catalog, Ramp, Record
from calcore.model.superstripes import taken_together
from calcore.registry import discovery
from calcore.registry.manager import manager, named
from calcore.registry.questions import stage_of
from calcore.run.executors import cores, load_ahead
from calcore.run.fetched import fetched
from calcore.run.graph import STAGES, Job, Plan, check_pipeline, graph
from calcore.run.inputs import PRODUCTS, Inventory, gather
from calcore.run.make import make, plan_of
from calcore.run.manifest import Manifest
from calcore.run.outcome import Outcome, ProductPlan, Progress, RunResult, Silence, Status
from calcore.run.ready import ready
from calcore.run.replay import FREE, replayed
from calcore.run.request import Request
from calcore.run.settings import packages_of, read_user_file, slot_names
from calcore.run.states import add_state
from calcore.step import accepted

_LOG = logging.getLogger(__name__)
Inputs = str | PathLike[str] | Iterable[str | PathLike[str]]


def run(inputs: Inputs = ".", *, progress: Progress | None = None, **wishes: Any) -> RunResult:
    """Calibrate exposures.

    Parameters
    ----------
    inputs : path, or paths
        Exposures at any stage, association files, or folders.
    progress : Progress, optional
        Who wants to be told how far the run is.
    **wishes
        Everything else that `Request` names. Or ``replay``, the manifest or a product of a run that
        is to be done again, with what has no say in what products hold; inputs are then files and
        folders to look in, too.

    Returns
    -------
    RunResult
        How each product ended. What failed is in there; it is not raised.

    Raises
    ------
    UsageError, FileInvalid, NoScienceData
        The request as a whole cannot be carried out.
    """
    replay = wishes.pop("replay", None)
    if replay is not None:
        return _again(_path("replay", replay), inputs, wishes, progress or Silence())
    request = _request(inputs, wishes)
    return _run(request, progress or Silence(), only=None)


def step(
    name: str, inputs: Inputs, *, progress: Progress | None = None, **wishes: Any
) -> RunResult:
    """Do one step on exposures; settings and references as the exposure's own pipeline has them."""
    request = _request(inputs, wishes)
    if not isinstance(name, str):
        raise UsageError(f"a step is called by its name, not {name!r}")
    return _run(request, progress or Silence(), only=name)


def plan(inputs: Inputs = ".", **wishes: Any) -> tuple[ProductPlan, ...]:
    """Return what `run` would do, without reading a pixel."""
    request = _request(inputs, wishes)
    found, jobs = _jobs(request)
    prepared = ready(jobs, request, writing=False)
    plans = [plan_of(job, request) for job in prepared.jobs]
    plans = [replace(made, notes=(*made.notes, *prepared.notes)) for made in plans]
    for path, problem in found.problems:
        nothing = ProductPlan(path.name, "", "", "", (path,), (), error=str(problem))
        plans.append(replace(nothing, exit_status=problem.exit_status))
    return tuple(plans)


def open(path: str | PathLike[str]) -> Record:  # noqa: A001 - read as calcore.open
    """Return the content of a file as a record that knows its instrument, so that steps can take it.

    Raises
    ------
    FileTruncated, FileInvalid
        The file is not what it should be.
    PluginMissing
        The instrument's package is not installed.
    """
    path = _path("path", path)
    record: Any = io.open(path, _kind(path))
    if isinstance(record, Catalog):
        raise FileInvalid(path, "is a catalogue; read it with astropy.table.QTable.read")
    try:
        instrument = discovery.instrument(record.meta.instrument, str(path))
        facts = instrument.facts(record.meta)
    except KeywordMissing as error:
        raise FileInvalid(path, f"is not an exposure: {error}") from error
    opened: Record = record.replace(meta=record.meta.with_facts(facts))
    return taken_together(opened).loaded() if isinstance(opened, Ramp) else opened


def _kind(path: Path) -> Any:
    """Return the record class that a plugin brings for a file's data model; None if none does."""
    if path.suffix == ".ecsv":
        return None
    model = io.read_meta(path, required=()).get("model_type")
    own = {item.name for item in discovery.names("calcore.products")}
    return discovery.load("calcore.products", model) if model in own else None


def _request(inputs: Any, wishes: dict[str, Any]) -> Request:
    known = {item.name for item in fields(Request)}
    for name in wishes:
        if name not in known:
            raise UnknownName("option", name, known)
    if isinstance(inputs, str | PathLike):
        inputs = [inputs]
    if not isinstance(inputs, Iterable) or isinstance(inputs, bytes):
        raise UsageError(f"inputs must be paths, not {inputs!r}")
    paths = tuple(_path("inputs", path) for path in inputs)
    for name in ("output", "config"):
        if wishes.get(name) is not None:
            wishes[name] = _path(name, wishes[name])
    for name in ("skip", "save", "packages"):
        given = wishes.get(name, ())
        wishes[name] = (given,) if isinstance(given, str) or not _is_many(given) else tuple(given)
    if "stage" in wishes:
        wishes["stage"] = str(wishes["stage"])
    if wishes.get("scheduler") is not None:
        paths, wishes = _everywhere(paths, wishes)
    request = Request(inputs=paths, **wishes)
    if request.stage not in (*STAGES, "all"):
        raise UsageError(f"stage must be 1, 2, 3 or all, not {request.stage!r}")
    named(request.packages)
    return fetched(request)


def _path(name: str, value: Any) -> Path:
    if not isinstance(value, str | PathLike):
        raise UsageError(f"{name} must be a path, not {value!r}")
    return Path(value)


def _everywhere(
    paths: tuple[Path, ...], wishes: dict[str, Any]
) -> tuple[tuple[Path, ...], dict[str, Any]]:
    """Return paths that mean the same to workers elsewhere, which begin in other folders."""
    named = {
        name: wishes[name].absolute()
        for name in ("output", "config")
        if wishes.get(name) is not None
    }
    references = dict(wishes.get("references", {}))
    for kind, given in references.items():
        if isinstance(given, str | PathLike) and Path(given).is_file():
            references[kind] = str(Path(given).absolute())
    return tuple(path.absolute() for path in paths), {**wishes, **named, "references": references}


def _is_many(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, bytes)


def _jobs(request: Request, only: str | None = None) -> tuple[Inventory, list[Job]]:
    """Find the inputs and return the jobs in order; a single step goes on from what others left."""
    if request.instrument is not None:
        discovery.instrument(request.instrument, "")
    output = [request.output] if request.output is not None else []
    left = slot_names() | PRODUCTS if only is not None else set()
    found = gather(request.inputs, request.instrument, output, left)
    instruments: dict[str, Any] = {}
    for exposure in found.exposures.values():
        assert exposure.meta is not None
        name = exposure.meta.instrument
        if name not in instruments:
            try:
                instruments[name] = discovery.instrument(name, "")
            except CalcoreError as error:
                instruments[name] = error
    stages = STAGES if request.stage == "all" else (request.stage,)
    if request.pipeline is not None and request.stage == "all":
        stages = (stage_of(request.pipeline),)
    wanted = Plan(stages, request.output, request.pipeline, instruments)
    made = graph(found, wanted)
    if not made.jobs and not found.problems:
        for exposure in found.exposures.values():
            check_pipeline(exposure, wanted, stages[0])
        raise UsageError(_nothing(request, found))
    return found, list(made.jobs.values())


@dataclass(frozen=True)
class _Work:
    """Makes a job, unless one that it needs has failed; can be sent to another process.

    `failed` names what has failed so far, by key, with its exit status; it fills while the run goes
    on.
    """

    request: Request
    only: str | None
    failed: dict[str, tuple[str, int]]
    progress: Progress | None = None

    def __call__(self, job: Job) -> Outcome:
        missing = sorted(self.failed[key] for key in job.needs if key in self.failed)
        if not missing:
            return make(job, self.request, self.progress, self.only)
        reason = f"not made, since {' and '.join(name for name, _ in missing)} failed"
        status = min(status for _, status in missing)
        outcome = replace(_failure(job, reason), exit_status=status)
        if self.progress is not None:
            self.progress.product_started(job.name, job.pipeline)
            self.progress.product_finished(outcome)
        return outcome


def _run(request: Request, progress: Progress, only: str | None) -> RunResult:
    begun = time.perf_counter()
    found, jobs = _jobs(request, only)
    if only is not None:
        jobs = [job for job in jobs if _is_meant(job, found.named)]
        if not jobs and not found.problems:
            places = ", ".join(str(path) for path in request.inputs)
            raise UsageError(f"step {only} has nothing to work on in {places}; name exposures")
    load_ahead(request.executor)
    prepared = ready(jobs, request, only)
    jobs = prepared.jobs
    for note in prepared.notes:
        _LOG.warning("%s", note)
    executor = discovery.load("calcore.executors", request.executor)
    _clean(jobs)
    manifest = Manifest(request, only, jobs)
    tell = partial(_begun, progress, only)
    more = _cluster(executor, request) | accepted(executor, {"begun": tell})
    progress.planned(len(jobs) + len(found.problems))
    outcomes: list[Outcome] = []
    for path, problem in found.problems:
        outcomes.append(_unreadable(path, problem))
        manifest.add("", outcomes[-1])
        progress.product_finished(outcomes[-1])
    here = request.executor == "serial"
    failed: dict[str, tuple[str, int]] = {}
    left = {job.key: job for job in jobs}
    work = _Work(request, only, failed, progress if here else None)
    try:
        with closing(executor(jobs, work, request.jobs or cores(), **more)) as ended:
            for job, made in ended:
                del left[job.key]
                died = isinstance(made, WorkerDied)
                outcome = _failure(job, str(made)) if died else _with_states_added(made)
                if outcome.status is Status.FAILED:
                    what = job.pipeline or f"stage {job.stage}"  # an instrument that is not there
                    failed[job.key] = f"{what} of {job.name}", outcome.exit_status
                if not here:
                    progress.product_finished(outcome)
                outcomes.append(outcome)
                manifest.add(job.key, outcome)
    except BrokenExecutor:
        reason = "a process died, perhaps for want of memory; run again with fewer --jobs"
        for job in left.values():
            outcomes.append(_failure(job, reason))
            manifest.add(job.key, outcomes[-1])
            progress.product_finished(outcomes[-1])
    except BaseException:
        _clean(jobs)  # of what workers were writing when they were ended
        manifest.close(time.perf_counter() - begun, "interrupted")
        raise
    seconds = time.perf_counter() - begun
    result = RunResult(tuple(outcomes), seconds, manifest.close(seconds))
    packages = {discovery.instrument(job.instrument).distribution for job in jobs if not job.error}
    asked = packages_of(request, read_user_file(request.config))
    manager(*packages, *asked).hook.calcore_run_finished(result=result)
    return result


def _clean(jobs: Iterable[Job]) -> None:
    """Remove the unfinished files of processes that are no more."""
    for folder in {job.folder for job in jobs}:
        io.remove_leftovers(folder)


def _begun(progress: Progress, only: str | None, job: Job) -> None:
    """Tell that another process begins a product, in the words of one that is made here."""
    progress.product_started(job.name, job.pipeline or only or "")


def _cluster(executor: Any, request: Request) -> dict[str, Any]:
    """Return the address of a scheduler for an executor that takes one.

    Raises
    ------
    UsageError
        The user names a scheduler, and the executor takes none.
    """
    if request.scheduler is None:
        return {}
    given = accepted(executor, {"scheduler": request.scheduler})
    if not given:
        raise UsageError(
            f"the executor {request.executor} takes no scheduler; say --executor dask, too"
        )
    return given


def _again(path: Path, inputs: Any, wishes: dict[str, Any], progress: Progress) -> RunResult:
    """Do a run again, and say what is otherwise than it was."""
    asked = _request(inputs, wishes)
    usual = Request()
    chosen = {
        item.name
        for item in fields(Request)
        if item.name not in FREE and getattr(asked, item.name) != getattr(usual, item.name)
    }
    if chosen:
        raise UsageError(
            f"{' and '.join(sorted(chosen))} cannot be chosen beside a replay: {path.name} tells"
        )
    free = {name: value for name in FREE - {"inputs"} if (value := getattr(asked, name)) is not None
            and value != getattr(usual, name)}  # fmt: skip
    with replayed(path, asked.inputs, free) as replay:
        for words in replay.differences:
            _LOG.warning("otherwise than in the run replayed: %s", words)
        request = replace(replay.request, pinned=replay.records)
        result = _run(request, progress, replay.step)
        otherwise = replay.otherwise(result.products)
        for words in otherwise[len(replay.differences) :]:
            _LOG.warning("otherwise than in the run replayed: %s", words)
        return replace(result, differences=otherwise)


def _with_states_added(outcome: Outcome) -> Outcome:
    """Return an outcome whose states have been added to the files that the user named for them.

    Here, since several products may be made at once, and add to one file.
    """
    try:
        for path, to in outcome.states.items():
            if to is not None:
                add_state(path, to)
    except CalcoreError as error:
        return replace(outcome, status=Status.FAILED, reason=str(error), exit_status=1)
    return outcome


_TAKES = {
    "1": "stage 1 takes raw exposures (_uncal)",
    "2": "stage 2 takes count rates (_rate), or rawer exposures",
    "3": "stage 3 takes associations (_asn.json) of calibrated exposures",
}


def _is_meant(job: Job, named: set[Path]) -> bool:
    """Tell whether a job works on what is there, not on what comes of it."""
    asked = job.stage == "3" and job.association is not None and job.association.path in named
    return asked or bool(not job.needs and set(job.inputs) & named)


def _nothing(request: Request, found: Inventory) -> str:
    """Return a sentence that says why there is nothing to do."""
    suffixes = sorted({suffix for item in found.exposures.values() for suffix in item.files})
    there = f"exposures that end in {', '.join('_' + name for name in suffixes)}"
    takes = "; ".join(_TAKES.values()) if request.stage == "all" else _TAKES[request.stage]
    return f"there is nothing to do: {there} were found, and {takes}"


def _failure(job: Job, reason: str) -> Outcome:
    return Outcome(job.name, job.pipeline, Status.FAILED, reason=reason, exit_status=1)


def _unreadable(path: Path, problem: CalcoreError) -> Outcome:
    status = problem.exit_status
    return Outcome(path.name, "", Status.FAILED, reason=str(problem), exit_status=status)
