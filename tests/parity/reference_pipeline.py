"""Runs the reference pipeline as a black box; executed by the interpreter that has it installed.

    python reference_pipeline.py --serve        one folder a line on stdin, one answer a line on stdout
    python reference_pipeline.py FOLDER         one job, then stop (for jobs with an environment of their own)

A job is a folder with ``job.json`` and ``arrays.npz``. In JSON, ``{"__array__": key}`` stands for an
array of the npz file. The answer is ``result.json`` and ``result.npz`` in the same folder::

    {"kind": "step", "step": "SaturationStep", "parameters": {...}, "input": MODEL,
     "references": {"saturation": MODEL | "N/A"}, "members": [MODEL, ...],
     "keep": {"attributes": [...], "meta": [...]}}
    {"kind": "pipeline", "pipeline": "Detector1Pipeline", "input": path, "parameters": {...},
     "steps": {"jump": {...}}, "output": folder}
    {"kind": "open", "content": bytes of a file, "suffix": ".fits", "keep": {...}}
    MODEL = {"type": "RampModel", "meta": {"exposure.nframes": 4, ...}, "attributes": {"data": ..., ...}}
            or {"type": "DistortionModel", "content": bytes of a file, "suffix": ".asdf"}
            or {"models": [MODEL, ...]}, a container

With ``{"keep": {"pixels": [x, y]}}`` the world coordinates of these pixels are returned too, and the
pixels found back from them unless ``back`` is false. Attributes to keep may be parts of lists:
``spec.0.spec_table``.
"""

import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def decode(value, arrays):
    """Put arrays where the JSON text refers to them."""
    if isinstance(value, dict):
        if "__array__" in value:
            return arrays[value["__array__"]]
        return {key: decode(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    return value


def encode(value, arrays):
    """Put arrays into `arrays`, and a reference to them into what JSON will hold."""
    if isinstance(value, dict):
        return {str(key): encode(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item, arrays) for item in value]
    if isinstance(value, np.ndarray):
        key = f"a{len(arrays)}"
        if value.dtype.fields:
            # plain structured array instead of a record array, names without a type of their own
            plain = [(str(name), value.dtype[name]) for name in value.dtype.names]
            value = np.array(value).astype(plain)
        arrays[key] = value
        return {"__array__": key}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def build(description):
    """Make a data model from its description, or read it from the bytes of a file; or several."""
    from stdatamodels.jwst import datamodels

    if "models" in description:
        from jwst.datamodels import ModelContainer

        return ModelContainer([build(part) for part in description["models"]])
    if "content" in description:
        with tempfile.NamedTemporaryFile(suffix=description["suffix"], delete=False) as file:
            file.write(description["content"].tobytes())
        model = getattr(datamodels, description["type"])(file.name)
    else:
        model = getattr(datamodels, description["type"])()
    for name, value in description.get("meta", {}).items():
        *path, last = ["meta", *name.split(".")]
        node = model
        for part in path:
            if not hasattr(node, part):
                setattr(node, part, {})
            node = getattr(node, part)
        setattr(node, last, value)
    for name, value in description.get("attributes", {}).items():
        setattr(model, name, value)
    return model


ARRAYS = (
    "data", "err", "dq", "pixeldq", "groupdq", "zeroframe", "average_dark_current", "group",
    "int_times", "var_poisson", "var_rnoise", "var_flat", "area",
)  # fmt: skip


def reach(model, name):
    """Return an attribute, or one of a list, such as ``spec.0.spec_table``; None if there is none."""
    first, *rest = name.split(".")
    value = getattr(model, first, None) if model.hasattr(first) else None
    for part in rest:
        if value is not None:
            value = value[int(part)] if part.isdigit() else getattr(value, part, None)
    return value


def describe(model, keep):
    """Describe what a step returned: its arrays and the metadata asked for (all, if none is)."""
    if model is None:
        return None
    flat = {
        name.removeprefix("meta."): value
        for name, value in model.to_flat_dict(include_arrays=False).items()
        if name.startswith("meta.")
    }
    names = keep.get("meta")
    found = {}
    if "pixels" in keep and model.meta.hasattr("wcs") and model.meta.wcs is not None:
        x, y = keep["pixels"]
        found["world"] = np.stack(model.meta.wcs(x, y, with_bounding_box=False))
        if keep.get("back", True):
            back = model.meta.wcs.invert(*found["world"], with_bounding_box=False)
            found["pixel"] = np.stack(back)
        flat["wcs.box"] = [list(limits) for limits in model.meta.wcs.bounding_box.bounding_box("F")]
        flat["wcs.frames"] = list(model.meta.wcs.available_frames)
    meta = flat if names is None else {name: flat.get(name) for name in names}
    for name in (*ARRAYS, *keep.get("attributes", ())):
        value = reach(model, name)
        if value is not None and getattr(value, "size", 0):
            found[name] = np.asarray(value)
    return {"type": type(model).__name__, "meta": meta, "attributes": found}


def run_step(job):
    """Run the algorithm of one step on a model made in memory."""
    import jwst.step

    step = getattr(jwst.step, job["step"])()
    for name, value in job.get("parameters", {}).items():
        setattr(step, name, value)
    for name, value in job.get("references", {}).items():
        setattr(step, f"override_{name}", value if isinstance(value, str) else build(value))
    model = build(job["input"])
    started = time.perf_counter()
    members = [build(member) for member in job.get("members", [])]
    result = step.process(model, members) if members else step.process(model)
    seconds = time.perf_counter() - started
    several = isinstance(result, Sequence)  # tuples, lists and sets of models
    results = list(result) if several else [result]
    results = [one for item in results for one in (item if isinstance(item, list) else [item])]
    keep = job.get("keep", {})
    return {"results": [describe(item, keep) for item in results], "seconds": seconds}


def open_file(job):
    """Open a product given as bytes, and describe what was found in it."""
    from stdatamodels.jwst import datamodels

    with tempfile.NamedTemporaryFile(suffix=job["suffix"], delete=False) as file:
        file.write(job["content"].tobytes())
    try:
        with datamodels.open(file.name) as model:
            return {"results": [describe(model, job.get("keep", {}))]}
    finally:
        Path(file.name).unlink()


def run_pipeline(job):
    """Run a pipeline on a file, with references from the CRDS cache the environment names."""
    import jwst.pipeline

    kind = getattr(jwst.pipeline, job["pipeline"])
    options = {"save_results": True, "output_dir": job["output"], **job.get("parameters", {})}
    started = time.perf_counter()
    kind.call(job["input"], steps=job.get("steps", {}), **options)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    files = sorted(str(path) for path in Path(job["output"]).iterdir() if path.is_file())
    return {"files": files, "seconds": seconds, "peak_bytes": peak}


def run(folder):
    """Do the job in a folder and leave the answer there."""
    folder = Path(folder)
    job = json.loads((folder / "job.json").read_text())
    arrays = {}
    if (folder / "arrays.npz").exists():
        with np.load(folder / "arrays.npz") as file:
            arrays = dict(file)
    job = decode(job, arrays)
    found = {}
    try:
        kinds = {"step": run_step, "pipeline": run_pipeline, "open": open_file}
        answer = kinds[job["kind"]](job)
    except BaseException as error:  # the reference pipeline raises SystemExit here and there
        if isinstance(error, KeyboardInterrupt):
            raise
        answer = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    text = json.dumps(encode(answer, found))
    if found:
        np.savez(folder / "result.npz", **found)
    (folder / "result.json").write_text(text)


def serve():
    """Do the jobs named on stdin; whatever libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        run(line.strip())
        answers.write("done\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        run(sys.argv[1])
