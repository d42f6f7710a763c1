"""Runs that are killed, and runs at once that share references and folders: no product is the worse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calcore.io._temporary import temporary_name
from calcore.registry import discovery
from calcore.run import Outcome, Silence, Status, run

PROGRAM = Path(__file__).with_name("many_runs.py")
pytestmark = [
    pytest.mark.usefixtures("miri_references", "miri_products"),  # kernels are compiled by then
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork"),
]


def told(*words, **more):
    """Return what the program found."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, words)],
        capture_output=True, text=True, check=False, **more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_after_kill_9_at_twenty_moments_the_same_command_makes_the_same_products(
    miri_visit, tmp_path
):
    found = told("killed", "all", miri_visit.folder, tmp_path)
    assert found["wrong"] == []  # all as undisturbed, whole, and nothing left over
    assert found["torn"] == []  # nothing half-written ever had its final name


def test_ten_runs_at_once_share_references_and_folders(miri_visit, tmp_path, monkeypatch):
    monkeypatch.delenv("CRDS_READONLY_CACHE")
    found = told("together", 2, miri_visit.raw[0], tmp_path)
    assert found["statuses"] == [0] * 10
    assert found["wrong"] == []
    assert found["manifests"]
    assert set(found["manifests"]) == {"done"}


def left_by_the_dead(folder):
    """Write what a process that is no more has left."""
    own = temporary_name(folder / "a_rate.fits")
    dead = own.with_name(own.name.replace(f"-{os.getpid():x}-", "-7fffffff-"))
    dead.write_bytes(b"never finished")
    return dead


def test_what_ended_workers_were_writing_goes_when_a_run_is_interrupted(
    miri_visit, tmp_path, monkeypatch
):
    closed = []

    def executor(tasks, _work, _workers):
        try:
            left_by_the_dead(tmp_path)
            yield tasks[0], Outcome("one", "detector1", Status.COMPLETE)
        finally:
            closed.append(list(tmp_path.glob(".*.part")))

    class Interrupting(Silence):
        def product_finished(self, outcome):
            raise KeyboardInterrupt

    load = discovery.load
    monkeypatch.setattr(
        discovery, "load", lambda *asked: executor if asked[1] == "x" else load(*asked)
    )
    with pytest.raises(KeyboardInterrupt):
        run(miri_visit.raw[0], stage="1", output=tmp_path, executor="x", progress=Interrupting())
    assert [len(left) for left in closed] == [1]  # the executor was ended first
    assert not list(tmp_path.glob(".*.part"))


def test_the_leftovers_of_the_living_stay(miri_visit, tmp_path):
    own = temporary_name(tmp_path / "a_rate.fits")
    own.write_bytes(b"being written")
    dead = left_by_the_dead(tmp_path)
    theirs = tmp_path / ".a_rate.fits.part"
    theirs.touch()
    run(miri_visit.raw[0], stage="1", until="dq_init", output=tmp_path)
    assert own.exists()
    assert theirs.exists()
    assert not dead.exists()
