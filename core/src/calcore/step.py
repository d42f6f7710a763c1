"""What a step is: a frozen dataclass whose fields are its parameters and whose `apply` says the rest.

A step is written like this::

    @dataclass(frozen=True, kw_only=True)
    class DarkCurrent(Step):
        \"\"\"Subtract the dark signal from every group of a ramp.\"\"\"

        untrusted: Annotated[DQ, Doc("A pixel whose dark carries this keeps its signal.")] = ...

        def rows(self, meta, references):
            return Rows(halo=0)

        def apply(self, ramp: Ramp, *, dark: Dark) -> Ramp: ...

The first argument of `apply` is what flows. Keyword-only arguments are asked for by annotation:

========================  =====================================================================
``dark: Dark``            a reference; N/A skips the step, or stops the exposure if `required`
``dark: Dark | None``     a reference; N/A is passed as None
a `Members` annotation    the association's members of a role, a tuple of records
an `Auxiliary` one        the path of a file that the header names
``earlier: State[Kind]``  what the step kept of the previous exposure of the detector, or None
what `prepare` returns    what the frame-wide first part found
``room: Room``            threads and memory that a step on whole frames may take
========================  =====================================================================

`prepare` and `finish`, which do the frame-wide parts of a step on bands, take references by the same
names, and ``room: Room = ALONE`` for threads of their own.

A step with state returns a frozen dataclass of what flows on and of what it keeps; that a step has
one puts the exposures of each detector in the order of time.
"""

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from calcore.citing import Citing
from calcore.model import Group, Kept, Meta, Parts, Record, Reference, Window
from calcore.model.confirmed import confirmed
from calcore.model.record import map_records
from calcore.parameters import parameters_of
from calcore.room import ALONE, Room

__all__ = [
    "ALONE", "Auxiliary", "Diet", "Members", "Room", "Rows", "State", "Step", "Wish", "accepted",
    "diet_of",
]  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """A step works on bands of rows, and looks `halo` rows beyond the band on either side.

    Bands of long series are cut to tiles, beyond which it looks as far on all sides, unless it needs
    whole rows, as one does that takes the median of each row.
    """

    halo: int = 0
    whole: bool = False


@dataclass(frozen=True)
class Members:
    """Asks for the association's members of a role.

    ``backgrounds: Annotated[tuple[Image, ...], Members("background")]``
    """

    role: str


@dataclass(frozen=True)
class Auxiliary:
    """Asks for the path of a file that a header keyword names, and that lies beside the exposure.

    ``shutters: Annotated[Path, Auxiliary("instrument.msa_metadata_file")]``
    """

    name: str


@dataclass(frozen=True)
class _Earlier:
    """Marks what the same step returned for the previous exposure of the detector."""


K = TypeVar("K", bound=Kept)
State = Annotated[K | None, _Earlier()]
"""Asks for what the step kept of the previous exposure of the detector; None for the first.

``earlier: State[Windows]``
"""


@dataclass(frozen=True)
class Wish:
    """A reference that `apply` asks for."""

    argument: str
    kind: type[Reference]
    optional: bool


@dataclass(frozen=True)
class Diet:
    """Everything a step asks for and returns, as the signature of its `apply` says.

    `flow` is the record class, `grouped` tells whether the step takes a set of them, and `parted`
    whether it takes all `Parts` of a product at once; `members`
    maps argument names to record class and role, `auxiliaries` to names of header keywords;
    `prepared` is the argument that takes what `prepare` returns; `state` is the argument that takes
    what was kept of the previous exposure, and its class; `room` is the argument that takes a Room.
    """

    flow: type[Any]
    grouped: bool
    references: tuple[Wish, ...]
    members: Mapping[str, tuple[type[Record], str]]
    auxiliaries: Mapping[str, str]
    prepared: str | None
    returns: Any
    state: tuple[str, type[Kept]] | None = None
    room: str | None = None
    parted: bool = False


