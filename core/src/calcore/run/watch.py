"""What is noticed while a product is made: who is at work, warnings, time and memory."""

import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from calcore.registry import installed
from calcore.run.outcome import ChainOutcome, Notice, Outcome, Progress, SlotOutcome, Status

AT_WORK: ContextVar[tuple[str, str]] = ContextVar("AT_WORK", default=("", ""))
"""Product and step that the present thread works on; empty outside of one."""
_EVERY = 0.05
"""How often the memory is looked at [s]."""


@contextmanager
def at_work(product: str, slot: str = "") -> Iterator[None]:
    """Say who is at work, for those who hear of something meanwhile."""
    token = AT_WORK.set((product, slot))
    try:
        yield
    finally:
        AT_WORK.reset(token)


@cache
def packages_heard() -> frozenset[str]:
    """Return the names of packages whose log is of interest; their loggers are called so."""
    things = (thing for package in installed.packages() for thing in package.things)
    own = (thing.entry_point.module.partition(".")[0] for thing in things)
    return frozenset({"calcore", "tweakwcs", *own})


@dataclass
class _Gathering:
    """What is gathered for one product."""

    product: str
    shown: bool
    notices: list[Notice] = field(default_factory=list)


class _Gatherer(logging.Handler):
    """Takes down what Python warns of, and the log from warnings on, for each product its own.

    There is one for all, since several products may be made at once, and Python has one hook only.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.open: list[_Gathering] = []
        self._shown_before: Any = None

    def begin(self, gathering: _Gathering) -> None:
        """Begin to gather for a product."""
        with self.lock or nullcontext():
            if not self.open:
                self._shown_before, warnings.showwarning = warnings.showwarning, self.show
                for name in packages_heard():
                    logging.getLogger(name).addHandler(self)
            self.open.append(gathering)

    def end(self, gathering: _Gathering) -> None:
        """Gather no more for a product."""
        with self.lock or nullcontext():
            self.open.remove(gathering)
            if not self.open:
                warnings.showwarning = self._shown_before
                for name in packages_heard():
                    logging.getLogger(name).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record down, and do what Python would where nobody else listens."""
        concerned = self.note(record.getMessage(), record.name)
        last = logging.lastResort
        if last is not None and self._shown(concerned) and not self._heard(record.name):
            last.handle(record)

    def show(self, message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
        """Take a warning down, and show it unless somebody else will."""
        if self._shown(self.note(str(message), category.__name__)):
            self._shown_before(message, category, *place, **more)

    def _heard(self, name: str) -> bool:
        """Tell whether anybody else takes a logger's records."""
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False

    @staticmethod
    def _shown(concerned: list[_Gathering]) -> bool:
        return not concerned or any(gathering.shown for gathering in concerned)

    def note(self, message: str, source: str) -> list[_Gathering]:
        """Add a notice to what is gathered for the product at work, and return whose that is."""
        product, slot = AT_WORK.get()
        notice = Notice(" ".join(message.split()), source, slot)
        own = [gathering for gathering in self.open if product in {"", gathering.product}]
        for gathering in own:
            if notice not in gathering.notices:
                gathering.notices.append(notice)
        return own


_GATHERER = _Gatherer()


@contextmanager
def warnings_gathered(product: str, *, shown: bool = True) -> Iterator[list[Notice]]:
    """Gather what Python warns of, and what the log says from warnings on, each once.

    The log is that of calcore, of packages that bring something, and of libraries that align.
    No logger gets another level, and the root logger stays as it is. Python's warnings are `shown`
    as before besides, unless whoever gets the outcome does so.
    """
    gathering = _Gathering(product, shown)
    _GATHERER.begin(gathering)
    try:
        yield gathering.notices
    finally:
        _GATHERER.end(gathering)


class Memory:
    """The most memory that this process has held since it was last asked.

    The system keeps the highest level ever; where that was not reached again, the answer is the
    highest of what was seen by looking every 50 ms.
    """

    def __init__(self) -> None:
        self._seen = self._high = 0
        self._looking = threading.Lock()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._high = _highest()
        if _held():
            self._watcher.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._over.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def take(self) -> int | None:
        """Return the peak [byte], and begin anew; None where the system does not tell."""
        with self._looking:  # or what was seen before would be told next time
            high = _highest()
            peak = high if high > self._high else max(self._seen, _held())
            self._high, self._seen = high, 0
        return peak or None

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            with self._looking:
                self._seen = max(self._seen, _held())


def _held() -> int:
    """Return the memory that the process holds now [byte]; 0 where the system does not tell."""
    return _status("VmRSS")


def _highest() -> int:
    """Return the most that the process ever held [byte]; 0 where the system does not tell."""
    found = _status("VmHWM")
    if not found and sys.platform == "darwin":
        import resource  # noqa: PLC0415 - not everywhere

        found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found


def _status(name: str) -> int:
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    line = next((line for line in text.splitlines() if line.startswith(f"{name}:")), "")
    return 1024 * int(line.split()[1]) if line else 0


class Recorder:
    """Progress that is passed on, and taken down by chains: steps that bands pass together."""

    def __init__(self, progress: Progress, memory: Memory) -> None:
        self.progress, self.memory = progress, memory
        self.chains: list[ChainOutcome] = []
        self._begun = time.perf_counter()
        self._open = False

    def slot_started(self, product: str, slot: str) -> None:
        """Open a chain."""
        self._open = True
        self.progress.slot_started(product, slot)

    def advanced(self, product: str, done: int, total: int) -> None:
        """Pass it on."""
        self.progress.advanced(product, done, total)

    def slot_finished(self, product: str, outcome: SlotOutcome) -> None:
        """Add the step to its chain."""
        if outcome.status is not Status.SKIPPED:
            if self._open or not self.chains:
                self.mark(outcome.name)
                self._open = False
            else:
                last = self.chains[-1]
                slots = (*last.slots, outcome.name)
                self.chains[-1] = ChainOutcome(slots, last.seconds, last.peak_memory)
        self.progress.slot_finished(product, outcome)

    def mark(self, *slots: str) -> None:
        """End a chain here; one without slots is what was read and written outside of all."""
        now = time.perf_counter()
        self.chains.append(ChainOutcome(slots, now - self._begun, self.memory.take()))
        self._begun = now

    def planned(self, products: int) -> None:
        """Pass it on."""
        self.progress.planned(products)

    def product_started(self, name: str, pipeline: str) -> None:
        """Pass it on."""
        self.progress.product_started(name, pipeline)

    def product_finished(self, outcome: Outcome) -> None:
        """Pass it on."""
        self.progress.product_finished(outcome)
