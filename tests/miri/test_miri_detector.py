"""Stage-1 steps that only MIRI has."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.model import ExposureType, Facts, Meta, Ramp
from calcore.model.reference import Reset as ResetReference
from calcore.model.reference import Rscd as RscdReference
from calcore.testing.contract import Case, StepContract
from calcore_miri import INSTRUMENT
from calcore_miri.steps.firstframe import FirstFrame
from calcore_miri.steps.lastframe import LastFrame
from calcore_miri.steps.refpix import RefPix
from calcore_miri.steps.reset import Reset
from calcore_miri.steps.rscd import Rscd

SHAPE = (16, 20)
SAT, DNU = int(DQ.SATURATED), int(DQ.DO_NOT_USE)


def make(data, groupdq=None, pixeldq=None, start=1, **values):
    n_int, n_group, rows, columns = data.shape
    meta = {
        "instrument.detector": "MIRIMAGE", "exposure.nints": n_int + start - 1,
        "exposure.ngroups": n_group, "exposure.nframes": 1, "exposure.integration_start": start,
        "exposure.readpatt": "FASTR1", "subarray.name": "FULL", "subarray.xstart": 1,
        "subarray.ystart": 1, "subarray.xsize": columns, "subarray.ysize": rows,
        **{name.replace("__", "."): value for name, value in values.items()},
    }  # fmt: skip
    facts = Facts(INSTRUMENT.detectors["MIRIMAGE"], ExposureType(name="MIR_IMAGE"))
    return Ramp(
        meta=Meta(meta, facts),
        data=np.ascontiguousarray(data, np.float32),
        groupdq=np.zeros(data.shape, np.uint8) if groupdq is None else groupdq,
        pixeldq=np.zeros((rows, columns), np.uint32) if pixeldq is None else pixeldq,
    )


def flat(n_int, n_group):
    return np.full((n_int, n_group, *SHAPE), 100.0, np.float32)


def reset_reference():
    levels = np.arange(1, 4, dtype=np.float32)[:, None, None, None]
    data = np.ones((3, 4, *SHAPE), np.float32) * levels
    data[:, :, 2, 2] = np.nan
    dq = np.zeros(SHAPE, np.uint32)
    dq[3, 3] = int(DQ.UNRELIABLE_DARK)
    return ResetReference(meta=Meta({}), data=data, dq=dq)


@pytest.mark.parametrize(("start", "levels"), [(1, [1, 2, 3, 3]), (2, [2, 3, 3, 3]), (7, [3] * 4)])
def test_reset_of_each_integration(start, levels):
    result = Reset()(make(flat(4, 6), start=start), reset=reset_reference())
    assert (100 - result.data[:, 0, 5, 5]).tolist() == levels
    assert (result.data[:, 4:] == 100).all()
    assert (result.data[..., 2, 2] == 100).all()
    assert result.pixeldq[3, 3] == DQ.UNRELIABLE_DARK


def test_last_group_is_not_used():
    groupdq = np.full((2, 3, *SHAPE), SAT, np.uint8)
    result = LastFrame()(make(flat(2, 3), groupdq))
    assert (result.groupdq[:, -1] == SAT | DNU).all()
    assert (result.groupdq[:, :-1] == SAT).all()
    with pytest.raises(StepSkipped, match="2 groups are too few"):
        LastFrame()(make(flat(2, 2)))


def test_first_group_is_kept_where_the_third_is_saturated():
    groupdq = np.zeros((2, 4, *SHAPE), np.uint8)
    groupdq[1, 2:, 5, 5] = SAT
    result = FirstFrame()(make(flat(2, 4), groupdq))
    assert result.groupdq[:, 0, 5, 5].tolist() == [DNU, 0]
    assert np.sum(result.groupdq[:, 0] == DNU) == 2 * 320 - 1
    assert result.pixeldq[5, 5] == DQ.FLUX_ESTIMATED
    assert np.count_nonzero(result.pixeldq) == 1
    every = FirstFrame(bright_use_group1=False)(make(flat(2, 4), groupdq))
    assert (every.groupdq[:, 0] == DNU).all()
    with pytest.raises(StepSkipped, match="3 groups are too few"):
        FirstFrame()(make(flat(2, 3)))


def skips(first, later):
    names = [("subarray", "S13"), ("readpatt", "S8"), ("group_skip1", "f4"), ("group_skip", "f4")]
    rows = [("SUB64", "FASTR1", 9, 9), ("FULL", "FASTR1", first, later)]
    return RscdReference(meta=Meta({}), table=np.array(rows, names))


@pytest.mark.parametrize(
    ("groups", "start", "counts"),
    [
        (9, 1, [2, 4, 4]),
        (9, 5, [4, 4, 4]),
        (6, 1, [2, 3, 3]),
        (5, 1, [1, 1, 1]),
        (3, 1, [0, 0, 0]),
    ],
)
def test_groups_left_out_after_a_reset(groups, start, counts):
    result = Rscd()(make(flat(3, groups), start=start), rscd=skips(2, 4))
    assert (result.groupdq == DNU).sum(axis=1)[:, 4, 4].tolist() == counts


def test_a_negative_number_means_one():
    result = Rscd()(make(flat(2, 9)), rscd=skips(-1, 3))
    assert (result.groupdq == DNU).sum(axis=1)[:, 4, 4].tolist() == [1, 3]


def test_soon_saturated_pixels_get_groups_back():
    """A ramp of `end` good groups needs two of them; saturated from the first, it has none."""
    groupdq = np.zeros((1, 9, *SHAPE), np.uint8)
    for end in range(9):
        groupdq[0, end:, 0, end] = SAT
    result = Rscd()(make(flat(1, 9), groupdq), rscd=skips(4, 4))
    left_out = (result.groupdq[0, :, 0, :9] & DNU != 0).sum(axis=0)
    assert left_out.tolist() == [4, 0, 0, 1, 2, 3, 4, 4, 4]
    estimated = result.pixeldq[0, :9] == DQ.FLUX_ESTIMATED
    assert estimated.tolist() == [False, True, True, True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"subarray__name": "MASK1550"},
            "no row for sub-array MASK1550 and read-out pattern FASTR1",
        ),
        ({"exposure__readpatt": "SLOWR1"}, "FULL and read-out pattern SLOWR1"),
    ],
)
def test_unknown_modes(values, reason):
    with pytest.raises(StepSkipped, match=reason):
        Rscd()(make(flat(1, 9), **values), rscd=skips(2, 2))


def test_too_few_groups_for_rscd():
    with pytest.raises(StepSkipped, match="2 groups are too few"):
        Rscd()(make(flat(1, 2)), rscd=skips(1, 1))


def drifting(rng):
    """A full frame whose outputs drift from group to group, even and odd rows on their own."""
    drift = rng.normal(0, 20, (1, 3, 2, 4))
    sky = np.zeros((1, 3, 1024, 1032))
    sky[..., 4:-4] = rng.uniform(0, 50, (1024, 1024)) * np.arange(3)[:, None, None]
    pattern = rng.normal(9000, 50, (1024, 1032))
    return sky + pattern, np.tile(drift, (1, 1, 512, 258))


def test_outputs_stay_at_the_level_of_the_first_group():
    clean, drift = drifting(np.random.default_rng(1))
    ramp = make(clean + drift)
    result = RefPix()(ramp)
    np.testing.assert_allclose(result.data, clean + drift[:, :1], atol=5e-3)
    np.testing.assert_array_equal(result.data[:, 0], ramp.data[:, 0])
    assert np.abs(RefPix(odd_even_rows=False)(ramp).data - clean - drift[:, :1]).max() > 1


def test_outliers_and_bad_reference_pixels_do_not_count():
    data = np.full((1, 2, 1024, 1032), 50.0)
    data[0, 1, ::7, 2] = 9e3
    data[0, 1, 500, -1] = 5e4
    pixeldq = np.zeros((1024, 1032), np.uint32)
    pixeldq[::7, 2] = DNU
    result = RefPix()(make(data, pixeldq=pixeldq)).data
    assert (result[..., 4:-4] == 50).all()


def test_an_output_without_reference_pixels_stops_the_correction():
    clean, drift = drifting(np.random.default_rng(1))
    pixeldq = np.zeros((1024, 1032), np.uint32)
    pixeldq[:, 1] = DNU
    ramp = make(clean + drift, pixeldq=pixeldq)
    np.testing.assert_allclose(RefPix()(ramp).data, ramp.data, rtol=1e-6)


def test_sub_arrays_lack_one_end():
    with pytest.raises(StepSkipped, match="both ends"):
        RefPix()(make(flat(1, 3), subarray__name="SUB64"))


class TestContractOfRscd(StepContract):
    def case(self):
        rng = np.random.default_rng(2)
        end = rng.integers(0, 14, (2, 1, *SHAPE))
        groupdq = np.where(np.arange(9)[:, None, None] >= end, SAT, 0).astype(np.uint8)
        return Case(Rscd(), make(flat(2, 9), groupdq), {"rscd": skips(2, 4)})


class TestContractOfReset(StepContract):
    def case(self):
        return Case(Reset(), make(flat(4, 6)), {"reset": reset_reference()})


class TestContractOfLastFrame(StepContract):
    def case(self):
        return Case(LastFrame(), make(flat(2, 4)))


class TestContractOfFirstFrame(StepContract):
    def case(self):
        return Case(FirstFrame(), make(flat(2, 4)))
