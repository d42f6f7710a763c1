"""Halos of snowballs: where they end, by what their ramps say, and what is flagged of them."""

import numpy as np
import pytest

from calcore.errors import BadParameter
from calcore.flags import DQ
from calcore.kernels.snowball_halos import Signal, halo_reach
from calcore.kernels.snowballs import Snowballs, flag_snowballs
from calcore.model import Meta, Ramp
from calcore.model.reference import Gain, ReadNoise
from calcore.steps.detector.jump import Jump
from calcore.testing.contract import Case, StepContract

JUMP, SAT, DNU = (np.uint8(bit) for bit in (DQ.JUMP_DET, DQ.SATURATED, DQ.DO_NOT_USE))
SIZE, CORE, READ = 120, 5.0, 7.0
Y, X = np.mgrid[:SIZE, :SIZE]
RADIUS = np.hypot(Y - 60.0, X - 58.0)


def halo(amplitude=200.0, length=4.0):
    """Charge about a core over the noise of a difference."""
    return amplitude * np.exp(-(RADIUS - CORE) / length)


@pytest.mark.parametrize("length", [2.0, 4.0, 6.0])
@pytest.mark.parametrize("limit", [0.05, 0.1, 0.5])
def test_an_exponential_ends_where_it_should(length, limit):
    rng = np.random.default_rng(1)
    excess = halo(length=length) + rng.normal(size=RADIUS.shape)
    end = CORE + length * np.log(200 / limit)
    assert halo_reach(excess, RADIUS, CORE, limit) == pytest.approx(end, rel=0.1)
    bare = halo_reach(halo(length=length), RADIUS, CORE, limit)
    assert bare == pytest.approx(end, abs=0.6)


def test_twice_the_scale_is_twice_as_far():
    near = halo_reach(halo(length=3.0), RADIUS, CORE, 0.2) - CORE
    far = halo_reach(halo(length=6.0), RADIUS, CORE, 0.2) - CORE
    assert far == pytest.approx(2 * near, abs=1.0)


def test_hits_and_unknown_pixels_do_not_matter():
    rng = np.random.default_rng(2)
    excess = halo() + rng.normal(size=RADIUS.shape)
    end = halo_reach(excess, RADIUS, CORE, 0.1)
    excess[30:33] = 1e4
    excess[:, 40] = np.nan
    assert halo_reach(excess, RADIUS, CORE, 0.1) == pytest.approx(end, rel=0.1)


def test_where_nothing_is_nothing_ends():
    rng = np.random.default_rng(3)
    assert halo_reach(rng.normal(size=RADIUS.shape), RADIUS, CORE, 0.1) == 0
    assert halo_reach(np.full(RADIUS.shape, np.nan), RADIUS, CORE, 0.1) == 0
    # A plateau fades nowhere: it ends where it was seen last.
    plateau = np.where(RADIUS < 20, 10.0, 0.0)
    assert halo_reach(plateau, RADIUS, CORE, 0.1) == 20


def snowball(n_frames=1, fraction=1.0, sky=20.0, n_group=8, seed=4):
    """Return a ramp with a snowball in group 4, or `fraction` of it there, the rest in group 5."""
    rng = np.random.default_rng(seed)
    shape = 1, n_group, SIZE, SIZE
    charge = np.where(RADIUS <= CORE, 1e5, halo() * READ)
    data = np.cumsum(rng.poisson(sky, shape), axis=1) + rng.normal(0, READ / np.sqrt(2), shape)
    data[0, 4:] += charge * fraction
    data[0, 5:] += charge * (1 - fraction)
    flags = np.zeros(shape, np.uint8)
    flags[0, :, :, 3] = DNU
    seen = charge * fraction > 4 * np.hypot(READ, np.sqrt(sky))
    flags[0, 4][seen & (RADIUS > CORE)] = JUMP
    flags[0, 5][(charge * (1 - fraction) > 30) & (RADIUS > CORE)] |= JUMP
    full = 4 if fraction == 1 else 5
    flags[0, 4][RADIUS <= CORE] |= JUMP
    flags[0, full:, RADIUS <= CORE] = SAT
    ones = np.ones((SIZE, SIZE), np.float32)
    signal = Signal(
        data.astype(np.float32), ones, np.float32(READ * n_frames**0.5) * ones, n_frames
    )
    return flags, signal, charge / np.hypot(READ, np.sqrt(sky))


