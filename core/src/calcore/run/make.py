"""Make one product: read its members, carry them through the pipeline, write what comes out."""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from calcore import io
from calcore.errors import CalcoreError, OutputProblem
from calcore.io import files as names
from calcore.model import Catalog, Group, Image, Meta, Parts, Ramp, Rate, Record
from calcore.model.cube import Cube
from calcore.model.spectrum import SpectrumSeries
from calcore.model.superstripes import integrations_together, taken_apart
from calcore.pipeline import Pipeline
from calcore.run import header
from calcore.run.account import account_of
from calcore.run.assemble import BuiltSlot, assemble, describe, saving_ramp
from calcore.run.by_hand import with_members
from calcore.run.choice import choose_pipeline
from calcore.run.entering import entering
from calcore.run.execute import Execution
from calcore.run.executors import cores
from calcore.run.failure import exit_status_of, reason_of
from calcore.run.folders import check_folder, make_folder
from calcore.run.graph import HANDED_ON, Job
from calcore.run.memory import memory_kept, new_objects_searched, one_heap
from calcore.run.order import fitting
from calcore.run.outcome import Figure, Outcome, ProductPlan, Progress, Silence, SlotOutcome, Status
from calcore.run.outputs import main_path, member_paths, outputs, product_path
from calcore.run.record import NODE, as_it_went, keywords, record_tree
from calcore.run.request import Request, octets
from calcore.run.resume import files_with, why_again
from calcore.run.states import files_left, keeps_state, source_of, with_states, write_states
from calcore.run.watch import Memory, Recorder, at_work, warnings_gathered
from calcore.step import Room

_LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class Workshop:
    """A job with its pipeline built: plugins asked, settings in place, references opened.

    `only` is the single step that was asked for, if one was: its result tells not how all was made.
    """

    job: Job
    request: Request
    meta: Meta
    hook: Any
    pipeline: Pipeline
    slots: tuple[BuiltSlot, ...]
    profile: str
    only: str | None = None
    written: list[Path] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    outcomes: list[SlotOutcome] = field(default_factory=list)
    held: dict[str, Any] = field(default_factory=dict)
    """The main product by its suffix, if steps that make others beside it are still to come."""

    @cached_property
    def tree(self) -> dict[str, Any]:
        """What the product's record says of how it was made."""
        job, request = self.job, self.request
        return record_tree(
            job, request, self.pipeline, self.slots, self.profile, self.states, self.only
        )

    @property
    def room(self) -> Room:
        """Threads that files may be written on."""
        return Room(_threads(self.request))

    @cached_property
    def main(self) -> Path:
        """The product that is written last, and so tells that all are there."""
        return main_path(self.job, self.pipeline, self.slots)

    @property
    def states(self) -> dict[str, Path]:
        """Files of earlier exposures that slots begin with."""
        return {
            built.slot.name: path
            for built in self.slots
            if keeps_state(built) and (path := source_of(built, self.job)) is not None
        }


def prepare(job: Job, request: Request, only: str | None = None) -> Workshop:
    """Resolve everything that a job needs, before the first pixel.

    Raises
    ------
    CalcoreError
        Something is missing or contradicts itself; nothing has been calculated.
    """
    if job.error is not None:
        raise job.error
    for path in job.members["science"]:
        if path.is_file():
            header.check(path, job.stage, job.meta.facts)
    chosen = choose_pipeline(job, request, only)
    pipeline = chosen.pipeline
    job = with_members(job, pipeline)
    meta = integrations_together(job.meta)
    slots = assemble(
        pipeline,
        meta,
        find=chosen.find,
        overrides=chosen.overrides,
        roles=frozenset(job.members),
        alter=chosen.find.altered,
        beside=job.inputs[0].parent if job.inputs else Path(),
    )
    if pipeline.saves_ramp:
        slots = saving_ramp(slots, pipeline.saves_ramp)
    slots = fitting(pipeline, slots)
    return Workshop(job, request, meta, chosen.hook, pipeline, slots, chosen.profile, only)


