"""Weights of side reference pixels for the simulator's own 1/f noise."""

from dataclasses import replace

import numpy as np
import pytest

from calcore.simulate.noise import pink_noise
from calcore.simulate.physics import Electronics
from calcore.simulate.readout import ReadOrder
from calcore.simulate.side_weights import side_weights

ROWS, WIDTH, SAMPLES = 256, 64, 70


def electronics(**values):
    numbers = dict.fromkeys(
        ("bias_dn", "bias_amplifier_dn", "bias_column_dn", "bias_pixel_dn", "read_noise_scatter",
         "offset_dn", "drift_dn", "parity_dn", "parity_drift_dn"), 0.0,
    )  # fmt: skip
    given = {"read_noise_dn": 2.0, "pink_common_dn": 2.0, "pink_amplifier_dn": 0.7, **values}
    return Electronics(**numbers, parity_axis="fast", adc_top_dn=65535, **given)


@pytest.fixture
def order():
    """Four amplifiers side by side, every second one read backwards."""
    place = np.arange(4 * WIDTH)
    amplifier, sample = place // WIDTH, place % WIDTH
    sample = np.where(amplifier % 2 == 1, WIDTH - 1 - sample, sample)
    return ReadOrder(
        shape=(ROWS, 4 * WIDTH), amplifier=amplifier, sample=sample, fast_axis=1, slow_axis=2
    )


def test_noise_that_pixels_do_not_share_leaves_no_weight(order):
    gamma, zeta = side_weights(
        electronics(pink_common_dn=0.0, pink_amplifier_dn=0.0), order, SAMPLES
    )
    assert gamma.shape == zeta.shape == (4, 2049)
    assert np.all(gamma == 0)
    assert np.all(zeta == 0)


def test_without_read_noise_slow_drifts_of_all_amplifiers_are_halved_between_the_ends(order):
    quiet = electronics(pink_amplifier_dn=0.0, read_noise_dn=1e-3)
    gamma, zeta = side_weights(quiet, order, SAMPLES)
    np.testing.assert_allclose(np.abs(gamma + zeta)[:, :20], 1, atol=0.03)


def test_weights_depend_on_ratios_alone(order):
    one = electronics()
    twice = replace(one, read_noise_dn=4.0, pink_common_dn=4.0, pink_amplifier_dn=1.4)
    np.testing.assert_allclose(
        side_weights(one, order, SAMPLES), side_weights(twice, order, SAMPLES), rtol=1e-5, atol=1e-7
    )


def test_no_other_weights_leave_less_noise(order, rng):
    """Noise of lines of frames that are made by the noise model, with weights a bit off."""
    model = electronics()
    weights = np.stack(side_weights(model, order, SAMPLES), axis=1)
    left = dict.fromkeys((0.0, 0.7, 1.0, 1.4), 0.0)
    for _ in range(40):
        common = pink_noise(rng, ROWS * SAMPLES, model.pink_common_dn)
        own = [pink_noise(rng, ROWS * SAMPLES, model.pink_amplifier_dn) for _ in range(4)]
        streams = [(common + noise).reshape(ROWS, SAMPLES) for noise in own]
        frame = np.stack(
            [streams[a][:, s] for a, s in zip(order.amplifier, order.sample, strict=True)], axis=1
        )
        noise = frame + rng.normal(0, model.read_noise_dn, frame.shape)
        ends = np.stack([noise[:, :4].mean(axis=1), noise[:, -4:].mean(axis=1)])
        spectra = np.fft.rfft(ends - ends.mean(axis=1, keepdims=True))
        thinned = weights[..., :: 2048 // (ROWS // 2)]
        for amplifier in range(4):
            lines = frame[:, order.amplifier == amplifier].mean(axis=1)
            told = np.fft.irfft((thinned[amplifier] * spectra).sum(axis=0), ROWS)
            for scale in left:
                left[scale] += float(np.var(lines - scale * told))
    assert left[1.0] == min(left.values())
    assert left[1.0] < 0.55 * left[0.0]
