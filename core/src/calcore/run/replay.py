"""A run that is done again: as its manifest, or one of its products, tells.

Inputs are looked for where they were, where the manifest or product lies, and where the user says.
Settings are those that were in force, whatever their defaults have become; reference files are those
of the same CRDS context, and the user's own. What is otherwise on this machine is said.
"""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calcore import io
from calcore.errors import FileInvalid, UsageError
from calcore.io.content import content_of
from calcore.io.files import exposure_root, suffix_of
from calcore.registry.questions import stage_of
from calcore.run import manifest
from calcore.run.account import record_of
from calcore.run.outcome import Outcome
from calcore.run.record import NODE, Tree, differences
from calcore.run.request import Request

FREE = frozenset(
    {
        "inputs",
        "output",
        "executor",
        "scheduler",
        "jobs",
        "band_rows",
        "memory_budget",
        "overwrite",
        "asked_by",
    }
)
"""What users may choose anew: it has no say in what products hold."""

_CONTEXT = "CRDS_CONTEXT"
_RAWER = {"rate": ("uncal",), "rateints": ("uncal",), "cal": ("rate", "uncal")}


@dataclass(frozen=True)
class Replay:
    """A run to be done again.

    Attributes
    ----------
    request : Request
        What was asked for, with the inputs that were found.
    step : str, optional
        The single step that was asked for.
    records : mapping
        How each product was made, by ``name:pipeline``.
    context : str, optional
        The CRDS context that was in force.
    differences : tuple of str
        What is known to be otherwise before anything is done.
    """

    request: Request
    step: str | None = None
    records: Mapping[str, Tree] = field(default_factory=dict)
    context: str | None = None
    differences: tuple[str, ...] = ()

    def otherwise(self, outcomes: Iterable[Outcome]) -> tuple[str, ...]:
        """Return all that is otherwise than it was, now that products are made."""
        found = list(self.differences)
        for outcome in outcomes:
            key = f"{outcome.name}:{outcome.pipeline}"
            if key in self.records and outcome.account:
                amiss = differences(self.records[key], record_of(outcome.account))
                found += [f"{outcome.name}: {words}" for words in amiss]
        return tuple(dict.fromkeys(found))


@contextmanager
def replayed(path: Path, places: Sequence[Path], free: Mapping[str, Any]) -> Iterator[Replay]:
    """Hand out what a manifest or a product tells of a run, while it is done again.

    Parameters
    ----------
    path : Path
        The manifest (JSON) or the product.
    places : sequence of Path
        Files, and folders of files, that inputs are looked for in, too.
    free : mapping
        What the user chooses anew; see `FREE`.

    Raises
    ------
    FileProblem, FileInvalid
        It cannot be read, or tells of no run.
    UsageError
        None of the inputs is there.
    """
    with TemporaryDirectory(prefix="calcore_replay_") as scratch:
        tell = _of_manifest if path.suffix == ".json" else _of_product
        replay = tell(path, _Finder(path, places), dict(free), Path(scratch))
        before = os.environ.get(_CONTEXT)
        if replay.context is not None:
            os.environ[_CONTEXT] = replay.context
        try:
            yield replay
        finally:
            if before is not None:
                os.environ[_CONTEXT] = before
            elif replay.context is not None:
                del os.environ[_CONTEXT]


class _Finder:
    """Looks for files where they were, beside what tells of them, and where the user says."""

    def __init__(self, told: Path, places: Sequence[Path]) -> None:
        self.folders = [*(p for p in places if p.is_dir()), told.parent, told.parent.parent]
        self.files = {path.name: path for path in places if not path.is_dir()}
        self.amiss: list[str] = []

    def find(self, name: str, where: str | None = None, content: str = "") -> Path | None:
        """Return a file; None, and a line among what is amiss, if it is nowhere."""
        candidates = [self.files.get(name), Path(where) if where else None]
        candidates += [folder / name for folder in self.folders]
        there = [path for path in candidates if path is not None and path.is_file()]
        if not there:
            self.amiss.append(f"{name} is not there")
            return None
        path = next((path for path in there if content_of(path) == content), there[0])
        if content and content_of(path) != content:
            self.amiss.append(f"{path} is not what was used, but another of this name")
        return path

    def input(self, name: str, where: str | None, content: str) -> Path | None:
        """Return an input, or a rawer file that it can be made of."""
        missed = len(self.amiss)
        path = self.find(name, where, content)
        for suffix in _RAWER.get(suffix_of(name), ()) if path is None else ():
            rawer = f"{exposure_root(name)}_{suffix}.fits"
            place = str(Path(where).with_name(rawer)) if where else None
            path = self.find(rawer, place)
            if path is not None:
                self.amiss[missed:] = [f"{name} is not there; it is made of {path}"]
                break
            del self.amiss[missed + 1 :]
        return path


def _of_manifest(path: Path, finder: _Finder, free: dict[str, Any], scratch: Path) -> Replay:
    content = manifest.read(path)
    accounts = [item for item in content["products"] if item["steps"]]
    told = content["request"]
    wishes = {item.name: told.get(item.name) for item in fields(Request) if item.name not in FREE}
    wishes = {name: value for name, value in wishes.items() if value is not None}
    texts = [account["config"] for account in accounts if "config" in account]
    if "config" in wishes:
        wishes["config"] = _config(Path(wishes["config"]), texts[0] if texts else None, scratch)
    wishes["references"] = _references(wishes.get("references", {}), finder)
    wishes["output"] = Path(told["output"]) if told.get("output") else None
    made = {Path(file).name for account in accounts for file in account["files"]}
    inputs: list[Path | None] = []
    for account in accounts:
        raw = (item for items in account["inputs"].values() for item in items)
        inputs += [
            finder.input(item["name"], item["path"], item["content"])
            for item in raw
            if item["name"] not in made
        ]
        if "association" in account:
            inputs.append(_association(account["association"], finder, scratch))
    contexts = content.get("crds", {}).get("contexts", ())
    found = [*_machine(content["machine"]), *_versions(content["packages"]), *finder.amiss]
    if len(contexts) > 1:
        found.append(
            f"CRDS contexts {' and '.join(contexts)} were in force; {contexts[-1]} is taken"
        )
    return Replay(
        request=_request(path, wishes, inputs, free),
        step=content["step"],
        records={f"{item['name']}:{item['pipeline']}": record_of(item) for item in accounts},
        context=contexts[-1] if contexts else None,
        differences=tuple(found),
    )


