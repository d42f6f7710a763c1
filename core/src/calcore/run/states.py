"""What steps keep of an exposure for the next one of its detector: in which order, in which files.

Each exposure's state is a file of its own beside its products, ``<exposure>_<slot>.asdf``. Whoever
makes the next exposure, in whatever process or run, finds it there. The tree has one node for each
detector, with what the step keeps and who kept it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from calcore import io
from calcore.errors import CalcoreError, FileInvalid, KeywordInvalid, OutputProblem, StateInvalid
from calcore.model import Kept, Window
from calcore.model.kept import place_of
from calcore.run.assemble import BuiltSlot
from calcore.run.folders import check_folder, make_folder
from calcore.run.graph import Job

NODE = "calcore"
"""Name of the node, within a detector's, that says who kept it; other writers' files have none."""

_PATIENCE = 60.0
"""How long to wait for another run that adds to the same file [s]."""


def state_path(job: Job, slot: str) -> Path:
    """Return the file that a slot with state leaves of an exposure."""
    return job.folder / f"{job.name}_{slot}.asdf"


def in_order(jobs: Sequence[Job], keeps: Callable[[Job], Iterable[str]]) -> list[Job]:
    """Put jobs whose steps have state in the order of time, and make each wait for the previous.

    Parameters
    ----------
    jobs : sequence of Job
        Each after those it needs.
    keeps : callable
        Returns the slots of a job whose steps have state.

    Returns
    -------
    list of Job
        Jobs that know whose state they begin with, each after those it needs. One that does not
        say when it began has an error.
    """
    stages: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        if job.error is None and job.stage != "3":
            detector = job.meta.instrument, job.meta.detector, job.stage
            stages.setdefault(detector, []).append(job)
    changed = {job.key: job for job in jobs}
    for exposures in stages.values():
        if len(exposures) > 1:
            _follow({job.key: tuple(keeps(job)) for job in exposures}, changed)
    done: dict[str, Job] = {}
    for key in changed:
        _add(key, changed, done)
    return list(done.values())


def _follow(slots: Mapping[str, Sequence[str]], changed: dict[str, Job]) -> None:
    """Make each exposure of a detector follow the previous one that has the same slot."""
    begun: dict[str, tuple[float, int, str]] = {}
    for key in [key for key, names in slots.items() if names]:
        try:
            begun[key] = _begun(changed[key])
        except CalcoreError as error:
            changed[key] = replace(changed[key], error=error)
    last: dict[str, Job] = {}
    for key in sorted(begun, key=lambda key: begun[key]):
        job = changed[key]
        before = {name: last[name] for name in slots[key] if name in last}
        changed[key] = replace(
            job,
            needs=job.needs | {earlier.key for earlier in before.values()},
            states={name: state_path(earlier, name) for name, earlier in before.items()},
        )
        last |= dict.fromkeys(slots[key], changed[key])


def _begun(job: Job) -> tuple[float, int, str]:
    """Return what exposures, and the segments of one, are sorted by.

    Raises
    ------
    KeywordMissing, KeywordInvalid
        The exposure does not say when it began.
    """
    start = job.meta.number("exposure.start_time")
    if not math.isfinite(start):
        raise KeywordInvalid("exposure.start_time", start, "a date (MJD)")
    return start, job.meta.first_integration, job.name


def _add(key: str, jobs: Mapping[str, Job], done: dict[str, Job]) -> None:
    """Add a job to those in order, after those it needs."""
    if key in done or key not in jobs:
        return
    for need in sorted(jobs[key].needs):
        _add(need, jobs, done)
    done[key] = jobs[key]


def with_states(slots: Iterable[BuiltSlot], job: Job) -> tuple[BuiltSlot, ...]:
    """Return built slots whose steps have what was kept of the previous exposure.

    Raises
    ------
    OutputProblem
        The file that the new state is to be added to cannot be written where it is.
    FileInvalid
        A file of state is not there, or cannot be read; or what is to be added to cannot be read.
    StateInvalid
        It does not fit the exposure or the step.
    ShapesDisagree
        What will be kept has no place on the detector.
    """
    return tuple(
        _with_state(built, job) if keeps_state(built) and not built.skip else built
        for built in slots
    )


def keeps_state(built: BuiltSlot) -> bool:
    """Tell whether a slot has state, and was not switched off.

    Where its step finds nothing to do, the state is handed on.
    """
    off = built.step is None or built.slot.runs("skip", default=False)
    return not off and built.diet.state is not None


def source_of(built: BuiltSlot, job: Job) -> Path | None:
    """Return the file of state that an exposure begins with; None if it begins with none."""
    before = job.states.get(built.slot.name)
    if before is not None:  # it is not there if none of the exposures before had anything to do
        return before if before.is_file() else None
    named = built.slot.runs("state")
    return Path(named) if named is not None else None


def _with_state(built: BuiltSlot, job: Job) -> BuiltSlot:
    state = built.diet.state
    assert state is not None
    argument, kind = state
    if (to := built.slot.runs("save_state")) is not None:
        check_folder(Path(to).absolute().parent)
        _gathered(Path(to))
    path = source_of(built, job)
    kept = None if path is None else read_state(path, kind, built.slot.use, job)
    rows, columns = (job.meta.whole(f"subarray.{name}") for name in ("ysize", "xsize"))
    frame = Window.whole(rows, columns)
    place_of(job.meta, frame)  # what will be kept must have one
    kept = None if kept is None else kept.within(job.meta, frame)
    return replace(built, given={**built.given, argument: kept})


def _gathered(to: Path) -> dict[str, Any]:
    """Return what a file that states are added to holds; nothing if it is not there.

    Raises
    ------
    OutputProblem
        It is no file, and would be replaced by one.
    FileInvalid
        It is no ASDF file.
    """
    if to.exists() and not to.is_file():
        raise OutputProblem(to, "is no file that can be added to; name another with save_state")
    return io.read_asdf_tree(to) if to.is_file() else {}


def read_state(path: Path, kind: type[Kept], use: str, job: Job) -> Kept:
    """Read what a step kept of the exposure before a job's; planes cover the detector.

    Raises
    ------
    FileInvalid
        The file is not there, or is no ASDF file.
    StateInvalid
        It is of another detector, of another step, or of this or a later exposure.
    """
    meta = job.meta
    if not path.is_file():
        raise FileInvalid(path, "is not there; name a file that a step with state has left")
    tree = io.read_asdf_tree(path)
    node = tree.get(meta.detector)
    if not isinstance(node, Mapping):
        held = sorted(str(name) for name, state in tree.items() if isinstance(state, Mapping))
        raise StateInvalid(
            path,
            f"has the state of {' and '.join(held) or 'nothing'}, not of {meta.detector}; "
            "name a file of this detector, or none",
        )
    _check_maker(path, node.get(NODE), use, job)
    try:
        return kind.of({name: value for name, value in node.items() if name != NODE}, meta)
    except (LookupError, TypeError, ValueError, CalcoreError) as error:
        raise StateInvalid(
            path,
            f"holds {', '.join(sorted(map(str, node))) or 'nothing'} of {meta.detector}, which {use} cannot "
            f"go on with ({error}); name one that this version has left, or none",
        ) from error


def _check_maker(path: Path, made: Any, use: str, job: Job) -> None:
    """Check that a file was left by the same step after an earlier exposure, if it says by whom.

    Raises
    ------
    StateInvalid
        It was not.
    """
    if not isinstance(made, Mapping):
        return
    step, exposure = made.get("use", use), made.get("exposure")
    if step != use:
        raise StateInvalid(
            path, f"was left by step {step}, and not by {use}; name one that {use} has left"
        )
    then, now = made.get("start_time"), job.meta.get("exposure.start_time")
    own = exposure == job.name
    if own or (isinstance(then, float) and isinstance(now, float) and then > now):
        what = "this exposure itself" if own else f"{exposure}, which began later"
        raise StateInvalid(path, f"was left by {what}; name a file of an earlier exposure, or none")


def files_left(slots: Iterable[BuiltSlot], job: Job) -> dict[Path, Path | None]:
    """Return the files that an exposure leaves, and for each the one that it is to be added to."""
    left: dict[Path, Path | None] = {}
    for built in slots:
        if keeps_state(built) and not (built.skip and source_of(built, job) is None):
            named = built.slot.runs("save_state")
            left[state_path(job, built.slot.name)] = Path(named) if named is not None else None
    return left


def write_states(kept: Mapping[str, Kept], slots: Iterable[BuiltSlot], job: Job) -> None:
    """Write what steps have kept of an exposure; where one had nothing to do, what it began with."""
    for built in filter(keeps_state, slots):
        name, state = built.slot.name, built.diet.state
        path, source = state_path(job, name), source_of(built, job)
        assert state is not None
        if name not in kept:
            path.unlink(missing_ok=True)
            if source is not None:
                io.write_tree(
                    {job.meta.detector: io.read_asdf_tree(source)[job.meta.detector]}, path
                )
            continue
        before = None if source is None else read_state(source, state[1], built.slot.use, job)
        whole = kept[name].replace(meta=job.meta).on_detector(before)
        node = {
            **whole.tree(),
            "filename": job.inputs[0].name,
            NODE: {
                "use": built.slot.use,
                "source": built.source,
                "exposure": job.name,
                "start_time": job.meta.get("exposure.start_time"),
            },
        }
        io.write_tree({job.meta.detector: node}, path)


def add_state(path: Path, to: Path) -> None:
    """Add what a file holds of a detector to another file, in place of what that one has of it.

    Runs that add to one file at the same time take turns.

    Raises
    ------
    OutputProblem, FileInvalid
        The other file cannot be written, or is no ASDF file; or another run does not let go of it.
    """
    make_folder(to.absolute().parent)
    turn = to.with_name(f".{to.name}.lock")
    try:
        with FileLock(turn, timeout=_PATIENCE):
            io.write_tree({**_gathered(to), **io.read_asdf_tree(path)}, to)
    except Timeout as error:
        reason = f"another run has held {turn.name} for {_PATIENCE:.0f} s; end it, and run again"
        raise OutputProblem(to, reason) from error
    except OSError as error:
        raise OutputProblem(turn, f"cannot be written: {error.strerror or error}") from error
