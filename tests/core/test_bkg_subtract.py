"""bkg_subtract: the clipped mean of backgrounds, where they lie, and their flags."""

import numpy as np
import pytest

from calcore.errors import BadParameter
from calcore.flags import DQ
from calcore.kernels.background import clipped_mean
from calcore.model import Image, Meta
from calcore.pipeline import Slot
from calcore.run.assemble import BuiltSlot
from calcore.run.flowing import told_apart
from calcore.steps.calibration.bkg_subtract import BackgroundSubtracted, BkgSubtract
from calcore.testing import Case, StepContract

SHAPE = (10, 12)


def image(level, *, shape=SHAPE, corner=(1, 1), n_int=0):
    shape = (n_int, *shape) if n_int else shape
    data = np.broadcast_to(np.asarray(level, np.float32), shape).copy()
    return Image(
        meta=Meta({"subarray.xstart": corner[0], "subarray.ystart": corner[1]}),
        data=data,
        err=np.full(shape, 2.0, np.float32),
        dq=np.zeros(shape, np.uint32),
    )


def mean(values, **options):
    planes = np.array(values, np.float32)[:, None, None]
    settings = {"sigma": 3.0, "max_iterations": None, **options}
    result, count = clipped_mean(planes, np.isfinite(planes), **settings)
    return float(result[0, 0]), int(count[0, 0])


class TestBkgSubtract(StepContract):
    def case(self):
        members = (image(1.0), image(2.0))
        return Case(BkgSubtract(), image(10.0), {"backgrounds": members})


def test_mean_of_constant_backgrounds_is_subtracted():
    given = image(10.0)
    result = BkgSubtract()(given, backgrounds=(image(1.0), image(2.0)))
    np.testing.assert_array_equal(result.data, 8.5)
    assert not result.dq.any()


def test_noise_of_backgrounds_adds():
    own = {"var_poisson": np.full(SHAPE, 3, "f4"), "var_rnoise": np.full(SHAPE, 1, "f4")}
    given, holes = image(10.0).replace(**own), image(2.0)
    holes.data[2, 3] = np.nan
    result = BkgSubtract()(given, backgrounds=(image(1.0), holes))
    expected = np.full(SHAPE, 4 / 2)  # two variances of 4, over the square of their number
    expected[2, 3] = 4
    np.testing.assert_allclose(result.err**2, 4 + expected, rtol=1e-6)
    np.testing.assert_allclose(result.var_rnoise, 1 + expected, rtol=1e-6)
    np.testing.assert_array_equal(result.var_poisson, 3)
    assert result.meta["background.noise_share"] == pytest.approx(2 / 6)
    unknown = image(10.0), image(1.0)
    for one in unknown:
        one.err[4, 5] = 0.0  # as where there is no rate: no part of nothing
    part = BkgSubtract()(unknown[0], backgrounds=unknown[1:]).meta["background.noise_share"]
    assert part == pytest.approx(1 / 2)
    none = BkgSubtract()(given, backgrounds=(holes,))
    assert none.err[2, 3] == given.err[2, 3]
    ignored = BkgSubtract(noise="ignore")(given, backgrounds=(holes,))
    assert "background.noise_share" not in ignored.meta
    np.testing.assert_array_equal(ignored.err, given.err)
    np.testing.assert_array_equal(ignored.var_rnoise, given.var_rnoise)


@pytest.mark.parametrize("n_int", [0, 4])
def test_integrations_of_a_background_are_averaged_first(n_int):
    levels = np.ones((13, 1, 1), np.float32)
    levels[4] = 50.0  # an outlier among integrations, that the mean over exposures could not reject
    member = image(levels, n_int=13)
    result = BkgSubtract()(image(10.0, n_int=n_int), backgrounds=(member, image(2.0)))
    np.testing.assert_array_equal(result.data, 8.5)


def test_clipping():
    assert mean([1, 2, 3]) == (2, 3)
    assert mean([1] * 12 + [100])[0] == 1
    assert mean([1, 2, 3, 4, 6, 9], sigma=1.0, max_iterations=1)[0] == pytest.approx(3.2)
    assert mean([1, 2, 3, 4, 6, 9], sigma=1.0)[0] == 3
    assert mean([1] * 12 + [100], max_iterations=0)[0] == pytest.approx(112 / 13)
    assert mean([5]) == (5, 1)
    value, count = mean([np.nan, np.nan])
    assert np.isnan(value)
    assert count == 0


