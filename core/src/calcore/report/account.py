"""What is known of a run, from its manifests or from products alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calcore import io
from calcore.errors import CalcoreError, DataUnusable, FileProblem
from calcore.io.files import exposure_root
from calcore.registry.works import works_of_step
from calcore.run import manifest
from calcore.run.record import NODE


@dataclass(frozen=True)
class StepAccount:
    """One step of one product.

    Attributes
    ----------
    settings : mapping
        Parameter to value and who gave it.
    references : tuple
        Type, file and who chose it, of each.
    flagged : mapping
        ``"samples"`` or ``"pixels"``, to flag, to number.
    cites : tuple of str
        What to cite for it.
    """

    name: str
    use: str
    source: str
    status: str
    reason: str = ""
    seconds: float | None = None
    settings: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    references: tuple[tuple[str, str, str], ...] = ()
    flagged: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    cites: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChainAccount:
    """Steps that went through the exposure together: time that passed [s], peak of memory [byte]."""

    steps: tuple[str, ...]
    seconds: float
    peak_memory: int | None


@dataclass(frozen=True)
class ProductAccount:
    """One product: of what it was made, how, and how that ended."""

    name: str
    pipeline: str
    status: str
    reason: str = ""
    why: str = ""
    seconds: float | None = None
    profile: str = ""
    inputs: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    steps: tuple[StepAccount, ...] = ()
    chains: tuple[ChainAccount, ...] = ()
    warnings: tuple[tuple[str, str, str], ...] = ()
    figures: tuple[Mapping[str, Any], ...] = ()
    context: str = ""

    @property
    def peak_memory(self) -> int | None:
        """The highest peak of its chains [byte]."""
        return max((chain.peak_memory or 0 for chain in self.chains), default=0) or None


@dataclass(frozen=True)
class RunAccount:
    """A run, or several that made products in one folder: what has become of each product.

    Attributes
    ----------
    begun : tuple of str
        When each run began, in order.
    seconds : float or None
        How long a single run took by the clock [s].
    status, waiting : str, tuple of str
        Of the last run; or of one before it that ended early, if what it left was not made since.
    unread : tuple of str
        Manifests in a folder that cannot be used, and why.
    """

    products: tuple[ProductAccount, ...]
    sources: tuple[Path, ...] = ()
    begun: tuple[str, ...] = ()
    seconds: float | None = None
    status: str = ""
    commands: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def gather(paths: Iterable[Path]) -> RunAccount:
    """Return what is known of the runs and products that paths name.

    A folder stands for the manifests in it, or its products if it has none. Of a product that several
    runs have dealt with, the last one tells; where it kept the product, the one that made it. A
    manifest in a folder that cannot be used is told, as long as there are others.

    Raises
    ------
    FileProblem, FileInvalid
        A file cannot be read, or is neither manifest nor product.
    DataUnusable
        Nothing in all this tells of a run.
    """
    manifests: dict[Path, Mapping[str, Any]] = {}
    files: list[Path] = []
    unread: list[FileProblem] = []
    for path in paths:
        own, more = _named(path)
        files += more
        for file in own:
            try:
                manifests[file] = manifest.read(file)
            except FileProblem as error:
                if file == path:
                    raise
                unread.append(error)
    ordered = sorted(manifests.items(), key=lambda item: str(item[1].get("begun")))
    contents = [content for _, content in ordered]
    products = _latest(contents)
    for made in _of_files(files):
        key = made.name, made.pipeline
        there = products.get(key, replace(made, files=()))
        new = tuple(file for file in made.files if file not in there.files)
        products[key] = replace(there, files=there.files + new)
    if not products and unread:
        raise unread[0]
    if not products:
        places = ", ".join(str(path) for path in paths)
        raise DataUnusable(
            f"nothing in {places} tells of a run: neither manifests nor products of calcore; name a "
            "folder that calcore run has written to, a manifest, or products"
        )
    last = contents[-1] if contents else {}
    waiting = _waiting(contents)
    return RunAccount(
        products=tuple(products.values()),
        sources=tuple(path for path, _ in ordered) or tuple(files),
        begun=tuple(str(content.get("begun", "")) for content in contents),
        seconds=last.get("seconds") if len(contents) == 1 else None,
        status=list(waiting.values())[-1] if waiting else str(last.get("status", "")),
        commands=tuple(dict.fromkeys(_spelled(c["command"]) for c in contents if c.get("command"))),
        packages=last.get("packages", {}),
        machine=last.get("machine", {}),
        waiting=tuple(waiting),
        unread=tuple(str(error) for error in unread),
    )


def _latest(contents: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], ProductAccount]:
    """Return the latest account of each product, from manifests in the order of time."""
    latest: dict[tuple[str, str], ProductAccount] = {}
    complete: dict[tuple[str, str], ProductAccount] = {}
    for content in contents:
        for told in content.get("products", ()):
            made = _of_manifest(told)
            key = made.name, made.pipeline
            latest[key] = complete.get(key, made) if made.status == "kept" else made
            if made.status == "complete":
                complete[key] = made
    return latest


def _waiting(contents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of products that runs have left and none has made since, with its status."""
    waiting: dict[str, str] = {}
    for content in contents:
        for told in content.get("products", ()):
            waiting.pop(told["name"], None)
        waiting |= dict.fromkeys(content.get("waiting", ()), str(content.get("status", "")))
    return waiting


