"""Which pipeline a job goes through: as core, plugins and profile define it, with all settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calcore.errors import CalcoreError
from calcore.pipeline import Pipeline, Slot
from calcore.registry import discovery
from calcore.registry.manager import manager
from calcore.registry.questions import References, build_pipeline
from calcore.registry.steps import step_class
from calcore.run.graph import Job
from calcore.run.pinned import as_it_was
from calcore.run.request import Request
from calcore.run.settings import (
    packages_of,
    read_user_file,
    references_of,
    with_parameter_references,
    with_user_settings,
)
from calcore.step import diet_of


@dataclass(frozen=True, eq=False)
class Choice:
    """A pipeline, the profile in force, and whom to ask for what its steps need."""

    pipeline: Pipeline
    profile: str
    hook: Any
    find: References
    overrides: Mapping[str, tuple[Any, str]]


def choose_pipeline(job: Job, request: Request, only: str | None = None) -> Choice:
    """Return the pipeline of a job, or of a single step of it, with all settings in place.

    Raises
    ------
    CalcoreError
        Something is unknown or contradicts itself.
    """
    file = read_user_file(request.config)
    profile = file.profile if file.profile and request.profile == "default" else request.profile
    instrument = discovery.instrument(job.instrument)
    plugins = manager(instrument.distribution, *packages_of(request, file))
    pipeline = build_pipeline(
        job.pipeline, instrument, job.meta, plugins, profile, job.meta.exposure_type
    )
    if only is not None:
        pipeline = _only(pipeline, only)
    find = References(plugins)
    overrides = references_of(request, file)
    pipeline = with_parameter_references(pipeline, job.meta, overrides, find)
    pipeline = with_user_settings(pipeline, request, file)
    record = request.pinned.get(f"{job.name}:{pipeline.name}")
    if record is not None:
        pipeline = as_it_was(pipeline, record)
    return Choice(pipeline, profile, plugins.hook, find, overrides)


def slots_with_state(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the slots of a pipeline that go on from the previous exposure of the detector."""
    used = {s.name: s.use for s in pipeline.slots if not s.runs("skip", default=False)}
    return tuple(name for name, use in used.items() if _has_state(use))


def _has_state(use: str) -> bool:
    """Tell whether a step has state; one that cannot be used has none."""
    try:
        step: Any = step_class(use)
    except CalcoreError:
        return False
    return diet_of(step).state is not None


def _only(pipeline: Pipeline, name: str) -> Pipeline:
    """Return a pipeline of one slot, saved under its own name."""
    chosen = next((slot for slot in pipeline.slots if slot.name == name), None)
    if chosen is None:
        discovery.found("calcore.steps", name)
        chosen = Slot(name.rpartition(".")[2], name, name.rpartition(".")[2])
    settings = {key: value for key, value in chosen.runner.items() if key not in ("skip", "save")}
    slot = Slot(chosen.name, chosen.use, chosen.status, settings=chosen.settings, runner=settings)
    return Pipeline(pipeline.name, pipeline.stage, (slot,), suffix=name.rpartition(".")[2])
