"""What MIRI's steps are checked with that nothing can be made up for."""

from typing import Any

import numpy as np

from calcore.model import Group, Meta
from calcore.model.reference import Emi
from calcore.model.reference import Rscd as RscdReference
from calcore.testing import Case
from calcore.testing.samples import a_ramp, an_image
from calcore_miri import INSTRUMENT
from calcore_miri.references import (
    CubeParameters,
    SlicerDistortion,
    SlicerRanges,
    SlicerRegions,
    SlicerWavelengths,
)
from calcore_miri.steps.assign_wcs import AssignWcs
from calcore_miri.steps.cube_build import CubeBuild
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


def assign_wcs() -> Case:
    """An image of two slices, whose polynomials are straight lines."""
    image = an_image(
        instrument__detector="MIRIFUSHORT", exposure__type="MIR_MRS", instrument__channel="12",
        instrument__band="SHORT",
    )  # fmt: skip
    labels = np.zeros((9, 1024, 1032), np.int16)
    labels[7, :, 2:18], labels[7, :, 20:36] = 101, 102
    to_sky = {
        **_both(_line(-503, 1, 0), _line(-319, 0, -1)),
        "inverse": _both(_line(503, 1, 0), _line(-319, 0, -1)),
    }
    given = {
        "distortion": SlicerDistortion(
            meta=_EMPTY, slices=[101, 102], beta_zero={}, beta_step={},
            alpha=[_line(-1.0, 0, 0.1), _line(-2.8, 0, 0.1)],
            beta=[{"transform": "constant", "value": value} for value in (-0.5, -0.3)],
            x=[_line(10, 0, 10), _line(28, 0, 10)], y=[_line(-500, 100, 0)] * 2,
            field={"channel_band": ["1SHORT", "2SHORT"], "model": [to_sky, to_sky]},
        ),
        "specwcs": SlicerWavelengths(
            meta=_EMPTY, slices=[101, 102], wavelengths=[_line(5, 0.01, 0)] * 2
        ),
        "regions": SlicerRegions(meta=_EMPTY, labels=labels),
        "wavelengthrange": SlicerRanges(
            meta=_EMPTY, names=["1SHORT", "2SHORT"], ranges=[[4.5, 6.0], [7.5, 9.0]]
        ),
    }  # fmt: skip
    known = image.meta.with_facts(INSTRUMENT.facts(image.meta))
    return Case(AssignWcs(), image.replace(meta=known), given)


def cube_build() -> Case:
    """Two images of these slices."""
    case = assign_wcs()
    image = case.step(case.flow, **case.given)
    columns = [("channel", "U2"), ("band", "U12")]
    sizes = ("spaxelsize", "spectralstep", "wavemin", "wavemax")
    powers = ("roispatial", "roispectral", "power", "softrad")
    parameters = CubeParameters(
        meta=_EMPTY,
        sizes=np.array(
            [("1", "short", 0.2, 0.02, 5.0, 5.3)], [*columns, *((name, "f4") for name in sizes)]
        ),
        powers=np.array(
            [("1", "short", 0.4, 0.04, 2.0, 0.01)], [*columns, *((name, "f4") for name in powers)]
        ),
    )
    step = CubeBuild(channel="1")
    return Case(step, Group("cube", (image, image)), {"cubepar": parameters})


def _line(constant: float, first: float, second: float) -> dict[str, Any]:
    """Return a polynomial of two variables as ASDF files have it."""
    return {"transform": "polynomial", "coefficients": [[constant, second], [first, 0.0]]}


def _both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return two polynomials of the same two variables."""
    copied = {"transform": "remap_axes", "mapping": [0, 1, 0, 1]}
    joined = {"transform": "concatenate", "forward": [first, second]}
    return {"transform": "compose", "forward": [copied, joined]}
