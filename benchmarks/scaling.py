"""What several processes gain: eight exposures, one thread each, by one worker and by more.

Each run is a command of its own, start-up and writing included, as a user has it:

    python -m benchmarks.scaling [--exposures 8] [--jobs 1 2 ...] [--executor processes]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.__main__ import WORK
from benchmarks.rows import ROWS

EXPOSURE = "01234001001_02101_00001"


def copies(path: Path, number: int, folder: Path) -> None:
    """Put an exposure into a folder under the names of as many exposures."""
    for index in range(1, number + 1):
        name = path.name.replace(EXPOSURE, f"01234001001_02101_{index:05d}")
        os.link(path, folder / name)


def seconds(raw: Path, jobs: int, executor: str, environment: dict[str, str]) -> float:
    """Return how long the calibration of a folder takes on the clock [s]."""
    with tempfile.TemporaryDirectory(dir=WORK) as output:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "calcore.cli", "run", raw, "--stage", "1", "-o", output, "-q",
             "--no-pictures", "--executor", executor, "--jobs", str(jobs)],
            env={**os.environ, **environment, "OMP_NUM_THREADS": "1"}, check=True,
        )  # fmt: skip
        return time.perf_counter() - begun


def main() -> None:
    """Measure, and print a line for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--exposures", type=int, default=8)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--executor", default="processes")
    parser.add_argument("--row", default="nircam", help="whose exposure is taken")
    options = parser.parse_args()
    row = next(row for row in ROWS if row.name == options.row)
    path, environment = row.exposure(WORK)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        copies(path, options.exposures, Path(folder))
        alone = None
        for jobs in options.jobs:
            took = seconds(Path(folder), jobs, options.executor, environment)
            alone = alone or took * jobs
            print(f"{options.executor}, {jobs} workers: {took:.1f} s, {alone / took:.2f} times")


if __name__ == "__main__":
    main()
