"""Periodic interference: found and removed, or left in for a reason."""

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid, StepSkipped
from calcore.flags import DQ
from calcore.model import ExposureType, Facts, Meta, Ramp, Window
from calcore.model.reference import Emi
from calcore.testing.contract import Case, StepContract
from calcore_miri import INSTRUMENT
from calcore_miri.kernels.emi import BINS, at_phase, deviations, fit, spline
from calcore_miri.kernels.emi_phased import aligned, bins, centred, folded, residuals
from calcore_miri.steps._interference import Clocks
from calcore_miri.steps._phased import Folding
from calcore_miri.steps.emicorr import EmiCorr

ROW_CLOCKS, FRAME_CLOCKS = 28, 8512
SHAPE = (1, 8, 64, 72)
PHASE = np.arange(500) / 500
WAVES = {
    "A": {
        "frequency": 390.7,
        "phase_amplitudes": np.sin(2 * np.pi * PHASE) + 0.3 * np.cos(4 * np.pi * PHASE + 1),
    },
    "B": {"frequency": 101.3, "phase_amplitudes": np.cos(2 * np.pi * PHASE)},
    # So many cycles in a frame that every group sees the same.
    "whole": {"frequency": 33e5 / FRAME_CLOCKS, "phase_amplitudes": np.sin(2 * np.pi * PHASE)},
}


def reference(*names, waves=None, **cases):
    case = {
        "rowclocks": ROW_CLOCKS,
        "frameclocks": FRAME_CLOCKS,
        "freqs": {"FAST": list(names), "SLOW": {"MIRIMAGE": list(names)}},
    }
    return Emi(meta=Meta({}), frequencies=waves or WAVES, subarray_cases={"SUB64": case, **cases})


def make(data, pixeldq=None, **values):
    n_int, n_group, rows, columns = data.shape
    meta = {
        "instrument.detector": "MIRIMAGE", "exposure.nints": n_int, "exposure.ngroups": n_group,
        "exposure.readpatt": "FASTR1", "subarray.name": "SUB64",
        **{name.replace("__", "."): value for name, value in values.items()},
    }  # fmt: skip
    facts = Facts(INSTRUMENT.detectors["MIRIMAGE"], ExposureType(name="MIR_IMAGE"))
    return Ramp(
        meta=Meta(meta, facts),
        data=np.ascontiguousarray(data, np.float32),
        groupdq=np.zeros(data.shape, np.uint8),
        pixeldq=np.zeros((rows, columns), np.uint32) if pixeldq is None else pixeldq,
    )


def sky(shape=SHAPE, noise=1.0, seed=1):
    """Ramps of many brightnesses."""
    rng = np.random.default_rng(seed)
    group = np.arange(shape[1])[:, None, None]
    level, slope = rng.normal(1000, 50, shape[2:]), rng.normal(20, 5, shape[2:])
    return level + slope * group + rng.normal(0, noise, shape)


def wave(name, shape=SHAPE, *, shift=0.2, resets=1, sample=1):
    """One wave of amplitude 1, from the clocks alone; phases beyond the grid by interpolation."""
    n_int, n_group, rows, columns = shape
    place = np.arange(rows)[:, None] * ROW_CLOCKS + np.arange(columns) // 4 * sample
    frame = np.arange(n_int)[:, None] * (n_group + resets) + np.arange(n_group)
    seconds = 1e-5 * (place + frame[..., None, None] * FRAME_CLOCKS)
    phase = (seconds * WAVES[name]["frequency"] + shift) % 1
    values = WAVES[name]["phase_amplitudes"]
    return np.interp(phase, np.arange(501) / 500, np.append(values, values[0]))


def removed(ramp, result):
    return ramp.data.astype(float) - result.data


def test_a_wave_is_removed():
    data = sky()
    expected = 3 * wave("A")
    ramp = make(data + expected)
    found = removed(ramp, EmiCorr()(ramp, emicorr=reference("A")))
    # Noise of 1 in 33000 samples, of which three quarters are free: 3 sigma of factor and phase.
    assert np.max(np.abs(found - expected)) < 3 * np.sqrt(2 * 2 / 25000)


