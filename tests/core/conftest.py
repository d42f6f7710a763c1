"""Ramps of an imaginary detector, for tests of steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calcore.model import Detector, ExposureType, Facts, Meta, Ramp


def _make(
    data: NDArray[np.generic],
    *,
    groupdq: NDArray[np.uint8] | None = None,
    pixeldq: NDArray[np.uint32] | None = None,
    zeroframe: NDArray[np.generic] | None = None,
    axes: tuple[int, int] = (1, 2),
    size: tuple[int, int] | None = None,
    start: tuple[int, int] = (0, 0),
    border: int = 4,
    outputs: int = 4,
    frames: int = 1,
    gap: int = 0,
    **values: Any,
) -> Ramp:
    n_int, n_group, rows, columns = data.shape
    size = size or (rows, columns)
    detector = Detector(
        name="DETECTOR", rows=size[0], columns=size[1], reference_rows=(border, border),
        reference_columns=(border, border), fast_axis=axes[0], slow_axis=axes[1], outputs=outputs,
    )  # fmt: skip
    meta = {
        "exposure.nints": n_int, "exposure.ngroups": n_group, "exposure.nframes": frames,
        "exposure.groupgap": gap, "exposure.noutputs": outputs, "subarray.name": "FULL",
        "subarray.xstart": start[1] + 1, "subarray.ystart": start[0] + 1,
        "subarray.xsize": columns, "subarray.ysize": rows,
        **{name.replace("__", "."): value for name, value in values.items()},
    }  # fmt: skip
    return Ramp(
        meta=Meta(meta, Facts(detector, ExposureType(name="IMAGE"))),
        data=np.ascontiguousarray(data, np.float32),
        groupdq=np.zeros(data.shape, np.uint8) if groupdq is None else groupdq,
        pixeldq=np.zeros((rows, columns), np.uint32) if pixeldq is None else pixeldq,
        zeroframe=None if zeroframe is None else np.ascontiguousarray(zeroframe, np.float32),
    )


@pytest.fixture
def detector_ramp() -> Callable[..., Ramp]:
    """Make a ramp of a detector with axes (fast, slow), `size`, and `border` reference pixels."""
    return _make


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20221109)
