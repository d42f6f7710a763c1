"""Runs pipelines of the reference pipeline one after the other, in one process: imports are slow.

    python reference_batch.py JOBS.json

Executed by the interpreter that has the reference pipeline. The file holds a list of jobs
``{"pipeline": "Detector1Pipeline", "input": path, "output": folder, "steps": {"jump": {...}},
"parameters": {"save_calibrated_ramp": true}}``;
the environment names the CRDS cache. A job ``{"open": path, "pixels": [[x, ...], [y, ...]]}`` reads a
product and looks up the sky at some pixels. ``JOBS.answers.json`` is left beside the file: one
``{"error": text}`` or ``{"model": type, "sky": [[ra, ...], [dec, ...]]}`` for each job.
"""

import json
import sys
import traceback
from pathlib import Path

import numpy as np


def run(job):
    """Run a pipeline on a file."""
    import jwst.pipeline

    kind = getattr(jwst.pipeline, job["pipeline"])
    Path(job["output"]).mkdir(parents=True, exist_ok=True)
    options = {"save_results": True, "output_dir": job["output"], **job.get("parameters", {})}
    kind.call(job["input"], steps=job["steps"], **options)
    return {}


def read(job):
    """Open a product and say what it is."""
    from stdatamodels.jwst import datamodels

    with datamodels.open(job["open"]) as model:
        answer = {"model": type(model).__name__}
        if model.meta.hasattr("wcs") and model.meta.wcs is not None:
            x, y = np.array(job["pixels"])
            sky = model.meta.wcs(x, y, with_bounding_box=False)
            answer["sky"] = [values.tolist() for values in sky]
    return answer


def main(path):
    """Do the jobs of a file."""
    answers = []
    for job in json.loads(path.read_text()):
        try:
            answers.append(read(job) if "open" in job else run(job))
        except Exception as error:  # noqa: BLE001 - the other jobs are done all the same
            traceback.print_exc()
            answers.append({"error": f"{type(error).__name__}: {error}"})
    path.with_suffix(".answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