def test_waves_are_removed_one_after_another():
    expected = 2 * wave("A") + 3 * wave("B", shift=0.7)
    ramp = make(sky() + expected)
    for names in (("A", "B"), ("B", "A")):
        found = removed(ramp, EmiCorr()(ramp, emicorr=reference(*names)))
        assert np.max(np.abs(found - expected)) < 0.06


def test_levels_and_slopes_do_not_matter():
    data = sky() + wave("A")
    emi = reference("A", "B")
    plain = EmiCorr()(make(data), emicorr=emi)
    rng = np.random.default_rng(5)
    more = rng.normal(0, 1, SHAPE[2:]) + rng.normal(0, 0.1, SHAPE[2:]) * np.arange(8)[:, None, None]
    other = EmiCorr()(make(data + more), emicorr=emi)
    first, second = removed(make(data), plain), removed(make(data + more), other)
    np.testing.assert_allclose(first, second, atol=1e-3)


@pytest.mark.parametrize("factor", [-2, 4])
def test_the_correction_scales_with_the_data(factor):
    data = (sky() + wave("A")).astype(np.float32)
    emi = reference("A", "B")
    once, often = EmiCorr()(make(data), emicorr=emi), EmiCorr()(make(factor * data), emicorr=emi)
    np.testing.assert_allclose(often.data, factor * once.data, atol=1e-3)


@pytest.mark.parametrize(("pattern", "resets"), [("FAST", 0), ("FASTR1", 1)])
def test_integrations_follow_each_other_by_the_clocks(pattern, resets):
    shape = (3, 5, 64, 72)
    expected = 3 * wave("A", shape, resets=resets)
    ramp = make(sky(shape) + expected, exposure__readpatt=pattern)
    together = removed(ramp, EmiCorr()(ramp, emicorr=reference("A")))
    assert np.max(np.abs(together - expected)) < 0.05
    separate = EmiCorr(fit_ints_separately=True)(ramp, emicorr=reference("A"))
    assert np.max(np.abs(removed(ramp, separate) - expected)) < 0.09
    wrong = ramp.replace(meta=ramp.meta.set({"exposure.readpatt": "FAST" if resets else "FASTR1"}))
    assert np.max(np.abs(removed(wrong, EmiCorr()(wrong, emicorr=reference("A"))) - expected)) > 1


def test_integrations_may_have_waves_of_their_own():
    shape = (2, 8, 64, 72)
    expected = wave("A", shape) * np.array([1.0, 4.0])[:, None, None, None]
    ramp = make(sky(shape) + expected)
    separate = EmiCorr(fit_ints_separately=True)(ramp, emicorr=reference("A"))
    assert np.max(np.abs(removed(ramp, separate) - expected)) < 0.07
    common = removed(ramp, EmiCorr()(ramp, emicorr=reference("A")))
    assert np.std(common[1]) == pytest.approx(np.std(common[0]), rel=1e-2)


def test_slow_samples_take_nine_clocks():
    expected = 3 * wave("A", sample=9)
    ramp = make(sky() + expected, exposure__readpatt="SLOWR1")
    found = removed(ramp, EmiCorr()(ramp, emicorr=reference("A")))
    assert np.max(np.abs(found - expected)) < 0.05
    unknown = ramp.meta.set({"instrument.detector": "MIRIFULONG"})
    with pytest.raises(StepSkipped, match="no wave for SUB64, SLOWR1, MIRIFULONG"):
        EmiCorr()(ramp.replace(meta=unknown), emicorr=reference("A"))


def test_bad_pixels_have_no_say_and_are_corrected():
    clean = sky() + wave("A")
    rng = np.random.default_rng(7)
    data, pixeldq = clean.copy(), np.zeros(SHAPE[2:], np.uint32)
    # Flagged but quiet; unflagged but restless; without a number; beside the left edge.
    pixeldq[10, 20:40] = DQ.HOT
    data[:, :, 10, 20:40] += rng.normal(0, 20, (8, 20))
    data[:, :, 30, 20:40] += rng.normal(0, 2000, (8, 20))
    data[0, 3, 50, 20] = np.nan
    data[:, :, :, 4:12] += rng.normal(0, 20, (8, 64, 8))
    spoilt = make(data, pixeldq)
    others = clean.copy()
    others[:, :, 30, 20:40] = data[:, :, 30, 20:40]
    others[0, :, 50, 20] = np.nan
    flagged = pixeldq.copy()
    flagged[:, 4:12] = DQ.HOT
    plain = make(others, flagged)
    one = removed(spoilt, EmiCorr()(spoilt, emicorr=reference("A")))
    other = removed(plain, EmiCorr()(plain, emicorr=reference("A")))
    assert np.isnan(one[0, 3, 50, 20])
    np.testing.assert_allclose(one[:, :, :50], other[:, :, :50], atol=2e-3)
    assert np.max(np.abs(one - wave("A"))[:, :, :50]) < 0.05


