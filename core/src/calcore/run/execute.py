"""Carry a record through built slots: bands where steps work by rows, whole frames elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np

from calcore.errors import CalcoreError, StepFailed, StepSkipped
from calcore.model import Group, Image, Kept, Rate, Record
from calcore.model.record import map_records
from calcore.run.assemble import BuiltSlot
from calcore.run.bands import (
    Chain,
    Link,
    Revised,
    Tally,
    Tiling,
    collect,
    counted,
    parted,
    with_header,
)
from calcore.run.flagged import added, joined
from calcore.run.flowing import marked, meta_of, suits, told_apart
from calcore.run.memory import give_back
from calcore.run.outcome import Progress, SlotOutcome, Status
from calcore.run.room import RunnersRoom
from calcore.run.watch import at_work

Save = Callable[[str, Any], None]
_WRITTEN = 1 << 25
"""Results of long series that are only written are kept in scratch files if larger [byte]."""
_IN_PARTS = 1 << 26
"""The same for frames that a step reads in parts, and for those it makes."""


@dataclass
class Execution:
    """One product on its way through the slots.

    Attributes
    ----------
    product : str
        Name of the product, for messages.
    members : callable
        Returns the association's members of a role, as records of a kind.
    save : callable
        Writes a result under a suffix.
    hook : pluggy hook relay
        Whom to tell before and after each step.
    watched : frozenset of str
        Slots whose whole frame somebody wants to see.
    memory_budget : int
        What one product may take; a quarter of it is for a frame that bands make [byte].
    kept : dict
        What steps with state keep for the next exposure, by slot.
    """

    product: str
    members: Callable[[type[Record], str], tuple[Any, ...]]
    save: Save
    hook: Any
    progress: Progress
    threads: int = 1
    height: int | None = None
    memory_budget: int = 1 << 32
    watched: frozenset[str] = frozenset()
    outcomes: list[SlotOutcome] = field(default_factory=list)
    kept: dict[str, Kept] = field(default_factory=dict)
    _chain: Chain | None = None
    _pending: list[BuiltSlot] = field(default_factory=list)
    _ahead: dict[str, float] = field(default_factory=dict)
    _branch: Any = None

    def run(self, flow: Any, slots: tuple[BuiltSlot, ...]) -> Any:
        """Return what flows out of the last slot.

        Raises
        ------
        StepFailed
            A step raised an error; what was written before it stays.
        """
        for number, built in enumerate(slots):
            if not built.slot.branch:
                self._branch = None
            if built.skip:
                self._skipped(built)
                flow = marked(flow, built, "SKIPPED") if self._chain is None else flow
                continue
            after = next((later for later in slots[number + 1 :] if not later.skip), None)
            flow = self._do(flow, built, after)
        self._branch = None
        return self._flush(flow, only_written=True)

    def _skipped(self, built: BuiltSlot) -> None:
        if self._chain is not None:
            self._pending.append(built)
            return
        self._report(SlotOutcome(built.slot.name, Status.SKIPPED, reason=built.skip))

    def _report(self, outcome: SlotOutcome) -> None:
        self.outcomes.append(outcome)
        self.progress.slot_finished(self.product, outcome)

    def _do(self, flow: Any, built: BuiltSlot, after: BuiltSlot | None) -> Any:
        """Do a slot, or add it to the chain; `after` is the next one that will be done."""
        assert built.step is not None
        slot, step = built.slot, built.step
        rows = None
        alone = not isinstance(flow, Group)
        if alone and not built.diet.grouped and not built.diet.members and not slot.branch:
            rows = step.rows(meta_of(flow), built.references)
        if rows is None or slot.optional:
            flow = self._flush(flow, in_parts=built.diet.room is not None)
            if not slot.branch:
                return self._whole(flow, built)
            entering = flow if self._branch is None else self._branch
            if suits(entering, built):
                self._branch = self._whole(entering, built)
            else:
                reason = f"there is no {built.diet.flow.__name__.lower()}"
                self._report(SlotOutcome(slot.name, Status.SKIPPED, reason=reason))
            return flow
        link = _Guarded(slot.name, step, built.given, rows, self._room, self.product)
        with _named(slot.name, self.product):
            chain = self._chain or Chain(flow)
            self.hook.calcore_before_step(slot=slot.name, product=self.product, meta=chain.meta)
            begun = time.perf_counter()
            self._chain = chain.then(link)
            self._ahead[slot.name] = time.perf_counter() - begun
        self._pending.append(built)
        if step.planes(chain.meta) or slot.runs("save") or slot.name in self.watched:
            flow = self._flush(flow, in_parts=after is not None and after.diet.room is not None)
        return flow

    def _flush(self, flow: Any, *, only_written: bool = False, in_parts: bool = False) -> Any:
        """Pass all bands through the chain that has gathered, and finish its last step.

        Less is held in memory where what flows out is only written, or read in parts.
        """
        if self._chain is None:
            return flow
        chain, pending = self._chain, self._pending
        self._chain, self._pending = None, []
        give_back()
        active = [built for built in pending if not built.skip]
        names = [built.slot.name for built in active]
        label = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
        self.progress.slot_started(self.product, label)
        tiling = self._tiling(chain)
        only_written &= tiling.columns < chain.frame.frame_columns  # of a long series
        tally = Tally()
        result = collect(
            chain,
            tiling,
            self.threads,
            tally,
            lambda done, total: self.progress.advanced(self.product, done, total),
            _WRITTEN if only_written else _IN_PARTS if in_parts else self.memory_budget // 4,
        )
        self.kept.update(tally.kept)
        last = active[-1]
        assert last.step is not None
        planes = last.step.planes(chain.meta) if isinstance(result, Record) else ()
        if planes:
            begun = time.perf_counter()
            with _named(last.slot.name, self.product):
                wants = chain.links[-1].wants(last.step.finish)
                whole = {name: getattr(result, name) for name in planes}
                banded = result
                result = result.replace(**last.step.finish(result.meta, whole, **wants))
                tally.seconds[last.slot.name] += time.perf_counter() - begun
                counts = tally.counts.setdefault(last.slot.name, {})
                counts.update(counted(last.step, result, tiling, self._room))
                joined(tally.flagged.setdefault(last.slot.name, {}), added(banded, result))
        for link in chain.links:
            result = with_header(result, link, tally)
        for built in pending:
            result = marked(result, built, "SKIPPED" if built.skip else "COMPLETE")
        for built in pending:
            self._ended(built, result, tally, shared=built is not last)
        return result

    @property
    def _room(self) -> RunnersRoom:
        return RunnersRoom(self.threads, _IN_PARTS)

    def _tiling(self, chain: Chain) -> Tiling:
        """Return the tiles a chain works on: bands of rows as high as the user says, if at all."""
        frame = chain.frame
        if self.height:
            return Tiling.bands(frame, self.height)
        size = chain.bytes_per_pixel
        return Tiling.of(frame, size, chain.halo, whole_rows=chain.whole_rows)

    def _ended(self, built: BuiltSlot, result: Any, tally: Tally, *, shared: bool) -> None:
        name = built.slot.name
        if built.skip:
            self._report(SlotOutcome(name, Status.SKIPPED, reason=built.skip))
            return
        seconds = tally.seconds.get(name, 0.0) + self._ahead.pop(name, 0.0)
        counts, flagged = tally.counts.get(name, {}), tally.flagged.get(name, {})
        self._report(SlotOutcome(name, Status.COMPLETE, seconds, flagged=flagged))
        seen = None if shared or name not in self.watched else result
        self.hook.calcore_after_step(
            slot=name,
            product=self.product,
            meta=meta_of(result),
            tally=counts,
            record=seen,
            seconds=tally.seconds.get(name, 0.0),
        )
        if built.slot.runs("save") and not shared:
            self.save(built.slot.runs("suffix", name), result)

    def _whole(self, flow: Any, built: BuiltSlot) -> Any:
        """Apply a step to whole frames."""
        assert built.step is not None
        slot = built.slot
        if not isinstance(flow, Group):  # what is read of a set is as large for each of its steps
            give_back()
        self.progress.slot_started(self.product, slot.name)
        self.hook.calcore_before_step(slot=slot.name, product=self.product, meta=meta_of(flow))
        begun = time.perf_counter()
        try:
            with _named(slot.name, self.product):
                given = dict(built.given)
                for argument, (kind, role) in built.diet.members.items():
                    given[argument] = self.members(kind, role)
                if built.diet.room is not None:
                    given[built.diet.room] = self._room
                entering = self._entering(flow, built)
                result = _call(built, entering, given)
        except StepSkipped as reason:
            for name, table in reason.left.items():
                self.save(name, table)
            self._report(SlotOutcome(slot.name, Status.SKIPPED, reason=str(reason)))
            return marked(flow, built, "SKIPPED")
        except StepFailed as error:
            if not slot.optional:
                raise
            seconds = time.perf_counter() - begun
            self._report(SlotOutcome(slot.name, Status.FAILED, seconds, str(error)))
            return marked(flow, built, "FAILED")
        result, kept = parted(result)
        if kept is not None:
            self.kept[slot.name] = kept
        seconds = time.perf_counter() - begun
        flagged = added(entering, result)
        result = marked(result, built, "COMPLETE")
        result, aside = told_apart(result, built)
        if built.diet.grouped and isinstance(result, Group) and not isinstance(flow, Group):
            result = result.members[0]
        for name, record in aside.items():
            self.save(name, record)
        self._report(SlotOutcome(slot.name, Status.COMPLETE, seconds, flagged=flagged))
        self.hook.calcore_after_step(
            slot=slot.name,
            product=self.product,
            meta=meta_of(result, flow),
            tally={},
            record=result if slot.name in self.watched else None,
            seconds=seconds,
        )
        if slot.runs("save"):
            self.save(slot.runs("suffix", slot.name), result)
        return result

    def _entering(self, flow: Any, built: BuiltSlot) -> Any:
        """Return the flow as the step wants it: a set of one, an image made of a rate."""
        wanted = built.diet.flow
        if isinstance(flow, Record) and built.diet.room is None:
            flow = flow.loaded()
        if isinstance(flow, Group) and built.diet.room is None:  # it takes members for arrays
            flow = flow.with_members([member.loaded() for member in flow.members])
        if built.diet.grouped and not isinstance(flow, Group):
            return Group(self.product, (flow,))
        if wanted is Image and isinstance(flow, Rate) and not isinstance(flow, Image):
            return Image.of(flow)
        return flow


@dataclass(frozen=True, eq=False)
class _Guarded(Link):
    """A link whose errors name the step and the product."""

    product: str = ""

    def apply(self, flow: Any) -> Any:
        with _named(self.slot, self.product):
            return super().apply(flow)

    def confirm(self, flow: Any) -> None:
        with _named(self.slot, self.product):
            super().confirm(flow)


@contextmanager
def _named(slot: str, product: str) -> Iterator[None]:
    """Errors raised inside are chained to one that names the step and the product.

    Samples that are infinite or no numbers are not worth a warning: flags tell what became of them.
    """
    quiet = np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore")
    try:
        with quiet, at_work(product, slot):
            yield
    except (StepFailed, StepSkipped, Revised):
        raise
    except Exception as error:
        raise StepFailed(slot, product, error) from error


def _call(built: BuiltSlot, flow: Any, given: Mapping[str, Any]) -> Any:
    """Call a step on whole frames; a result made of several records is mapped over."""
    assert built.step is not None
    step = built.step
    if isinstance(flow, Group) and not built.diet.grouped:
        return flow.with_members([step(member, **given) for member in flow.members])
    if isinstance(flow, Record | Group) or built.diet.parted:
        return step(flow, **given)
    if is_dataclass(flow):
        lazy = built.diet.room is not None
        return map_records(flow, lambda part: step(part if lazy else part.loaded(), **given))
    raise CalcoreError(f"{built.slot.name} cannot work on {type(flow).__name__}")


__all__ = ["Execution", "Save"]
