"""Make one product: read its members, carry them through the pipeline, write what comes out."""

import logging
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from calcore import io
from calcore.errors import CalcoreError, OutputProblem
from calcore.model import Record
from calcore.run.account import account_of
from calcore.run.assemble import describe
from calcore.run.entering import entering
from calcore.run.execute import Execution
from calcore.run.failure import exit_status_of, reason_of
from calcore.run.folders import check_folder
from calcore.run.graph import Job
from calcore.run.memory import memory_kept, new_objects_searched, one_heap
from calcore.run.outcome import Outcome, ProductPlan, Progress, Silence, SlotOutcome, Status
from calcore.run.outputs import outputs
from calcore.run.request import Request, octets
from calcore.run.resume import why_again
from calcore.run.states import files_left, with_states
from calcore.run.watch import Memory, Recorder, at_work, warnings_gathered
from calcore.run.workshop import Workshop, prepare
from calcore.run.writing import save, write_flowing, write_held

_LOG = logging.getLogger(__name__)


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

    request = shop.request
    return Execution(
        product=shop.job.name,
        members=members,
        save=partial(save, shop),
        hook=shop.hook,
        progress=progress,
        threads=shop.threads,
        height=request.band_rows,
        memory_budget=octets(request.memory_budget),
        watched=frozenset(watched),
        outcomes=shop.outcomes,
    )


def _carry(shop: Workshop, execution: Execution) -> None:
    """Read, run the slots, and write what flows out."""
    flow = entering(shop.job, shop.meta.facts, shop.slots)
    with closing(shop):
        try:
            result = execution.run(flow, shop.slots)
            shop.behind.wait()
            write_flowing(shop, execution.kept, result)
        except Exception as error:
            if isinstance(error, OutputProblem):
                shop.lost.append(error.path)
            with suppress(Exception):  # the first error is told
                shop.behind.wait()
            write_held(shop)  # what was made before the error is worth having
            raise
        write_held(shop)