def test_nothing_usable_changes_nothing():
    emi = reference("A")
    for ramp in (
        make(np.full(SHAPE, np.nan)),
        make(np.zeros(SHAPE)),
        make(sky(), np.ones(SHAPE[2:], np.uint32)),
    ):
        np.testing.assert_array_equal(EmiCorr()(ramp, emicorr=emi).data, ramp.data)


def test_a_wave_of_whole_cycles_is_left_in():
    ramp = make(sky() + 3 * wave("whole"))
    np.testing.assert_array_equal(EmiCorr()(ramp, emicorr=reference("whole")).data, ramp.data)


def test_flags_stay():
    ramp = make(sky(), np.arange(64 * 72, dtype=np.uint32).reshape(64, 72))
    result = EmiCorr()(ramp, emicorr=reference("A"))
    np.testing.assert_array_equal(result.pixeldq, ramp.pixeldq)
    np.testing.assert_array_equal(result.groupdq, ramp.groupdq)


def test_bent_ramps_are_no_wave():
    """A frame that sees some phases more often than others mistakes a bend for a wave."""
    slow = {"slow": {"frequency": 6.0, "phase_amplitudes": np.sin(2 * np.pi * PHASE)}}
    emi = reference("slow", waves=slow)
    bend = -0.3 * np.arange(8)[:, None, None] ** 2
    ramp = make(sky() + bend)
    straight = EmiCorr().prepare(ramp.meta, iter([ramp, ramp]), emicorr=emi).waves[0]
    assert np.abs(straight.amplitude).max() > 1
    step = EmiCorr(shared_curve=True)
    shared = step.prepare(ramp.meta, iter([ramp, ramp]), emicorr=emi).waves[0]
    assert np.abs(shared.amplitude).max() < 0.3
    clear = make(sky() + bend + 3 * wave("A"))
    found = removed(clear, step(clear, emicorr=reference("A")))
    assert np.max(np.abs(found - 3 * wave("A"))) < 0.05


def test_what_does_not_stand_out_is_left_in():
    step = EmiCorr(least_significance=5)
    nothing, weak, clear = make(sky()), make(sky() + 0.005 * wave("A")), make(sky() + wave("A"))
    for ramp in (nothing, weak):
        np.testing.assert_array_equal(step(ramp, emicorr=reference("A")).data, ramp.data)
        assert not np.array_equal(EmiCorr()(ramp, emicorr=reference("A")).data, ramp.data)
    sure = EmiCorr()(clear, emicorr=reference("A"))
    np.testing.assert_array_equal(step(clear, emicorr=reference("A")).data, sure.data)


def test_significance_is_amplitude_over_its_scatter():
    shape = spline(WAVES["A"]["phase_amplitudes"])
    start = (np.arange(8) * 0.3 % 1)[None]
    number = np.full((1, BINS), 30.0)
    rng = np.random.default_rng(3)
    template = at_phase(shape, start[0][:, None] + (np.arange(BINS) + 0.5) / BINS + 0.4)
    fits = []
    for _ in range(40):
        noise = rng.normal(0, 2 * np.sqrt(30), (1, 8, BINS))
        fits.append(fit(0.3 * 30 * template + noise, number, start, shape, shared=False))
    amplitude, shift, significance = np.array(fits).T
    assert np.mean(amplitude) == pytest.approx(0.3, abs=3 * np.std(amplitude) / np.sqrt(40))
    assert np.mean(shift) == pytest.approx(0.4, abs=3 * np.std(shift) / np.sqrt(40) + 1e-4)
    assert np.mean(amplitude / significance) == pytest.approx(np.std(amplitude), rel=0.3)