def _named(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the manifests and the products that a path names."""
    if path.is_dir():
        found = sorted(path.glob("*.json")) if path.name == manifest.FOLDER else []
        found += sorted((path / manifest.FOLDER).glob("*.json"))
        return found, [] if found else sorted(path.glob("*.fits"))
    if not path.is_file():
        raise FileProblem(path, "there is no such file or folder; check the name")
    return ([path], []) if path.suffix == ".json" else ([], [path])


def _spelled(command: Sequence[str]) -> str:
    from shlex import join  # noqa: PLC0415 - for this alone

    return join(command)


def _of_manifest(told: Mapping[str, Any]) -> ProductAccount:
    science = told.get("inputs", {}).get("science", ())
    return ProductAccount(
        name=told["name"],
        pipeline=told["pipeline"],
        status=told["status"],
        reason=told.get("reason", ""),
        why=told.get("why", ""),
        seconds=told.get("seconds"),
        profile=told.get("profile", ""),
        inputs=tuple(Path(item.get("path") or item["name"]) for item in science),
        files=tuple(Path(file) for file in told.get("files", ())),
        steps=tuple(_step_of_manifest(step) for step in told.get("steps", ())),
        chains=tuple(
            ChainAccount(tuple(chain["steps"]), chain["seconds"], chain.get("peak_memory"))
            for chain in told.get("chains", ())
        ),
        warnings=tuple(
            (item["message"], item["source"], item["step"]) for item in told.get("warnings", ())
        ),
        figures=tuple(told.get("figures", ())),
        context=told.get("context", ""),
    )


def _step_of_manifest(step: Mapping[str, Any]) -> StepAccount:
    references = step.get("references", {})
    status = step.get("status") or ("skipped" if step.get("skipped") else "")
    return StepAccount(
        name=step["name"],
        use=step["use"],
        source=step["source"],
        status=status,
        reason=step.get("reason") or step.get("skipped", ""),
        seconds=step.get("seconds"),
        settings={k: (v["value"], v["origin"]) for k, v in step.get("settings", {}).items()},
        references=tuple((kind, ref["name"], ref["origin"]) for kind, ref in references.items()),
        flagged=step.get("flagged", {}),
        cites=tuple(step.get("cites", ())),
    )


def _of_files(files: Sequence[Path]) -> Iterator[ProductAccount]:
    """Yield what products themselves tell: of each pipeline that they went through.

    The last one has made the file. Inputs are looked for among the files, and beside the product.
    """
    places = {path.name: path for path in files}
    for path in files:
        try:
            records = io.read_node(path, NODE)
        except CalcoreError:
            continue  # no product: a folder may hold anything
        for pipeline, record in records.items():
            names = [item["name"] for item in record.get("inputs", {}).get("science", ())]
            yield ProductAccount(
                name=exposure_root(path),
                pipeline=pipeline,
                status="complete",
                profile=record.get("profile", ""),
                inputs=tuple(places.get(name, path.with_name(name)) for name in names),
                files=(path,) if pipeline == list(records)[-1] else (),
                steps=tuple(_step_of_record(slot) for slot in record.get("slots", ())),
                context=record.get("context", ""),
            )


def _step_of_record(slot: Mapping[str, Any]) -> StepAccount:
    origins = slot.get("origins", {})
    own = "default of the step"
    settings = slot.get("settings", {})
    skipped = slot["status"] == "skipped"
    return StepAccount(
        name=slot["name"],
        use=slot["use"],
        source=slot["source"],
        status=slot["status"],
        reason=slot.get("reason", ""),
        settings={name: (value, origins.get(name, own)) for name, value in settings.items()},
        references=tuple((kind, name, "") for kind, name in slot.get("references", {}).items()),
        cites=() if skipped else works_of_step(slot["use"], settings),
    )
