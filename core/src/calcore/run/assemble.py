"""From a pipeline and an exposure's metadata to built steps: everything resolved before a pixel."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from calcore.errors import (
    BadParameter,
    KeywordInvalid,
    PluginBroken,
    ReferenceInvalid,
    ReferenceMissing,
    StepSkipped,
    UnknownName,
    with_article,
)
from calcore.model import Meta, Reference
from calcore.model.reference import SceneMask, reference_types
from calcore.parameters import Parameter, parameters_of
from calcore.pipeline import Pipeline, Setting, Slot
from calcore.references.parameters import PREFIX
from calcore.references.resolve import Choice, choose
from calcore.registry import discovery
from calcore.registry.steps import step_class
from calcore.run.asking import Alterer, Asked, Finder, named_file, opened
from calcore.run.outcome import ReferenceChoice, SlotPlan, Value
from calcore.step import Diet, Step, diet_of

# Base parameters of the reference pipeline's steps that mean nothing here; parameter files carry them.
IGNORED = frozenset(
    {
        "fillval",
        "input_dir",
        "int_name",
        "in_memory",
        "maximum_cores",
        "opt_name",
        "output_dir",
        "output_ext",
        "output_file",
        "output_use_index",
        "output_use_model",
        "pixmap_order",
        "pixmap_stepsize",
        "post_hooks",
        "pre_hooks",
        "save_calibrated_ramp",
        "save_intermediate_results",
        "save_results",
        "search_output_file",
        "use_ellipses",
    }
)

_FIT = "ramp_fit"


def _as_it_is(_kind: str, _meta: Meta, reference: Reference) -> tuple[Reference, tuple[str, ...]]:
    return reference, ()


@dataclass(frozen=True, eq=False)
class BuiltSlot:
    """A slot with its step built and its references opened.

    `skip` says why nothing will be done. `given` is what `apply` will be passed by keyword, but for
    association members, which are read when they are needed.
    """

    slot: Slot
    source: str
    step: Step | None = None
    skip: str = ""
    choices: Mapping[str, Choice] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def diet(self) -> Diet:
        """What the step asks for."""
        kind: Any = type(self.step)
        return diet_of(kind)

    @property
    def works(self) -> bool:
        """True if there is something to do."""
        return self.step is not None and not self.skip

    @property
    def references(self) -> dict[str, Reference]:
        """References that apply, by type."""
        return {value.type: value for value in self.given.values() if isinstance(value, Reference)}


def assemble(
    pipeline: Pipeline,
    meta: Meta,
    *,
    find: Finder,
    overrides: Mapping[str, tuple[Any, str]],
    roles: frozenset[str] = frozenset(),
    alter: Alterer = _as_it_is,
    beside: Path = Path(),
) -> tuple[BuiltSlot, ...]:
    """Build every slot of a pipeline for one exposure.

    Parameters
    ----------
    pipeline : Pipeline
        With all settings in place.
    meta : Meta
        Metadata of the exposure, or of a group's first member.
    find : callable
        Asks plugins and CRDS for references.
    overrides : mapping
        Reference type, and what the user gave for all slots and where it is named.
    roles : frozenset
        Roles that the association's members have.
    alter : callable
        Asks plugins for what is to be taken in place of a reference that was found.
    beside : Path
        Folder of the files that the exposure's header names.

    Raises
    ------
    UnknownName, BadParameter, KeywordMissing, ReferenceMissing, ReferenceInvalid, PluginBroken
        Something does not fit; nothing has been calculated.
    """
    built = []
    for slot in pipeline.slots:
        made = _build(slot, meta, find, overrides, roles, alter, beside)
        built.append(made)
        if made.step is not None and not made.skip:
            meta = made.step.outgoing(meta)
    return tuple(built)


def saving_ramp(slots: tuple[BuiltSlot, ...], origin: str) -> tuple[BuiltSlot, ...]:
    """Return the slots, of which the one that leaves what rates are fitted to writes it as ``_ramp``.

    That is the last one before ``ramp_fit`` that has something to do. If its result is written
    already, it is not written twice, and a note says so.
    """
    names = [built.slot.name for built in slots]
    before = slots[: names.index(_FIT)] if _FIT in names else ()
    last = next((n for n in reversed(range(len(before))) if before[n].works), None)
    if last is None:
        return slots
    built = slots[last]
    if built.slot.runs("save"):
        suffix = built.slot.runs("suffix", built.slot.name)
        note = f"the ramps that {origin} asks for are what {built.slot.name} leaves, in _{suffix}"
        made = _with(built, notes=(*built.notes, note))
    else:
        asked = {"save": Setting(True, origin), "suffix": Setting("ramp", origin)}
        made = _with(built, slot=replace(built.slot, runner={**built.slot.runner, **asked}))
    return (*slots[:last], made, *slots[last + 1 :])


def check_types(types: Iterable[str]) -> None:
    """Check that there are steps that want these types of reference.

    Raises
    ------
    UnknownName
        Nobody wants one of them.
    """
    types = {name for name in types if not name.startswith(PREFIX)}
    if not types - set(reference_types()):
        return
    for item in discovery.names("calcore.steps"):
        with suppress(PluginBroken):
            discovery.load("calcore.steps", item.name)
    for name in sorted(types - set(reference_types())):
        raise UnknownName("type of reference", name, reference_types())


def describe(built: BuiltSlot, meta: Meta) -> SlotPlan:
    """Return what a built slot will do, for people to read."""
    rows = None
    if built.step is not None and not built.skip:
        decided = built.step.rows(meta, built.references)
        rows = None if decided is None else decided.halo
    return SlotPlan(
        name=built.slot.name,
        use=built.slot.use,
        source=built.source,
        settings=built.values,
        references={
            kind: ReferenceChoice(choice.name, choice.origin, choice.file)
            for kind, choice in built.choices.items()
        },
        skip=built.skip,
        by_rows=rows,
    )


def _build(
    slot: Slot,
    meta: Meta,
    find: Finder,
    overrides: Mapping[str, tuple[Any, str]],
    roles: frozenset[str],
    alter: Alterer,
    beside: Path,
) -> BuiltSlot:
    try:
        kind, found = step_class(slot.use), discovery.found("calcore.steps", slot.use)
    except PluginBroken as error:
        if not slot.optional:
            raise
        return BuiltSlot(slot, slot.use, skip=str(error))
    step, values, notes = step_of(slot, kind)
    made = BuiltSlot(slot, found.source, step, values=values, notes=notes)
    if slot.runs("skip", default=False):
        return _with(made, skip=f"switched off by {slot.runner['skip'].origin}")
    step_kind: Any = kind
    diet = diet_of(step_kind)
    given = _overrides(slot, overrides)
    needed = [r for _, r in diet.members.values() if step_kind.stand_ins.get(r) not in given]
    absent = [role for role in needed if role not in roles]
    if absent and not step_kind.any_role:
        return _with(made, skip=f"the association has no {absent[0]} members")
    complete = _with_references(made, diet, meta, find, given, alter, beside)
    if complete.skip or not diet.auxiliaries:
        return complete  # a step with nothing to do needs no files
    named = {
        argument: named_file(slot.name, meta, name, beside)
        for argument, name in diet.auxiliaries.items()
    }
    return _with(complete, given={**complete.given, **named})


def _overrides(slot: Slot, overrides: Mapping[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
    """Return the references the user gave: for all slots, and for this one."""
    given = dict(overrides)
    for key, setting in slot.runner.items():
        if key.startswith("override."):
            given[key.removeprefix("override.")] = (setting.value, setting.origin)
    return given


def step_of(slot: Slot, kind: type[Step]) -> tuple[Step, dict[str, Value], tuple[str, ...]]:
    """Return a step as its slot's settings have it, each with its origin, and what was dropped.

    Raises
    ------
    UnknownName, BadParameter
        The user set what the step does not have, or somebody a value that it cannot have.
    """
    values, notes = _values(slot, kind)
    return kind(**{name: value.value for name, value in values.items()}), values, notes


def _values(slot: Slot, kind: type[Step]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Return every parameter's value and origin, and what was dropped."""
    step: Any = kind
    known = parameters_of(step)
    notes = []
    for name, setting in slot.settings.items():
        if name in known:
            continue
        if name in IGNORED:
            if setting.given:
                notes.append(
                    f"{slot.name}.{name} means nothing here and is ignored ({setting.origin})"
                )
        elif setting.given:
            raise UnknownName(f"parameter of step {slot.name}:", name, known)
        elif not setting.elsewhere:
            notes.append(
                f"{slot.name}.{name} of {setting.origin} is unknown to {slot.use}: dropped"
            )
    values = {}
    for name, parameter in known.items():
        if name in slot.settings:
            setting = slot.settings[name]
            try:
                value = parameter.check(slot.name, setting.value)
            except BadParameter as error:
                raise BadParameter(f"{error} (given by {setting.origin})") from None
            values[name] = _value(parameter, value, setting.origin)
        else:
            values[name] = _value(parameter, parameter.default, "default of the step")
    return values, tuple(notes)