def plan_of(job: Job, request: Request, only: str | None = None) -> ProductPlan:
    """Return what would be done for a job, for people to read."""
    slots: tuple[Any, ...] = ()
    to: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    error, exit_status = "", 0
    try:
        shop = prepare(job, request, only)
        if not job.states:
            with_states(shop.slots, job)  # to find out that a file does not fit
        to = outputs(job, shop.pipeline, shop.slots)
        slots = tuple(describe(built, job.meta) for built in shop.slots)
        notes = (*shop.pipeline.notes, *(note for built in shop.slots for note in built.notes))
    except CalcoreError as problem:
        error, exit_status = str(problem), exit_status_of(problem)
    return ProductPlan(
        name=job.name,
        pipeline=job.pipeline,
        instrument=job.instrument,
        exposure_type=job.meta.exposure_type,
        inputs=job.inputs,
        outputs=to,
        slots=slots,
        notes=notes,
        error=error,
        exit_status=exit_status,
    )


def make(
    job: Job, request: Request, progress: Progress | None = None, only: str | None = None
) -> Outcome:
    """Make a product; what goes wrong is in the outcome, not raised."""
    one_heap()
    here, progress = progress is not None, progress or Silence()
    progress.product_started(job.name, job.pipeline or only or "")
    begun = time.perf_counter()
    slots: tuple[SlotOutcome, ...] = ()
    files: tuple[Path, ...] = ()
    status, reason, exit_status = Status.COMPLETE, "", 0
    why: str | None = ""
    execution: Execution | None = None
    shop: Workshop | None = None
    with warnings_gathered(job.name, shown=here) as notices, Memory() as memory, at_work(job.name):
        recorder = Recorder(progress, memory)
        try:
            shop = prepare(job, request, only)
            why = "" if request.overwrite or only is not None else why_again(shop)
            if why is None:
                there = outputs(job, shop.pipeline, shop.slots)
                status, files = Status.KEPT, tuple(path for path in there if path.is_file())
            else:
                shop.slots = with_states(shop.slots, job)
                check_folder(job.folder)
                execution = _execution(shop, recorder)
                one_thread = threadpool_limits(1, "blas")  # their number changes last bits
                with memory_kept(), new_objects_searched(), one_thread:
                    _carry(shop, execution)
                recorder.mark()
        except Exception as error:  # noqa: BLE001 - the other products are made all the same
            _LOG.debug("%s failed", job.name, exc_info=error)
            status, reason, exit_status = Status.FAILED, reason_of(error), exit_status_of(error)
            if shop is not None:
                _tell_failure(shop, error)
    if execution is not None:
        slots = tuple(execution.outcomes)
    if shop is not None and shop.written:
        files = tuple(shop.written)
    outcome = Outcome(
        name=job.name,
        pipeline=job.pipeline,
        status=status,
        seconds=time.perf_counter() - begun,
        slots=slots,
        files=files,
        figures=tuple(shop.figures) if shop is not None else (),
        states=files_left(shop.slots, job) if shop and status is not Status.FAILED else {},
        reason=reason,
        exit_status=exit_status,
        why=why or "",
        account=account_of(shop, slots) if shop is not None else {},
        chains=tuple(recorder.chains),
        notices=tuple(notices),
    )
    progress.product_finished(outcome)
    return outcome


def _tell_failure(shop: Workshop, error: Exception) -> None:
    slot = getattr(error, "slot", "")
    if slot:
        shop.hook.calcore_step_failed(slot=slot, product=shop.job.name, meta=shop.meta, error=error)


def _execution(shop: Workshop, progress: Progress) -> Execution:
    watched = {
        name
        for names in shop.hook.calcore_watch(pipeline=shop.pipeline.name, meta=shop.meta)
        for name in names or ()
    }

    def members(kind: type[Record], role: str) -> tuple[Any, ...]:
        return tuple(io.open(path, kind) for path in shop.job.members.get(role, ()))

    def save(suffix: str, result: Any) -> None:
        if shop.main in _paths(shop.job, suffix, result):
            shop.held[suffix] = result  # a later slot may say it better
        else:
            _write_all(shop, suffix, result)

    request = shop.request
    return Execution(
        product=shop.job.name,
        members=members,
        save=save,
        hook=shop.hook,
        progress=progress,
        threads=_threads(request),
        height=request.band_rows,
        memory_budget=octets(request.memory_budget),
        watched=frozenset(watched),
        outcomes=shop.outcomes,
    )