def _of_product(path: Path, finder: _Finder, free: dict[str, Any], scratch: Path) -> Replay:
    records = io.read_node(path, NODE) if path.suffix == ".fits" else {}
    if not all("asked" in record for record in records.values()) or not records:
        raise FileInvalid(path, "does not tell how it was made; give a manifest, or a FITS product")
    chain = sorted(records.values(), key=lambda record: stage_of(record["pipeline"]))
    last = chain[-1]
    asked = last["asked"]
    inputs = [
        finder.input(item["name"], None, item["content"])
        for items in last["inputs"].values()
        for item in items
    ]
    wishes: dict[str, Any] = {
        "stage": stage_of(last["pipeline"]),
        "profile": last["profile"],
        "start": asked.get("from"),
        "until": asked.get("until"),
        "packages": tuple(asked.get("with", ())),
        "settings": {
            f"{record['pipeline']}:{slot}.{name}": value
            for record in chain
            for slot, values in record["asked"].get("settings", {}).items()
            for name, value in values.items()
        },
        "output": path.parent,
    }
    named = {k: v for record in chain for k, v in record["asked"].get("references", {}).items()}
    wishes["references"] = _references(named, finder)
    if "config" in asked:
        wishes["config"] = _config(Path(asked["config"]), last.get("config"), scratch)
    if "association" in last:
        inputs.append(_association(last["association"], finder, scratch))
    sources = [slot["source"].rpartition(" ") for record in chain for slot in record["slots"]]
    versions = {package: number for package, _, number in sources}
    root = path.name.rpartition("_")[0]
    return Replay(
        request=_request(path, wishes, inputs, free),
        step=last.get("step"),
        records={f"{root}:{record['pipeline']}": record for record in chain},
        context=next((item["context"] for item in reversed(chain) if "context" in item), None),
        differences=(*_versions(versions), *finder.amiss),
    )


def _request(
    path: Path, wishes: dict[str, Any], inputs: Sequence[Path | None], free: dict[str, Any]
) -> Request:
    """Return a request for the inputs that were found.

    Raises
    ------
    UsageError
        There are none.
    """
    there = tuple(dict.fromkeys(item for item in inputs if item is not None))
    if not there:
        raise UsageError(f"none of the inputs of {path.name} is there; name them or their folder")
    given = {name: value for name, value in free.items() if value is not None}
    for name in ("skip", "save", "packages"):
        wishes[name] = tuple(wishes.get(name, ()))
    return Request(**{**wishes, **given, "inputs": there})


def _references(named: Mapping[str, str], finder: _Finder) -> dict[str, str]:
    """Return where the files are now that the user had named."""
    found = {}
    for kind, where in named.items():
        if where == "N/A":
            found[kind] = where
        elif where.startswith("<"):
            finder.amiss.append(f"the {kind} reference was an object in memory; CRDS is asked now")
        elif (path := finder.find(Path(where).name, where)) is not None:
            found[kind] = str(path)
    return found


def _config(where: Path, text: str | None, scratch: Path) -> Path:
    """Return the user's file as it was: itself, or what was kept of it."""
    same = where.is_file() and (text is None or where.read_text(encoding="utf-8") == text)
    if same or text is None:
        return where
    return io.write_text(text, scratch / where.name)


def _association(told: Mapping[str, Any], finder: _Finder, scratch: Path) -> Path:
    """Return an association's file; it is written anew where it is gone."""
    missed = len(finder.amiss)
    path = finder.find(told["name"], told.get("path"))
    if path is not None:
        return path
    del finder.amiss[missed:]
    members = [_member(item, finder) for item in told["members"]]
    content = {
        "asn_type": told["type"],
        "asn_id": told["identity"],
        "asn_pool": told["pool"],
        "products": [{"name": told["product"], "members": members}],
    }
    return io.write_text(json.dumps(content, indent=1), scratch / str(told["name"]))


def _member(item: Mapping[str, str], finder: _Finder) -> dict[str, str]:
    """Return an association's entry of a member."""
    member = {"expname": item["name"], "exptype": item["role"]}
    if "group" in item:
        member["group_id"] = item["group"]
    catalogue = finder.find(item["catalogue"], None) if "catalogue" in item else None
    return member | ({"tweakreg_catalog": str(catalogue.absolute())} if catalogue else {})


def _machine(told: Mapping[str, Any]) -> Iterator[str]:
    now = {"python": platform.python_version(), "platform": platform.platform()}
    for name, value in now.items():
        if told.get(name) != value:
            yield f"{name} was {told.get(name)}, and is {value}"


def _versions(told: Mapping[str, str]) -> Iterator[str]:
    for package, number in sorted(told.items()):
        try:
            now = version(package)
        except PackageNotFoundError:
            if not package.endswith(".py"):  # a file of steps: its products tell
                yield f"{package} {number} is not installed"
            continue
        if now != number:
            yield f"{package} was {number}, and is {now}"
