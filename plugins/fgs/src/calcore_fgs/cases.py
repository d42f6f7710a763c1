"""What the guiders' steps are checked with: guide-star exposures, which nobody else has."""

from typing import Any

import numpy as np

from calcore.model import Meta
from calcore.testing import Case
from calcore_fgs import INSTRUMENT
from calcore_fgs.guide_star import Flat, Gain, GuideRamp, Mask, ReadNoise
from calcore_fgs.steps.dq_init import DqInit
from calcore_fgs.steps.flat_field import FlatField
from calcore_fgs.steps.guider_cds import GuiderCds

_SIZE, _FRAME = 24, 64
"""Rows and columns of the window that is read, and of the references."""


def dq_init() -> Case:
    """Reads of an acquisition."""
    return Case(DqInit(), _reads(), {"mask": _references()["mask"]})


def guider_cds() -> Case:
    """The same."""
    known = _references()
    return Case(GuiderCds(), _reads(), {name: known[name] for name in ("gain", "readnoise")})


def flat_field() -> Case:
    """Rates of them."""
    case = guider_cds()
    rates = case.step(case.flow, **case.given)
    return Case(FlatField(), rates, {"flat": _references()["flat"]})


def _where(left: int, top: int, size: int) -> dict[str, Any]:
    """Return metadata of a window of the detector."""
    return {
        "instrument.name": "FGS", "instrument.detector": "GUIDER1", "subarray.name": "FULL",
        "subarray.xstart": left, "subarray.ystart": top, "subarray.xsize": size,
        "subarray.ysize": size, "subarray.fastaxis": -2, "subarray.slowaxis": -1,
    }  # fmt: skip


def _reads() -> GuideRamp:
    """Return reads of a window in which there are many stars."""
    rng = np.random.default_rng(1)
    shape = 6, 2, _SIZE, _SIZE
    values = {
        **_where(3, 5, _SIZE), "exposure.type": "FGS_ACQ1", "exposure.nints": shape[0],
        "exposure.ngroups": shape[1], "exposure.group_time": 0.4,
    }  # fmt: skip
    meta = Meta(values)
    stars = np.arange(2)[:, None, None] * rng.gamma(2, 50, shape[2:])
    data = 1000 + stars + rng.normal(0, 15, shape)
    return GuideRamp(
        meta=meta.with_facts(INSTRUMENT.facts(meta)),
        data=data.astype(np.float32),
        dq=np.zeros(shape[2:], np.uint32),
    )


def _references() -> dict[str, Any]:
    """Return references of a detector, small as it is, with pixels of every kind."""
    rng = np.random.default_rng(2)
    where, shape = Meta(_where(1, 1, _FRAME)), (_FRAME, _FRAME)
    flat = rng.uniform(0.8, 1.2, shape).astype(np.float32)
    flat[::9, ::7], flat[::8, ::5] = np.nan, 0
    return {
        "mask": Mask(meta=where, dq=(rng.random(shape) < 0.1).astype(np.uint32)),
        "gain": Gain(meta=where, data=rng.uniform(1.5, 2, shape).astype(np.float32)),
        "readnoise": ReadNoise(meta=where, data=rng.uniform(10, 20, shape).astype(np.float32)),
        "flat": Flat(meta=where, data=flat, err=np.full(shape, 0.01, np.float32)),
    }
