"""What a run says: each thing once, for people or for machines, and the root logger as it was."""

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from calcore.cli.app import commands
from calcore.cli.jsonlines import JsonLines
from calcore.cli.log import Notes, Said, listening
from calcore.cli.timeleft import TimeLeft, spoken
from calcore.errors import UsageError
from calcore.run import Outcome, RunResult, SlotOutcome, Status
from calcore.run.outcome import Notice
from calcore.run.watch import at_work

ALWAYS = pytest.mark.filterwarnings("always")


@pytest.fixture
def bare_root(monkeypatch):
    """Make the root logger what it is in a program that configures nothing; to call in the test."""

    def bare():
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        return logging.getLogger()

    return bare


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=60, highlight=False)


def lines_of(console):
    return console.file.getvalue().splitlines()


def objects(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@ALWAYS
def test_warnings_are_told_once_and_at_the_end(console, bare_root):
    bare_root()
    notes = Notes(console, verbose=False)
    with listening(notes, verbose=False):
        logging.getLogger("tweakwcs").warning("too few stars")
        logging.getLogger("calcore.run").debug("a detail")
        for name in ("one", "two", "three"):
            with at_work(name, "assign_wcs"):
                for _ in range(2):
                    warnings.warn("odd\n  header", UserWarning, stacklevel=1)
        with at_work("one"):
            logging.getLogger("calcore.run").error("it is broken")
        assert lines_of(console) == ["    error: it is broken"]
    logging.getLogger("calcore").debug("afterwards")
    notes.tell()
    assert lines_of(console)[1:] == [
        "2 warnings",
        "    too few stars (tweakwcs)",
        "    odd header (UserWarning, one, assign_wcs, and 2 more times)",
    ]


@pytest.mark.parametrize("verbose", [False, True])
def test_the_root_logger_stays_as_it_is(console, bare_root, verbose):
    root = bare_root()
    mine = logging.StreamHandler(io.StringIO())
    mine.setLevel(logging.ERROR)
    root.addHandler(mine)
    ours = logging.getLogger("calcore")

    def state(logger):
        return logger.level, list(logger.handlers), list(logger.filters), logger.propagate

    before, own, shown, last = (
        state(root), state(ours), warnings.showwarning, logging.lastResort
    )  # fmt: skip
    with listening(Notes(console, verbose=verbose), verbose=verbose):
        assert state(root) == before
        ours.error("once")
    assert state(root) == before
    assert state(ours) == own
    assert (warnings.showwarning, logging.lastResort) == (shown, last)
    assert lines_of(console) == ["    error: once"]
    assert not mine.stream.getvalue()  # or it would be said twice


def test_libraries_are_heard_by_who_listens_to_them_already(console, bare_root):
    theirs = io.StringIO()
    bare_root().addHandler(logging.StreamHandler(theirs))
    with listening(Notes(console, verbose=False), verbose=False):
        logging.getLogger("somebody").error("mine")
    assert theirs.getvalue() == "mine\n"
    assert not lines_of(console)


@ALWAYS
def test_errors_that_libraries_raise_too_are_not_said_twice(console, bare_root):
    bare_root()
    for verbose, number in ((False, 0), (True, 1)):
        with listening(Notes(console, verbose=verbose), verbose=verbose):
            logging.getLogger("stevedore.extension").error("no such\nmodule")
        assert len(lines_of(console)) == number


def test_a_verbose_console_says_all_at_once_with_tracebacks(console):
    notes = Notes(console, verbose=True)
    with listening(notes, verbose=True):
        try:
            int("the reason")
        except ValueError as error:
            logging.getLogger("calcore.run").debug("it failed", exc_info=error)
        logging.getLogger("calcore_x.step")  # has no handler of its own
    text = console.file.getvalue()
    assert "note: it failed\nTraceback" in text
    assert "'the reason'" in text


def test_a_long_warning_is_cut_unless_all_is_wanted(console):
    for verbose in (False, True):
        notes = Notes(console, verbose=verbose)
        notes.say(Said(logging.WARNING, "w" * 300, "UserWarning"))
        notes.tell()
    text = console.file.getvalue()
    assert f"    {'w' * 237}... (UserWarning)\n" in text
    assert f"    {'w' * 300} (UserWarning)\n" in text


@ALWAYS
def test_what_another_process_heard_is_said_as_if_heard_here(console):
    notes = Notes(console, verbose=False)
    outcome = Outcome(
        "one", "detector1", Status.COMPLETE, notices=(Notice("odd", "UserWarning", "jump"),)
    )
    with listening(notes, verbose=False) as hearing:
        with at_work("one", "jump"):
            warnings.warn("odd", UserWarning, stacklevel=1)
        hearing.product_finished(outcome)
        hearing.product_finished(outcome)
    notes.tell()
    assert lines_of(console) == ["1 warning", "    odd (UserWarning, one, jump)"]


def test_each_line_for_machines_is_an_object_with_the_same_five_names():
    stream = io.StringIO()
    lines = JsonLines(stream)
    flagged = {"samples": {"JUMP_DET": 3}}
    lines.planned(2)
    lines.product_started("one", "detector1")
    lines.slot_started("one", "jump")
    lines.advanced("one", 1, 2)
    lines.slot_finished("one", SlotOutcome("jump", Status.COMPLETE, 1.23456, flagged=flagged))
    lines.say(Said(logging.WARNING, "odd", "UserWarning", "one", "jump"))
    lines.product_finished(Outcome("one", "detector1", Status.COMPLETE, 2.0))
    failed = Outcome(
        "two", "detector1", Status.FAILED, 1.0, (SlotOutcome("ipc", Status.SKIPPED, 0.0, "none"),),
        reason="there is no dark",
    )  # fmt: skip
    lines.product_finished(failed)
    told = objects(stream)
    names = ["time", "level", "exposure", "step", "message"]
    assert all(list(line)[:5] == names for line in told)
    assert [[line[name] for name in names[1:]] for line in told] == [
        ["info", "", "", "2 products"],
        ["info", "one", "", "begun"],
        ["info", "one", "jump", "complete"],
        ["warning", "one", "jump", "odd"],
        ["info", "one", "", "complete"],
        ["info", "two", "ipc", "skipped: none"],
        ["error", "two", "", "there is no dark"],
    ]
    assert (told[2]["seconds"], told[2]["flagged"]) == (1.235, flagged)
    assert all(line["time"].endswith("+00:00") for line in told)


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Run the command with a run that warns, and return what was said."""
    monkeypatch.chdir(tmp_path)

    def runs(progress, **_wishes):
        progress.planned(1)
        progress.product_started("one", "detector1")
        with at_work("one", "jump"):
            logging.getLogger("calcore.run").warning("mind the gap")
        progress.slot_finished("one", SlotOutcome("jump", Status.COMPLETE, 1.0))
        outcome = Outcome("one", "detector1", Status.FAILED, reason="no dark", exit_status=1)
        progress.product_finished(outcome)
        return RunResult((outcome,), 1.0)

    monkeypatch.setattr(sys.modules["calcore.run"], "run", runs)
    return lambda *words: CliRunner().invoke(commands, ["run", "--no-pictures", *words])


def test_a_log_of_json_lines_can_be_had_beside_what_people_read(ask, tmp_path):
    shown = ask("--log", "log.jsonl")
    assert shown.exit_code == 1
    assert shown.stderr.count("mind the gap") == 1
    assert "calcore: one: no dark" in shown.stderr
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["event"], line["level"]) for line in told] == [
        ("run_started", "info"), ("product_started", "info"), ("log", "warning"),
        ("step_finished", "info"), ("product_finished", "error"), ("run_finished", "error"),
    ]  # fmt: skip
    assert told[2]["step"] == "jump"
    assert (told[-1]["message"], told[-1]["exit_status"]) == ("1 failed", 1)


def test_standard_error_can_be_json_lines_and_nothing_else(ask):
    shown = ask("--log-format", "json")
    assert shown.exit_code == 1
    told = [json.loads(line) for line in shown.stderr.splitlines()]
    assert [line["message"] for line in told if line["level"] == "error"] == ["no dark", "1 failed"]
    assert [line["message"] for line in told].count("mind the gap") == 1


def test_a_run_that_cannot_begin_says_so_to_machines_too(ask, monkeypatch, tmp_path):
    def refuses(**_wishes):
        raise UsageError("there is nothing to do")

    monkeypatch.setattr(sys.modules["calcore.run"], "run", refuses)
    for words in (("--log", "log.jsonl"), ("--log", "log.jsonl", "--log-format", "json")):
        shown = ask(*words)
        assert shown.exit_code == 2
        (line,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
        assert (line["event"], line["level"]) == ("run_failed", "error")
        assert line["message"] == "there is nothing to do"
        json_only = "json" in words
        assert shown.stderr.startswith("{" if json_only else "calcore: there is nothing to do")
        assert shown.stderr.count("\n") == 1


def test_a_run_that_is_interrupted_says_so_to_machines_too(ask, monkeypatch, tmp_path):
    def interrupted(progress, **_wishes):
        progress.planned(2)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["calcore.run"], "run", interrupted)
    for words in ((), ("--log-format", "json")):
        shown = ask("--log", "log.jsonl", *words)
        assert shown.exit_code == 130
        lines = (tmp_path / "log.jsonl").read_text().splitlines()
        assert [json.loads(line)["event"] for line in lines] == ["run_started", "run_interrupted"]
        assert shown.stderr.splitlines() == lines if words else "calcore: interr" in shown.stderr


def test_the_steps_of_what_others_make_are_told_when_it_is_done():
    stream = io.StringIO()
    lines = JsonLines(stream)
    lines.product_started("one", "detector1")
    slot = SlotOutcome("jump", Status.COMPLETE, 1.0)
    for _ in range(2):
        lines.product_finished(Outcome("one", "detector1", Status.COMPLETE, 2.0, (slot,)))
    lines.slot_finished("one", slot)
    lines.product_finished(Outcome("one", "detector1", Status.COMPLETE, 2.0, (slot,)))
    told = [line["event"].partition("_")[0] for line in objects(stream)]
    assert told == ["product", "step", "product", "step", "product", "step", "product"]


def test_a_log_that_cannot_be_written_is_one_sentence(ask):
    shown = ask("--log", "nowhere/log.jsonl")
    assert shown.exit_code == 1
    assert shown.stderr == "calcore: nowhere/log.jsonl: No such file or directory\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_log_on_a_full_disk_is_one_warning_and_the_run_goes_on(ask):
    shown = ask("--log", "/dev/full")
    assert shown.exit_code == 1
    assert shown.stderr.count("the log /dev/full ends here, the run goes on without it: No sp") == 1
    assert "calcore: one: no dark" in shown.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_that_is_full_is_named_and_a_closed_one_is_not(unbuffered):
    command = [sys.executable, "-m", "calcore.cli", "--version"]
    more = {"env": {**os.environ, "PYTHONUNBUFFERED": unbuffered}, "stderr": subprocess.PIPE}
    with Path("/dev/full").open("w") as full:
        shown = subprocess.run(command, stdout=full, **more, check=False)
    assert shown.returncode == 1
    assert shown.stderr == b"calcore: standard output: No space left on device\n"
    end, closed = os.pipe()
    os.close(end)
    shown = subprocess.run(command, stdout=closed, **more, check=False)
    os.close(closed)
    assert (shown.returncode, shown.stderr) == (1, b"")


def test_the_first_run_says_that_it_compiles(ask, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    assert ask().stderr.count("compiles its kernels, once") == 1
    assert "compiles" not in ask("-q").stderr
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "x").touch()
    assert "compiles" not in ask().stderr


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_the_time_left_follows_what_is_done():
    clock = Clock()
    left = TimeLeft(clock)
    left.start(4)
    assert left.seconds is None
    left.started("one", "detector1")
    clock.now += 10
    left.advanced("one", 1, 2)
    assert left.seconds == pytest.approx((4 - 0.45) * 10 / 0.45)
    clock.now += 10
    left.finished("one", "detector1", made=True)
    assert left.seconds == pytest.approx(60)  # three more of 20 s
    left.started("two", "detector1")
    clock.now += 10  # half of what the first took
    assert left.seconds == pytest.approx(50)
    left.finished("two", "detector1", made=True)
    for name in ("three", "four"):
        left.finished(name, "detector1", made=True)  # made elsewhere: only their end is heard
    assert left.seconds is None


def test_products_that_are_there_already_promise_nothing():
    clock = Clock()
    left = TimeLeft(clock)
    left.start(3)
    for name in ("one", "two"):
        left.started(name, "detector1")
        clock.now += 2
        left.finished(name, "detector1", made=False)
    assert left.seconds is None
    left.started("three", "detector1")
    clock.now += 9
    left.advanced("three", 1, 1)
    assert left.seconds == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""), (0.4, "about 5 s left"), (38, "about 40 s left"), (57, "about 1 min left"),
        (170, "about 3 min left"), (3600, "about 1 h left"), (4810, "about 1 h 20 min left"),
    ],
)  # fmt: skip
def test_times_are_said_as_people_say_them(seconds, text):
    assert spoken(seconds) == text
