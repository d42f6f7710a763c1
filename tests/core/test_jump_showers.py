"""Showers: the kernel on glows that are known, and the step."""

import numpy as np
import pytest

from calcore.errors import BadParameter
from calcore.flags import DQ
from calcore.kernels.jump_showers import Showers, flag_showers
from calcore.model import Meta, Ramp, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.run.scratch import ScratchFile, ScratchPlane
from calcore.steps.detector.jump import Jump
from calcore.testing.contract import Case, StepContract

JUMP, DNU, SAT = (np.uint8(bit) for bit in (DQ.JUMP_DET, DQ.DO_NOT_USE, DQ.SATURATED))
SIZE = 48
ONES = np.ones((SIZE, SIZE), np.float32)
CLEAN = np.zeros((SIZE, SIZE), np.uint32)


def disc(row=22, column=20, radius=8.0):
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.hypot(y - row, x - column) < radius


def glow(sigmas=2.0, where=None, group=5, groups=12, integrations=1):
    """Return ramps with differences of 16 electrons; sigma is sqrt(16 + 9) = 5."""
    data = np.zeros((integrations, groups, SIZE, SIZE))
    data += 16.0 * np.arange(groups)[:, None, None]
    data[0, group:] += 5 * sigmas * (disc() if where is None else where)
    return data.astype(np.float32)


def flag(
    data, groupdq=None, pixeldq=CLEAN, gain=ONES, readnoise=3 * ONES, max_change=np.inf, **set_
):
    flags = np.zeros(data.shape, np.uint8) if groupdq is None else groupdq
    return flag_showers(
        data, flags, pixeldq, gain, readnoise, max_change=max_change, settings=Showers(**set_)
    )


def test_a_faint_disc_is_found_whole_and_fades():
    out, count = flag(glow(), next_groups=2)
    assert count == 1
    assert [bool(group.any()) for group in out[0]] == [5 <= group <= 7 for group in range(12)]
    for group in (5, 6, 7):
        np.testing.assert_array_equal(out[0, group], out[0, 5])
    found = out[0, 5] == JUMP
    assert found.sum() > 0.7 * disc().sum()
    assert found.sum() < 1.3 * disc().sum()
    assert (found & disc(radius=6)).sum() == disc(radius=6).sum()


def test_what_falls_short_of_the_average_or_the_area_is_none():
    assert flag(glow(1.15))[1] == 0
    assert flag(glow(1.15), min_ratio=0.9)[1] == 1
    small = glow(2.0, disc(radius=4))
    assert flag(small)[1] == 0
    assert flag(small, min_area=10)[1] == 1


@pytest.mark.parametrize(
    ("inner", "width", "number"), [(1.0, 2.6, 36), (0.0, 1.0, 5), (2.0, 2.0, 40)]
)
def test_averages_are_over_a_ring(inner, width, number):
    """One pixel of 3.9 sigma gives 3.9 over the number of pixels that the ring has."""
    data = glow(3.9, disc(radius=0.5))
    for factor, count in ((0.999, 1), (1.001, 0)):
        found = flag(
            data, min_ratio=factor * 3.9 / number, min_area=1, inner_radius=inner, ring_width=width
        )
        assert found[1] == count


def test_what_is_not_known_takes_no_part_in_averages():
    """Thirteen pixels beside one of 3.9 sigma, seven of them in any ring about their neighbours."""
    data, beside = glow(3.9, disc(radius=0.5)), disc(column=26, radius=2.1)
    limit = {"min_ratio": 3.9 / 29.5, "min_area": 1}
    assert flag(data, **limit)[1] == 0
    for group, found in ((3, 0), (4, 1), (5, 1), (6, 0)):
        for bit in (DNU, SAT, JUMP):
            groupdq = np.zeros(data.shape, np.uint8)
            groupdq[0, group, beside] = bit
            assert flag(data, groupdq, **limit)[1] == found, (group, bit)
    for bit, found in ((DQ.DO_NOT_USE, 1), (DQ.REFERENCE_PIXEL, 1), (DQ.HOT, 0)):
        assert flag(data, pixeldq=np.where(beside, np.uint32(bit), 0), **limit)[1] == found, bit
    for reference in ("gain", "readnoise"):
        assert flag(data, **{reference: np.where(beside, np.float32(np.nan), 3 * ONES)})[1] == 0
    data[0, 5, beside] = np.nan
    assert flag(data, **limit)[1] == 1


