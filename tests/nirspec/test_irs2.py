"""Reference pixels between others: what outputs share in time, on a small detector."""

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid
from calcore.flags import DQ
from calcore.model import Meta, Ramp, Window
from calcore.model.facts import Detector, ExposureType, Facts
from calcore.model.interleaved import Interleaved
from calcore.model.reference import Ipc as IpcReference
from calcore.model.reference import Saturation as SaturationReference
from calcore.step import ALONE, Room
from calcore.steps.detector.ipc import Ipc as CoreIpc
from calcore.steps.detector.saturation import Saturation as CoreSaturation
from calcore.testing import Case, StepContract
from calcore_nirspec.kernels.irs2 import Layout
from calcore_nirspec.kernels.irs2_readings import group_mean
from calcore_nirspec.kernels.irs2_reference import pairs, parity_levels, stand_ins
from calcore_nirspec.kernels.irs2_saturation import flag_second_saturated
from calcore_nirspec.kernels.transform import RealTransform
from calcore_nirspec.references import Irs2Weights
from calcore_nirspec.steps._irs2 import Readings
from calcore_nirspec.steps._layout import layout_of
from calcore_nirspec.steps.ipc import Ipc
from calcore_nirspec.steps.refpix import RefPix
from calcore_nirspec.steps.saturation import Saturation

SIZE, FRAME = 128, 200
NONE = np.zeros(FRAME, bool)
N_SAMPLE = SIZE * (2 * 22 + 8)


def meta(fast=2, n_frames=1):
    table = {"patterns": ["IRS2"], "normal": 16, "reference": 4}
    table["reference_output"] = "first" if fast > 0 else "last"
    detector = Detector(
        name="X", rows=SIZE, columns=SIZE, reference_rows=(4, 4), reference_columns=(4, 4),
        fast_axis=fast, slow_axis=fast // 2, outputs=4, interleaved=table,
    )  # fmt: skip
    values = {
        "exposure.readpatt": "IRS2", "exposure.nframes": n_frames, "exposure.groupgap": 0,
        "subarray.xsize": SIZE, "subarray.ysize": SIZE,
    }  # fmt: skip
    return Meta(values, Facts(detector, ExposureType(name="X")))


def ramp(data, fast=2, **more):
    return Ramp(
        meta=meta(fast, **more), data=data.astype(np.float32),
        groupdq=np.zeros(data.shape, np.uint8), pixeldq=np.zeros(data.shape[-2:], np.uint32),
    )  # fmt: skip


def weights(alpha=0.0, beta=0.0, bad=None):
    names = [f"{name}_{k}" for name in ("alpha", "beta") for k in range(4)]
    table = np.zeros(2 * N_SAMPLE, [(name, "f4") for name in names])
    for k in range(4):
        table[f"alpha_{k}"][::2], table[f"beta_{k}"][::2] = alpha, beta
    return Irs2Weights(meta=Meta({}), table=table, bad=bad)


def drifting(series, fast=2):
    """A frame whose outputs all read a series (n_sample,) and nothing else."""
    layout = layout_of(meta(fast), Interleaved.of(meta(fast)))
    frame = np.empty((FRAME, SIZE), np.float32)
    lines = series.reshape(SIZE, -1)[:: 1 if layout.forward else -1]
    for rows in layout.outputs:
        frame[rows] = lines[:, layout.slots].T
    return frame


