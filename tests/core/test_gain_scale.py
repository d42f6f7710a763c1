"""Count rates taken with another gain."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.model import Meta, Rate
from calcore.model.reference import Gain
from calcore.steps.detector.gain_scale import GainScale


def rate(**meta):
    planes = np.ones((4, 3, 5), np.float32)
    planes[0, 1, 1] = np.nan
    values = {name.replace("__", "."): value for name, value in meta.items()}
    return Rate(
        meta=Meta(values), data=planes[0], err=planes[1], var_poisson=planes[2],
        var_rnoise=planes[3], dq=np.zeros((3, 5), np.uint32),
    )  # fmt: skip


def gain(factor=None):
    data = np.ones((3, 5), np.float32)
    return Gain(meta=Meta({"exposure.gain_factor": factor}), data=data)


def test_rates_scale_by_the_factor_and_variances_by_its_square():
    result = GainScale()(rate(), gain=gain(2.0))
    assert result.data[0, 0] == result.err[0, 0] == 2
    assert result.var_poisson[0, 0] == result.var_rnoise[0, 0] == 4
    assert np.isnan(result.data[1, 1])
    assert result.meta["exposure.gain_factor"] == 2


def test_the_exposures_own_factor_goes_first():
    assert GainScale()(rate(exposure__gain_factor=3.0), gain=gain(2.0)).data[0, 0] == 3


def test_no_factor():
    with pytest.raises(StepSkipped, match="GAINFACT"):
        GainScale()(rate(), gain=gain())
