"""Exposures of two slices, whose polynomials are straight lines, and what is made of them."""

from typing import Any

import numpy as np

from calcore.model import Group, Meta
from calcore.model.cubing import coordinates_of
from calcore.testing import Case
from calcore.testing.samples import an_image
from calcore.testing.spectral_cases import extract_cube
from calcore_miri import INSTRUMENT
from calcore_miri.references import (
    CubeParameters,
    FringeFrequencies,
    SlicerDistortion,
    SlicerRanges,
    SlicerRegions,
    SlicerWavelengths,
)
from calcore_miri.steps.assign_wcs import AssignWcs
from calcore_miri.steps.cube_build import CubeBuild
from calcore_miri.steps.extract_1d import Extract1d
from calcore_miri.steps.residual_fringe import ResidualFringe

_EMPTY = Meta({})


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
            beta=[{"!": "constant", "value": value} for value in (-0.5, -0.3)],
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


def fringe_frequencies(
    slices: tuple[int, ...] = (101, 102), period: float = 30.0, reach: float = 10.0
) -> FringeFrequencies:
    """Return a reference of one layer [1/cm]."""
    kinds = [(name, "f8") for name in ("slice", "ffreq", "dffreq", "max_nfringes", "min_snr")]
    table = np.array([(number, period, reach, 10, 10.0) for number in slices], kinds)
    largest = np.array([(5.0, 0.2), (6.0, 0.2)], [("wavelength", "f8"), ("amplitude", "f8")])
    return FringeFrequencies(meta=_EMPTY, short=table, medium=table, long=table, largest=largest)


def residual_fringe() -> Case:
    """Return an image of these slices with fringes."""
    case = assign_wcs()
    image = case.step(case.flow, **case.given)
    wavelengths = coordinates_of(image).local()[2]
    waves = 1 + 0.05 * np.cos(2 * np.pi * 1e4 / np.nan_to_num(wavelengths, nan=5.0) / 30.0)
    rng = np.random.default_rng(1)
    data = 100 * waves + rng.normal(0, 1, waves.shape)
    image = image.replace(data=data.astype("f4"), err=np.ones(waves.shape, np.float32))
    return Case(ResidualFringe(), image, {"fringefreq": fringe_frequencies()})


def extract_1d() -> Case:
    """Return a cube of one channel and band."""
    case = extract_cube()
    told = {"instrument.channel": "1", "instrument.band": "SHORT"}
    cube = case.flow.replace(meta=case.flow.meta.set(told))
    return Case(Extract1d(), cube, case.given)


def _line(constant: float, first: float, second: float) -> dict[str, Any]:
    """Return a polynomial of two variables as ASDF files have it."""
    return {"!": "polynomial", "coefficients": [[constant, second], [first, 0.0]]}


def _both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return two polynomials of the same two variables."""
    copied = {"!": "remap_axes", "mapping": [0, 1, 0, 1]}
    joined = {"!": "concatenate", "forward": [first, second]}
    return {"!": "compose", "forward": [copied, joined]}
