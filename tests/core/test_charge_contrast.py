"""Charge migration by curvature: the coefficient that is found, and where ramps end."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.charge_contrast import migration_sums, truncate_migration
from calcore.model import Meta
from calcore.model.reference import Gain, ReadNoise
from calcore.simulate.migration import migrated
from calcore.simulate.physics import Effects
from calcore.steps.detector.charge_migration import ChargeMigration
from calcore.testing.contract import Case, StepContract

LOST = int(DQ.CHARGELOSS | DQ.DO_NOT_USE)
GAIN, READ, FULL = 1.6, 12.0, 60000.0
SHAPE = (48, 40)


def stars(n_group=10, share=0.01, n_int=1, seed=0, noise=True):
    """Ramps [DN] of stars whose peaks fill their wells to 0.8, and their rates [DN/group]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rate = np.full(SHAPE, 30.0)
    for row in range(6, SHAPE[0], 12):
        for column in range(5, SHAPE[1], 10):
            rate += (
                0.8 * FULL / n_group * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2 / 0.7**2)
            )
    data = np.zeros((n_int, n_group, *SHAPE))
    active = np.ones(SHAPE, bool)
    for n in range(n_int):
        charge = np.zeros(SHAPE, np.float32)
        for group in range(n_group):
            new = (rng.poisson(rate) if noise else rate).astype(np.float32)
            charge = charge + migrated(new, charge + new / 2, active, FULL, share)
            data[n, group] = charge + noise * rng.normal(0, READ, SHAPE)
    return (data / GAIN).astype(np.float32), rate / GAIN


def planes():
    return np.full(SHAPE, GAIN, np.float32), np.full(SHAPE, READ * 2**0.5 / GAIN, np.float32)


def fitted(data, flags=None):
    flags = np.zeros(data.shape, np.uint8) if flags is None else flags
    product, weight = migration_sums(data, flags, *planes())
    return product / weight, weight**-0.5


def test_charge_is_conserved_and_goes_downhill():
    held = np.zeros((5, 6), np.float32)
    held[2, 3] = FULL
    arrived = np.full((5, 6), 100, np.float32)
    active = np.ones((5, 6), bool)
    found = migrated(arrived, held, active, FULL, 0.01)
    assert found[2, 3] == pytest.approx(96)
    assert found[[1, 3, 2, 2], [3, 3, 2, 4]] == pytest.approx(101)
    assert found.sum() == pytest.approx(arrived.sum())
    np.testing.assert_array_equal(arrived, 100)
    active[2, 4] = False
    assert migrated(arrived, held, active, FULL, 0.01)[2, 3] == pytest.approx(97)
    halves = ((slice(0, 3), slice(None)), (slice(3, 5), slice(None)))
    apart = migrated(arrived, held, np.ones((5, 6), bool), FULL, 0.01, halves)
    assert apart[2, 3] == pytest.approx(97)
    assert not Effects().charge_migration


@pytest.mark.parametrize("share", [0.005, 0.02])
def test_the_coefficient_is_found(share):
    data, _ = stars(share=share, noise=False)
    assert fitted(data)[0] == pytest.approx(share * GAIN / FULL, rel=0.1)
    data, _ = stars(share=share, n_int=4, seed=1)
    value, error = fitted(data)
    assert value == pytest.approx(share * GAIN / FULL, rel=0.1, abs=4 * error)


def test_no_migration_is_no_coefficient():
    value, error = fitted(stars(share=0.0, n_int=4)[0])
    assert abs(value) < 4 * error


def test_hits_nan_and_flags_do_not_matter():
    data, _ = stars(n_int=2, seed=3)
    flags = np.zeros(data.shape, np.uint8)
    before = fitted(data)[0]
    data[0, 4:, 6, 5] += 2000
    data[0, 2, 18, 15] = np.nan
    flags[1, 7:, 30, 25] = DQ.SATURATED
    assert fitted(data, flags)[0] == pytest.approx(before, rel=0.15)


def test_peaks_end_before_their_rates_are_spoilt():
    data, rate = stars(noise=False)
    flags = np.zeros(data.shape, np.uint8)
    flags[0, 9, 18, 15] = DQ.SATURATED
    settings = {"coefficient": 0.01 * GAIN / FULL}
    found = truncate_migration(data, flags, *planes(), limit=0.5, **settings)
    lost = (found[0] & LOST) == LOST
    assert 3 <= np.argmax(lost[:, 6, 5]) < 9
    assert (np.diff(lost.astype(int), axis=0) >= 0).all()
    assert not lost[:, 0, 0].any()
    assert found[0, 9, 18, 15] & DQ.SATURATED
    kept = ~lost[:, 6, 5]
    all_bias = 1 - (data[0, -1, 6, 5] - data[0, 0, 6, 5]) / 9 / rate[6, 5]
    steps = kept.sum() - 1
    bias = 1 - (data[0, steps, 6, 5] - data[0, 0, 6, 5]) / steps / rate[6, 5]
    assert 0 < bias < 0.6 * all_bias
    longer = truncate_migration(data, flags, *planes(), limit=2.0, **settings)
    assert ((longer & LOST) != 0).sum() < ((found & LOST) != 0).sum()
    nothing = truncate_migration(data, flags, *planes(), limit=0.5, coefficient=0.0)
    np.testing.assert_array_equal(nothing, flags)


def references():
    gain, noise = planes()
    return {
        "gain": Gain(meta=Meta({}), data=gain), "readnoise": ReadNoise(meta=Meta({}), data=noise),
    }  # fmt: skip


def test_a_frame_without_migration_is_left_alone(detector_ramp):
    step = ChargeMigration(method="curvature")
    clean = step(detector_ramp(stars(share=0.0)[0]), **references())
    assert not clean.groupdq.any()
    bent = step(detector_ramp(stars(n_int=2)[0]), **references())
    assert (bent.groupdq[:, -1, 6, 5] == LOST).all()


def test_curvature_needs_the_noise():
    step = ChargeMigration(method="curvature")
    assert step.wanted(Meta({})) == {"gain", "readnoise"}
    assert ChargeMigration().wanted(Meta({})) == set()
    meta = Meta({"exposure.ngroups": 5, "exposure.nints": 1})
    with pytest.raises(StepSkipped, match="without a readnoise reference"):
        step.check(meta, {"gain": references()["gain"]})


class TestCurvatureContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp):
        self.ramp = detector_ramp(stars(n_group=6, n_int=2, share=0.03)[0])

    def case(self):
        return Case(ChargeMigration(method="curvature"), self.ramp, references())