def _threads(request: Request) -> int:
    if request.executor != "serial":
        return 1  # the cores belong to the other products
    return request.jobs or cores()


def _carry(shop: Workshop, execution: Execution) -> None:
    """Read, run the slots, and write what flows out."""
    flow = entering(shop.job, shop.meta.facts, shop.slots)
    try:
        _write_flowing(shop, execution, execution.run(flow, shop.slots))
    except Exception:
        _write_held(shop)  # what was made before the error is worth having
        raise
    _write_held(shop)


def _write_held(shop: Workshop) -> None:
    """Write the main product, unless something that flows out has replaced it."""
    if shop.main not in shop.written:
        for suffix, held in shop.held.items():
            _write_all(shop, suffix, held)


def _write_flowing(shop: Workshop, execution: Execution, result: Any) -> None:
    """Write what flows out of the last slot, the main product last."""
    for path in files_left(shop.slots, shop.job):
        _check_free(shop, path)
    write_states(execution.kept, shop.slots, shop.job)
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
    """Write a result, its parts, each member of a group, or the rates of several results."""
    job = shop.job
    if isinstance(result, Parts):
        for path, part in zip(_paths(job, suffix, result), result.parts.values(), strict=True):
            _write(shop, path, part)
        return
    if not isinstance(result, Group | Record | Catalog):
        for item in fields(result):
            if isinstance(part := getattr(result, item.name), Rate):
                _write_all(shop, suffix, part)
        return
    if isinstance(result, Group):
        science = [path.name for path in job.members["science"]]
        ints = "ints" if _is_series(result.members[0]) else ""
        paths = dict(zip(science, member_paths(job, f"{suffix}{ints}"), strict=True))
        named = []
        for number, member in enumerate(result.members):  # a step may have left some out
            name = member.meta["filename"] if isinstance(member, Record) else science[number]
            named.append((paths.pop(name), member))
        for path, record in shop.room.ahead(lambda one: _put(shop, *one, ahead=map), named):
            _tell_of(shop, path, record)
        for path in paths.values():
            _remove(shop, path)
        return
    (path,) = _paths(job, suffix, result)
    _write(shop, path, result)


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


def _write(shop: Workshop, path: Path, record: Any) -> None:
    _tell_of(shop, *_put(shop, path, record, ahead=shop.room.ahead))


def _put(shop: Workshop, path: Path, record: Any, *, ahead: Any) -> tuple[Path, Any]:
    """Write a file; return its path and what it holds."""
    if isinstance(record, Catalog):
        path = path.with_suffix(f".{record.format}")
    _check_free(shop, path)
    if isinstance(record, Ramp):
        record = taken_apart(record)
    if isinstance(record, Record):
        made = keywords(record.meta, shop.pipeline, shop.slots, shop.job.association)
        record = record.replace(meta=record.meta.set({**made, "filename": path.name}))
    last = path == shop.main
    tree = as_it_went(shop.tree, shop.outcomes, ended=last)
    if last:
        tree = {**tree, "files": files_with(shop.written)}
    io.write(record, path, record_tree={NODE: {shop.pipeline.name: tree}}, ahead=ahead)
    return path, record


def _tell_of(shop: Workshop, path: Path, record: Any) -> None:
    """Take down that a file was written, and have it judged."""
    shop.written.append(path)
    judge = shop.hook.calcore_diagnose
    is_image = isinstance(record, Image) and not record.per_integration
    if judge.get_hookimpls() and (is_image or isinstance(record, Cube)):
        record = record.loaded()  # who judges these takes their planes for arrays
    suffix = names.suffix_of(path)
    judged = judge(product=shop.job.name, suffix=suffix, record=record, path=path)
    shop.figures.extend(Figure(*figure) for figures in judged for figure in figures or ())
