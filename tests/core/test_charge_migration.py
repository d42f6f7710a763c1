"""Samples that charge migration spoils."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.steps.detector.charge_migration import ChargeMigration
from calcore.testing.contract import Case, StepContract

LOST = int(DQ.CHARGELOSS | DQ.DO_NOT_USE)


def test_neighbours_from_the_first_bright_group_on(detector_ramp):
    data = np.zeros((1, 4, 12, 14))
    data[0, 2, 5, 6] = 30000
    groupdq = ChargeMigration()(detector_ramp(data)).groupdq
    expected = np.zeros(data.shape, np.uint8)
    for y, x in ((5, 6), (4, 6), (6, 6), (5, 5), (5, 7)):
        expected[0, 2:, y, x] = LOST
    np.testing.assert_array_equal(groupdq, expected)


def test_only_more_than_the_threshold_counts(detector_ramp):
    data = np.zeros((1, 3, 8, 8))
    data[0, 1, 4, 4], data[0, 1, 2, 2] = 25000, np.nan
    assert (ChargeMigration()(detector_ramp(data)).groupdq == 0).all()
    assert (ChargeMigration(signal_threshold=24999.0)(detector_ramp(data)).groupdq != 0).any()


def test_unusable_samples_are_not_looked_at(detector_ramp):
    data = np.zeros((1, 3, 8, 8))
    data[0, 1, 4, 4] = 30000
    for flag, looked_at in ((DQ.DO_NOT_USE, False), (DQ.DO_NOT_USE | DQ.SATURATED, True)):
        groupdq = np.zeros(data.shape, np.uint8)
        groupdq[0, 1, 4, 4] = flag
        result = ChargeMigration()(detector_ramp(data, groupdq=groupdq)).groupdq
        assert (result[0, 2, 4, 4] == LOST) == looked_at


def test_short_ramps_are_left_alone(detector_ramp):
    with pytest.raises(StepSkipped, match="2 groups are too few"):
        ChargeMigration()(detector_ramp(np.zeros((1, 2, 8, 8))))


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        data = np.cumsum(rng.gamma(0.2, 9000, (2, 4, 20, 24)), axis=1)
        self.ramp = detector_ramp(data)

    def case(self):
        return Case(ChargeMigration(), self.ramp)
