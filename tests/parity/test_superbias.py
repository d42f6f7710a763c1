"""Superbias against the reference pipeline."""

import numpy as np

from calcore.model import Meta
from calcore.model.reference import Superbias as SuperbiasReference
from calcore.steps.detector.superbias import Superbias


def test_superbias(reference_pipeline, compare, make_ramp):
    rng = np.random.default_rng(3)
    zeroframe = rng.normal(12000, 80, (2, 40, 48)).astype(np.float32)
    zeroframe[0, 3:6, 7] = 0
    ramp = make_ramp(zeroframe=zeroframe)
    bias = rng.normal(12000, 50, (40, 48)).astype(np.float32)
    bias[2, 3:5] = np.nan
    bias[9, 9] = 0
    dq = (rng.random((40, 48)) < 0.1).astype(np.uint32) * np.uint32(3)
    reference = SuperbiasReference(meta=Meta({}), data=bias, dq=dq)
    theirs = reference_pipeline.step("SuperBiasStep", ramp, {"superbias": reference})
    ours = Superbias()(ramp, superbias=reference)
    assert theirs.meta["cal_step.superbias"] == "COMPLETE"
    compare.ramps(ours, theirs, ulp=0)
