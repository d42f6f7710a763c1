"""The scores of spectra and cubes, on spectra whose noise, offset and lines are known.

The long measurement, benchmarks/truth_spectra.py, simulates and calibrates whole visits for docs/accuracy.md.
"""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks import truth_cubes as cubes

from calcore.simulate.spectra import LIGHT_KM_S, Line, Spectrum

LINES = (Line(wavelength_um=5.2, flux_w_m2=1e-18), Line(wavelength_um=5.5, flux_w_m2=1e-18))
TRUE = Spectrum(flux_jy=0.01, slope=-0.5, lines=LINES)
WAVES = np.arange(4.9, 5.74, 0.0008)


def spectra(rng, *, factor=1.0, stated=1.0, velocity_km_s=0.0, wave=0.0, count=6):
    """Return spectra of a noise of 1 %, neighbouring planes correlated."""
    half, power = 4e-4, cubes.resolving_power(1, cubes.BAND, WAVES)
    seen = TRUE.mean(WAVES - half, WAVES + half, power, velocity_km_s=velocity_km_s)
    white = rng.standard_normal((count, WAVES.size + 1))
    noise = 1e-4 * (0.9 * white[:, 1:] + np.sqrt(1 - 0.9**2) * white[:, :-1])
    flux = factor * seen * (1 + wave * np.sin(WAVES * 300)) + noise
    error = np.full(flux.shape, 1e-4 * stated)
    return cubes.spectra_of(1, WAVES, flux, error, TRUE)


def test_a_right_spectrum_keeps_all_limits(rng):
    found = spectra(rng)
    score = cubes.band_score("x", found)
    assert score.misses == []
    assert score.noise == pytest.approx(1, abs=0.04)
    assert found.correlation[1] == pytest.approx(0.9 * np.sqrt(1 - 0.9**2), abs=0.05)
    lines = cubes.line_score("x", found, LINES)
    assert lines.misses == []
    assert len(lines.bias) == 2
    scatter, error = cubes.scatter_of([lines])
    assert scatter < cubes.PHOTONS + cubes.SIGMA * error


@pytest.mark.parametrize(
    ("wrong", "missed"),
    [
        ({"factor": 1.01}, ["median"]),
        ({"wave": 0.03}, ["modulation"]),
        ({"stated": 0.7}, ["noise"]),
        ({"stated": 1.4}, ["noise"]),
    ],
)
def test_what_is_wrong_is_seen(rng, wrong, missed):
    assert cubes.band_score("x", spectra(rng, **wrong)).misses == missed


def test_one_spectrum_takes_its_noise_from_realisations(rng):
    known = spectra(rng)
    one = replace(known, flux=known.flux[:1], error=known.error[:1] / 2)
    score = cubes.band_score("x", one, known)
    assert score.noise == pytest.approx(2, abs=0.1)
    assert score.modulation < 0.005


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_velocity_of_the_wrong_sign_is_seen(rng, sign):
    lines = cubes.line_score("x", spectra(rng, velocity_km_s=sign * 60.0), LINES)
    assert lines.misses == ["bias"]
    power = cubes.resolving_power(1, cubes.BAND, np.array([line.wavelength_um for line in LINES]))
    np.testing.assert_allclose(lines.bias, sign * 60 / LIGHT_KM_S * power, atol=0.03)
