"""Lets the reference pipeline mask science regions; executed by the interpreter that has it.

    python reference_masks.py FOLDER

``cases.json`` in the folder lists metadata of count-rate images by their dotted names; references come
from the CRDS cache that the environment names. ``masks.npz`` will hold, case by case, which pixels are
masked.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np


def mask_of(values, folder):
    """Return the pixels that clean_flicker_noise leaves out of a flat image."""
    from jwst.clean_flicker_noise import CleanFlickerNoiseStep
    from stdatamodels.jwst import datamodels

    shape = values["subarray.ysize"], values["subarray.xsize"]
    kind = "IFUImageModel" if values["exposure.type"] == "NRS_IFU" else "ImageModel"
    model = getattr(datamodels, kind)(shape)
    for name, value in values.items():
        *path, last = ["meta", *name.split(".")]
        node = model
        for part in path:
            node = getattr(node, part)
        setattr(node, last, value)
    model.data = np.random.default_rng(1).normal(10, 3, shape).astype(np.float32)
    model.err = np.ones(shape, np.float32)
    model.dq = np.zeros(shape, np.uint32)
    model.meta.filename = "image_rate.fits"
    with tempfile.TemporaryDirectory(dir=folder) as output:
        step = CleanFlickerNoiseStep(
            mask_science_regions=True, save_mask=True, n_sigma=0.0, background_method=None,
            skip=False,
        )  # fmt: skip
        step.output_dir = output
        step.output_file = "image.fits"
        step.run(model)
        (path,) = Path(output).glob("*_mask.fits")
        with datamodels.open(path) as mask:
            return np.asarray(mask.data).reshape(shape) == 0


folder = Path(sys.argv[1])
cases = json.loads((folder / "cases.json").read_text())
np.savez_compressed(
    folder / "masks.npz", **{name: mask_of(own, folder) for name, own in cases.items()}
)
