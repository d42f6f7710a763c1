"""1/f noise of lines, seen in what integrations show beyond their common ramps."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.line_noise import LineSums, line_offsets
from calcore.model import Meta, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.steps.detector.line_noise import LineNoise
from calcore.testing.contract import Case, StepContract

READ = 5.0
GAIN = 2.0


def exposure(rng, *, integrations=4, groups=5, shape=(24, 64), rate=20.0, noise=8.0, amplifiers=2):
    """Ramps of a sky, read noise, and offsets of each amplifier's part of each row."""
    rise = np.broadcast_to(np.asarray(rate, float), shape) / GAIN
    light = rng.poisson(rise * GAIN, (integrations, groups, *shape)).cumsum(axis=1) / GAIN
    offsets = rng.normal(0, noise, (integrations, groups, shape[0], amplifiers))
    read = rng.normal(0, READ, light.shape)
    return light, light + read + np.repeat(offsets, shape[1] // amplifiers, axis=-1)


def references(shape=(24, 64)):
    return {
        "gain": Gain(meta=Meta({}), data=np.full(shape, GAIN, np.float32)),
        "readnoise": ReadNoise(meta=Meta({}), data=np.full(shape, READ * 2**0.5, np.float32)),
    }


def summed(data, flags=None, good=None):
    """Return the sums over a whole frame of one amplifier whose lines are rows."""
    integrations, groups, rows, columns = data.shape
    found = LineSums.zeros(integrations, groups, 1, rows)
    one = np.ones((rows, columns), np.float32)
    found.add(
        data.astype(np.float32), np.zeros(data.shape, np.uint8) if flags is None else flags,
        np.ones((rows, columns), bool) if good is None else good, one * np.float32(GAIN),
        one * np.float32(READ * 2**0.5), np.zeros(columns, np.int64), first_line=0, along_x=True,
    )  # fmt: skip
    return found.sums


def slopes(data):
    """Return the slope of each ramp by least squares."""
    time = np.arange(data.shape[1]) - (data.shape[1] - 1) / 2
    return np.tensordot(data, time, (1, 0)) / (time @ time)


@pytest.mark.parametrize("axes", [(1, 2), (-1, 2), (2, 1), (-2, -1)])
def test_lines_of_each_amplifier_lose_what_integrations_do_not_share(detector_ramp, rng, axes):
    light, data = exposure(rng)
    if abs(axes[0]) == 2:
        light, data = light.swapaxes(2, 3), data.swapaxes(2, 3)
    ramp = detector_ramp(data, axes=axes, border=0, outputs=2)
    result = LineNoise()(ramp, **references(data.shape[2:])).data
    lines = 3 if abs(axes[0]) == 1 else 2
    half = np.take(np.arange(64), range(32))
    before, after = (
        slopes(values - light).take(half, lines - 1).mean(axis=lines - 1)
        for values in (data, result)
    )
    shared = before.mean(axis=0)
    assert np.std(after - shared) < 0.2 * np.std(before - shared)
    np.testing.assert_allclose(after.mean(axis=0), shared, atol=0.15)


def test_the_sky_and_the_mean_of_all_integrations_stay(detector_ramp, rng):
    """A sky of its own for each row, in all integrations, is no noise."""
    sky = np.linspace(0, 500, 24)[:, None]
    light, data = exposure(rng, rate=sky)
    result = LineNoise()(detector_ramp(data, border=0, outputs=2), **references()).data
    change = (slopes(result) - slopes(data)).mean(axis=0)
    np.testing.assert_allclose(change, 0, atol=1e-4)
    found = slopes(result).mean(axis=(0, 2))
    np.testing.assert_allclose(found, slopes(light).mean(axis=(0, 2)), atol=3.5)


def test_quiet_lines_are_left_alone(detector_ramp, rng):
    """Where lines scatter no more than their pixels make them, nothing is known of offsets."""
    _, data = exposure(rng, integrations=8, noise=0.0)
    ramp = detector_ramp(data, border=0, outputs=2)
    result = LineNoise()(ramp, **references()).data
    white = READ / np.sqrt(32)
    assert np.std(result - ramp.data) < 0.35 * white


def test_a_source_that_varies_is_no_noise_of_its_lines(detector_ramp, rng):
    """Light that fills its lines: 1 % less of it in one integration is told from an offset."""
    profile = np.zeros((24, 64))
    profile[10:14] = 4e4 * (1 + 0.3 * np.sin(np.arange(64) / 5))
    factor = np.array([1.0, 0.99, 1.0, 1.0])
    rise = factor[:, None, None, None] * profile / GAIN
    data = rise * (np.arange(5) + 1)[:, None, None]
    data += rng.normal(0, READ, data.shape) + rng.normal(0, 2, (4, 5, 24, 1))
    result = LineNoise()(detector_ramp(data, border=0, outputs=2), **references()).data
    found = slopes(result)[:, 10:14].mean(axis=(1, 2)) / (profile[10:14].mean() / GAIN)
    np.testing.assert_allclose(found, factor, atol=5e-4)


def test_offsets_scale_with_the_signal_and_its_noise(rng):
    _, data = exposure(rng, rate=0.0, amplifiers=1)
    sums = summed(data)
    doubled = sums.copy()
    for term, power in enumerate((-2, -1, -1, 0, 0)):
        doubled[term] *= 2.0**power
    np.testing.assert_allclose(line_offsets(doubled, 0.0), 2 * line_offsets(sums, 0.0), rtol=1e-9)


def test_bands_add_up(rng):
    _, data = exposure(rng, amplifiers=1)
    whole = summed(data)
    parts = [summed(data[:, :, rows]) for rows in (slice(0, 10), slice(10, 24))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), whole)


