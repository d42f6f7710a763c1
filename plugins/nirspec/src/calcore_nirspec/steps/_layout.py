"""When the rows of an interleaved frame are read."""

import numpy as np

from calcore.model import Meta
from calcore.model.interleaved import Interleaved
from calcore_nirspec.kernels.irs2 import Layout


def layout_of(meta: Meta, interleaved: Interleaved) -> Layout:
    """Return the order of time of an interleaved frame.

    Outputs are numbered from where reading starts. The first reads towards the second, the second
    towards the first, and so on; the reference output reads as the second does.
    """
    detector = meta.facts.detector
    outputs = np.arange(interleaved.rows).reshape(detector.outputs + 1, -1)
    forward = detector.fast_axis > 0
    if not forward:
        outputs = outputs[::-1, ::-1]
    outputs = outputs.copy()
    outputs[::2] = outputs[::2, ::-1]
    return Layout(
        outputs, interleaved.normal, interleaved.reference, detector.columns, detector.slow_axis > 0
    )