def test_clipped_mean_is_independent_of_order_and_moves_with_the_level():
    rng = np.random.default_rng(4)
    planes = rng.normal(0, 1, (15, 6, 7)).astype(np.float32)
    planes[3, :2], planes[9, 4] = 40, np.nan
    usable = np.isfinite(planes)
    one, _ = clipped_mean(planes, usable, sigma=3.0, max_iterations=None)
    other, _ = clipped_mean(
        planes[::-1].copy(), usable[::-1].copy(), sigma=3.0, max_iterations=None
    )
    np.testing.assert_array_equal(one, other)
    raised, _ = clipped_mean(planes + np.float32(8), usable, sigma=3.0, max_iterations=None)
    np.testing.assert_allclose(raised, one + 8, rtol=0, atol=2e-6)


def test_flags_are_heeded():
    bad, good = image(50.0), image(2.0)
    bad.dq[0, 0], good.dq[0, 1] = DQ.DO_NOT_USE, DQ.JUMP_DET
    good.data[1, 1] = np.nan
    bad.dq[1, 1] = DQ.DO_NOT_USE
    result = BkgSubtract()(image(10.0), backgrounds=(bad, good))
    assert result.data[0, 0] == 8
    assert result.data[0, 1] == 10 - 26
    assert result.dq[0, :2].tolist() == [0, 0]
    assert result.dq[1, 1] == DQ.DO_NOT_USE
    assert result.data[1, 1] == 10


def test_flags_can_be_merged_instead():
    bad, good = image(50.0), image(2.0)
    bad.dq[0, 0], good.dq[0, 1] = DQ.DO_NOT_USE, DQ.JUMP_DET
    bad.data[1, 1] = good.data[1, 1] = np.nan
    result = BkgSubtract(flags="merge")(image(10.0), backgrounds=(bad, good))
    assert result.data[0, 0] == 10 - 26
    assert result.dq[0, :2].tolist() == [DQ.DO_NOT_USE, DQ.JUMP_DET]
    assert result.data[1, 1] == 10
    assert result.dq[1, 1] == 0


@pytest.mark.parametrize("corner", [(1, 1), (3, 2), (7, 9)])
def test_backgrounds_are_aligned_by_their_place_on_the_detector(corner):
    whole = np.arange(400, dtype=np.float32).reshape(20, 20)
    member = image(whole[2:16, 1:15], shape=(14, 14), corner=(2, 3))
    x, y = corner[0] - 1, corner[1] - 1
    given = image(whole[y : y + 10, x : x + 12], corner=corner)
    result = BkgSubtract()(given, backgrounds=(member,))
    rows, columns = np.indices(SHAPE)
    rows, columns = rows + y, columns + x
    covered = (rows >= 2) & (rows < 16) & (columns >= 1) & (columns < 15)
    assert covered.any()
    assert not covered.all()
    np.testing.assert_array_equal(result.data[covered], 0)
    np.testing.assert_array_equal(result.data[~covered], given.data[~covered])
    np.testing.assert_array_equal(result.dq != 0, ~covered)


def test_combined_background_is_returned_when_asked_for():
    members = (image(1.0), image(3.0))
    result = BkgSubtract(save_combined_background=True).apply(image(10.0), backgrounds=members)
    assert isinstance(result, BackgroundSubtracted)
    np.testing.assert_array_equal(result.image.data, 8)
    np.testing.assert_array_equal(result.combinedbackground.data, 2)
    np.testing.assert_allclose(result.combinedbackground.err, np.sqrt(8) / 2, rtol=1e-6)


def test_combined_background_is_saved_and_the_image_flows_on():
    step = BkgSubtract(save_combined_background=True)
    built = BuiltSlot(
        slot=Slot("bkg_subtract", "bkg_subtract", "bkg_subtract"), source="", step=step
    )
    result = step(image(10.0), backgrounds=(image(1.0),))
    flow, aside = told_apart(result, built)
    assert flow is result.image
    assert aside == {"combinedbackground": result.combinedbackground}
    assert told_apart(result.image, built) == (result.image, {})


def test_limit_below_one_standard_deviation_is_refused():
    with pytest.raises(BadParameter, match=r"sigma is 0\.5; it must lie in 1 to inf"):
        BkgSubtract(sigma=0.5)
