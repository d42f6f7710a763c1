"""Jumps as what stands out among integrations: the kernel against astropy, and the step."""

import numpy as np
import pytest
from astropy.stats import sigma_clip

from calcore.flags import DQ
from calcore.kernels.jump_across_integrations import clip_jumps
from calcore.model import Meta, Ramp, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.model.usable_groups import usable_groups
from calcore.steps.detector.jump import Jump
from calcore.testing.contract import Case, StepContract

JUMP, DNU, SAT = (np.uint8(bit) for bit in (DQ.JUMP_DET, DQ.DO_NOT_USE, DQ.SATURATED))


def ramps(shape=(60, 4, 7, 40), seed=1, lost=0.02):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(40, shape) + (rng.random(shape) < 0.02) * 10 ** rng.uniform(1, 5, shape)
    data = np.cumsum(counts, axis=1) + rng.normal(0, 4, shape)
    flags = np.where(rng.random(shape) < lost, DNU, np.uint8(0))
    flags |= np.where(rng.random(shape) < lost / 4, SAT, np.uint8(0))
    gain = rng.uniform(1, 3, shape[2:]).astype(np.float32)
    return (data / gain).astype(np.float32), flags, gain


def clipped(data, flags, gain, *, axis, sigma=4.0):
    signal = np.where(flags == 0, data * gain, np.float32(np.nan))
    differences = np.diff(signal, axis=1)
    with np.errstate(invalid="ignore"):
        _, low, high = sigma_clip(
            np.ma.masked_invalid(differences), sigma=sigma, axis=axis, return_bounds=True
        )
        if axis == 0:
            low, high = low[None], high[None]
        return np.isfinite(differences) & ((differences < low) | (differences > high))


@pytest.mark.parametrize(("together", "axis"), [(False, 0), (True, (0, 1))])
@pytest.mark.parametrize("sigma", [4.0, 2.5])
def test_same_as_astropy(together, axis, sigma):
    data, flags, gain = ramps()
    out, count = clip_jumps(data, flags, gain, threshold=sigma, together=together)
    expected = clipped(data, flags, gain, axis=axis, sigma=sigma)
    assert expected.sum() > 200
    np.testing.assert_array_equal((out[:, 1:] & JUMP) != 0, expected)
    np.testing.assert_array_equal(count, expected.sum(axis=(0, 1)))
    np.testing.assert_array_equal(out & ~JUMP, flags)


def test_known_jump():
    """Of 25 values, one deviates by s times the spread of the others: 4 sigma if s = 6.31."""
    steps = np.full((24, 3), 100.0) + 10 * (np.arange(24) % 3 - 1)[:, None]
    spread = 10 * np.sqrt(2 / 3)
    for size, found in ((6.4, 1), (6.2, 0)):
        one = np.concatenate([steps, [[100.0, 100 + size * spread, 100.0]]])
        data = np.concatenate([np.zeros((25, 1)), np.cumsum(one, axis=1)], axis=1)
        data = data[:, :, None, None].astype(np.float32)
        ones = np.ones((1, 1), np.float32)
        out, count = clip_jumps(data, np.zeros(data.shape, np.uint8), ones)
        assert count.tolist() == [[found]]
        assert np.argwhere(out)[:, :2].tolist() == [[24, 2]] * found


def test_each_difference_has_a_level_of_its_own():
    """A drift that all integrations share is no jump, unless all differences are compared."""
    data = np.zeros((50, 12, 1, 1), np.float32)
    data += np.random.default_rng(2).normal(0, 1, data.shape)
    data[:, 1:] += 1000
    ones = np.ones((1, 1), np.float32)
    flags = np.zeros(data.shape, np.uint8)
    assert clip_jumps(data, flags, ones, threshold=5.0)[1].sum() == 0
    out, count = clip_jumps(data, flags, ones, threshold=3.0, together=True)
    assert count.sum() >= 50
    assert (out[:, 1] == JUMP).all()


def test_integrations_may_change_places():
    data, flags, gain = ramps(seed=3)
    order = np.random.default_rng(4).permutation(data.shape[0])
    out, _ = clip_jumps(data, flags, gain)
    same, _ = clip_jumps(data[order], flags[order], gain)
    np.testing.assert_array_equal(same, out[order])


