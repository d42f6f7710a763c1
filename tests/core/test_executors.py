"""Executors do every task once, after those it needs; a worker that dies costs a retry."""

import logging
import os
import subprocess
import sys
import time
from importlib import import_module

import pytest

from calcore.errors import UsageError, WorkerDied
from calcore.run.cluster import dask
from calcore.run.executors import processes, serial

MODULE = """
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from calcore.run.executors import processes


@dataclass(frozen=True)
class Task:
    key: str
    needs: frozenset[str] = frozenset()


def process_of(task):
    return task.key, os.getpid()


def surroundings_of(task):
    return os.environ.get("WORK_OF_TESTS"), os.getcwd(), "asdf" in sys.modules, "crds" in sys.modules


@dataclass(frozen=True)
class Dying:
    folder: Path
    key: str

    def __call__(self, task):
        marks = sorted(self.folder.glob(f"{task.key}*"))
        if task.key == self.key and marks:
            marks[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return task.key


@dataclass(frozen=True)
class Slow:
    folder: Path

    def __call__(self, task):
        mark = self.folder / "begun"
        if task.key == "b":
            mark.write_text(str(os.getpid()))
            time.sleep(60)
        while not mark.exists():
            time.sleep(0.01)
        return task.key


if __name__ == "__main__":
    for task, _ in processes([Task("a"), Task("b")], Slow(Path(sys.argv[1])), 2):
        print(task.key, flush=True)
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A module that workers can import: tasks; `Dying` kills its process if there is a mark, and
    `Slow` takes a minute for the task b."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work_of_tests.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield import_module("work_of_tests")


@pytest.fixture
def tasks(work):
    task = work.Task
    return [
        task("a"), task("b"), task("c", frozenset({"a", "b"})), task("d", frozenset({"c"})),
        task("e", frozenset({"a"})),
    ]  # fmt: skip


ALL = pytest.mark.parametrize("executor", [serial, processes, dask])
APART = pytest.mark.parametrize("executor", [processes, dask])


@ALL
def test_every_task_is_done_once_after_those_it_needs(executor, work, tasks):
    told = []
    more = {} if executor is serial else {"begun": lambda task: told.append(f"begun {task.key}")}
    for task, result in executor(tasks, work.process_of, 2, **more):
        assert result[0] == task.key
        told.append(task.key)
    assert sorted(key for key in told if key in "abcde") == ["a", "b", "c", "d", "e"]
    for task in tasks:
        begun = told.index(f"begun {task.key}" if more else task.key)
        assert all(told.index(need) < begun <= told.index(task.key) for need in task.needs)


@ALL
def test_nothing_to_do_is_nothing_done(executor, work):
    assert list(executor([], work.process_of, 2)) == []


@APART
def test_workers_are_other_processes(executor, work, tasks):
    assert all(pid != os.getpid() for _, (_, pid) in executor(tasks[:2], work.process_of, 2))


@APART
def test_a_worker_that_is_killed_costs_a_retry(executor, work, tasks, tmp_path, caplog):
    (tmp_path / "b1").touch()
    with caplog.at_level(logging.WARNING):
        begun = []
        ended = dict(executor(tasks, work.Dying(tmp_path, "b"), 2, begun=begun.append))
    assert {task.key: result for task, result in ended.items()} == {k: k for k in "abcde"}
    assert sorted(task.key for task in begun) == list("abcde")  # each once
    assert list(tmp_path.iterdir()) == []
    if executor is processes:
        assert "the process that made b died; it is made again" in caplog.text


@APART
def test_a_task_that_kills_every_worker_fails_alone(executor, work, tasks, tmp_path):
    for mark in range(5):
        (tmp_path / f"b{mark}").touch()
    ended = {task.key: result for task, result in executor(tasks, work.Dying(tmp_path, "b"), 2)}
    assert isinstance(ended["b"], WorkerDied)
    assert "the process that made b died 3 times" in str(ended["b"])
    assert [ended[key] for key in "acde"] == list("acde")
    assert len(list(tmp_path.iterdir())) == 2


def test_workers_are_where_the_run_is_with_libraries_loaded(work, tasks, tmp_path, monkeypatch):
    for word in ("one", "two"):
        folder = tmp_path / word
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("WORK_OF_TESTS", word)
        ((_, found),) = processes(tasks[:1], work.surroundings_of, 1)
        loaded = sys.platform == "linux", False  # CRDS's client reads settings when it is imported
        assert found == (word, str(folder), *loaded)
    monkeypatch.delenv("WORK_OF_TESTS")
    ((_, found),) = processes(tasks[:1], work.surroundings_of, 1)
    assert found[0] is None


def test_workers_do_not_wait_for_whoever_looks_at_results(work, tasks):
    told = []
    ended = processes([tasks[0], tasks[1], tasks[2]], work.process_of, 1, begun=told.append)
    for number in (2, 2, 3):  # the third needs the first two, and so what is made of them
        next(ended)
        assert len(told) == number
    ended.close()


def test_workers_are_ended_when_no_more_is_wanted(work, tasks, tmp_path):
    ended = processes(tasks[:2], work.Slow(tmp_path), 2)
    assert next(ended)[1] == "a"
    begun = time.monotonic()
    ended.close()
    assert time.monotonic() - begun < 10  # of the minute that the other task takes
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "begun").read_text()), 0)


def test_workers_end_with_the_process_that_began_them(work, tmp_path):
    command = [sys.executable, work.__file__, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"a\n"
        process.kill()
        process.communicate(timeout=20)  # until the last one has closed its standard output


def test_a_scheduler_that_is_not_there_is_named(work, tasks, monkeypatch):
    monkeypatch.setattr("calcore.run.cluster._PATIENCE_S", 1)
    with pytest.raises(UsageError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9: "):
        list(dask(tasks, work.process_of, 2, scheduler="tcp://127.0.0.1:9"))


def test_a_scheduler_that_runs_elsewhere_serves(work, tasks):
    import distributed

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR
    ) as cluster:
        ended = list(dask(tasks, work.process_of, 1, scheduler=cluster.scheduler_address))
    assert len({pid for _, (_, pid) in ended}) == 1
    assert len(ended) == len(tasks)


def test_a_missing_library_is_named(work, tasks, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'calcore\[dask\]'"):
        list(dask(tasks, work.process_of, 2))