def test_known_jumps_are_not_part_of_the_area():
    data = glow(2.0, disc(radius=5.5))
    groupdq = np.zeros(data.shape, np.uint8)
    assert flag(data, groupdq, min_area=50)[1] == 1
    groupdq[0, 5, 22:, :] = JUMP
    assert flag(data, groupdq, min_area=50)[1] == 0


def test_saturated_samples_and_what_follows_get_no_flags():
    groupdq = np.zeros((1, 12, SIZE, SIZE), np.uint8)
    groupdq[0, 7:, 22, 20] = SAT
    groupdq[0, 7, 22, 21] = DNU
    out, _ = flag(glow(), groupdq, next_groups=4)
    assert out[0, 5:10, 22, 20].tolist() == [JUMP, JUMP, SAT, SAT, SAT]
    assert out[0, 5:10, 22, 21].tolist() == [JUMP, JUMP, JUMP | DNU, JUMP, JUMP]


@pytest.mark.parametrize(("height", "kept"), [(650.0, True), (670.0, False)])
def test_a_pixel_that_changes_too_much_keeps_its_flags(height, kept):
    """A difference of 660 more makes the mean of eleven 60 more."""
    data = glow()
    data[0, 5:, 22, 20] += height - 10
    noise = 3 * ONES
    noise[22, 20] = 1e6
    out, count = flag(data, readnoise=noise, max_change=60.0, next_groups=1)
    assert count == 1
    assert out[0, 5:7, 22, 20].tolist() == [JUMP * kept] * 2
    assert out[0, 5, 22, 22] == JUMP
    limit = np.full((SIZE, SIZE), 60, np.float32)
    limit[22, 20] = 70
    assert flag(data, readnoise=noise, max_change=limit)[0][0, 5, 22, 20] == JUMP


def test_a_ramp_of_which_nothing_is_left_keeps_its_flags():
    groupdq = np.zeros((1, 12, SIZE, SIZE), np.uint8)
    groupdq[0, :4, 22, 20] = DNU
    groupdq[0, :3, 22, 22] = DNU
    out, _ = flag(glow(), groupdq, next_groups=20)
    np.testing.assert_array_equal(out[0, :, 22, 20], groupdq[0, :, 22, 20])
    assert (out[0, 5:, 22, 22] == JUMP).all()


def test_ten_differences_are_needed():
    data = glow(groups=10)
    assert flag(data)[1] == 0
    data = glow(groups=12)
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[:, 11] = DNU
    assert flag(data, groupdq)[1] == 1
    groupdq[:, 0] = DNU
    assert flag(data, groupdq)[1] == 0
    # All integrations count, and have one median.
    assert flag(glow(groups=6, integrations=2, group=3))[1] == 1


def test_gain_and_orientation_do_not_matter():
    where = disc(15, 28, 7) | disc(20, 22, 6)
    data = glow(2.2, where)
    out, count = flag(data, next_groups=1)
    assert count == 1
    same, _ = flag(data / 4, gain=4 * ONES, readnoise=0.75 * ONES, next_groups=1)
    np.testing.assert_array_equal(same, out)
    falling, _ = flag(glow(-2.2, where), next_groups=1)
    np.testing.assert_array_equal(falling, out)
    mirrored, _ = flag(np.ascontiguousarray(data[..., ::-1]), next_groups=1)
    np.testing.assert_array_equal(mirrored[..., ::-1], out)
    turned, _ = flag(np.ascontiguousarray(data.swapaxes(2, 3)), next_groups=1)
    np.testing.assert_array_equal(turned.swapaxes(2, 3), out)


def test_no_larger_than_allowed():
    assert flag(glow(), expand_factor=2.0)[0].sum() > 1.5 * flag(glow())[0].sum()
    np.testing.assert_array_equal(
        flag(glow(), expand_factor=2.0, max_extended_radius=5.0)[0][0, 5] == JUMP,
        disc(radius=5.0),
    )


