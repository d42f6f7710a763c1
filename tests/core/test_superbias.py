"""The bias pattern of a reset."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.reference import Superbias as SuperbiasReference
from calcore.steps.detector.superbias import Superbias
from calcore.testing.contract import Case, StepContract


def reference(rng, shape=(40, 24)):
    data = rng.normal(12000, 50, shape).astype(np.float32)
    data[5, 6] = np.nan
    dq = np.zeros(shape, np.uint32)
    dq[7, 8] = DQ.UNRELIABLE_BIAS
    return SuperbiasReference(meta=Meta({}), data=data, dq=dq)


def test_bias_returns_what_was_added_to_it(detector_ramp, rng):
    bias = reference(rng)
    signal = rng.integers(0, 500, (2, 3, 40, 24)).astype(np.float32)
    zeroframe = np.nan_to_num(bias.data) + signal[:, 0]
    zeroframe[1, 2, 3] = 0
    ramp = detector_ramp(np.nan_to_num(bias.data) + signal, zeroframe=zeroframe)
    result = Superbias()(ramp, superbias=bias)
    np.testing.assert_allclose(result.data, signal, atol=2e-3)
    assert result.zeroframe[1, 2, 3] == 0
    np.testing.assert_allclose(result.zeroframe[0], signal[0, 0], atol=2e-3)
    assert (result.pixeldq == bias.dq).all()


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        data = rng.normal(12100, 9, (2, 3, 40, 24))
        self.ramp = detector_ramp(data, zeroframe=data[:, 0])
        self.bias = reference(rng)

    def case(self):
        return Case(Superbias(), self.ramp, {"superbias": self.bias})
