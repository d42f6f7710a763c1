"""What a run says of itself: plans before it, outcomes after it, progress in between."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol


class Status(Enum):
    """How a step or a product ended."""

    COMPLETE = "complete"
    SKIPPED = "skipped"
    FAILED = "failed"
    KEPT = "kept"
    """A product that was there already, made in just this way."""


@dataclass(frozen=True)
class Value:
    """One setting: its value, who set it, and what the step says of it."""

    value: Any
    origin: str
    doc: str = ""
    unit: str = ""
    limits: str = ""


@dataclass(frozen=True)
class ReferenceChoice:
    """One reference file: its name (or ``N/A``), who chose it, and where it lies, if it is a file."""

    path: str
    origin: str
    file: Path | None = None


@dataclass(frozen=True)
class SlotPlan:
    """What one slot will do.

    `use` is the implementation (``jump``, ``acme.jump``), `source` its distribution and version.
    `skip` says why nothing will be done; empty if something will. `by_rows` is the halo of a step
    that works on bands of rows, None for one that needs whole frames.
    """

    name: str
    use: str
    source: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    references: Mapping[str, ReferenceChoice] = field(default_factory=dict)
    skip: str = ""
    by_rows: int | None = None


@dataclass(frozen=True)
class ProductPlan:
    """What will be done for one product: association product times pipeline.

    `error` says why it cannot be made, and `exit_status` how a run would end for that.
    """

    name: str
    pipeline: str
    instrument: str
    exposure_type: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    slots: tuple[SlotPlan, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    exit_status: int = 0


@dataclass(frozen=True)
class SlotOutcome:
    """How one slot ended.

    `seconds` is the time that all threads together spent in it [s], frame-wide parts included.
    `flagged` tells how many ``"samples"`` and ``"pixels"`` got which flag from it.
    """

    name: str
    status: Status
    seconds: float = 0.0
    reason: str = ""
    flagged: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class ChainOutcome:
    """Slots that bands of rows passed together, or one that worked on whole frames.

    `seconds` is the time that passed [s], `peak_memory` the most that the process held meanwhile
    [byte]; None if the system does not tell. Without slots: what was written at the end.
    """

    slots: tuple[str, ...]
    seconds: float = 0.0
    peak_memory: int | None = None


@dataclass(frozen=True)
class Notice:
    """A warning: what was said, by whom (a class of warnings, a logger), and during which slot."""

    message: str
    source: str
    slot: str = ""


@dataclass(frozen=True)
class Figure:
    """What a plugin measured on a product, and between which limits it is good; None is no limit."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def good(self) -> bool:
        """True if the value lies between its limits."""
        above = self.low is None or self.value >= self.low
        return above and (self.high is None or self.value <= self.high)


@dataclass(frozen=True)
class Outcome:
    """How one product ended.

    `states` are files of what steps keep for the detector's next exposure; for each the file that
    it is to be added to, if the user named one. `why` tells why a product that was there already was
    made again. `account` is what the run's manifest says of how it was made.
    """

    name: str
    pipeline: str
    status: Status
    seconds: float = 0.0
    slots: tuple[SlotOutcome, ...] = ()
    files: tuple[Path, ...] = ()
    figures: tuple[Figure, ...] = ()
    states: Mapping[Path, Path | None] = field(default_factory=dict)
    reason: str = ""
    exit_status: int = 0
    chains: tuple[ChainOutcome, ...] = ()
    notices: tuple[Notice, ...] = ()
    why: str = ""
    account: Mapping[str, Any] = field(default_factory=dict)


def gravest(statuses: Iterable[int]) -> int:
    """Return the exit status of a command that had to do with products of these."""
    there = set(statuses)
    return next((status for status in (1, 2, 64) if status in there), 0)


@dataclass(frozen=True)
class RunResult:
    """How a run ended: `products` in the order they were made, and the manifest that tells more.

    `differences` are what was otherwise than in the run that this one is a replay of.
    """

    products: tuple[Outcome, ...]
    seconds: float = 0.0
    manifest: Path | None = None
    differences: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 if all was done; else that of the gravest failure."""
        return gravest(outcome.exit_status for outcome in self.products)


class Progress(Protocol):
    """Who wants to be told how far the run is; called on the main thread."""

    def planned(self, products: int) -> None:
        """So many products will be made."""

    def product_started(self, name: str, pipeline: str) -> None:
        """A product is begun."""

    def slot_started(self, product: str, slot: str) -> None:
        """A slot is begun; slots that share bands of rows are begun together, named ``a … b``."""

    def advanced(self, product: str, done: int, total: int) -> None:
        """So many of so many bands of rows have passed the present slots."""

    def slot_finished(self, product: str, outcome: SlotOutcome) -> None:
        """A slot has ended."""

    def product_finished(self, outcome: Outcome) -> None:
        """A product has ended."""


class Silence:
    """Progress that nobody watches."""

    def planned(self, products: int) -> None:
        """Say nothing."""

    def product_started(self, name: str, pipeline: str) -> None:
        """Say nothing."""

    def slot_started(self, product: str, slot: str) -> None:
        """Say nothing."""

    def advanced(self, product: str, done: int, total: int) -> None:
        """Say nothing."""

    def slot_finished(self, product: str, outcome: SlotOutcome) -> None:
        """Say nothing."""

    def product_finished(self, outcome: Outcome) -> None:
        """Say nothing."""
