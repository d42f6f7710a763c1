"""flat_field: known answers, scaling, NaN and flags."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.kernels import flat_field as kernel
from calcore.kernels.invalid import reconcile
from calcore.kernels.multiplicative import multiply
from calcore.model import Image, Meta
from calcore.model.reference import Flat
from calcore.pipeline import Pipeline, Slot, with_settings
from calcore.steps.calibration.flat_field import FlatField
from calcore.testing import Case, StepContract

SHAPE = (20, 24)


def image(n_int=0, seed=1, **changes):
    rng = np.random.default_rng(seed)
    shape = (n_int, *SHAPE) if n_int else SHAPE
    var_poisson = rng.gamma(3, 0.1, shape).astype(np.float32)
    var_rnoise = rng.gamma(3, 0.05, shape).astype(np.float32)
    planes = {
        "data": rng.normal(10, 2, shape).astype(np.float32),
        "err": np.sqrt(var_poisson + var_rnoise),
        "dq": np.zeros(shape, np.uint32),
        "var_poisson": var_poisson,
        "var_rnoise": var_rnoise,
    }
    return Image(meta=Meta({}), **{**planes, **changes})


def flat(seed=2):
    rng = np.random.default_rng(seed)
    data = rng.normal(1, 0.05, SHAPE).astype(np.float32)
    dq = np.zeros(SHAPE, np.uint32)
    data[0, 0], data[0, 1], data[0, 2] = np.nan, 0, np.inf
    dq[0, 3], dq[0, 4], dq[0, 5] = DQ.NO_FLAT_FIELD, DQ.DO_NOT_USE, DQ.HOT
    return Flat(meta=Meta({}), data=data, err=np.full(SHAPE, 0.01, np.float32), dq=dq)


class TestFlatField(StepContract):
    def case(self):
        return Case(FlatField(), image(n_int=2), {"flat": flat()})


def test_known_answer():
    reference = flat()
    half = np.full(SHAPE, 0.5, np.float32)
    reference = reference.replace(data=half, dq=np.zeros(SHAPE, np.uint32))
    given = image()
    result = FlatField()(given, flat=reference)
    np.testing.assert_allclose(result.data, given.data * 2, rtol=1e-6)
    np.testing.assert_allclose(result.var_poisson, given.var_poisson * 4, rtol=1e-6)
    np.testing.assert_allclose(result.var_flat, (given.data * 2 * 0.01 / 0.5) ** 2, rtol=1e-6)
    total = result.var_poisson + result.var_rnoise + result.var_flat
    np.testing.assert_allclose(result.err, np.sqrt(total), rtol=1e-6)


def test_unknown_response_is_flagged_and_nan_everywhere():
    result = FlatField()(image(), flat=flat())
    lost = DQ.DO_NOT_USE | DQ.NO_FLAT_FIELD
    assert result.dq[0, :7].tolist() == [lost, lost, lost, lost, DQ.DO_NOT_USE, DQ.HOT, 0]
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        plane = getattr(result, name)
        assert np.isnan(plane[0, :5]).all()
        assert np.isfinite(plane[0, 5:]).all()


def test_inverse_undoes_the_correction_but_for_rounding():
    given, reference = image(n_int=2), flat()
    back = FlatField(inverse=True)(FlatField()(given, flat=reference), flat=reference)
    good = np.isfinite(back.data)
    np.testing.assert_allclose(back.data[good], given.data[good], rtol=1e-6)
    np.testing.assert_allclose(back.err[good], given.err[good], rtol=1e-6)
    assert (back.var_flat[good] == 0).all()


def test_each_integration_is_treated_alike():
    given, reference = image(n_int=3), flat()
    result = FlatField()(given, flat=reference)
    one = image(
        **{
            name: np.ascontiguousarray(getattr(given, name)[1])
            for name in ("data", "err", "dq", "var_poisson", "var_rnoise")
        }
    )
    alone = FlatField()(one, flat=reference)
    np.testing.assert_array_equal(result.data[1], alone.data)
    np.testing.assert_array_equal(result.err[1], alone.err)


def test_errors_alone_are_scaled_where_there_are_no_variances():
    given = image(var_poisson=None, var_rnoise=None)
    result = FlatField()(given, flat=flat())
    expected = (given.err[5] / flat().data[5]) ** 2 + result.var_flat[5]
    np.testing.assert_allclose(result.err[5] ** 2, expected, rtol=1e-5)
    assert result.var_poisson is None


def test_brighter_flat_gives_less_signal():
    factor, flags = kernel.factor(np.array([[0.5, 1, 2]], np.float32), np.zeros((1, 3), np.uint32))
    assert factor.tolist() == [[2, 1, 0.5]]
    assert not flags.any()


def test_factor_with_a_power_and_its_inverse():
    plane = np.array([[2.0, 3.0]], np.float32)
    factor = np.array([[4.0, 0.5]])
    assert multiply(plane, factor).tolist() == [[8, 1.5]]
    assert multiply(plane, factor, variance=True).tolist() == [[32, 0.75]]
    assert multiply(plane, factor, inverse=True).tolist() == [[0.5, 6]]
    assert multiply(plane, 4.0, variance=True, inverse=True).tolist() == [[0.125, 0.1875]]
    assert np.isnan(multiply(np.full((1, 1), np.nan, np.float32), 4.0)).all()


@pytest.mark.parametrize("n_int", [0, 2])
def test_reconcile_makes_invalid_pixels_invalid_everywhere(n_int):
    shape = (n_int, 2, 3) if n_int else (2, 3)
    data, err = np.ones(shape, np.float32), np.ones(shape, np.float32)
    dq = np.full(shape, DQ.HOT, np.uint32)
    data[..., 0, 0], err[..., 0, 1] = np.nan, np.nan
    dq[..., 0, 2] = DQ.DO_NOT_USE
    other = np.ones((1, 1), np.float32)
    result = reconcile(dq, {"data": data, "err": err, "var_flat": None, "other": other})
    assert np.isnan(result["data"][..., 0, :]).all()
    assert np.isnan(result["err"][..., 0, :]).all()
    assert (result["data"][..., 1, :] == 1).all()
    bad = DQ.HOT | DQ.DO_NOT_USE
    assert result["dq"].reshape(-1, 3)[0].tolist() == [bad, bad, DQ.DO_NOT_USE]
    assert (result["dq"][..., 1, :] == DQ.HOT).all()
    assert result["var_flat"] is None
    assert result["other"] is other
    assert dq[..., 0, 0].max() == DQ.HOT


@pytest.mark.parametrize("spelling", ["override.flat", "override_flat", "user_supplied_flat"])
def test_flat_can_be_given_by_the_names_users_know(spelling):
    pipeline = Pipeline("image2", "2", (Slot("flat_field", "flat_field", "flat_field"),))
    changed = with_settings(pipeline, {"flat_field": {spelling: "my.fits"}}, "me", given=True)
    assert changed.slot("flat_field").runs("override.flat") == "my.fits"
    assert not changed.slot("flat_field").settings
    nothing = with_settings(pipeline, {"flat_field": {spelling: None}}, "me", given=True)
    assert nothing == pipeline
