"""Runs pipelines of the reference pipeline one after the other, in one process: imports are slow.

    python reference_batch.py JOBS.json

Executed by the interpreter that has the reference pipeline. The file holds a list of jobs
``{"pipeline": "Detector1Pipeline", "input": path, "output": folder, "steps": {"jump": {...}}}``;
the environment names the CRDS cache. Beside it ``JOBS.errors.json`` is left: the input's name and
the error of each job that failed.
"""

import json
import sys
import traceback
from pathlib import Path


def main(path):
    """Do the jobs of a file."""
    import jwst.pipeline

    errors = {}
    for job in json.loads(path.read_text()):
        kind = getattr(jwst.pipeline, job["pipeline"])
        Path(job["output"]).mkdir(parents=True, exist_ok=True)
        try:
            kind.call(
                job["input"], steps=job["steps"], save_results=True, output_dir=job["output"]
            )
        except Exception as error:  # noqa: BLE001 - the other jobs are done all the same
            traceback.print_exc()
            errors[Path(job["input"]).name] = f"{type(error).__name__}: {error}"
    path.with_suffix(".errors.json").write_text(json.dumps(errors))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