def test_a_wave_that_turns_over_each_group_has_a_positive_factor():
    """Half a cycle per group: upside down it fits as well."""
    shape = spline(WAVES["A"]["phase_amplitudes"])
    start = (np.arange(6) * 0.5 % 1)[None]
    centres = (np.arange(BINS) + 0.5) / BINS
    sums = (20 * at_phase(shape, start[0][:, None] + centres + 0.9))[None]
    amplitude, shift, _ = fit(sums, np.full((1, BINS), 10.0), start, shape, shared=True)
    assert amplitude == pytest.approx(2, rel=1e-6)
    assert shift == pytest.approx(0.9, abs=1e-6)


def test_spline_goes_through_the_wave_and_is_periodic():
    values = np.random.default_rng(2).normal(0, 1, 40)
    shape = spline(values)
    np.testing.assert_allclose(at_phase(shape, np.arange(40) / 40), values, atol=1e-12)
    np.testing.assert_allclose(at_phase(shape, PHASE - 3), at_phase(shape, PHASE), 1e-9)
    smooth = at_phase(spline(np.sin(2 * np.pi * PHASE)), np.linspace(0, 1, 777))
    np.testing.assert_allclose(smooth, np.sin(2 * np.pi * np.linspace(0, 1, 777)), atol=1e-9)


def test_deviation_of_a_ramp():
    data = sky((2, 5, 3, 4)).astype(np.float32)
    data[1, 2, 0, 0] = np.nan
    np.testing.assert_allclose(deviations(data), np.std(data, axis=1, dtype=float), rtol=1e-4)


def test_every_row_is_summed_up_once():
    frame = Window.whole(1024, 1032)
    regions = list(EmiCorr().regions(Meta({}), frame))
    rows = np.concatenate([np.arange(1024)[window.rows] for window in regions[16:]])
    np.testing.assert_array_equal(rows, np.arange(1024))
    assert sum(window.shape[0] for window in regions[:16]) == 128


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"exposure__readpatt": "FASTGRPAVG"}, "waves are known in .*, not in FASTGRPAVG"),
        ({"exposure__ngroups": 2}, "2 groups are too few"),
        ({"subarray__name": "MASK1065"}, "no clocks for MASK1065"),
        ({"subarray__name": "FULL"}, "no clocks for FULL_FAST"),
        ({"subarray__name": "EMPTY"}, "no wave for EMPTY, FASTR1, MIRIMAGE"),
    ],
)
def test_exposures_without_known_waves_are_skipped(values, reason):
    empty = {"rowclocks": 1, "frameclocks": 100, "freqs": {"FAST": [], "SLOW": {}}}
    with pytest.raises(StepSkipped, match=reason):
        EmiCorr().check(make(sky(), **values).meta, {"emicorr": reference("A", EMPTY=empty)})


def test_what_cannot_be_done_is_refused():
    meta = make(sky()).meta
    with pytest.raises(ReferenceInvalid, match="lists wave 'C' and does not describe it"):
        EmiCorr().check(meta, {"emicorr": reference("C")})
    broken = {"A": {"frequency": 390.7, "phase_amplitudes": [1.0, np.nan, 3.0]}}
    with pytest.raises(ReferenceInvalid, match="finite numbers"):
        EmiCorr().check(meta, {"emicorr": reference("A", waves=broken)})
    fine = {"frequency": 390.7, "phase_amplitudes": [1.0, 2.0, 3.0]}
    for wrong, said in (
        ({"frequency": "fast"}, "frequency of wave 'A' is 'fast'; a number above 0"),
        ({"frequency": 0}, "frequency of wave 'A' is 0;"),
        ({"frequency": np.nan}, "frequency of wave 'A' is nan;"),
        ({"phase_amplitudes": None}, r"shape \(\); a row of at least three finite numbers"),
        ({"phase_amplitudes": ["a", "b", "c"]}, "a row of at least three finite numbers"),
    ):
        with pytest.raises(ReferenceInvalid, match=said):
            EmiCorr().check(meta, {"emicorr": reference("A", waves={"A": {**fine, **wrong}})})
    for waves, said in (
        ([1], "has a list where entries such as 'A'"),
        ({"A": 7}, "has a int where"),
    ):
        with pytest.raises(ReferenceInvalid, match=said):
            EmiCorr().check(meta, {"emicorr": reference("A", waves=waves)})
    usual = {"rowclocks": 1, "frameclocks": 100, "freqs": {"FAST": ["A"]}}
    for case, said in (
        ({**usual, "rowclocks": 0}, "rowclocks of EMPTY is 0; a number above 0"),
        ({**usual, "frameclocks": None}, "frameclocks of EMPTY is None;"),
        ({**usual, "freqs": None}, "has a NoneType where entries such as 'FAST'"),
    ):
        with pytest.raises(ReferenceInvalid, match=said):
            EmiCorr().check(
                make(sky(), subarray__name="EMPTY").meta, {"emicorr": reference("A", EMPTY=case)}
            )


