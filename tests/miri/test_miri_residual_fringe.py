"""Fringes that a source has of its own: found in columns of the detector, and in extracted spectra."""

import numpy as np
import pytest

from calcore.errors import BadParameter, ReferenceInvalid
from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.cube import Cube
from calcore.model.spectrum import Spectrum
from calcore.testing import StepContract
from calcore_miri.cases.cubes import extract_1d, fringe_frequencies, residual_fringe
from calcore_miri.kernels.fringe_waves import Layer, find, transmission
from calcore_miri.steps._fringe_layers import layers_of
from calcore_miri.steps.extract_1d import Extract1d
from calcore_miri.steps.residual_fringe import ResidualFringe

LAYER = Layer(1 / 4.2, 1 / 1.4)
WAVE = np.linspace(7.51, 8.77, 970)
NUMBER = 1e4 / WAVE
CONTINUUM = 100 * (1 + 0.3 * np.sin(NUMBER / 60))


class TestResidualFringeContract(StepContract):
    def case(self):
        return residual_fringe()


class TestExtract1dContract(StepContract):
    def case(self):
        return extract_1d()


def waves(amplitude, period=2.8, phase=1.0):
    return 1 + amplitude * np.cos(2 * np.pi * NUMBER / period + phase)


def line(height=300.0, at=8.0, width=1.2):
    return height * np.exp(-0.5 * ((WAVE - at) / (width * (WAVE[1] - WAVE[0]))) ** 2)


def noisy(light, snr, seed=1):
    error = CONTINUUM / snr
    return light + np.random.default_rng(seed).normal(0, 1, light.size) * error, error


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize("period", [1.7, 2.8, 3.7])
def test_waves_of_a_layer_are_found_to_a_few_percent(period):
    there = waves(0.05, period)
    found = transmission(NUMBER, *noisy((CONTINUUM + line()) * there, 100), [LAYER])
    assert rms(found / there - 1) < 0.06 * rms(there - 1)
    assert rms(found[line() > 1] / there[line() > 1] - 1) < 0.005


def test_waves_that_change_along_the_spectrum_are_found():
    there = 1 + (waves(0.05) - 1) * np.linspace(0.3, 1.5, NUMBER.size)
    found = transmission(NUMBER, *noisy(CONTINUUM * there, 100), [LAYER])
    assert rms(found / there - 1) < 0.08 * rms(there - 1)


def test_what_is_found_has_neither_unit_nor_direction():
    signal, error = noisy(CONTINUUM * waves(0.05), 50)
    found = transmission(NUMBER, signal, error, [LAYER])
    np.testing.assert_allclose(transmission(NUMBER, 7 * signal, 7 * error, [LAYER]), found)
    back = transmission(NUMBER[::-1], signal[::-1], error[::-1], [LAYER])
    np.testing.assert_allclose(back[::-1], found, atol=2e-4)


@pytest.mark.parametrize("period", [1.0, 6.7])
def test_other_waves_and_lines_stay(period):
    found = transmission(NUMBER, *noisy((CONTINUUM + line()) * waves(0.05, period), 100), [LAYER])
    assert rms(found - 1) < 0.001


def test_noise_has_no_fringes():
    for seed in range(20):
        signal, error = noisy(CONTINUUM + line() + line(-60, 8.4, 1.0), 30, seed)
        assert (transmission(NUMBER, signal, error, [LAYER]) == 1).all(), seed


def test_unusable_samples_have_no_say():
    there = waves(0.05)
    signal, error = noisy(CONTINUUM * there, 100)
    signal[100:130], error[300:310], error[400:410] = np.nan, 0, np.nan
    signal[300:310] = 1e6
    found = transmission(NUMBER, signal, error, [LAYER])
    assert rms(found / there - 1) < 0.06 * rms(there - 1)
    few = np.where(np.arange(signal.size) % 3, np.nan, signal)
    for given in (few, np.full(signal.shape, np.nan), -signal):
        assert (transmission(NUMBER, given, error, [LAYER]) == 1).all()


def test_what_is_too_large_too_short_or_not_asked_for_is_left():
    signal, error = noisy(CONTINUUM * waves(0.1), 100)
    assert (transmission(NUMBER, signal, error, [LAYER], largest=0.05) == 1).all()
    assert (transmission(NUMBER, signal, error, []) == 1).all()
    for count in (0, 1, 5):
        short = transmission(NUMBER[:count], signal[:count], error[:count], [LAYER])
        np.testing.assert_array_equal(short, np.ones(count))


def test_two_layers_are_found_side_by_side():
    first, second = waves(0.05) - 1, waves(0.02, 0.7, 2.0) - 1
    layers = [LAYER, Layer(1 / 0.9, 1 / 0.6)]
    weights = np.full(NUMBER.shape, 1e4)
    np.testing.assert_allclose(
        find(NUMBER, first + second, weights, layers), first + second, atol=2e-3
    )
    np.testing.assert_allclose(find(NUMBER, first + second, weights, layers[:1]), first, atol=2e-3)


