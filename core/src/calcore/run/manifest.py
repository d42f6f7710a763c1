"""The manifest of a run: what was asked, on which machine, of what each product was made and how.

Each run writes one of its own, ``calcore_runs/<time>_<mark>.json`` in the folder of its products,
and renews it as products are finished: one that was killed leaves a true one, too.
"""

import json
import logging
import math
import os
import platform
import secrets
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import numpy as np
from packaging.requirements import Requirement

from calcore.errors import CalcoreError, FileInvalid, FileProblem, ManifestInvalid
from calcore.io import write_text
from calcore.model import Record
from calcore.run.folders import make_folder
from calcore.run.form import amiss
from calcore.run.graph import Job
from calcore.run.outcome import Outcome, Status
from calcore.run.request import Request

FOLDER = "calcore_runs"
"""Name of the folder, beside the products, that holds manifests."""
FORM = 1
"""Version of what a manifest looks like."""
_PATIENCE = 20.0
"""A manifest is not renewed before so many times what the last writing took have passed."""
_CRDS = ("CRDS_CONTEXT", "CRDS_PATH", "CRDS_READONLY_CACHE", "CRDS_SERVER_URL")
_LOG = logging.getLogger(__name__)


class Manifest:
    """The manifest of a run that is going on.

    Nothing is written before a product was made: a run that makes none leaves nothing behind, unless
    all products are there, and no manifest is. A folder that cannot be written gets no manifest, and
    the log a line; the products are none the worse for it.

    Parameters
    ----------
    request : Request
        What the user asked for.
    only : str or None
        The single step that was asked for.
    jobs : sequence of Job
        All products of the run.
    """

    def __init__(self, request: Request, only: str | None, jobs: Sequence[Job]) -> None:
        begun = datetime.now(UTC)
        folder = request.output or (jobs[0].folder if jobs else Path())
        self.path = folder / FOLDER / f"{begun:%Y%m%dT%H%M%S}_{secrets.token_hex(3)}.json"
        self._waiting = {job.key: job.name for job in jobs}
        self._products: list[dict[str, Any]] = []
        self._next = 0.0
        self._off = False
        self._head = {
            "calcore_manifest": FORM,
            "begun": begun.isoformat(timespec="seconds"),
            "command": _command(),
            "step": only,
            "request": asked(request),
            "machine": machine(),
        }

    def add(self, key: str, outcome: Outcome) -> None:
        """Add how a product ended."""
        self._waiting.pop(key, None)
        self._products.append(_told(outcome))
        if outcome.status is Status.COMPLETE and self._waiting:
            self._write("running")

    def close(self, seconds: float, status: str = "done") -> Path | None:
        """Write how the run ended; return the manifest, if there is one."""
        ended = {told["status"] for told in self._products}
        made = Status.COMPLETE.value in ended
        if made or (ended == {Status.KEPT.value} and not self._others()):
            self._write(status, seconds)
            return None if self._off else self.path
        return None

    def _others(self) -> bool:
        """Tell whether another run left a manifest of all that it did."""
        return any(_is_done(path) for path in self.path.parent.glob("*.json"))

    def _write(self, status: str, seconds: float | None = None) -> None:
        """Write the manifest, unless it was written a moment ago."""
        begun = time.monotonic()
        if self._off or (seconds is None and begun < self._next):
            return
        used = {step["source"].partition(" ")[0] for item in self._products
                for step in item["steps"]}  # fmt: skip
        content = {
            **self._head,
            "status": status,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "packages": packages(frozenset({"calcore", *used})),
            "crds": _crds(self._products),
            "waiting": list(self._waiting.values()),
            "products": self._products,
        }
        try:
            make_folder(self.path.parent)
            write_text(json.dumps(_json(content), indent=1), self.path)
        except CalcoreError as error:
            self._off = True
            _LOG.warning("this run has no manifest: %s", error)
        took = time.monotonic() - begun
        self._next = begun + took + _PATIENCE * took


