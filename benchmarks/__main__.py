"""Speed and memory of stage 1, beside the reference pipeline; run by ``make bench``.

One ten-group full-frame exposure is simulated once and kept in ``.cache/bench``. Both programs do
stage 1 on it, with the same reference files and the same steps (profile ``reference``), each in
processes of its own, in turn. Without CALCORE_JWST_PYTHON only our own figures are taken.

    python -m benchmarks [--rounds N] [--instrument NAME]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".cache" / "bench"
HERE = Path(__file__).parent
SERVERLESS = "https://crds-serverless-mode.stsci.edu"


def exposure(instrument: str) -> tuple[Path, dict[str, str]]:
    """Simulate the exposure unless it is there; return it and the environment of its references."""
    folder = WORK / instrument
    if not list(folder.glob("*_uncal.fits")):
        print(f"simulating one {instrument} exposure …", flush=True)
        command = ["-m", "calcore.cli", "simulate", "--instrument", instrument, "-o", folder,
                   "--dithers", "1", "--groups", "10", "--subarray", "FULL", "-q"]  # fmt: skip
        if instrument == "nircam":
            command += ["--detector", "NRCA1", "--pattern", "RAPID"]
        subprocess.run([sys.executable, *map(str, command)], check=True)
    environment = {
        "CRDS_PATH": str(folder / "crds_cache"),
        "CRDS_SERVER_URL": SERVERLESS,
        "CRDS_OBSERVATORY": "jwst",
        "CRDS_READONLY_CACHE": "1",
        "STPIPE_DISABLE_CRDS_STEPPARS": "True",
    }
    return min(folder.glob("*_uncal.fits")), environment


def timed(command: list[Any], environment: dict[str, str]) -> tuple[float, dict[str, Any]]:
    """Run a program that answers with one line of JSON; return its wall-clock time [s] too."""
    begun = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}\n{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return seconds, json.loads(lines[-1]) if lines else {}


def least(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the least of each figure over the rounds; memory's greatest."""
    return {
        name: (max if name == "peak_gb" else min)(row[name] for row in rows) for name in rows[0]
    }


def ours(path: Path, environment: dict[str, str], cache: Path | None = None) -> dict[str, float]:
    """Measure calcore: a whole process, and a second run within one."""
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        more = {"NUMBA_CACHE_DIR": str(cache)} if cache else {}
        program = [sys.executable, HERE / "ours.py", path, folder]
        whole, _ = timed([*program, "1"], {**environment, **more})
        figures = {"process_s": whole}
        if cache is None:
            _, answer = timed([*program, "3"], environment)
            figures |= {"warm_s": answer["warm_s"], "peak_gb": answer["peak_gb"]}
        return figures


def theirs(python: str, path: Path, environment: dict[str, str]) -> dict[str, float]:
    """Measure the reference pipeline in the same way."""
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        program = [python, HERE / "theirs.py", path, folder]
        whole, answer = timed([*program, "2"], environment)
        return {
            "process_s": whole - answer["warm_s"],
            "warm_s": answer["warm_s"],
            "peak_gb": answer["peak_gb"],
        }


def start_up() -> dict[str, float]:
    """Return the wall-clock time of the smallest things [s], the least of five."""
    codes = {
        "import calcore": ["-c", "import calcore"],
        "calcore --help": ["-m", "calcore.cli", "--help"],
    }
    found = {}
    for name, words in codes.items():
        found[name] = min(timed([sys.executable, *words], {})[0] for _ in range(5))
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--instrument", default="nircam")
    chosen = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    path, environment = exposure(chosen.instrument)
    python = os.environ.get("CALCORE_JWST_PYTHON")

    with tempfile.TemporaryDirectory(dir=WORK) as fresh:
        compiling = ours(path, environment, Path(fresh))["process_s"]
    we: list[dict[str, float]] = []
    they: list[dict[str, float]] = []
    for number in range(chosen.rounds):
        print(f"round {number + 1} of {chosen.rounds} …", flush=True)
        we.append(ours(path, environment))
        if python:
            they.append(theirs(python, path, environment))
    us = least(we)
    them = least(they) if they else {}

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"\nStage 1 of {path.name}: {cores} cores, Python {platform.python_version()}, load "
          f"{os.getloadavg()[0]:.1f}\n")  # fmt: skip
    print("| | calcore | jwst 3.0.0 | ratio |\n|---|---|---|---|")
    names = {
        "warm_s": "in process, warm [s]",
        "process_s": "whole process [s]",
        "peak_gb": "peak memory [GB]",
    }
    for key, name in names.items():
        other = f"{them[key]:.2f} | {them[key] / us[key]:.1f}" if them else "- | -"
        print(f"| {name} | {us[key]:.2f} | {other} |")
    compile_s = compiling - us["process_s"]
    print(f"| compilation, first run on a machine [s] | {compile_s:.1f} | - | - |")
    for name, seconds in start_up().items():
        print(f"| `{name}` [s] | {seconds:.2f} | - | - |")
    results = {"calcore": us, "jwst": them, "compilation_s": compile_s, "rounds": [we, they]}
    (WORK / "results.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
