"""Products made by a dask cluster: one on this machine, or the one that a scheduler's address names.

See https://distributed.dask.org for clusters under Slurm, Kubernetes and others.
"""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from calcore.errors import UsageError, WorkerDied
from calcore.run.executors import TRIES, Ended, R, T, Waiting

_PASSED = ("CRDS_", "STPIPE_", "CALCORE_")
_PATIENCE_S = 10


def dask(
    tasks: Sequence[T], work: Callable[[T], R], workers: int, scheduler: str | None = None
) -> Ended[T, R]:
    """Do tasks on the workers of a dask cluster; see `calcore.run.executors`.

    Parameters
    ----------
    tasks, work, workers
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
    waiting = Waiting(tasks)
    passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED)}
    with _client(distributed, workers, scheduler) as client:
        ended = distributed.as_completed()
        running: dict[str, T] = {}
        while waiting or running:
            for task in waiting.ready():
                future = client.submit(_done_there, work, task, passed, pure=False, retries=0)
                running[future.key] = task
                ended.add(future)
            future = next(ended)
            task = running.pop(future.key)
            waiting.ended(task)
            try:
                yield task, future.result()
            except distributed.KilledWorker:
                yield task, WorkerDied(task.key, TRIES)


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
        return distributed.Client(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None,
            memory_limit=None, silence_logs=logging.ERROR,
            scheduler_kwargs={"allowed_failures": TRIES - 1},
        )  # fmt: skip
    try:
        return distributed.Client(scheduler, timeout=_PATIENCE_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"no dask scheduler answers at {scheduler}: {error}; start one, or leave --scheduler "
            "out for a cluster on this machine"
        ) from error


def _done_there(work: Callable[[T], R], task: T, passed: dict[str, str]) -> R:
    """Do a task in a worker."""
    os.environ.update(passed)
    return work(task)
