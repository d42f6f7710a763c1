"""Runs of one command that are killed, or many at once; tests start this as a program of its own.

It loads all once and forks, so that each run takes a fraction of a second. What it found is the last
line of its output, as JSON.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

from calcore.io.content import content_of, is_whole
from calcore.report.compare import compare_files
from calcore.run import manifest, run


def calibrate(raw, output):
    """Run the command; return its exit status."""
    return run(raw, stage=sys.argv[2], output=output, jobs=1).exit_status


def forked(raw, output):
    """Run the command in a process of its own; return its number."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(calibrate(raw, output))
        finally:
            os._exit(99)
    return child


def problems(folder, expected):
    """Return what is wrong with a folder of products: `expected` is one that nobody disturbed."""
    names = [{path.name for path in place.glob("*.fits")} for place in (expected, folder)]
    found = [f"{name} is in one folder only" for name in names[0] ^ names[1]]
    for name in names[0] & names[1]:
        one, other = expected / name, folder / name
        if content_of(one) != content_of(other):  # tables of mosaics tell dates of their members
            found += [f"{name}: {item}" for item in compare_files(one, other).found]
        if not is_whole(other):
            found.append(f"{name} is damaged")
    return found + [f"{path} is left over" for path in folder.rglob("*.part")]


def killed_at(moment, raw, folder):
    """Kill a run after so many seconds; return whether it was still going on."""
    child = forked(raw, folder)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def killed(raw, work):
    """Kill a run at twenty moments, each time run again, and look at the products."""
    expected = work / "undisturbed"
    begun = time.perf_counter()
    os.waitpid(forked(raw, work / "timed"), 0)
    lasts = time.perf_counter() - begun
    told = {"lasts": lasts, "unfinished": 0, "torn": [], "wrong": []}
    for number, moment in enumerate(np.random.default_rng(20261122).uniform(0, lasts, 20)):
        folder = work / f"killed{number}"
        while not killed_at(moment, raw, folder):
            shutil.rmtree(folder)
            moment *= 0.7  # noqa: PLW2901 - it had ended by then
        told["unfinished"] += len(list(folder.glob(".*.part")))
        told["torn"] += [path.name for path in folder.glob("*.fits") if not is_whole(path)]
        for path in folder.glob("calcore_runs/*.json"):
            manifest.read(path)
        if calibrate(raw, folder) != 0:
            told["wrong"].append(f"{folder.name} cannot be taken up again")
        told["wrong"] += problems(folder, expected)
    return told


def together(raw, work):
    """Begin ten runs at once, two in each of five folders that are not there yet."""
    expected = work / "undisturbed"
    folders = [work / "new" / "deep" / f"run{number}" for number in range(5)]
    children = [forked(raw, folder) for folder in folders * 2]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    wrong = [problem for folder in folders for problem in problems(folder, expected)]
    manifests = [path for folder in folders for path in folder.glob("calcore_runs/*.json")]
    told = [manifest.read(path)["status"] for path in manifests]
    return {"statuses": statuses, "wrong": wrong, "manifests": told}


def main():
    """Do what the command line says."""
    what, _stage, raw, work = sys.argv[1:]
    folder = Path(work)
    assert calibrate(Path(raw), folder / "undisturbed") == 0
    told = {"killed": killed, "together": together}[what](Path(raw), folder)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