def _value(parameter: Parameter, value: Any, origin: str) -> Value:
    low, high = parameter.range.low, parameter.range.high
    limits = ""
    if low is not None or high is not None:
        limits = f"{'' if low is None else low}…{'' if high is None else high}"
    return Value(value, origin, parameter.doc, parameter.unit, limits)


def _with_references(
    made: BuiltSlot,
    diet: Diet,
    meta: Meta,
    find: Finder,
    overrides: Mapping[str, tuple[Any, str]],
    alter: Alterer,
    beside: Path,
) -> BuiltSlot:
    assert made.step is not None
    wanted = made.step.wanted(meta)
    choices: dict[str, Choice] = {}
    given: dict[str, Any] = {}
    for wish in diet.references:
        kind = wish.kind.type
        if kind not in wanted:
            given[wish.argument] = None
            continue
        ask = find
        if wish.kind is SceneMask:  # which plugins make of references
            asked = Asked(made.slot.name, meta, find, overrides, alter, beside, choices)
            ask = partial(find, references=asked)
        choice = choose(kind, meta, overrides, ask)
        choices[kind] = choice
        if choice.applies:
            found, by = alter(kind, meta, opened(choice, wish.kind, meta))
            choices[kind] = replace(choice, altered=by)
            given[wish.argument] = found
        elif kind in made.step.required:
            raise ReferenceMissing(
                f"{made.slot.name} cannot work without {with_article(kind)} reference "
                f"({choice.absence}); give one with --ref {kind}=FILE"
            )
        elif wish.optional:
            given[wish.argument] = None
        else:
            return _with(made, choices=choices, skip=f"no {kind} reference ({choice.absence})")
    complete = _with(made, choices=choices, given=given)
    try:
        made.step.check(meta, complete.references)
    except StepSkipped as reason:
        return _with(complete, skip=str(reason))
    except (ReferenceInvalid, KeywordInvalid) as error:
        files = ", ".join(choice.name for choice in choices.values() if choice.applies)
        raise ReferenceInvalid(f"{made.slot.name} with {files}: {error}") from error
    return complete


def _with(built: BuiltSlot, **changes: Any) -> BuiltSlot:
    return BuiltSlot(**{**{k: getattr(built, k) for k in built.__dataclass_fields__}, **changes})
