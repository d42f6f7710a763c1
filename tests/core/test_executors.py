"""Executors do every task once, after those it needs; a worker that dies costs a retry."""

import logging
import os
import sys
from importlib import import_module

import pytest

from calcore.errors import UsageError, WorkerDied
from calcore.run.cluster import dask
from calcore.run.executors import processes, serial

MODULE = """
import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Task:
    key: str
    needs: frozenset[str] = frozenset()


def process_of(task):
    return task.key, os.getpid()


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
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A module that workers can import: tasks, and one that kills its process if there is a mark."""
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
    ended = list(executor(tasks, work.process_of, 2))
    order = [task.key for task, _ in ended]
    assert sorted(order) == ["a", "b", "c", "d", "e"]
    assert all(result[0] == task.key for task, result in ended)
    for task in tasks:
        assert all(order.index(need) < order.index(task.key) for need in task.needs)


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
        ended = dict(executor(tasks, work.Dying(tmp_path, "b"), 2))
    assert {task.key: result for task, result in ended.items()} == {k: k for k in "abcde"}
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
