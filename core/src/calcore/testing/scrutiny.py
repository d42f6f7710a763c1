"""Whether things keep what the runner, and users, rely on; `calcore.testing.certify` asks."""

import inspect
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, cast

import numpy as np

from calcore.errors import CalcoreError, PluginBroken, UnknownName, UsageError
from calcore.model import Record, Reference
from calcore.model.layout import Plane, fields_of
from calcore.parameters import parameters_of
from calcore.registry import discovery, installed, local
from calcore.registry.installed import KINDS, Found, Package
from calcore.registry.soundness import faults
from calcore.registry.steps import step_class
from calcore.testing.certify import Finding
from calcore.testing.contract import Case, StepContract, assert_same
from calcore.testing.samples import a_case

MEMORY = 12.0
"""A step may take so many times the memory of what flows into it."""
_TABLES = 2**21
"""Bytes that it may take however little that is, such as for tables."""
_OWN_FAULTS = (
    ArithmeticError, AttributeError, IndexError, NameError, TypeError, ValueError,
)  # fmt: skip
"""What a step does not raise because an exposure that is made up does not suit it."""
_BANDS = "test_bands_give_what_whole_frames_give"


def things(word: str) -> tuple[str, ...]:
    """Import a file or folder of steps, or find an installed package; say what there is to look at.

    Raises
    ------
    UsageError
        There is no such package or file.
    PluginBroken
        The file cannot be imported.
    """
    try:
        return tuple(_called(item) for item in _found(word))
    except CalcoreError as error:  # in a form that travels from process to process
        kind = UsageError if error.exit_status == UsageError.exit_status else PluginBroken
        raise kind(str(error)) from None


def looked_at(word: str, place: int) -> tuple[Finding, ...]:
    """Look at one of the `things` of a package or file."""
    item = _found(word)[place]
    return tuple(_told(item) if isinstance(item, Package) else _thing(item))


def _found(word: str) -> list[Found | Package]:
    """Return what is to be looked at: an installed package itself, and what it brings."""
    if not local.is_place(word):
        package = _package(word)
        return [package, *package.things]
    files = local.add(Path(word).expanduser())
    return [
        item for group in KINDS for item in discovery.names(group) if item.distribution in files
    ]


def _called(item: Found | Package) -> str:
    return (
        item.source if isinstance(item, Package) else f"{KINDS[item.entry_point.group]} {item.name}"
    )


def _package(word: str) -> Package:
    known = {installed.plain(package.distribution): package for package in installed.packages()}
    if installed.plain(word) not in known:
        raise UnknownName("installed package", word, [own.distribution for own in known.values()])
    return known[installed.plain(word)]


def _told(package: Package) -> Iterator[Finding]:
    """Look at what a package says of itself."""
    told = cast("Message", distribution(package.distribution).metadata)
    misfit = installed.misfit(package.source, package.requires)
    missing = installed.lacking(package.requires)
    if package.distribution != installed.CORE:
        bounded = "<" in package.interface or "==" in package.interface
        words = misfit or (
            f"made for calcore {package.interface}"
            if bounded
            else 'ask for a range of calcore in dependencies, such as "calcore>=0.1,<0.2"'
        )
        yield Finding(package.source, "interface", bounded and not misfit, words)
    words = f"{' and '.join(missing)} is not installed" if missing else "all are installed"
    yield Finding(package.source, "dependencies", not missing, words)
    body = told.get_payload() or told.get("Description")
    lacks = [
        what
        for what, there in (
            ("a description (one line)", told.get("Summary")),
            ("a readme", body),
            ("a licence", told.get("License-Expression") or told.get("License")),
        )
        if not there
    ]
    words = f"lacks {' and '.join(lacks)}" if lacks else "description, readme and licence"
    yield Finding(package.source, "documentation", not lacks, words)


def _thing(item: Found) -> Iterator[Finding]:
    """Look at one thing that a package brings."""
    what = _called(item)
    wrong = faults(item) if item.thing is None else []
    yield Finding(what, "loading", not wrong, wrong[0] if wrong else str(item.entry_point.value))
    if wrong or item.entry_point.group != "calcore.steps":
        return
    if not item.core:
        owner = item.name.rpartition(".")[0]
        words = "has its owner before it" if owner else f"call it {item.distribution}.{item.name}"
        yield Finding(what, "name", bool(owner), words)
    kind = step_class(item.name)
    yield _documented(what, kind)
    own = {case.name for case in discovery.names("calcore.cases")}
    try:
        case = _own_case(item) if item.name in own else _made_up(kind)
    except PluginBroken as error:
        yield Finding(what, "contract", good=False, words=str(error))
        return
    except Exception as error:  # noqa: BLE001 - a step may raise anything on data that suit it not
        words = f"give a case under calcore.cases, since none can be made up: {error}"
        yield Finding(what, "contract", good=None, words=words)
        return
    yield from _kept(what, case)


