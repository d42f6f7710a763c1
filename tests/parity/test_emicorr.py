"""Interference against the reference pipeline."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.model import Meta
from calcore.model.reference import Emi
from calcore_miri.steps.emicorr import EmiCorr

# Read noise and amplitude of the waves [DN], much as MIRI has them.
NOISE, AMPLITUDE = 6.0, 4.0
PHASE = np.arange(500) / 500
SHAPE = (
    np.sin(2 * np.pi * PHASE)
    + 0.3 * np.sin(4 * np.pi * PHASE + 0.4)
    + 0.1 * np.cos(6 * np.pi * PHASE + 1)
)
WAVES = {
    "Hz390": {"frequency": 390.625, "phase_amplitudes": SHAPE},
    "Hz10": {"frequency": 10.039216, "phase_amplitudes": np.roll(SHAPE, 100)[::-1].copy()},
}
# Clocks of a row and of a frame: 7 for each row of the detector that is not read.
ROWS = {"SUB64": (64, 28), "SUB128": (128, 44), "SLITLESSPRISM": (416, 28), "FULL": (1024, 271)}
CLOCKS = {name: (row, rows * row + (1024 - rows) * 7) for name, (rows, row) in ROWS.items()}
SLOW = (2333, 1024 * 2333)


def reference(names, *, slow=None):
    cases = {}
    for name, (row, frame) in {**CLOCKS, "FULL_SLOW": SLOW}.items():
        freqs = {"FAST": list(names), "SLOW": {"MIRIMAGE": list(slow or names)}}
        case = "FULL_FAST" if name == "FULL" else name
        cases[case] = {"rowclocks": row, "frameclocks": frame, "freqs": freqs}
    return Emi(meta=Meta({}), frequencies=WAVES, subarray_cases=cases)


def wavy(make_ramp, subarray, n_int, n_group, columns, names, pattern="FASTR1", seed=1):
    """Ramps of a star field with waves in it; some pixels are flagged."""
    rng = np.random.default_rng(seed)
    shape = (n_int, n_group, ROWS[subarray][0], columns)
    row, frame = SLOW if pattern.startswith("SLOW") else CLOCKS[subarray]
    group = np.arange(n_group)[:, None, None]
    data = rng.normal(10000, 300, shape[2:]) + rng.gamma(2, 4, shape[2:]) * group
    data = data + rng.normal(0, NOISE, shape)
    samples = 9 if pattern.startswith("SLOW") else 1
    place = np.arange(shape[2])[:, None] * row + np.arange(columns) // 4 * samples
    frames = np.arange(n_int)[:, None] * (n_group + pattern.endswith("R1")) + np.arange(n_group)
    clock = place + frames[..., None, None] * frame
    for k, name in enumerate(names):
        phase = (clock * 1e-5 * WAVES[name]["frequency"] + 0.2 + 0.3 * k) % 1
        data += AMPLITUDE * WAVES[name]["phase_amplitudes"][(phase * 500).astype(int) % 500]
    pixeldq = np.zeros(shape[2:], np.uint32)
    pixeldq[rng.random(shape[2:]) < 0.02] = 1
    pixeldq[:, :4] = 1 << 31
    return make_ramp(
        "MIRIMAGE", shape, data=data, pixeldq=pixeldq, subarray=subarray,
        exposure__readpatt=pattern, exposure__nsamples=samples,
    )  # fmt: skip


def corrections(figures, ours, theirs, ramp):
    """Assert the parity criterion, and that there was something to correct."""
    assert theirs.meta["cal_step.emicorr"] == "COMPLETE"
    assert np.max(np.abs(theirs.data - ramp.data)) > 0.3 * AMPLITUDE
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)
    found = float(np.max(np.abs(ours.data - theirs.data))) / NOISE
    figures.saw("data [read noise]", found, ours.data.size)
    return found


@pytest.mark.parametrize(
    ("subarray", "n_int", "n_group", "columns", "names", "pattern"),
    [
        ("SUB64", 1, 8, 72, ("Hz390",), "FASTR1"),
        ("SUB64", 1, 3, 72, ("Hz390",), "FASTR1"),
        ("SUB64", 2, 6, 72, ("Hz390", "Hz10"), "FAST"),
        ("SUB64", 2, 6, 72, ("Hz390", "Hz10"), "FASTR1"),
        ("SUB128", 2, 5, 136, ("Hz10",), "FAST"),
        ("SUB128", 2, 5, 136, ("Hz10",), "FASTR1"),
        ("SLITLESSPRISM", 2, 4, 72, ("Hz390",), "FAST"),
        ("SLITLESSPRISM", 2, 4, 72, ("Hz390",), "FASTR1"),
        ("FULL", 1, 4, 1032, ("Hz10",), "FASTR1"),
    ],
)
def test_waves(
    reference_pipeline, figures, make_ramp, subarray, n_int, n_group, columns, names, pattern
):
    ramp = wavy(make_ramp, subarray, n_int, n_group, columns, names, pattern)
    emi = reference(names)
    theirs = reference_pipeline.step("EmiCorrStep", ramp, {"emicorr": emi})
    assert corrections(figures, EmiCorr()(ramp, emicorr=emi), theirs, ramp) < 0.01


def test_slow_reads_of_one_detector(reference_pipeline, figures, make_ramp):
    ramp = wavy(make_ramp, "FULL", 1, 3, 1032, ("Hz10",), "SLOWR1")
    emi = reference(["Hz390"], slow=["Hz10"])
    theirs = reference_pipeline.step("EmiCorrStep", ramp, {"emicorr": emi})
    assert corrections(figures, EmiCorr()(ramp, emicorr=emi), theirs, ramp) < 0.01


def test_integrations_separately(reference_pipeline, figures, make_ramp):
    ramp = wavy(make_ramp, "SUB64", 3, 5, 72, ("Hz390",))
    emi = reference(["Hz390"])
    settings = {"fit_ints_separately": True}
    theirs = reference_pipeline.step("EmiCorrStep", ramp, {"emicorr": emi}, **settings)
    assert corrections(figures, EmiCorr(**settings)(ramp, emicorr=emi), theirs, ramp) < 0.01


def test_half_a_cycle_in_each_group(reference_pipeline, make_ramp):
    """The wave upside down fits as well; what that changes is the same in all groups."""
    ramp = wavy(make_ramp, "SUB128", 1, 6, 136, ("Hz390",))
    emi = reference(["Hz390"])
    theirs = reference_pipeline.step("EmiCorrStep", ramp, {"emicorr": emi})
    ours = EmiCorr()(ramp, emicorr=emi)
    difference = (ours.data - theirs.data) - (ours.data - theirs.data)[:, :1]
    assert np.max(np.abs(difference)) < 0.01 * NOISE


SEQUENTIAL = {
    "known": {"algorithm": "sequential"},
    "known, not stretched": {"algorithm": "sequential", "scale_reference": False},
    "known, few bins": {"algorithm": "sequential", "nbins": 50},
    "given": {"onthefly_corr_freq": [390.625]},
    "given, few bins": {"onthefly_corr_freq": [390.625], "nbins": 20},
    "given, one integration": {"onthefly_corr_freq": [390.625], "nints_to_phase": 1},
    "given, some cycles": {"onthefly_corr_freq": [390.625], "use_n_cycles": 300},
    "given, all integrations": {"onthefly_corr_freq": [390.625], "use_n_cycles": None},
    "two given": {"onthefly_corr_freq": [390.625, 218.52]},
}


@pytest.mark.parametrize("settings", SEQUENTIAL.values(), ids=SEQUENTIAL)
@pytest.mark.parametrize(
    ("subarray", "n_int", "n_group", "columns", "pattern"),
    [
        ("SUB64", 3, 10, 72, "FAST"),
        ("SUB64", 2, 11, 72, "FASTR1"),
        ("SLITLESSPRISM", 1, 4, 72, "FAST"),
        ("SUB128", 1, 9, 136, "FASTR1"),
    ],
)
def test_one_after_the_other(
    reference_pipeline, make_ramp, subarray, n_int, n_group, columns, pattern, settings
):
    """To the criterion with a known shape, whose factor is found otherwise; else to rounding."""
    ramp = wavy(make_ramp, subarray, n_int, n_group, columns, ("Hz390",), pattern)
    frame_time = CLOCKS[subarray][1] * 1e-5
    ramp = ramp.replace(meta=ramp.meta.set({"exposure.frame_time": frame_time}))
    given = "onthefly_corr_freq" in settings
    emi = None if given else reference(["Hz390"])
    theirs = reference_pipeline.step(
        "EmiCorrStep", ramp, {"emicorr": "N/A" if given else emi}, **settings
    )
    assert theirs.meta["cal_step.emicorr"] == "COMPLETE"
    ours = EmiCorr(**settings)(ramp, emicorr=emi)
    difference = np.max(np.abs(ours.data - theirs.data)) / NOISE
    assert np.max(np.abs(theirs.data - ramp.data)) > 0.05 * AMPLITUDE
    # Waves as measured agree to the rounding of signals of 10000 DN.
    assert difference < (2.1e-3 / NOISE if given else 0.01), difference


@pytest.mark.parametrize(
    ("subarray", "n_group", "names", "settings"),
    [
        ("SUB64", 2, ["Hz390"], {}),
        ("SUB64", 4, [], {}),
        ("SUB256", 4, ["Hz390"], {}),
        ("SUB64", 4, ["Hz390"], {"exposure__readpatt": "FASTGRPAVG"}),
    ],
)
def test_what_is_skipped(reference_pipeline, make_ramp, subarray, n_group, names, settings):
    ramp = make_ramp("MIRIMAGE", (1, n_group, 64, 72), subarray=subarray, **settings)
    emi = reference(names)
    theirs = reference_pipeline.step("EmiCorrStep", ramp, {"emicorr": emi})
    assert theirs.meta["cal_step.emicorr"] == "SKIPPED"
    with pytest.raises(StepSkipped):
        EmiCorr().check(ramp.meta, {"emicorr": emi})