def shared(rng, cycles):
    """Noise of low frequencies, so that reference pixels see all of it."""
    spectrum = np.zeros(N_SAMPLE // 2 + 1, complex)
    spectrum[1:cycles] = rng.normal(size=cycles - 1) + 1j * rng.normal(size=cycles - 1)
    series = np.fft.irfft(spectrum, N_SAMPLE)
    return 10 * series / series.std()


@pytest.mark.parametrize("n", [64, 120, 89 * 16, N_SAMPLE])
def test_transform_is_fouriers(n):
    series = np.random.default_rng(1).normal(size=n).astype(np.float32)
    transform = RealTransform(n)
    found = transform.forward(series)
    np.testing.assert_allclose(found, np.fft.fft(series)[transform.cycles], atol=2e-4)
    np.testing.assert_allclose(transform.inverse(found), series, atol=1e-5)


def test_layout_has_the_detectors_rows_between_reference_pixels():
    layout = Interleaved.of(meta())
    assert layout.rows == FRAME
    assert layout.science[:9].tolist() == [40, 41, 42, 43, 44, 45, 46, 47, 52]
    assert Interleaved.of(meta(-2)).science[0] == 0
    assert Interleaved.of(meta().set({"cal_step.refpix": "COMPLETE"})) is None
    assert Interleaved.of(meta().set({"exposure.readpatt": "OTHER"})) is None
    part, window = layout.within(Window(44, 54, 0, SIZE, FRAME, SIZE))
    assert part.tolist() == [0, 1, 2, 3, 8, 9]
    assert (window.row_start, window.row_stop, window.frame_rows) == (4, 10, SIZE)


@pytest.mark.parametrize("fast", [2, -2])
@pytest.mark.parametrize("given", [{"alpha": 1.0}, {"beta": 52 / 16}])
def test_what_outputs_share_goes(fast, given):
    """The reference output foretells everything; reference pixels what they sample often enough."""
    rng = np.random.default_rng(2)
    scene = rng.normal(500, 100, (FRAME, SIZE)).astype(np.float32)
    noise = np.stack([drifting(shared(rng, 12), fast) for _ in range(3)])
    cut = np.minimum(np.arange(N_SAMPLE), N_SAMPLE - np.arange(N_SAMPLE)) < 120
    given = {name: value * (cut if name == "beta" else 1) for name, value in given.items()}
    exposure = ramp((scene + noise)[None], fast)
    before = exposure.data.copy()
    result = RefPix()(exposure, weights=weights(**given))
    np.testing.assert_array_equal(exposure.data, before)
    assert result.data.shape == (1, 3, SIZE, SIZE)
    assert result.pixeldq.shape == result.groupdq.shape[2:] == (SIZE, SIZE)
    assert result.frame.is_whole
    science = Interleaved.of(meta(fast)).science
    steady = result.data[0] - result.data[0].mean(axis=0)
    raw = (noise - noise.mean(axis=0))[:, science]
    left = 1e-3 if "alpha" in given else 0.15  # nothing is read at the ends of lines
    assert steady.std() < left * raw.std()
    np.testing.assert_allclose(
        result.data[0].mean(axis=0), (scene + noise.mean(0))[science], atol=1e-3
    )


def test_corrections_scale_with_the_noise():
    rng = np.random.default_rng(3)
    data = rng.normal(0, 5, (1, 3, FRAME, SIZE))
    table = weights(alpha=rng.normal(size=N_SAMPLE), beta=rng.normal(size=N_SAMPLE))
    once = RefPix()(ramp(data), weights=table).data
    twice = RefPix()(ramp(2 * data), weights=table).data
    np.testing.assert_allclose(twice, 2 * once, atol=1e-3)


def test_what_is_no_number_stays_where_it_is():
    data = np.random.default_rng(4).normal(0, 5, (1, 3, FRAME, SIZE))
    plain = RefPix()(ramp(data), weights=weights(alpha=0.5)).data
    science = Interleaved.of(meta()).science
    data[0, 1, science[70], 60] = np.nan
    found = RefPix()(ramp(data), weights=weights(alpha=0.5)).data
    assert np.argwhere(np.isnan(found)).tolist() == [[0, 1, 70, 60]]
    ok = np.isfinite(found)
    ok[:, :, 70, 60] = False
    np.testing.assert_allclose(found[ok], plain[ok], atol=1e-4)


def test_flags_of_the_detectors_rows_are_kept():
    exposure = ramp(np.random.default_rng(5).normal(0, 5, (1, 2, FRAME, SIZE)))
    rows = np.arange(FRAME)[:, None]
    exposure = exposure.replace(
        pixeldq=np.broadcast_to(rows, (FRAME, SIZE)).astype(np.uint32) << 20,
        groupdq=np.broadcast_to(rows % 7, (1, 2, FRAME, SIZE)).astype(np.uint8),
    )
    result = RefPix()(exposure, weights=weights())
    science = Interleaved.of(meta()).science
    np.testing.assert_array_equal(result.pixeldq[:, 3], science << 20)
    np.testing.assert_array_equal(result.groupdq[0, 1, :, 3], science % 7)


def test_kept_frames_keep_their_rows():
    data = np.random.default_rng(6).normal(0, 5, (1, 2, FRAME, SIZE))
    result = RefPix(preserve_irs2_refpix=True)(ramp(data), weights=weights())
    assert result.data.shape == data.shape
    np.testing.assert_array_equal(result.data[0, :, :40], data[0, :, :40].astype(np.float32))
    assert Interleaved.of(result.meta) is not None


class InParts:
    """A plane that hands out parts, as a file does, and takes frames."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, key):
        part = self.values[key]
        assert part.size < self.values.size, "all of it was asked for"
        return part.copy()

    def __setitem__(self, place, frame):
        assert len(place) == 2
        self.values[place] = frame


class InFiles(Room):
    """Two threads, and nothing in memory."""

    def plane(self, shape, dtype):
        return InParts(np.empty(shape, dtype))


@pytest.mark.parametrize("preserve", [False, True])
def test_frames_in_files_and_threads_give_the_same(preserve):
    data = np.random.default_rng(15).normal(0, 5, (2, 3, FRAME, SIZE))
    data[0, 1, 77, 5] = np.nan
    exposure = ramp(data)
    table = weights(alpha=0.5, beta=1.0)
    step = RefPix(preserve_irs2_refpix=preserve, irs2_mean_subtraction=True)
    whole = step(exposure, weights=table)
    lazy = exposure.replace(data=InParts(exposure.data), groupdq=InParts(exposure.groupdq))
    found = step(lazy, weights=table, room=InFiles(2))
    np.testing.assert_array_equal(found.data.values, whole.data)
    np.testing.assert_array_equal(getattr(found.groupdq, "values", None), whole.groupdq)
    np.testing.assert_array_equal(found.pixeldq, whole.pixeldq)


def small_layout():
    return layout_of(meta(), Interleaved.of(meta()))


def test_odd_pairs_are_found_and_replaced():
    rng = np.random.default_rng(7)
    layout = small_layout()
    frames = rng.normal(0, 1, (2, FRAME, SIZE)).astype(np.float32)
    rows = pairs(layout)[1, 0, 1]
    frames[:, rows] += 90
    odd = Readings(frames[None], layout, ALONE).odd_pairs(1.5, NONE)
    assert odd[1, 0, 1]
    only, known = np.zeros_like(odd), np.zeros_like(odd)
    only[1, 1, 1] = True
    assert stand_ins(layout, only, known, NONE)[pairs(layout)[1, 1, 1]].tolist() == [
        [row, row] for row in pairs(layout)[1, 0, 1]
    ]
    only[1, 0, 1] = True
    found = stand_ins(layout, only, known, NONE)
    assert found[rows].tolist() == [[row, row] for row in pairs(layout)[1, 0, 0]]
    others = np.setdiff1d(np.arange(FRAME), pairs(layout)[1, :, 1])
    np.testing.assert_array_equal(found[others], np.stack([others, others], axis=1))
    known[1, :, 0] = True
    assert (stand_ins(layout, known, only, NONE)[pairs(layout)[1]] == -1).sum() == 8


def test_pairs_before_and_after_stand_in():
    size = 192
    layout = Interleaved.laid_out(16, 4, rows=size, outputs=4, first=True)
    assert layout.rows == 300
    whole = Layout(np.arange(300).reshape(5, 60), 16, 4, size, forward=True)
    odd = np.zeros((5, 3, 2), bool)
    odd[2, 1, 0] = True
    found = stand_ins(whole, odd, np.zeros_like(odd), np.zeros(300, bool))
    row = pairs(whole)[2, 1, 0]
    np.testing.assert_array_equal(found[row], np.stack([row - 20, row + 20], axis=1))


def test_bad_rows_stand_in_for_nothing():
    layout = small_layout()
    rows = pairs(layout)[1]  # two jumps
    none, bad = np.zeros((5, 2, 2), bool), NONE.copy()
    bad[rows[0, 0, 0]] = True
    assert stand_ins(layout, none, none, bad)[rows[0, 0, 0]].tolist() == [rows[1, 0, 0]] * 2
    bad[rows[1, 0, 0]] = True
    assert stand_ins(layout, none, none, bad)[rows[0, 0, 0]].tolist() == [rows[0, 1, 0]] * 2
    bad[rows[0, 1, 0]] = True
    found = stand_ins(layout, none, none, bad)
    assert found[rows[0, 0, 0]].tolist() == [-1, -1]
    assert found[rows[0, 1, 0]].tolist() == [rows[1, 1, 0]] * 2
    science = Interleaved.of(meta()).science
    bad[science[[0, 8]]] = True  # with nothing in their place
    assert stand_ins(layout, none, none, bad)[science[0]].tolist() == [science[16], science[16]]


def test_second_pairs_known_to_be_bad_come_after_first_ones():
    layout = small_layout()
    rows = pairs(layout)[2]
    none, known = np.zeros((5, 2, 2), bool), np.zeros((5, 2, 2), bool)
    known[2] = True
    found = stand_ins(layout, none, known, NONE)
    for jump in (0, 1):
        for k in (0, 1):
            other = sorted(rows[jump, 1])[k]
            assert found[sorted(rows[jump, 0])[k]].tolist() == [other, other]
        assert (found[rows[jump, 1]] == -1).all()


def test_pairs_with_a_bad_row_are_not_odd():
    rng = np.random.default_rng(16)
    layout = small_layout()
    frames = rng.normal(0, 1, (1, 2, FRAME, SIZE)).astype(np.float32)
    rows = pairs(layout)[3, 1, 0]
    frames[:, :, rows] += 90
    bad = NONE.copy()
    assert Readings(frames, layout, ALONE).odd_pairs(1.5, bad)[3, 1, 0]
    bad[rows[1]] = True
    assert not Readings(frames, layout, ALONE).odd_pairs(1.5, bad)[3, 1, 0]


def test_bad_rows_are_replaced_by_rows_one_jump_away_if_asked_for():
    rng = np.random.default_rng(14)
    exposure = ramp(rng.normal(0, 5, (1, 2, FRAME, SIZE)))
    science = Interleaved.of(exposure.meta).science
    bad = science[40]
    pixeldq = exposure.pixeldq.copy()
    pixeldq[bad, 7] = DQ.BAD_REF_PIXEL
    exposure = exposure.replace(pixeldq=pixeldq)
    kept = RefPix()(exposure, weights=weights())
    np.testing.assert_array_equal(kept.pixeldq[40], pixeldq[bad])
    result = RefPix(replace_bad_rows=True)(exposure, weights=weights())
    assert (result.pixeldq[40] == np.uint32(DQ.BAD_REF_PIXEL | DQ.DO_NOT_USE)).all()
    (near,) = (at for at in (bad - 20, bad + 20) if at // 40 == bad // 40)
    for where, other in ((40, near), (41, science[41])):
        mean = exposure.data[0, :, other].mean(axis=0)
        np.testing.assert_allclose(result.data[0, :, where].mean(axis=0), mean, atol=1e-5)


def test_means_leave_out_what_is_no_number():
    groups = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    groups[1, 0, 0] = np.nan
    groups[:, 3, 1] = np.nan
    sources = np.array([[0, 0], [0, 2], [-1, -1], [3, 3]])
    mean = np.empty((4, 2))
    group_mean(groups, sources, mean)
    wanted = [[8, 9], [(2 + 18) / 2, 11], [0, 0], [14, np.nan]]
    wanted[1][0] = np.mean([(0 + 4) / 2, (16 + 20) / 2])
    np.testing.assert_array_equal(mean, wanted)


def test_odd_pairs_are_flagged():
    data = np.random.default_rng(8).normal(0, 1, (1, 2, FRAME, SIZE))
    rows = pairs(small_layout())[2, 1, 0]
    data[:, :, rows] += 500
    step = RefPix(preserve_irs2_refpix=True, ovr_corr_mitigation_ftr=1.5)
    result = step(ramp(data), weights=weights())
    assert (result.pixeldq[rows] == np.uint32(DQ.BAD_REF_PIXEL | DQ.DO_NOT_USE)).all()


def test_parity_is_that_of_the_lines_at_the_ends():
    layout = small_layout()
    frame = np.zeros((FRAME, SIZE), np.float32)
    for k, output in enumerate(layout.outputs):
        low, high = np.sort(output)[::2], np.sort(output)[1::2]
        frame[low], frame[high] = 10 * k, 10 * k + 3
    bad = np.zeros(frame.shape, bool)
    science = Interleaved.of(meta()).science
    left = frame - parity_levels(frame, bad, layout)[:, None]
    np.testing.assert_allclose(np.abs(left[science]), 0, atol=0.9)


def test_wrong_tables_are_refused_and_bad_bits_read():
    with pytest.raises(ReferenceInvalid, match=r"IRS2 table has 13312 rows where 20 are needed"):
        weights().weights("alpha", 3, 10)
    kinds = [("output", "i2"), ("odd_even", "i2"), ("mask", "u4")]
    bad = weights(bad=np.array([(2, 1, 0b10), (3, 2, 0b01)], kinds)).bad_pairs(5, 2)
    assert np.argwhere(bad).tolist() == [[2, 1, 0], [3, 0, 1]]
    assert not weights(bad=np.array([(0, 0, 0)], kinds)).bad_pairs(5, 2).any()
    for output, pair in ((0, 1), (5, 1), (-1, 2), (2, 0), (2, 3)):
        with pytest.raises(ReferenceInvalid, match=f"names output {output}, pair {pair}, where"):
            weights(bad=np.array([(output, pair, 1)], kinds)).bad_pairs(5, 2)
    with pytest.raises(ReferenceInvalid, match="have no column mask of numbers, but output, odd"):
        weights(bad=np.array([(2, 1)], kinds[:2])).bad_pairs(5, 2)
    with pytest.raises(ReferenceInvalid, match="have no column gamma_1 of numbers, but alpha_0"):
        weights().weights("gamma", 1, N_SAMPLE)
    with pytest.raises(ReferenceInvalid, match="column beta_2 of the IRS2 table holds what is no"):
        weights(beta=np.nan).weights("beta", 2, N_SAMPLE)


def test_a_hit_in_the_second_group_saturates_it():
    first, limit = 1000.0, 50000.0
    data = np.full((1, 4, 5, 5), first, np.float32)
    data[0, 1, 2, 2], data[0, 2:, 2, 2] = 30000.0, 60000.0
    threshold = np.full((5, 5), limit, np.float32)
    dq = np.zeros(data.shape, np.uint8)
    found = flag_second_saturated(data, dq, threshold, np.full((5, 5), 900, np.float32), 1, 5)
    assert (found[0, 1, 1:4, 1:4] == DQ.SATURATED).all()
    assert found.astype(int).sum() == 9 * DQ.SATURATED
    assert not flag_second_saturated(data[:, :2], dq[:, :2], threshold, threshold, 1, 5).any()


def neighbours(rng):
    """An exposure and the detector's pixels of it."""
    data = rng.uniform(1000, 70000, (1, 3, FRAME, SIZE))
    whole = ramp(data)
    layout = Interleaved.of(whole.meta)
    alone = layout.stripped(whole).replace(window=None)
    return whole, alone.replace(meta=alone.meta.set({"exposure.readpatt": "OTHER"})), layout


def test_saturation_grows_over_neighbours_on_the_detector():
    whole, alone, layout = neighbours(np.random.default_rng(9))
    limit = np.full((SIZE, SIZE), 69000, np.float32)
    reference = SaturationReference(meta=Meta({}), data=limit, dq=np.zeros(limit.shape, np.uint32))
    spread = reference.replace(data=layout.spread(limit), dq=layout.spread(reference.dq))
    found = Saturation()(whole, saturation=spread)
    wanted = CoreSaturation()(alone, saturation=reference)
    np.testing.assert_array_equal(found.groupdq[:, :, layout.science], wanted.groupdq)
    others = np.setdiff1d(np.arange(FRAME), layout.science)
    assert not found.groupdq[:, :, others].any()


def test_coupling_is_undone_between_neighbours_on_the_detector():
    whole, alone, layout = neighbours(np.random.default_rng(10))
    kernel = np.array([[0, -0.01, 0], [-0.01, 1.04, -0.01], [0, -0.01, 0]], np.float32)
    reference = IpcReference(meta=Meta({}), data=kernel)
    found = Ipc()(whole, ipc=reference)
    wanted = CoreIpc()(alone, ipc=reference)
    np.testing.assert_array_equal(found.data[:, :, layout.science], wanted.data)
    np.testing.assert_array_equal(found.data[:, :, :40], whole.data[:, :, :40])


class TestSaturationContract(StepContract):
    def case(self):
        whole, _, layout = neighbours(np.random.default_rng(11))
        limit = layout.spread(np.full((SIZE, SIZE), 69000, np.float32))
        dq = np.zeros(limit.shape, np.uint32)
        reference = SaturationReference(meta=Meta({}), data=limit, dq=dq)
        return Case(Saturation(), whole, {"saturation": reference})


class TestIpcContract(StepContract):
    def case(self):
        whole, _, _ = neighbours(np.random.default_rng(12))
        kernel = np.array([[0, -0.01, 0], [-0.01, 1.04, -0.01], [0, -0.01, 0]], np.float32)
        return Case(Ipc(), whole, {"ipc": IpcReference(meta=Meta({}), data=kernel)})


class TestRefPixContract(StepContract):
    def case(self):
        data = np.random.default_rng(13).normal(0, 5, (1, 2, FRAME, SIZE))
        return Case(RefPix(), ramp(data), {"weights": weights(alpha=0.5, beta=1.0)})