def test_columns_lose_their_fringes():
    case = residual_fringe()
    image = case.flow
    result = case.step(image, **case.given)
    own = image.wcs.labels > 0
    assert result.data[own].std() < 0.5 * image.data[own].std()
    np.testing.assert_array_equal(result.data[~own], image.data[~own])
    for name in ("err", "dq"):
        np.testing.assert_array_equal(getattr(result, name), getattr(image, name))


def test_pixels_that_are_flagged_and_faint_columns_stay():
    case = residual_fringe()
    image = case.flow
    dq = image.dq.copy()
    dq[10, 5] = DQ.DO_NOT_USE
    data, err = image.data.copy(), image.err.copy()
    data[10, 5], data[12, 5] = 1e5, np.nan
    err[:, 6] = 1000
    result = case.step(image.replace(dq=dq, data=data, err=err), **case.given)
    assert result.data[10, 5] == data[10, 5]
    assert np.isnan(result.data[12, 5])
    np.testing.assert_array_equal(result.data[:, 6], data[:, 6])
    assert not np.array_equal(result.data[:10, 5], data[:10, 5])


def test_regions_are_not_looked_at_and_fringes_returned():
    case = residual_fringe()
    step = ResidualFringe(
        ignore_region_min=(4.0,), ignore_region_max=(9.0,), save_intermediate_results=True
    )
    result = step(case.flow, **case.given)
    assert (result.fringes.data == 1).all()
    result = ResidualFringe(save_intermediate_results=True)(case.flow, **case.given)
    np.testing.assert_array_equal(result.image.data, case.flow.data / result.fringes.data)
    with pytest.raises(BadParameter, match="give as many ends as beginnings"):
        ResidualFringe(ignore_region_min=(5.0,))


def test_layers_are_those_of_band_and_slice():
    reference = fringe_frequencies((101, 301), 2.8, 1.4)
    other = fringe_frequencies((101, 301), 0.39, 0.15)
    reference = reference.replace(long=other.long)
    meta = Meta({"instrument.band": "SHORT-LONG"})
    (first,), (second,) = (layers_of(reference, meta, number) for number in (101, 301))
    assert first.layer == pytest.approx((1 / 4.2, 1 / 1.4, 10))
    assert second.layer.lowest == pytest.approx(1 / 0.54)
    assert first.least_snr == 10
    assert layers_of(reference, meta, 102) == ()


def test_references_that_do_not_suit_are_refused():
    meta = Meta({"instrument.band": "SHORT"})
    with pytest.raises(
        ReferenceInvalid, match=r"slice 101 of RFC_FREQ_SHORT has waves of 1.0 ± 2.0"
    ):
        layers_of(fringe_frequencies((101,), 1.0, 2.0), meta, 101)
    reference = fringe_frequencies()
    reference = reference.replace(short=reference.short[["slice", "ffreq"]])
    with pytest.raises(ReferenceInvalid, match="no column dffreq, max_nfringes, min_snr"):
        layers_of(reference, meta, 101)


def a_spectrum():
    signal, error = noisy(CONTINUUM * waves(0.05), 100)
    dq = np.where(np.arange(WAVE.size) < 5, np.uint32(DQ.DO_NOT_USE), np.uint32(0))
    signal[:5] = 0
    return Spectrum.of(
        Meta({}), WAVELENGTH=WAVE, FLUX=signal, FLUX_ERROR=error, SURF_BRIGHT=2 * signal,
        SB_ERROR=2 * error, BACKGROUND=CONTINUUM, BKGD_ERROR=error, DQ=dq,
    )  # fmt: skip


def a_cube(**told):
    meta = Meta({"instrument.channel": "2", "instrument.band": "SHORT", **told})
    nothing = np.zeros((1, 1, 1), np.float32)
    return Cube(meta=meta, data=nothing, dq=nothing.astype(np.uint32))


def test_spectra_get_columns_without_fringes():
    spectrum = a_spectrum()
    table = Extract1d().completed(spectrum, a_cube()).table
    for name in ("FLUX", "SURF_BRIGHT"):
        fringes = table[name][5:] / table[f"RF_{name}"][5:]
        assert rms(fringes / waves(0.05)[5:] - 1) < 0.003
    np.testing.assert_allclose(table["RF_BACKGROUND"], table["BACKGROUND"], rtol=1e-6)
    np.testing.assert_array_equal(table["FLUX"], spectrum.table["FLUX"])
    np.testing.assert_array_equal(table["RF_FLUX"][:5], 0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"ifu_rfcorr": False}, {}), ({}, {"instrument.channel": "12"}),
     ({}, {"instrument.band": "MULTIPLE"})],
)  # fmt: skip
def test_spectra_of_several_bands_have_no_such_columns(settings, told):
    table = Extract1d(**settings).completed(a_spectrum(), a_cube(**told)).table
    for name in ("FLUX", "SURF_BRIGHT", "BACKGROUND"):
        assert np.isnan(table[f"RF_{name}"]).all()
