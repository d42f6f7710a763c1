"""Speed and memory of all stages, beside the reference pipeline; run by ``make bench``.

The exposures of `rows.ROWS` are simulated once and kept in ``.cache/bench``. Both programs do a stage
on each with the same inputs and reference files, each in processes of its own, in turn: the reference pipeline,
calcore with the same steps (profile ``reference``), and calcore as it is used (profile ``default``).
Without CALCORE_JWST_PYTHON only our own figures are taken.

    python -m benchmarks [--rounds N] [--row NAME ...]

Seconds of the processor, of all threads together, depend less on what else the machine does.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import PROFILES, PROGRAMS, ROWS, Row

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".cache" / "bench"
HERE = Path(__file__).parent
FIGURES = {
    "warm_s": "in process, warm [s]",
    "warm_cpu_s": "in process, warm [s of the processor]",
    "process_s": "whole process [s]",
    "process_cpu_s": "whole process [s of the processor]",
    "peak_gb": "peak memory [GB]",
    "compilation_s": "compilation, first run on a machine [s]",
    "compilation_cpu_s": "compilation [s of the processor]",
}


@dataclass(frozen=True)
class Timed:
    """How long a program took, on the clock and of the processor [s], and what it printed."""

    seconds: float
    processor: float
    answer: dict[str, Any]


def timed(command: list[Any], environment: dict[str, str]) -> Timed:
    """Run a program that answers with one line of JSON; what others have written is on the disk before."""
    os.sync()
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}\n{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(seconds, processor, json.loads(lines[-1]) if lines else {})


def least(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the least of each figure over the rounds; memory's greatest."""
    return {
        name: (max if name == "peak_gb" else min)(row[name] for row in rows) for name in rows[0]
    }


def _ours(row: Row, path: Path, folder: str, profile: str, runs: int) -> list[Any]:
    """Return the command that does the row's stage some times with calcore."""
    settings = json.dumps(dict(row.settings))
    return [sys.executable, HERE / "ours.py", row.stage, path, folder, settings, runs, profile]


def ours(row: Row, path: Path, environment: dict[str, str], profile: str) -> dict[str, float]:
    """Measure calcore: a whole process, and runs within one that were done before."""
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        once = timed(_ours(row, path, folder, profile, 1), environment)
        again = once
        if row.rounds > 1:
            again = timed(_ours(row, path, folder, profile, row.rounds), environment)
    return {
        "warm_s": again.answer["warm_s"],
        "warm_cpu_s": again.answer["warm_cpu_s"],
        "process_s": once.seconds,
        "process_cpu_s": once.processor,
        "peak_gb": again.answer["peak_gb"],
    }


def theirs(row: Row, python: str, path: Path, environment: dict[str, str]) -> dict[str, float]:
    """Measure the reference pipeline in the same way."""
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        settings = json.dumps(dict(row.settings))
        program = [python, HERE / "theirs.py", row.theirs, path, folder, settings]
        whole = timed([*program, min(row.rounds, 2)], environment)
    answer = whole.answer
    return {
        "warm_s": answer["warm_s"],
        "warm_cpu_s": answer["warm_cpu_s"],
        "process_s": whole.seconds - answer["again_s"],
        "process_cpu_s": whole.processor - answer["again_cpu_s"],
        "peak_gb": answer["peak_gb"],
    }


def compilation(
    row: Row, path: Path, environment: dict[str, str], profile: str
) -> dict[str, float]:
    """Return what the first run with an empty folder of machine code takes longer than the second.

    The folder is that of the environment, and is full afterwards.
    """
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        program = _ours(row, path, folder, profile, 1)
        first, second = timed(program, environment), timed(program, environment)
    return {
        "compilation_s": first.seconds - second.seconds,
        "compilation_cpu_s": first.processor - second.processor,
    }


def start_up() -> dict[str, float]:
    """Return the wall-clock time of the smallest things [s], the least of five."""
    codes = {
        "import calcore": ["-c", "import calcore"],
        "calcore --help": ["-m", "calcore.cli", "--help"],
    }
    return {
        name: min(timed([sys.executable, *words], {}).seconds for _ in range(5))
        for name, words in codes.items()
    }


def measure(row: Row, rounds: int, python: str | None, kept: Path) -> dict[str, dict[str, float]]:
    """Return the figures of each program on a row's exposure; `kept` has the rows' machine code."""
    path, environment = row.exposure(WORK)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
    found: dict[str, dict[str, float]] = {}
    own: dict[str, dict[str, str]] = {}
    for profile in PROFILES:
        print(f"{row.name}: compiling, profile {profile} …", flush=True)
        code = kept / profile
        if row.compiled and code.exists():
            code = kept / f"{row.name}_{profile}"
        own[profile] = {**environment, "NUMBA_CACHE_DIR": str(code)}
        if row.compiled:
            found[profile] = compilation(row, path, own[profile], profile)
            continue
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            timed(_ours(row, path, folder, profile, 1), own[profile])
    for number in range(rounds):
        print(f"{row.name}: round {number + 1} of {rounds} …", flush=True)
        for profile in PROFILES:
            rows[profile].append(ours(row, path, own[profile], profile))
        if python and "jwst" in row.programs:
            rows["jwst"].append(theirs(row, python, path, environment))
    for name, figures in rows.items():
        if figures:
            found[name] = {**found.get(name, {}), **least(figures)}
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the figures of one exposure as a table."""
    heads = [f"calcore, profile `{profile}`" for profile in PROFILES]
    heads += ["jwst 3.0.0", *(f"jwst / `{profile}`" for profile in PROFILES)]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for key, name in FIGURES.items():
        values = [found.get(program, {}).get(key) for program in PROGRAMS]
        theirs = values[-1]
        cells = ["-" if value is None else f"{value:.2f}" for value in values]
        cells += [
            "-" if theirs is None or value is None else f"{theirs / value:.1f}"
            for value in values[:-1]
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table for each exposure."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--row", nargs="+", choices=names, default=names, metavar="NAME")
    chosen = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    python = os.environ.get("CALCORE_JWST_PYTHON")
    kept = WORK / "results.json"
    rows = [row for row in ROWS if row.name in chosen.row]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=WORK) as code:
        for row in rows:
            results[row.name] = measure(row, chosen.rounds, python, Path(code))
            kept.write_text(json.dumps(results, indent=1))
    results["start-up"] = start_up()
    kept.write_text(json.dumps(results, indent=1))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0]
    print(f"\n{cores} cores, Python {platform.python_version()}, load {load:.1f}")
    for row in rows:
        print(f"\n**{row.title}**:\n\n{table(results[row.name])}")
    print("\n| | [s] |\n|---|---|")
    for name, seconds in results["start-up"].items():
        print(f"| `{name}` | {seconds:.2f} |")


if __name__ == "__main__":
    main()