@cache
def diet_of(step: Any) -> Diet:
    """Read what a step class asks for from the signature of its `apply`.

    Raises
    ------
    TypeError
        The signature asks for something that no runner could give; a mistake of the step's author.
    """
    hints = get_type_hints(step.apply, include_extras=True)
    signature = inspect.signature(step.apply)
    prepare = getattr(step, "prepare", None)
    prepared_type = get_type_hints(prepare)["return"] if prepare is not None else None
    flow: Any = None
    wishes: list[Wish] = []
    members: dict[str, tuple[type[Record], str]] = {}
    auxiliaries: dict[str, str] = {}
    prepared = state = room = None
    for name, parameter in signature.parameters.items():
        if name == "self":
            continue
        hint = hints[name]
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            flow = hint
            continue
        extras = getattr(hint, "__metadata__", ())
        role = next((extra for extra in extras if isinstance(extra, Members)), None)
        file = next((extra for extra in extras if isinstance(extra, Auxiliary)), None)
        kind, optional = _strip_none(hint)
        if role is not None:
            members[name] = (get_args(get_args(hint)[0])[0], role.role)
        elif file is not None:
            auxiliaries[name] = file.name
        elif any(isinstance(extra, _Earlier) for extra in extras):
            state = name, _strip_none(get_args(hint)[0])[0]
        elif isinstance(kind, type) and issubclass(kind, Reference):
            wishes.append(Wish(name, kind, optional))
        elif hint is Room:
            room = name
        elif prepared_type is not None and hint == prepared_type:
            prepared = name
        else:
            raise TypeError(
                f"{step.__name__}.apply asks for {name}: {hint!r}, which is neither a reference, "
                "members, a header's file, state, nor what prepare returns"
            )
    grouped, parted = get_origin(flow) is Group, get_origin(flow) is Parts
    if state is not None:
        _check_kept(step, grouped, state[1], hints.get("return"))
    return Diet(
        flow=get_args(flow)[0] if grouped or parted else flow,
        grouped=grouped,
        references=tuple(wishes),
        members=members,
        auxiliaries=auxiliaries,
        prepared=prepared,
        returns=hints.get("return"),
        state=state,
        room=room,
        parted=parted,
    )


def _check_kept(step: Any, grouped: bool, kind: Any, returns: Any) -> None:
    """Check that a step that asks for state works on one exposure, and returns the new state."""
    hints = get_type_hints(returns) if is_dataclass(returns) else {}
    held = [hints[item.name] for item in fields(returns)] if hints else []
    right = isinstance(kind, type) and issubclass(kind, Kept) and not grouped
    if not right or held.count(kind) != 1 or len(held) != 2:
        raise TypeError(
            f"{step.__name__}.apply asks for state of {kind!r}: it must be a Kept, and apply must "
            "take one record and return a frozen dataclass of one record and the new state"
        )


def _strip_none(hint: Any) -> tuple[Any, bool]:
    """Return ``X, True`` for ``X | None``, else the hint itself and False."""
    if get_origin(hint) in (Union, types.UnionType):
        parts = [part for part in get_args(hint) if part is not type(None)]
        if len(parts) == 1 and len(get_args(hint)) == 2:
            return parts[0], True
    return hint, False


