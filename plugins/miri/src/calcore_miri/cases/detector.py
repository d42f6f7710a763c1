"""What the steps of stage 1 are checked with that nothing can be made up for."""

from typing import Any

import numpy as np

from calcore.model import Meta
from calcore.model.reference import Emi
from calcore.model.reference import Rscd as RscdReference
from calcore.testing import Case
from calcore.testing.samples import a_ramp
from calcore_miri.steps.emicorr import EmiCorr
from calcore_miri.steps.rscd import Rscd

_ROW_CLOCKS, _FRAME_CLOCKS = 28, 8512
_FREQUENCY_HZ = 390.7
_EMPTY = Meta({})


def emicorr() -> Case:
    """Ramps with a wave of which every pixel sees another phase."""
    names: Any = {"instrument__detector": "MIRIMAGE", "subarray__name": "SUB64"}
    ramp = a_ramp((2, 6, 64, 72), hits=0, exposure__readpatt="FASTR1", **names)
    row, column = np.indices((64, 72))
    frame = np.arange(12).reshape(2, 6, 1, 1)
    clock = row * _ROW_CLOCKS + column // 4 + frame * _FRAME_CLOCKS
    wave = 5 * np.sin(2e-5 * np.pi * _FREQUENCY_HZ * clock)
    amplitudes = np.sin(2 * np.pi * np.arange(500) / 500)
    emi = Emi(
        meta=_EMPTY,
        frequencies={"A": {"frequency": _FREQUENCY_HZ, "phase_amplitudes": amplitudes}},
        subarray_cases={
            "SUB64": {
                "rowclocks": _ROW_CLOCKS,
                "frameclocks": _FRAME_CLOCKS,
                "freqs": {"FAST": ["A"], "SLOW": {"MIRIMAGE": ["A"]}},
            }
        },
    )
    return Case(EmiCorr(), ramp.replace(data=ramp.data + wave.astype("f4")), {"emicorr": emi})


def rscd() -> Case:
    """Ramps of which some pixels saturate soon."""
    names: Any = {"exposure__readpatt": "FASTR1", "exposure__integration_start": 1}
    ramp = a_ramp((2, 9, 32, 40), **names)
    end = np.random.default_rng(2).integers(0, 14, (2, 1, 32, 40))
    late = np.arange(9)[:, None, None] >= end
    flags = np.where(late, ramp.groupdq | np.uint8(2), ramp.groupdq)
    table = np.array(
        [("FULL", "FASTR1", 2, 4)],
        [("subarray", "U4"), ("readpatt", "U6"), ("group_skip1", "i4"), ("group_skip", "i4")],
    )
    return Case(
        Rscd(), ramp.replace(groupdq=flags), {"rscd": RscdReference(meta=_EMPTY, table=table)}
    )