@pytest.mark.parametrize("axes", [(1, 2), (2, 1)])
def test_tiles_of_long_series_give_the_same_bits(detector_ramp, rng, monkeypatch, axes):
    _, data = exposure(rng, shape=(40, 64))
    ramp = detector_ramp(data, axes=axes, border=0, outputs=2)
    given, frame, step = references((40, 64)), Window.whole(40, 64), LineNoise()
    whole = step.prepare(ramp.meta, iter([ramp]), **given)
    monkeypatch.setattr("calcore.steps.detector.line_noise._NARROW", 7)
    monkeypatch.setattr("calcore.steps.detector.line_noise._SAMPLES", 20 * 64)
    tiles = step.regions(ramp.meta, frame)
    assert {tile.shape for tile in tiles} == {(32, 7), (32, 1), (8, 7), (8, 1)}
    parts = map(ramp.cut, tiles)
    np.testing.assert_array_equal(step.prepare(ramp.meta, parts, **given).values, whole.values)


def test_flagged_samples_bad_pixels_and_nan_do_not_count(rng):
    _, data = exposure(rng, amplifiers=1)
    flags = np.zeros(data.shape, np.uint8)
    good = np.ones(data.shape[2:], bool)
    for place, flag in (((0, 2, 3, 5), DQ.JUMP_DET), ((1, 1, 4, 6), DQ.SATURATED)):
        flags[place] = int(flag)
    good[7, 8] = False
    clean = line_offsets(summed(data, flags, good), 0.0)
    spoilt = data.copy()
    spoilt[0, 2:, 3, 5] += 1e5
    spoilt[1, 1, 4, 6] = 1e5
    spoilt[:, :, 7, 8] = rng.normal(0, 1e5, (4, 5))
    again = line_offsets(summed(spoilt, flags, good), 0.0)
    np.testing.assert_allclose(again, clean, atol=1e-4)  # DN, of samples near 1e5
    spoilt[2, 3, 9, 9] = np.nan
    assert np.isfinite(line_offsets(summed(spoilt, flags, good), 0.0)).all()


def test_lines_without_pixels_and_single_integrations_have_no_offset(rng):
    _, data = exposure(rng, amplifiers=1)
    good = np.ones(data.shape[2:], bool)
    good[5] = False
    offsets = line_offsets(summed(data, good=good), 0.0)
    assert np.all(offsets[..., 5] == 0)
    assert np.all(offsets[:, 1:, :, 4] != 0)
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=1e-12)
    assert np.all(line_offsets(summed(data[:1]), 0.0) == 0)
    assert np.all(line_offsets(summed(data, good=np.zeros_like(good)), 0.0) == 0)


@pytest.mark.parametrize(
    ("shape", "said"), [((1, 5, 8, 8), "single integration"), ((3, 1, 8, 8), "no ramps")]
)
def test_exposures_without_common_ramps_are_skipped(detector_ramp, shape, said):
    ramp = detector_ramp(np.zeros(shape))
    with pytest.raises(StepSkipped, match=said):
        LineNoise()(ramp, **references((8, 8)))


class TestLineNoiseContract(StepContract):
    axes = (1, 2)

    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        _, data = exposure(rng, shape=(64, 64))
        self.ramp = detector_ramp(data, axes=self.axes)

    def case(self):
        return Case(LineNoise(), self.ramp, references((64, 64)))


class TestLineNoiseOfColumnsContract(TestLineNoiseContract):
    axes = (-2, 1)
