"""The log for machines: one JSON object a line."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, TextIO

from calcore.cli.log import Said
from calcore.cli.progress import counted
from calcore.errors import explained
from calcore.run import Outcome, RunResult, SlotOutcome, Status

_LOG = logging.getLogger(__name__)


class JsonLines:
    """Writes what a run says and how far it is.

    Each line has ``time`` (UTC), ``level``, ``exposure``, ``step``, ``message`` and ``event``: ``log``,
    or what has happened (``run_started``, ``product_started``, ``step_finished``, ``product_finished``),
    which has more to tell, such as ``status`` and ``seconds``. The last line is ``run_finished``,
    ``run_failed`` or ``run_interrupted``. When nothing more can be written, as on a full disk, that is
    warned of once, and the run goes on without it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._off = False
        self._told: set[str] = set()

    def write(
        self,
        event: str,
        message: str,
        *,
        level: int = logging.INFO,
        exposure: str = "",
        step: str = "",
        **more: Any,
    ) -> None:
        """Write one line."""
        if self._off:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": logging.getLevelName(level).lower(),
            "exposure": exposure,
            "step": step,
            "message": message,
            "event": event,
            **more,
        }
        try:
            self.stream.write(json.dumps(line, default=str) + "\n")
            self.stream.flush()
        except OSError as error:
            self._off = True
            name = getattr(self.stream, "name", "of this run")
            reason = error.strerror or error
            _LOG.warning("the log %s ends here, the run goes on without it: %s", name, reason)

    def say(self, said: Said) -> None:
        """Write what was said."""
        more = {"trace": said.trace} if said.trace else {}
        self.write(
            "log", said.message, level=said.level, exposure=said.exposure, step=said.step,
            source=said.source, **more,
        )  # fmt: skip

    def planned(self, products: int) -> None:
        """Write how much there is to do."""
        self.write("run_started", f"{products} products", products=products)

    def product_started(self, name: str, pipeline: str) -> None:
        """Write that a product is begun."""
        self.write("product_started", "begun", exposure=name, pipeline=pipeline)

    def slot_started(self, product: str, slot: str) -> None:
        """Write nothing: when it ends there is more to say."""

    def advanced(self, product: str, done: int, total: int) -> None:
        """Write nothing: that is for people who wait."""

    def slot_finished(self, product: str, outcome: SlotOutcome) -> None:
        """Write how a step ended."""
        self._told.add(product)
        status = outcome.status.value
        self.write(
            "step_finished", f"{status}: {outcome.reason}" if outcome.reason else status,
            level=_level(outcome.status), exposure=product, step=outcome.name, status=status,
            seconds=round(outcome.seconds, 3), flagged=outcome.flagged,
        )  # fmt: skip

    def finished(self, result: RunResult) -> None:
        """Write how the run ended."""
        self.write(
            "run_finished", counted(result), level=logging.ERROR if result.exit_status else logging.INFO,
            exit_status=result.exit_status, seconds=round(result.seconds, 3),
        )  # fmt: skip

    def broken_off(self, error: BaseException) -> None:
        """Write why the run ended before all was tried."""
        if isinstance(error, KeyboardInterrupt):
            self.write(
                "run_interrupted", "interrupted; the same command goes on", level=logging.ERROR
            )
        else:
            self.write("run_failed", explained(error), level=logging.ERROR)

    def product_finished(self, outcome: Outcome) -> None:
        """Write how a product ended; of one that was made elsewhere, its steps too."""
        if outcome.name not in self._told:
            for slot in outcome.slots:
                self.slot_finished(outcome.name, slot)
        self._told.discard(outcome.name)
        status = outcome.status.value
        self.write(
            "product_finished", outcome.reason or status, level=_level(outcome.status),
            exposure=outcome.name, pipeline=outcome.pipeline, status=status,
            seconds=round(outcome.seconds, 3), files=[str(path) for path in outcome.files],
        )  # fmt: skip


def _level(status: Status) -> int:
    return logging.ERROR if status is Status.FAILED else logging.INFO
