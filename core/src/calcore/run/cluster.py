"""Products made by a dask cluster: one on this machine, or the one that a scheduler's address names.

See https://distributed.dask.org for clusters under Slurm, Kubernetes and others.
"""

import logging
import os
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

from calcore.errors import UsageError, WorkerDied
from calcore.run.executors import TRIES, Ended, R, T, Waiting, nobody

_PASSED = ("CRDS_", "STPIPE_", "CALCORE_")
_PATIENCE_S = 10


def dask(
    tasks: Sequence[T],
    work: Callable[[T], R],
    workers: int,
    begun: Callable[[T], object] = nobody,
    scheduler: str | None = None,
) -> Ended[T, R]:
    """Do tasks on the workers of a dask cluster; see `calcore.run.executors`.

    Parameters
    ----------
    tasks, work, workers, begun
        As every executor has them; `workers` is the size of a cluster on this machine.
    scheduler : str, optional
        Address of a cluster that is there (``tcp://host:8786``). Its workers have calcore installed
        and see the same files under the same names; they get this machine's variables for CRDS.

    Raises
    ------
    UsageError
        dask.distributed is not installed, or the scheduler does not answer.
    """
    distributed = _distributed()
    if not tasks:
        return
    waiting = Waiting(tasks)
    passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED)}
    heard: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    topic = f"calcore-{uuid.uuid4().hex}"
    with _client(distributed, workers, scheduler) as client:
        client.subscribe_topic(topic, lambda event: heard.put((event[1], None)))
        running: dict[str, T] = {}
        silent: set[str] = set()
        while waiting or running:
            for task in waiting.ready():
                future = client.submit(
                    _done_there, work, task, passed, topic, pure=False, retries=0
                )
                running[task.key] = task
                silent.add(task.key)
                future.add_done_callback(partial(_tell, heard, task.key))
            key, future = heard.get()
            if key in silent:
                silent.remove(key)
                begun(running[key])
            if future is None:
                continue
            task = running.pop(key)
            try:
                yield task, future.result()
            except distributed.KilledWorker:
                yield task, WorkerDied(task.key, TRIES)
            waiting.ended(task)


def _tell(heard: SimpleQueue[tuple[str, Any]], key: str, future: Any) -> None:
    """Say that a task has ended."""
    heard.put((key, future))


def _distributed() -> Any:
    """Import the library, which is an extra, and heavy."""
    try:
        import distributed  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "the executor dask needs dask.distributed: pip install 'calcore[dask]'"
        ) from error
    return distributed


def _client(distributed: Any, workers: int, scheduler: str | None) -> Any:
    """Return a client, of a new cluster with one thread a worker if no scheduler is named."""
    if scheduler is None:
        start = partial(
            distributed.Client, n_workers=workers, threads_per_worker=1, processes=True,
            dashboard_address=":0", memory_limit=None, silence_logs=logging.ERROR,
            scheduler_kwargs={"allowed_failures": TRIES - 1},
        )  # fmt: skip
        try:
            return start()
        except RuntimeError:  # a worker died while it started
            return start()
    try:
        return distributed.Client(scheduler, timeout=_PATIENCE_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"no dask scheduler answers at {scheduler}: {error}; start one, or leave --scheduler "
            "out for a cluster on this machine"
        ) from error


def _done_there(work: Callable[[T], R], task: T, passed: dict[str, str], topic: str) -> R:
    """Do a task in a worker, and tell that it is begun to those who listen to a topic."""
    import distributed  # noqa: PLC0415 - as above

    os.environ.update(passed)
    distributed.get_worker().log_event(topic, task.key)
    return work(task)