def accepted(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the `given` arguments that a function takes by keyword."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in given.items() if name in names}


@dataclass(frozen=True, kw_only=True)
class Step(Citing):
    """Base of all steps: frozen, keyword-only dataclasses; parameters are checked when one is built."""

    required: ClassVar[frozenset[str]] = frozenset()
    unread: ClassVar[frozenset[str]] = frozenset()
    """Types of references of which `apply` indexes what it needs: planes may be left in files."""
    stand_ins: ClassVar[Mapping[str, str]] = {}
    """By the role of members: the type of a reference that does without them, if a user gives it."""
    any_role: ClassVar[bool] = False
    """Whether the step does without members of some roles that it asks for, such as all of them."""
    any_parts: ClassVar[bool] = False
    """Whether `prepare` gives the same to the bit however its regions, the whole frame, are parted."""

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for parameter in parameters_of(kind).values():
            value = parameter.check(kind.__name__, getattr(self, parameter.name))
            object.__setattr__(self, parameter.name, value)

    def wanted(self, meta: Meta) -> frozenset[str]:
        """Return the reference types this exposure and these settings need; all by default."""
        del meta
        kind: Any = type(self)
        return frozenset(wish.kind.type for wish in diet_of(kind).references)

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows | None:
        """Return how the step works on bands of rows, or None if it needs the whole frame."""
        del meta, references
        return None

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Look at the exposure before any pixel is read.

        Raises
        ------
        StepSkipped
            There is nothing to do; the reason is recorded.
        """
        del meta, references

    def outgoing(self, meta: Meta) -> Meta:
        """Return the metadata of what leaves the step, by which later steps' references are cut."""
        return meta

    def parts(self, metas: Sequence[Meta]) -> tuple[str, ...]:
        """Return the names of the `Parts` that a step makes of exposures, told before it does."""
        del metas
        return ("",)

    def planes(self, meta: Meta) -> tuple[str, ...]:
        """Return the planes `finish` wants for this exposure; none means that it is not called."""
        del meta
        return ()

    def cut(self, given: Mapping[str, Any], window: Window) -> dict[str, Any]:
        """Return what `apply` is given beside the flow, for a part of the frame."""

        def part(value: Any) -> Any:
            left = isinstance(value, Reference) and value.type in self.unread
            return value.unread(window) if left else value.cut(window)

        kept = Reference | Kept
        return {name: part(v) if isinstance(v, kept) else v for name, v in given.items()}

    def __call__(self, flow: Any, **given: Any) -> Any:
        """Do all parts of the step on whole frames, and return what the pipeline would give."""
        if not isinstance(flow, Record):
            return confirmed(self, self.apply(flow, **given))
        kind: Any = type(self)
        diet = diet_of(kind)
        references = {
            wish.kind.type: given[wish.argument]
            for wish in diet.references
            if given.get(wish.argument) is not None
        }
        self.check(flow.meta, references)
        if not flow.has_planes:
            return confirmed(self, self.apply(flow, **given))
        frame = flow.frame
        if diet.prepared is not None:
            parts = (flow.cut(window) for window in self.regions(flow.meta, frame))
            wants = accepted(self.prepare, given)
            prepared = self.prepare(flow.meta, parts, **wants)
            given[diet.prepared] = self.revised(prepared, flow)
        result = confirmed(self, self.apply(flow, **self.cut(given, frame)))
        names = self.planes(flow.meta)
        if names:
            whole = {name: getattr(result, name) for name in names}
            wants = accepted(self.finish, given)
            result = result.replace(**self.finish(result.meta, whole, **wants))
        counts = self.tally(result)
        return map_records(
            result, lambda record: record.replace(meta=self.header(record.meta, counts))
        )

    # What a subclass defines. `apply` is the step; the other parts are for steps that work on
    # bands of rows and still have something to learn from, or to say to, the whole frame.

    apply: ClassVar[Callable[..., Any]]

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Return the parts of the frame that `prepare` reads, in the order it reads them.

        A sequence promises that all are read, and threads compute the next ones ahead; of an
        iterator, a part that is not asked for is never computed.
        """
        del meta
        return (frame,)

    prepare: ClassVar[Callable[..., Any]]
    """``prepare(self, meta, parts, *, reference: Kind) -> P``: look at parts of the frame first.

    `parts` is an iterator over the records of `regions`, as the steps before this one leave them.
    `apply` gets P by its annotation. With ``room: Room = ALONE`` it, or `finish`, may use threads.
    """

    def revised(self, prepared: Any, part: Any) -> Any:
        """Return what `prepare` would have said had it seen this part, too.

        A `prepare` that is almost sure may stop asking for parts: every band is shown to this method
        before `apply`, without halo. Where it returns something else than `prepared` itself, all
        bands are done again with that, until it settles.
        """
        del part
        return prepared

    finish: ClassVar[Callable[..., dict[str, Any]]]
    """``finish(self, meta, planes, *, reference: Kind) -> planes``: change whole planes at the end."""

    def tally(self, result: Any) -> Mapping[str, int]:
        """Count what the header should know of a band; counts of bands are summed."""
        del result
        return {}

    def header(self, meta: Meta, tally: Mapping[str, int]) -> Meta:
        """Return the metadata with what `tally` counted over the whole frame."""
        del tally
        return meta