def _documented(what: str, kind: Any) -> Finding:
    """Look whether a step and its parameters say what they are."""
    summary = (inspect.getdoc(kind) or "").partition("\n")[0]
    lacks = [] if summary.endswith(".") else ["a sentence about the step"]
    lacks += [f"Doc of {own.name}" for own in parameters_of(kind).values() if not own.doc]
    words = f"lacks {', '.join(lacks)}" if lacks else summary
    return Finding(what, "documentation", not lacks, words)


def _own_case(item: Found) -> Case:
    """Return the case that the package brings for a step."""
    made = discovery.load("calcore.cases", item.name)()
    if not isinstance(made, Case):
        raise PluginBroken(f"case {item.name!r} of {item.source} returns {made!r}, no Case")
    return made


def _made_up(kind: Any) -> Case:
    """Return a case that is made up, if the step finds something to do in it."""
    case = a_case(kind)
    try:
        case.step(case.flow, **case.given)
    except _OWN_FAULTS as error:
        if "NoneType" in str(error):  # something that the exposure lacks
            raise
    return case  # the contract tells what is wrong


def _kept(what: str, case: Case) -> Iterator[Finding]:
    """Hold a step to the contract, to giving the same each time, and to a bound of memory."""
    kind = type("Contract", (StepContract,), {"case": lambda _self: case})
    contract = kind()
    names = [name for name in dir(contract) if name.startswith("test_")]
    rest = {name: _outcome(getattr(contract, name)) for name in names if name != _BANDS}
    wrong = [f"{name[5:].replace('_', ' ')}? {words}" for name, words in rest.items() if words]
    yield Finding(what, "contract", not wrong, wrong[0] if wrong else f"{len(rest)} rules")
    words = _outcome(getattr(contract, _BANDS))
    how = "bands and tiles of rows" if _by_rows(case) else "whole frames"
    yield Finding(what, "bands", not words, words or how)
    words = _outcome(lambda: _same_each_time(case))
    yield Finding(what, "threads", not words, words or "the same bits each time")
    words = ""
    with suppress(Exception):  # which the contract has told
        taken, size = _memory(case)
        words = f"{taken / size:.1f} times what flows in (at most {MEMORY:g})" if size else "tables"
        yield Finding(what, "memory", taken <= max(MEMORY * size, _TABLES), words)


def _outcome(test: Callable[[], None]) -> str:
    """Return what a test finds wrong, in a line; empty if nothing."""
    try:
        test()
    except Exception as error:  # noqa: BLE001 - a step may raise anything
        text = " ".join(str(error).split())
        return f"{type(error).__name__}: {text}"[:200]
    return ""


def _by_rows(case: Case) -> bool:
    if not isinstance(case.flow, Record):
        return False
    given = [value for value in case.given.values() if isinstance(value, Reference)]
    return case.step.rows(case.flow.meta, {value.type: value for value in given}) is not None


def _same_each_time(case: Case) -> None:
    """Call a step again, and on four threads at once."""
    first = case.step(case.flow, **case.given)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(case.step, case.flow, **case.given) for _ in range(4)]
    for call in calls:
        assert_same(first, call.result(), "on several threads")


def _memory(case: Case) -> tuple[int, int]:
    """Return the most memory that a step takes beyond its inputs, and that of its inputs [byte].

    Arrays of kernels count: numba takes their memory from Python.
    """
    records = case.flow.members if hasattr(case.flow, "members") else (case.flow,)
    size = sum(
        np.asarray(plane).nbytes
        for record in records
        for name in fields_of(cast("Any", type(record)), Plane)
        if (plane := getattr(record, name)) is not None
    )
    tracemalloc.start()
    try:
        case.step(case.flow, **case.given)
        return tracemalloc.get_traced_memory()[1], size
    finally:
        tracemalloc.stop()