def test_data_may_lie_in_a_file(tmp_path):
    data = glow()
    plane = ScratchPlane(data.shape, data.dtype, ScratchFile(tmp_path))
    plane.put(data, Window.whole(SIZE, SIZE))
    out, _ = flag(plane, np.zeros(data.shape, np.uint8), max_change=60.0, next_groups=1)
    np.testing.assert_array_equal(out, flag(data, max_change=60.0, next_groups=1)[0])


def exposure():
    rng = np.random.default_rng(5)
    shape = (2, 8, 70, SIZE)
    counts = rng.poisson(30, shape).astype(float)
    y, x = np.mgrid[:70, :SIZE]
    for integration, group, row, column in ((0, 2, 20, 22), (1, 4, 45, 15)):
        counts[integration, group] += 25 * (np.hypot(y - row, x - column) < 9)
        counts[integration, group, row - 1 : row + 2, column] += 3000
    data = np.cumsum(counts, axis=1) + rng.normal(0, 3, shape)
    values = {
        "exposure.ngroups": 8, "exposure.nints": 2, "exposure.nframes": 1,
        "exposure.group_time": 3.0,
    }  # fmt: skip
    ramp = Ramp(
        meta=Meta(values), data=data.astype(np.float32),
        groupdq=np.where(rng.random(shape) < 0.01, DNU, np.uint8(0)),
        pixeldq=np.zeros(shape[2:], np.uint32),
    )  # fmt: skip
    gain = np.ones(shape[2:], np.float32)
    gain[7, 3] = 0
    references = {
        "gain": Gain(meta=Meta({}), data=gain),
        "readnoise": ReadNoise(meta=Meta({}), data=np.full(shape[2:], 4, np.float32)),
    }
    return ramp, references


class TestShowers(StepContract):
    def case(self):
        ramp, references = exposure()
        return Case(Jump(find_showers=True, time_masked_after_shower=6.5), ramp, references)

    def test_glows_are_flagged_as_long_as_asked(self):
        case = self.case()
        plain = Jump()(case.flow, **case.given)
        result = case.step(case.flow, **case.given)
        added = (result.groupdq != plain.groupdq).sum(axis=(2, 3))
        assert np.argwhere(added > 50).tolist() == [[0, 2], [0, 3], [0, 4], [1, 4], [1, 5], [1, 6]]
        exposed = 70 * SIZE * 14 * 3.0
        assert result.meta["exposure.extended_emission_events"] == pytest.approx(2e6 / exposed)
        assert result.meta["exposure.primary_cosmic_rays"] == pytest.approx(
            plain.meta["exposure.primary_cosmic_rays"]
        )


def test_amplitude():
    """Glows of 25 electrons in one of seven differences are 1.2 electrons/s."""
    ramp, references = exposure()
    plain = Jump()(ramp, **references).groupdq

    def added(**given):
        return int((Jump(find_showers=True, **given)(ramp, **references).groupdq != plain).sum())

    found = added()
    assert added(max_shower_amplitude=0.1) == found
    assert added(exact_showers=True, max_shower_amplitude=6.0) == found
    assert added(exact_showers=True, max_shower_amplitude=0.1) < 0.2 * found


def test_planes_are_gathered_only_where_showers_can_be_found():
    meta = Meta({"exposure.ngroups": 10, "exposure.nints": 1})
    assert Jump(find_showers=True).planes(meta) == ()
    assert Jump(find_showers=True, expand_large_events=True).planes(meta) == ("groupdq",)
    meta = meta.set({"exposure.ngroups": 11})
    assert Jump(find_showers=True).planes(meta) == ("data", "groupdq", "pixeldq")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("extend_ellipse_expand_ratio", 0.9),
        ("extend_min_area", 0),
        ("time_masked_after_shower", -1.0),
    ],
)
def test_parameters_out_of_range_are_refused(name, value):
    with pytest.raises(BadParameter, match=name):
        Jump(**{name: value})
