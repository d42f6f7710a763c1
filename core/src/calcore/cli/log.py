"""What calcore and the libraries below it have to say, on the console."""

import logging
import traceback
import warnings
from typing import Any

from rich.console import Console


def listen(console: Console, *, verbose: bool) -> None:
    """Show calcore's log, and each Python warning once, as one line.

    The root logger is left alone. Without `verbose` the log shows warnings and errors only, and
    nothing of what the CRDS client says beside the error it raises.
    """
    logger = logging.getLogger("calcore")
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logger.handlers = [_Line(console)]
    logger.propagate = False
    if not verbose:
        logging.getLogger("CRDS").addFilter(lambda _record: False)

    said: set[str] = set()

    def show(message: Any, category: type[Warning], *_place: Any, **_more: Any) -> None:
        text = " ".join(str(message).split())
        if text not in said:
            said.add(text)
            shown = text if verbose or len(text) <= 160 else f"{text[:157]}..."
            console.print(f"    note: {shown} ({category.__name__})", soft_wrap=True, markup=False)

    warnings.showwarning = show


class _Line(logging.Handler):
    """Writes records through the console, so that bars stay below."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        level = record.levelname.lower()
        text = f"    {level}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        self.console.print(text, soft_wrap=True, markup=False)