# One wave after the other.


def test_straight_lines_leave_nothing_and_flags_do_not_count():
    data = np.float32([3, 5, 7, 9, 11])[:, None, None] * np.ones((1, 5, 3, 16), np.float32)
    np.testing.assert_allclose(residuals(data), 0, atol=1e-12)


def test_residuals_are_means_of_four_and_spoiled_columns_those_of_their_neighbours():
    data = np.zeros((1, 5, 1, 20), np.float32)
    data[0, 0] = np.arange(20)
    assert residuals(data)[0, 0, 0].tolist() == [1.5, 7.5, 7.5, 13.5, 17.5]


def test_a_nan_spoils_one_sample():
    data = np.zeros((1, 5, 2, 24), np.float32)
    data[0, 2, 1, 17] = np.nan
    lost = np.isnan(residuals(data))
    assert lost[0, :, 1, 4].all()
    assert lost.sum() == 5
    assert np.isfinite(centred(residuals(data)))[0, :, 0].all()


def test_frames_are_centred_on_their_median():
    samples = np.array([[1.0, 2.0, 9.0], [np.nan, 5.0, 7.0]]).reshape(1, 2, 1, 3)
    assert centred(samples)[0, 0, 0].tolist() == [-1, 0, 7]
    np.testing.assert_array_equal(centred(samples)[0, 1, 0], [np.nan, -1, 1])


def test_the_upper_edge_belongs_to_a_bin_and_phase_0_to_none():
    assert bins(np.array([0.0, 0.1, 0.25, 0.26, 0.99]), 4).tolist() == [-1, 0, 0, 1, 3]


def test_outliers_are_clipped_and_the_median_bin_is_0():
    values = np.append(np.tile([-1.0, 1.0], 50), 1e6)
    which = np.zeros(101, np.int64)
    more = np.array([5.0, 7.0, 1e9, 8.0, np.nan])
    place = np.array([1, 1, -1, 2, 2])
    wave = folded(np.append(values, more), np.append(which, place), 3)
    assert wave.tolist() == [-6.0, 0.0, 2.0]
    assert folded(values, which, 2) is None


@pytest.mark.parametrize("n_bin", [50, 64, 500])
def test_a_shifted_and_stretched_wave_is_recognised(n_bin):
    table = WAVES["A"]["phase_amplitudes"]
    middle = (np.arange(n_bin) + 0.5) / n_bin
    wave = 3 * np.interp(middle + 0.3, PHASE, table, period=1) - 1
    shift, factor = aligned(wave, table)
    assert abs(shift - 150) <= 1
    assert factor == pytest.approx(3, rel=0.02)


def test_bins_and_integrations_follow_from_the_wave():
    clocks = Clocks(sample=1, row=28, frame=8512, resets=1)
    folding = Folding(None, None, 3, scaled=True)
    assert folding.bins(390.625) == 128
    assert folding.bins(10.0) == 500
    assert Folding(None, 20, 3, scaled=True).bins(10.0) == 20
    # 1.33 cycles in each integration of twelve frames
    counts = [
        Folding(n_int, None, cycles, scaled=True).integrations(1.3, clocks, 8, 12)
        for n_int, cycles in [(None, 1), (None, 3), (None, 4), (None, 99), (2, 3), (20, 3)]
    ]
    assert counts == [1, 3, 4, 8, 2, 8]
    assert Folding(None, None, None, scaled=True).integrations(1.3, clocks, 8, 12) == 8


