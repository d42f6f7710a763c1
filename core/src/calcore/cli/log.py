"""What calcore and the libraries below it have to say during a run: each thing once."""

import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console

_RAISING = ("CRDS", "stevedore.extension", "stevedore.named")
"""Libraries that log errors which they also raise."""


@dataclass(frozen=True)
class Said:
    """One thing that was said.

    `source` is the logger or the class of the warning, `exposure` and `step` are at work meanwhile.
    """

    level: int
    message: str
    source: str
    exposure: str = ""
    step: str = ""
    trace: str = field(default="", compare=False)


class Voice(Protocol):
    """Who passes on what was said."""

    def say(self, said: Said) -> None:
        """Pass one thing on."""


class Notes:
    """Lines on a console: errors at once, warnings together at the end; all at once if `verbose`."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self.console, self.verbose = console, verbose
        self.gathered: dict[tuple[str, str], list[Said]] = {}

    def say(self, said: Said) -> None:
        """Write a line, or keep what was said for the end."""
        own = self.gathered.setdefault((said.message, said.source), [])
        own.append(said)
        if len(own) > 1:
            return
        level = "error" if said.level > logging.WARNING else "note"
        if self.verbose or level == "error":
            trace = f"\n{said.trace}" if said.trace else ""
            self._write(f"    {level}: {said.message}{trace}")

    def tell(self) -> None:
        """Write what was warned of: each thing once, with who was at work."""
        told = [every for every in self.gathered.values() if every[0].level == logging.WARNING]
        if told:
            self._write(f"{len(told)} warning{'s' if len(told) > 1 else ''}")
        for every in told:
            first, more = every[0], len(every) - 1
            text = first.message
            if not self.verbose and len(text) > 240:
                text = f"{text[:237]}..."
            source = "" if first.source.startswith("calcore") else first.source
            place = ", ".join(word for word in (source, first.exposure, first.step) if word)
            again = f", and {more} more time{'s' if more > 1 else ''}" if more else ""
            self._write(f"    {text} ({place}{again})" if place else f"    {text}")

    def _write(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, markup=False)


class Hearing:
    """Hears what is said, and passes it on once to each voice."""

    def __init__(self, *voices: Voice) -> None:
        self.voices = voices
        self._known: set[Said] = set()

    def say(self, said: Said) -> None:
        """Pass one thing on, unless it was said before."""
        if said not in self._known:
            self._known.add(said)
            for voice in self.voices:
                voice.say(said)

    def product_finished(self, outcome: Any) -> None:
        """Pass on what other processes have heard."""
        for notice in outcome.notices:
            self.say(
                Said(logging.WARNING, notice.message, notice.source, outcome.name, notice.slot)
            )


@contextmanager
def listening(*voices: Voice, verbose: bool) -> Iterator[Hearing]:
    """Pass the log, and Python's warnings, on to voices while this lasts.

    Without `verbose` the log is warnings and errors only, and nothing of what libraries say beside
    the errors they raise; with it, everything that calcore says. The root logger stays as it is:
    what calcore's packages say does not get there, and what other libraries say is taken where
    Python's last resort would print it, so that whoever has asked to hear them still does.
    """
    import astropy  # noqa: F401 - takes Python's warnings to itself when it is imported

    from calcore.run.watch import packages_heard

    hearing = Hearing(*voices)
    level = logging.DEBUG if verbose else logging.WARNING
    handler = _Hears(hearing, level)
    ours = [logging.getLogger(name) for name in (*sorted(packages_heard()), *_RAISING)]
    before = [(logger, logger.level, logger.propagate, logger.handlers) for logger in ours]

    def wanted(record: logging.LogRecord) -> bool:
        return verbose or not record.name.startswith(_RAISING)

    def show(message: Any, category: type[Warning], *_place: Any, **_more: Any) -> None:
        text = " ".join(str(message).split())
        hearing.say(Said(logging.WARNING, text, category.__name__, *_at_work()))

    handler.addFilter(wanted)
    for logger in ours:
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    last, logging.lastResort = logging.lastResort, handler
    shown_before, warnings.showwarning = warnings.showwarning, show
    try:
        yield hearing
    finally:
        warnings.showwarning = shown_before
        logging.lastResort = last
        for logger, own, propagate, handlers in before:
            logger.setLevel(own)
            logger.propagate = propagate
            logger.handlers = handlers


def _at_work() -> tuple[str, str]:
    from calcore.run.watch import AT_WORK

    return AT_WORK.get()


class _Hears(logging.Handler):
    """Hands records to a hearing."""

    def __init__(self, hearing: Hearing, level: int) -> None:
        super().__init__(level)
        self.hearing = hearing

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record on."""
        trace = ""
        if record.exc_info:
            trace = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        text = " ".join(record.getMessage().split())
        self.hearing.say(Said(record.levelno, text, record.name, *_at_work(), trace))
