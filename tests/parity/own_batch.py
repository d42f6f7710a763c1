"""Runs calcore on files, one job after the other, in a process that knows one reference cache.

    python own_batch.py JOBS.json

The file holds a list of arguments of `calcore.run`; the environment names the CRDS cache, and the
crds package remembers the first that it has seen. ``JOBS.answers.json`` is left beside the file: for
each job the products that failed, with what was said.
"""

import json
import sys
from pathlib import Path

import calcore
from calcore.errors import CalcoreError
from calcore.run import Status


def main(path: Path) -> None:
    """Do the jobs of a file."""
    answers = []
    for job in json.loads(path.read_text()):
        try:
            result = calcore.run(job.pop("inputs"), overwrite=True, profile="reference", **job)
        except CalcoreError as error:
            answers.append([str(error)])
            continue
        failed = [made for made in result.products if made.status is Status.FAILED]
        answers.append([f"{made.name}: {made.reason}" for made in failed])
    path.with_suffix(".answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