def test_nan_flags_and_known_jumps():
    data, flags, gain = ramps(lost=0.0)
    data[:, :, 0], gain[1], data[3, 2, 2] = np.nan, np.nan, np.inf
    flags[5, 2, 3], flags[5, 2, 4] = JUMP | DNU, JUMP
    out, count = clip_jumps(data, flags, gain)
    assert not out[:, :, :2].any()
    assert not (out[3, 2:4, 2] & JUMP).any()
    assert (out[5, 2, 3] == DNU).all()
    assert (out[5, 2, 4] == JUMP).all()
    np.testing.assert_array_equal(count, ((out & JUMP) != 0).sum(axis=(0, 1)))


def exposure(integrations=20, groups=4):
    data, groupdq, gain = ramps((integrations, groups, 20, 12), seed=6)
    values = {
        "exposure.ngroups": groups, "exposure.nints": integrations, "exposure.nframes": 1,
        "exposure.group_time": 3.0,
    }  # fmt: skip
    ramp = Ramp(
        meta=Meta(values), data=data, groupdq=groupdq, pixeldq=np.zeros(gain.shape, np.uint32)
    )
    references = {
        "gain": Gain(meta=Meta({}), data=gain),
        "readnoise": ReadNoise(meta=Meta({}), data=np.full(gain.shape, 5, np.float32)),
    }
    return ramp, references


class TestAcrossIntegrations(StepContract):
    def case(self):
        ramp, references = exposure()
        return Case(Jump(minimum_sigclip_groups=20), ramp, references)

    def test_integrations_are_counted(self):
        case = self.case()
        plain = {"flag_4_neighbors": False, "test": "likelihood"}
        ours = Jump(minimum_sigclip_groups=20, **plain)(case.flow, **case.given)
        data, gain = case.flow.data, case.given["gain"].data
        np.testing.assert_array_equal(ours.groupdq, clip_jumps(data, case.flow.groupdq, gain)[0])
        other = Jump(minimum_sigclip_groups=21, **plain)(case.flow, **case.given)
        default = Jump(**plain)(case.flow, **case.given)
        np.testing.assert_array_equal(other.groupdq, default.groupdq)
        assert (ours.groupdq != other.groupdq).any()

    def test_groups_are_counted_if_asked(self):
        case = self.case()
        groupdq = case.flow.groupdq.copy()
        groupdq[4, 3], groupdq[7, 0] = DNU, DNU
        ramp = case.flow.replace(groupdq=groupdq)
        plain = {"flag_4_neighbors": False, "only_use_ints": False}
        ours = Jump(minimum_sigclip_groups=78, **plain)(ramp, **case.given)
        expected, _ = clip_jumps(ramp.data, groupdq, case.given["gain"].data, together=True)
        np.testing.assert_array_equal(ours.groupdq, expected)
        other = Jump(minimum_sigclip_groups=79, **plain)(ramp, **case.given)
        default = Jump(flag_4_neighbors=False)(ramp, **case.given)
        np.testing.assert_array_equal(other.groupdq, default.groupdq)

    def test_two_usable_groups_do(self):
        case = self.case()
        groupdq = case.flow.groupdq.copy()
        groupdq[:, [0, 3]] |= DNU
        ramp = case.flow.replace(groupdq=groupdq)
        assert (case.step(ramp, **case.given).groupdq[:, 2] & JUMP).any()
        assert not (Jump()(ramp, **case.given).groupdq & JUMP).any()


def test_usable_groups_read_no_more_than_they_must():
    ramp, _ = exposure()
    groupdq = ramp.groupdq.copy()
    groupdq[0, 3], groupdq[1, 0, :15] = DNU, DNU
    ramp = ramp.replace(groupdq=groupdq)
    read = []

    def parts():
        for start in range(0, 20, 5):
            read.append(start)
            yield ramp.cut(Window.whole(20, 12).with_rows(start, start + 5))

    groups = usable_groups(parts(), (3,))
    assert (groups.least, groups.n_int, read) == (3, 20, [0])
    read.clear()
    groups = usable_groups(parts(), (3,), 79)
    assert (groups.least, groups.total, read) == (3, 79, [0, 5, 10, 15])
    read.clear()
    usable_groups(parts(), (3,), 81)
    assert read == [0]
