"""What each part of a ramp gives: lines that are known."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels.ramp_fit_ols import fit_ordinary
from calcore.kernels.ramp_fit_segments import describe_segments

TIMES = {"group_time_s": 10.0, "frame_time_s": 10.0}


def described(flags, slope=5.0, **more):
    """Describe a ramp of one pixel that rises by `slope` [DN/s] from 50 DN on."""
    flags = np.array(flags, np.uint8)[None, :, None, None]
    n_group = flags.shape[1]
    data = (50 + slope * 10 * np.arange(n_group))[None, :, None, None].astype(np.float32)
    arrays = (
        data, flags, np.zeros((1, 1), np.uint32), np.full((1, 1), 2, np.float32),
        np.full((1, 1), 6, np.float32),
    )  # fmt: skip
    return describe_segments(*arrays, **{**TIMES, **more}), fit_ordinary(*arrays, **TIMES, **more)


def test_parts_are_lines():
    jump, lost = int(DQ.JUMP_DET), int(DQ.DO_NOT_USE)
    found, fit = described([0, 0, 0, jump, 0, 0, 0, lost, 0, 0])
    assert found.slope.shape == (1, 3, 1, 1)
    np.testing.assert_allclose(found.slope[0, :, 0, 0], 5.0, rtol=1e-6)
    np.testing.assert_allclose(found.yint[0, :, 0, 0], 50.0, rtol=1e-5)
    np.testing.assert_allclose(found.weights * found.var_rnoise, 1.0, rtol=1e-6)
    assert 1 / found.weights.sum() == pytest.approx(fit.var_rnoise[0, 0], rel=1e-6)
    assert 1 / (1 / found.var_poisson).sum() == pytest.approx(fit.var_poisson[0, 0], rel=1e-6)
    assert found.crmag[0, 0, 0, 0] == pytest.approx(50.0)
    assert found.pedestal[0, 0, 0] == pytest.approx(45.0)


def test_a_single_group_is_a_part_where_there_is_no_other():
    found, fit = described([0, int(DQ.SATURATED), int(DQ.SATURATED)], suppress_one_group=False)
    assert found.slope[0, 0, 0, 0] == fit.rate[0, 0]
    assert found.var_rnoise[0, 0, 0, 0] == fit.var_rnoise[0, 0]
    assert found.sigslope[0, 0, 0, 0] == found.yint[0, 0, 0, 0] == 0
    none, _ = described([int(DQ.SATURATED)] * 3)
    assert not none.slope.any()
    assert not none.pedestal.any()


def test_errors_of_two_samples_are_those_of_their_difference():
    found, _ = described([0, 0])
    noise = 6 * 2 / np.sqrt(2)
    assert found.sigslope[0, 0, 0, 0] == pytest.approx(np.sqrt(2) * noise, rel=1e-6)
    assert found.sigyint[0, 0, 0, 0] == pytest.approx(np.sqrt(2) * noise, rel=1e-6)


def test_jumps_to_saturated_groups_have_no_height():
    found, _ = described([0, 0, 0, int(DQ.JUMP_DET | DQ.SATURATED)])
    assert np.isnan(found.crmag[0, 0, 0, 0])