def read(path: Path) -> dict[str, Any]:
    """Read a manifest.

    Raises
    ------
    FileProblem, FileInvalid
        It cannot be read, or is no manifest.
    ManifestInvalid
        It is one that this version does not understand, or a damaged one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileProblem(path, f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileInvalid(path, f"is no manifest of a run: {error}; give another file") from error
    form = content.get("calcore_manifest") if isinstance(content, dict) else None
    if form is None:
        raise FileInvalid(
            path, "is no manifest that this calcore reads: it has no key calcore_manifest"
        )
    if type(form) is not int or form != FORM:  # True is 1
        problem = f"it is of form {json.dumps(form)}, not {FORM}"
        raise ManifestInvalid(path, f"is no manifest that this calcore reads: {problem}")
    if (found := amiss(content)) is not None:
        remedy = "give another manifest, or products of that run"
        raise ManifestInvalid(path, f"is a manifest that cannot be used: {found}; {remedy}")
    return dict(content)


def asked(request: Request) -> dict[str, Any]:
    """Return a request as plain values; places of files do not depend on where it was made."""
    told: dict[str, Any] = {}
    for item in fields(request):
        if item.name == "pinned":
            continue
        value = getattr(request, item.name)
        if item.name == "inputs":
            value = [str(path.absolute()) for path in value]
        elif item.name == "references":
            value = {kind: _reference(given) for kind, given in value.items()}
        elif isinstance(value, Path):
            value = str(value.absolute())
        told[item.name] = value
    return told


def machine() -> dict[str, Any]:
    """Return what a run stands on besides packages."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "host": platform.node(),
        "process": os.getpid(),
    }


@cache
def packages(names: frozenset[str]) -> Mapping[str, str]:
    """Return versions of packages, and of those they ask for; looked up once."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
            wanted = [Requirement(text) for text in requires(name) or ()]
            for requirement in wanted:
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    found[requirement.name] = version(requirement.name)
        except PackageNotFoundError:  # a file of steps; its version stands with each of them
            continue
    return dict(sorted(found.items()))


def _command() -> list[str] | None:
    """Return the command line, if there is one."""
    program = Path(sys.argv[0]) if sys.argv else Path()
    ours = program.stem == "calcore" or program.parts[-2:] == ("cli", "__main__.py")
    return ["calcore", *sys.argv[1:]] if ours else None


def _reference(given: Any) -> str:
    if isinstance(given, Record):
        return f"<{type(given).__name__}>"
    return "N/A" if str(given).upper() == "N/A" else str(Path(given).absolute())


def _told(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values."""
    return {
        "name": outcome.name,
        "pipeline": outcome.pipeline,
        "status": outcome.status.value,
        "reason": outcome.reason,
        "why": outcome.why,
        "seconds": round(outcome.seconds, 4),
        "files": [str(path.absolute()) for path in outcome.files],
        "figures": [asdict(figure) for figure in outcome.figures],
        "inputs": {},
        "steps": [],
        "chains": [
            {
                "steps": list(chain.slots),
                "seconds": round(chain.seconds, 4),
                "peak_memory": chain.peak_memory,
            }
            for chain in outcome.chains
        ],
        "warnings": [
            {"message": notice.message, "source": notice.source, "step": notice.slot}
            for notice in outcome.notices
        ],
        **outcome.account,
    }


def _crds(products: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    contexts = sorted({item["context"] for item in products if "context" in item})
    variables = {name: os.environ[name] for name in _CRDS if os.environ.get(name)}
    return {"contexts": contexts, "environment": variables} if contexts else {}


def _is_done(path: Path) -> bool:
    try:
        return read(path).get("status") == "done"
    except CalcoreError:
        return False


def _json(value: Any) -> Any:
    """Return a value as JSON has it, whose numbers are finite."""
    if isinstance(value, Mapping):
        return {str(name): _json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)