@pytest.mark.parametrize(
    ("subarray", "rows", "frame_time", "row_clocks"),
    [
        ("SUB64", 64, 0.08512, 28), ("SUB128", 128, 0.11904, 44), ("SUB256", 256, 0.29952, 96),
        ("SLITLESSPRISM", 416, 0.15904, 28), ("MASKLYOT", 304, 0.32400, 90),
        ("MASK1065", 224, 0.23968, 82), ("BRIGHTSKY", 512, 0.86528, 162),
        ("FULL", 1024, 2.77504, 271),
    ],
)  # fmt: skip
def test_clocks_follow_from_the_frame_time(subarray, rows, frame_time, row_clocks):
    """Rows and frames as the emicorr reference has them."""
    values = {"subarray.name": subarray, "subarray.ysize": rows, "exposure.frame_time": frame_time,
              "exposure.readpatt": "FASTR1"}  # fmt: skip
    clocks = Clocks.of(Meta(values))
    assert clocks == Clocks(1, row_clocks, round(frame_time * 1e5), 1)


FRAME_TIME = {"exposure__frame_time": FRAME_CLOCKS * 1e-5, "subarray__ysize": 64}


@pytest.mark.parametrize("settings", [{"algorithm": "sequential"}, {"onthefly_corr_freq": [390.7]}])
def test_one_wave_after_the_other(settings):
    """A strong wave goes, up to what its own bending of slopes and medians hides."""
    shape = (2, 12, 64, 72)
    expected = 8 * wave("A", shape)
    ramp = make(sky(shape) + expected, **FRAME_TIME)
    step = EmiCorr(**settings)
    result = step(ramp, emicorr=None if "onthefly_corr_freq" in settings else reference("A"))
    assert np.std(removed(ramp, result) - expected) < 0.15 * np.std(expected)


def test_a_wave_of_given_shape_need_not_be_stretched():
    ramp = make(sky() + 8 * wave("A"), **FRAME_TIME)
    step = EmiCorr(algorithm="sequential", scale_reference=False)
    gone = removed(ramp, step(ramp, emicorr=reference("A")))
    assert np.ptp(gone) == pytest.approx(np.ptp(WAVES["A"]["phase_amplitudes"]), rel=1e-3)


def test_a_frequency_whose_phases_are_not_all_read_is_left_in():
    ramp = make(sky(), **FRAME_TIME)
    step = EmiCorr(onthefly_corr_freq=(0.01,))
    np.testing.assert_array_equal(step(ramp, emicorr=None).data, ramp.data)


def test_given_frequencies_need_no_reference():
    meta = make(sky(), **FRAME_TIME).meta
    assert EmiCorr(onthefly_corr_freq=(390.7,)).wanted(meta) == frozenset()
    assert EmiCorr().wanted(meta) == {"emicorr"}
    EmiCorr(onthefly_corr_freq=(390.7,)).check(meta, {})


@pytest.mark.parametrize(
    ("settings", "values", "reason"),
    [
        ({}, {}, "no emicorr reference, and onthefly_corr_freq is not given"),
        ({"onthefly_corr_freq": (390.7,)}, {"exposure__ngroups": 3}, "3 groups are too few"),
        (
            {"onthefly_corr_freq": (390.7,)},
            {**FRAME_TIME, "exposure__readpatt": "FASTGRPAVG"},
            "not in FASTGRPAVG",
        ),
        (
            {"onthefly_corr_freq": (390.7,)},
            {**FRAME_TIME, "exposure__frame_time": 0.01},
            "TFRAME of 0.01 s is too short for 64 rows",
        ),
    ],
)
def test_what_is_skipped_without_a_reference(settings, values, reason):
    with pytest.raises(StepSkipped, match=reason):
        EmiCorr(**settings).check(make(sky(), **values).meta, {})


class TestSequentialContract(StepContract):
    def case(self):
        shape = (2, 5, 70, 72)
        data = sky(shape, seed=4) + 5 * wave("A", shape) + 5 * wave("B", shape)
        data[0, 1, 6, 60] = np.nan
        step = EmiCorr(algorithm="sequential", use_n_cycles=None, nbins=40)
        return Case(step, make(data), {"emicorr": reference("A", "B")})


class TestEmiCorrContract(StepContract):
    def case(self):
        shape = (2, 5, 70, 72)
        data = sky(shape, seed=4) + wave("A", shape) + wave("B", shape)
        pixeldq = np.zeros(shape[2:], np.uint32)
        pixeldq[5, 5] = DQ.HOT
        data[0, 1, 6, 60] = np.nan
        step = EmiCorr(fit_ints_separately=True, shared_curve=True, least_significance=1)
        return Case(step, make(data, pixeldq), {"emicorr": reference("A", "B")})
