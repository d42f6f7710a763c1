"""Groups whose frames were divided by another number than theirs."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.steps.detector.group_scale import GroupScale


def test_groups_are_scaled_and_the_zero_frame_is_not(detector_ramp):
    data = np.full((1, 3, 8, 8), 10.0)
    ramp = detector_ramp(data, frames=5, exposure__frame_divisor=8, zeroframe=data[:, 0])
    result = GroupScale()(ramp)
    np.testing.assert_array_equal(result.data, np.float32(16))
    np.testing.assert_array_equal(result.zeroframe, np.float32(10))


@pytest.mark.parametrize(
    ("divisor", "reason"), [(4, "divided by their number"), (None, "FRMDIVSR.* is not known")]
)
def test_nothing_to_scale(detector_ramp, divisor, reason):
    ramp = detector_ramp(np.ones((1, 2, 8, 8)), frames=4, exposure__frame_divisor=divisor)
    with pytest.raises(StepSkipped, match=reason):
        GroupScale()(ramp)
