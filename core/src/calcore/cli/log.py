"""What calcore and the libraries below it have to say, on the console."""

import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console


@contextmanager
def listening(console: Console, *, verbose: bool) -> Iterator[None]:
    """Show the log, and each Python warning once, as lines on the console, while this lasts.

    Without `verbose` the log is warnings and errors only, and nothing of what libraries say beside
    the errors they raise; with it, everything that calcore says.
    """
    root, ours = logging.getLogger(), logging.getLogger("calcore")
    raising = [logging.getLogger(name) for name in ("CRDS", "stevedore.extension")]
    handler, level = _Line(console), ours.level
    handler.setLevel(logging.DEBUG if verbose else logging.WARNING)
    said: set[str] = set()

    def show(message: Any, category: type[Warning], *_place: Any, **_more: Any) -> None:
        text = " ".join(str(message).split())
        if text not in said:
            said.add(text)
            shown = text if verbose or len(text) <= 160 else f"{text[:157]}..."
            console.print(f"    note: {shown} ({category.__name__})", soft_wrap=True, markup=False)

    def quiet(_record: logging.LogRecord) -> bool:
        return verbose

    root.addHandler(handler)
    ours.setLevel(logging.DEBUG if verbose else logging.WARNING)
    for logger in raising:
        logger.addFilter(quiet)
    shown_before, warnings.showwarning = warnings.showwarning, show
    try:
        yield
    finally:
        warnings.showwarning = shown_before
        for logger in raising:
            logger.removeFilter(quiet)
        ours.setLevel(level)
        root.removeHandler(handler)


class _Line(logging.Handler):
    """Writes records through the console, so that bars stay below."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        level = "note" if record.levelno <= logging.WARNING else "error"
        text = f"    {level}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        self.console.print(text, soft_wrap=True, markup=False)
