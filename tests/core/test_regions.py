"""Connected regions, their ellipses, and snowballs."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels.regions import find_regions
from calcore.kernels.snowballs import Snowballs, flag_snowballs
from calcore.model import Window
from calcore.run.scratch import ScratchFile, ScratchPlane

JUMP, DNU, SAT = (np.uint8(bit) for bit in (DQ.JUMP_DET, DQ.DO_NOT_USE, DQ.SATURATED))


def grid(size=80):
    return np.mgrid[:size, :size]


def ellipse(y0, x0, along_x, along_y, angle=0.0, size=80):
    y, x = grid(size)
    u = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    v = -(x - x0) * np.sin(angle) + (y - y0) * np.cos(angle)
    return (u / along_x) ** 2 + (v / along_y) ** 2 <= 1


def test_regions_touch_at_corners():
    mask = np.zeros((6, 8), np.uint8)
    mask[1, 1] = mask[2, 2] = mask[3, 1] = 1
    mask[0, 5:7] = 4
    regions = find_regions(mask)
    assert len(regions) == 2
    assert regions.y.tolist() == [0, 2]
    assert regions.x.tolist() == [5.5, pytest.approx(4 / 3)]


def test_holes_count_for_the_area():
    mask = np.zeros((7, 7), bool)
    mask[1:6, 1:6] = True
    mask[2:5, 2:5] = False  # 16 pixels around 9
    assert len(find_regions(mask, 25)) == 1
    assert len(find_regions(mask, 26)) == 0
    mask[1, 1] = mask[1, 2] = False  # the hole opens at a corner
    assert len(find_regions(mask, 15)) == 0


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.2, -0.7])
def test_ellipses_have_the_moments_of_their_regions(angle):
    regions = find_regions(ellipse(40, 38, 15, 6, angle))
    assert (regions.y[0], regions.x[0]) == pytest.approx((40, 38), abs=0.05)
    assert (regions.major[0], regions.minor[0]) == pytest.approx((14.5, 5.5), abs=0.2)
    # From the direction of rows' numbers, towards columns' numbers.
    assert np.tan(regions.angle[0] - (np.pi / 2 - angle)) == pytest.approx(0, abs=0.02)


def test_painted_ellipse_lies_on_its_region():
    mask = ellipse(40, 38, 15, 6, 0.6)
    out = np.full(mask.shape, DNU)
    out[40, 38] = SAT
    find_regions(mask).ellipse(0, 15.0, 6.0).paint(out, int(JUMP), unless=int(SAT))
    painted = (out & JUMP) != 0
    assert not painted[40, 38]
    assert (painted != mask).sum() < 0.1 * mask.sum()
    assert (out & DNU).sum() == mask.size - 1


def test_region_of_one_column_has_no_width():
    regions = find_regions(np.ones((6, 1), np.uint8))
    assert regions.minor[0] == -0.5


def ball(n_int=1, n_group=6, group=2, radius=10, core=4, shift=0, size=120):
    y, x = grid(size)
    flags = np.zeros((n_int, n_group, size, size), np.uint8)
    flags[0, group][np.hypot(y - 60, x - 60) <= radius] = JUMP
    flags[0, group:, np.hypot(y - 60, x - 60 - shift) <= core] = SAT
    return flags


def test_halo_doubles_and_core_grows():
    out, count = flag_snowballs(ball(), Snowballs())
    assert count == 1
    reach = np.flatnonzero(out[0, 2, 60])
    assert (reach.min(), reach.max()) == (40, 80)
    assert (np.flatnonzero(out[0, 2, 60] & SAT)[[0, -1]] == (56, 64)).all()
    assert not (out[0, 3:] & JUMP).any()
    np.testing.assert_array_equal(out[0, 3] & SAT, out[0, 5] & SAT)
    assert not out[0, :2].any()


def test_halo_needs_a_core_or_an_edge():
    without = ball(core=-1)
    out, count = flag_snowballs(without, Snowballs())
    assert count == 0
    np.testing.assert_array_equal(out, without)
    assert flag_snowballs(without, Snowballs(sat_required=False))[1] == 1
    assert flag_snowballs(without, Snowballs(edge_size=61))[1] == 1
    assert flag_snowballs(ball(core=2, shift=12), Snowballs())[1] == 0


def test_core_may_saturate_a_group_later():
    flags = ball()
    flags[0, 2][flags[0, 2] == SAT] = JUMP
    assert flag_snowballs(flags, Snowballs())[1] == 1


def test_core_is_flagged_in_the_next_integration():
    out, _ = flag_snowballs(ball(n_int=3), Snowballs(next_groups=4))
    core = (out[1, :, 60, 60] & JUMP) != 0
    assert core.tolist() == [False, True, True, True, False, False]
    assert not out[2].any()
    assert not out[1, 1, 60, 70]


def test_long_events_and_cores_off_their_axes():
    """A core on the long axis, and one as far off it: the mirrored ellipse mistakes them."""
    for down, right, inside in ((0, 14, True), (14, 0, False)):
        flags = np.zeros((1, 3, 80, 80), np.uint8)
        flags[0, 1][ellipse(40, 40, 20, 6)] = JUMP
        flags[0, 2][ellipse(40 + down, 40 + right, 2, 2)] = SAT
        assert flag_snowballs(flags, Snowballs(exact=True))[1] == inside
        assert flag_snowballs(flags, Snowballs())[1] != inside


def test_other_flags_of_a_growing_core():
    flags = ball()
    flags[0, 3, 60, 64:67] = DNU
    assert flag_snowballs(flags, Snowballs())[0][0, 3, 60, 64] == SAT
    assert flag_snowballs(flags, Snowballs(exact=True))[0][0, 3, 60, 64] == SAT | DNU


def test_flags_go_where_they_are_wanted(tmp_path):
    flags = ball(n_int=3)
    settings = Snowballs(next_groups=4)
    expected, _ = flag_snowballs(flags, settings)
    filed = ScratchPlane(flags.shape, flags.dtype, ScratchFile(tmp_path))
    filed.put(flags, Window.whole(*flags.shape[2:]))
    for out in (filed, flags):
        found, count = flag_snowballs(out, settings, out=out)
        assert found is out
        assert count == 1
        np.testing.assert_array_equal(np.asarray(out), expected)


def test_input_is_untouched():
    flags = ball()
    before = flags.copy()
    flag_snowballs(flags, Snowballs(next_groups=3))
    np.testing.assert_array_equal(flags, before)
