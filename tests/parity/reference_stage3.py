"""Runs steps of stage 3 of the reference pipeline as black boxes; its interpreter executes this.

    python reference_stage3.py FOLDER

FOLDER holds ``jobs.json``, calibrated exposures, and references. Each job runs one step::

    {"name": "plain", "step": "ResampleStep", "parameters": {...}, "inputs": ["a_cal.fits", ...],
     "references": {"apcorr": "apcorr.fits"}}

Files that parameters name are looked for in FOLDER.
Results go to ``NAME_0.fits`` … (data models), ``NAME.ecsv`` (a table) or ``NAME.json`` (an error).
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from stdatamodels.jwst import datamodels


def models_of(result):
    """Return the models in whatever a step returned."""
    if isinstance(result, Sequence):
        return list(result)
    if hasattr(result, "borrow"):
        with result:
            models = [result.borrow(number) for number in range(len(result))]
            for model in models:
                result.shelve(model, modify=False)
        return models
    return [result]


def run(job, folder):
    """Do one job."""
    import jwst.step

    step = getattr(jwst.step, job["step"])()
    step.save_results = False
    for name, value in job.get("parameters", {}).items():
        setattr(step, name, value)
    for name, file in job.get("references", {}).items():
        setattr(step, f"override_{name}", str(folder / file))
    models = [datamodels.open(folder / name) for name in job["inputs"]]
    result = step.process(models[0] if job.get("single") else models)
    if hasattr(result, "colnames"):
        result.write(folder / f"{job['name']}.ecsv")
        return
    for number, model in enumerate(models_of(result)):
        model.save(folder / f"{job['name']}_{number}.fits")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    os.chdir(place)
    for task in json.loads((place / "jobs.json").read_text()):
        try:
            run(task, place)
        except BaseException as error:  # noqa: BLE001 - SystemExit comes here and there
            text = f"{type(error).__name__}: {error}"
            (place / f"{task['name']}.json").write_text(json.dumps(text))
