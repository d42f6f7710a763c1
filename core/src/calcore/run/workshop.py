"""A product that is to be made: its pipeline, with plugins asked, settings in place and references found."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from calcore import io
from calcore.model import Meta
from calcore.model.superstripes import integrations_together
from calcore.pipeline import Pipeline
from calcore.run import header
from calcore.run.assemble import BuiltSlot, assemble, saving_ramp
from calcore.run.behind import Behind
from calcore.run.by_hand import with_members
from calcore.run.choice import choose_pipeline
from calcore.run.executors import cores
from calcore.run.graph import Job
from calcore.run.order import fitting
from calcore.run.outcome import Figure, SlotOutcome
from calcore.run.outputs import main_path
from calcore.run.record import record_tree
from calcore.run.request import Request
from calcore.run.states import keeps_state, source_of
from calcore.step import Room


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
    lost: list[Path] = field(default_factory=list)
    """Files that could not be written."""
    begun: io.Begun | None = None
    """The file of its planes."""

    @cached_property
    def tree(self) -> dict[str, Any]:
        """What the product's record says of how it was made."""
        job, request = self.job, self.request
        return record_tree(
            job, request, self.pipeline, self.slots, self.profile, self.states, self.only
        )

    @property
    def threads(self) -> int:
        """How many the product may take."""
        if self.request.executor != "serial":
            return 1  # the cores belong to the other products
        return self.request.jobs or cores()

    @property
    def room(self) -> Room:
        """Threads that files may be written on."""
        return Room(self.threads)

    @cached_property
    def behind(self) -> Behind:
        """A thread that files may be written on while steps go on."""
        return Behind(self.threads)

    def begin_with(self, begun: io.Begun) -> None:
        """Have the planes of the main product in a file, and no others."""
        if self.begun is not None:
            self.begun.abort()
        self.begun = begun

    def close(self) -> None:
        """Leave nothing running, and no file without its name."""
        self.behind.close()
        if self.begun is not None:
            self.begun.abort()

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
