"""The table of hits by group count: what it draws, and how it scores."""

import numpy as np
from benchmarks.truth_hits import FLUXES, GAIN, READ, SIZES, Case, draw, row


def test_hits_are_as_large_as_they_say_and_where_they_say():
    ramps = draw(Case("4 groups", 4), 1)
    steps = np.diff(ramps.data[0].astype(float), axis=0) * GAIN
    for flux, rate in enumerate(FLUXES):
        sigma = np.sqrt(rate * 10.737 + 2 * READ**2)
        for size in SIZES:
            here = (ramps.flux == flux) & (ramps.size == size)
            at = np.take_along_axis(steps, ramps.group[None] - 1, axis=0)[0][here]
            assert abs((at - rate * 10.737).mean() / sigma - size) < 0.06
    assert np.mean(ramps.size > 0) == 0.25
    assert set(ramps.group[ramps.size > 0]) == {1, 2, 3}


def test_averaged_frames_have_less_noise():
    ramps = draw(Case("x", 3, integrations=2, frames=4, skip=1), 2)
    assert ramps.data.shape[:2] == (2, 3)
    calm = (ramps.flux == 0) & (ramps.size == 0)
    noise = np.diff(ramps.data[..., calm] * GAIN, axis=1).std()
    assert abs(noise / np.sqrt(2 * READ**2 / 4 + 0.05 * 5 * 10.737) - 1) < 0.02


def test_a_perfect_and_a_blind_search():
    ramps = draw(Case("4 groups", 4), 1)
    flags = np.zeros(ramps.data.shape, bool)
    assert row(ramps, flags) == ["0e+00, 0e+00, 0e+00", *["0.0, 0.0, 0.0"] * 3]
    np.put_along_axis(flags[0], ramps.group[None], ramps.size[None] > 0, axis=0)
    assert row(ramps, flags) == ["0e+00, 0e+00, 0e+00", *["100.0, 100.0, 100.0"] * 3]
    flags[0, 1][ramps.size == 0] = True
    assert row(ramps, flags)[0] == "3e-01, 3e-01, 3e-01"