SETTINGS = Snowballs(exact=True, min_edge_radius=3.0, halo_limit=0.1)


def test_halos_are_flagged_down_to_the_limit():
    flags, signal, excess = snowball()
    before = flags.copy()
    found, count = flag_snowballs(flags, SETTINGS, signal)
    assert count == 1
    np.testing.assert_array_equal(flags, before)
    halo_flags = (found[0, 4] & JUMP) != 0
    free = (flags[0, 4] & (DNU | SAT)) == 0
    assert halo_flags[free & (excess > 0.2) & (RADIUS > CORE + 3)].all()
    assert not halo_flags[free & (excess < 0.05)].any()
    others = np.delete(found[0], 4, axis=0)
    np.testing.assert_array_equal(others & JUMP, np.delete(flags[0], 4, axis=0) & JUMP)


def test_the_rest_of_an_event_between_averaged_reads_is_flagged_too():
    flags, signal, excess = snowball(n_frames=4, fraction=0.25)
    found, _ = flag_snowballs(flags, SETTINGS, signal)
    free = (flags[0, 5] & (DNU | SAT)) == 0
    rest = ((found[0, 5] & JUMP) != 0) & free
    assert rest[free & (0.75 * excess > 0.3) & (RADIUS > CORE + 3)].all()
    assert not rest[free & (0.75 * excess < 0.03)].any()


def test_a_core_that_no_halo_surrounds_flags_nothing_more():
    flags, signal, _ = snowball()
    data = signal.data.copy()
    data[0, 4:, RADIUS > CORE] -= (halo() * READ)[RADIUS > CORE].astype(np.float32)[:, None]
    bare = Signal(data, signal.gain, signal.readnoise, 1)
    flags[0, 4][RADIUS > CORE + 2] &= ~JUMP
    found, count = flag_snowballs(flags, SETTINGS, bare)
    assert count == 1
    assert not (found[0, 4] & ~flags[0, 4] & JUMP).any()


def test_ramps_too_short_to_tell_go_by_the_factor():
    flags, signal, _ = snowball()
    flags[0, [0, 1, 2, 6, 7]] = DNU
    found, _ = flag_snowballs(flags, SETTINGS, signal)
    known, _ = flag_snowballs(flags, Snowballs(exact=True, min_edge_radius=3.0))
    np.testing.assert_array_equal(found, known)
    assert (found[0, 4] & JUMP).sum() > 2 * (flags[0, 4] & JUMP).sum()


class TestJumpWithHalos(StepContract):
    def case(self):
        flags, signal, _ = snowball()
        meta = Meta(
            {
                "exposure.ngroups": 8, "exposure.nints": 1, "exposure.nframes": 1,
                "exposure.group_time": 10.0, "exposure.frame_time": 10.0,
            }
        )  # fmt: skip
        flags[0, 4] &= ~JUMP
        pixeldq = np.zeros((SIZE, SIZE), np.uint32)
        ramp = Ramp(meta=meta, data=signal.data, groupdq=flags, pixeldq=pixeldq)
        references = {
            "gain": Gain(meta=Meta({}), data=signal.gain),
            "readnoise": ReadNoise(meta=Meta({}), data=signal.readnoise),
        }
        step = Jump(expand_large_events=True, exact_snowballs=True, halo_limit=0.1)
        return Case(step, ramp, references)

    def test_more_is_flagged_than_jumps_show(self):
        case = self.case()
        plain = Jump()(case.flow, **case.given)
        found = case.step(case.flow, **case.given)
        assert (found.groupdq & JUMP).sum() > 1.5 * (plain.groupdq & JUMP).sum()


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(BadParameter, match=r"halo_limit.*0\.01"):
        Jump(halo_limit=0.0)
