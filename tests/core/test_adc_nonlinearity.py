"""Numbers that a converter gives too high or too low."""

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid
from calcore.kernels.adc_nonlinearity import subtract_deviation
from calcore.model import Meta
from calcore.model.reference import AdcNonlinearity as AdcNonlinearityReference
from calcore.simulate.converter import converted, deviation
from calcore.simulate.physics import Effects, Electronics
from calcore.steps.detector.adc_nonlinearity import AdcNonlinearity
from calcore.testing.contract import Case, StepContract

WAVE = 2e-4


def table(counts, values):
    rows = np.zeros(len(counts), [("counts", "f8"), ("deviation", "f8")])
    rows["counts"], rows["deviation"] = counts, values
    return AdcNonlinearityReference(meta=Meta({}), table=rows)


def wave(counts):
    return WAVE * counts * np.sin(2 * np.pi * counts / 1024)


def sampled():
    counts = np.arange(0, 65536, 8.0)
    return table(counts, wave(counts))


def test_a_deviation_is_interpolated_and_continued():
    deviation = np.zeros(100, np.float32)
    deviation[10], deviation[99] = 4.0, 2.0
    data = np.array([9.0, 10.0, 10.25, 11.0, 98.5, 99.0, 500.0, -3.0], np.float32)
    result = subtract_deviation(data.reshape(1, 1, 1, 8), deviation).ravel()
    expected = [9.0, 6.0, 7.25, 11.0, 97.5, 97.0, 498.0, -3.0]
    np.testing.assert_allclose(result, expected)
    np.testing.assert_allclose(
        data - subtract_deviation(data.reshape(1, 1, 1, 8), 3 * deviation).ravel(),
        3 * (data - np.array(expected, np.float32)), rtol=1e-5, atol=1e-6,
    )  # fmt: skip


def test_no_number_stays_none():
    data = np.full((1, 3, 1, 2), 50.0, np.float32)
    data[0, 1, 0, 0] = np.nan
    for frames in (1, 4):
        result = subtract_deviation(data, np.ones(100, np.float32), frames=frames)
        assert np.isnan(result[0, 1, 0, 0])
        assert (result[0, [0, 2], 0, 0] == 49).all()
        assert (result[0, :, 0, 1] == 49).all()


@pytest.mark.parametrize(("frames", "gap"), [(1, 0), (4, 0), (8, 2)])
def test_reads_of_averages_are_corrected_one_by_one(detector_ramp, frames, gap):
    """Reads of a steep ramp run through a good part of the wave; their mean does not."""
    read = np.arange(6 * (frames + gap)).reshape(6, frames + gap)[:, :frames]
    true = 3000 + np.linspace(5, 60, 40) * (8 / frames) * read[..., None]
    number = true.copy()
    for _ in range(4):
        number = true + wave(number)
    data = number.mean(axis=1).reshape(1, 6, 1, 40)
    ramp = detector_ramp(data, frames=frames, gap=gap, border=0)
    found = AdcNonlinearity()(ramp, adcinl=sampled()).data
    expected = true.mean(axis=1).reshape(1, 6, 1, 40)
    assert np.abs(data - expected).max() > 0.5
    np.testing.assert_allclose(found, expected, atol=0.06)


def test_the_zero_frame_is_a_read_of_its_own(detector_ramp):
    zeroframe = np.array([[[0.0, 3328.0]]])
    ramp = detector_ramp(np.full((1, 2, 1, 2), 5000.0), zeroframe=zeroframe, frames=4, border=0)
    result = AdcNonlinearity()(ramp, adcinl=table([0.0, 65535.0], [2.0, 2.0])).zeroframe
    np.testing.assert_array_equal(result, [[[0.0, 3326.0]]])


@pytest.mark.parametrize(
    ("counts", "values", "said"),
    [
        ([0.0, 5.0, 5.0], [0.0, 1.0, 2.0], "3 rows of the table are no function"),
        ([1.0], [1.0], "1 rows"),
        ([0.0, 9.0], [0.0, np.nan], "finite values"),
    ],
)
def test_tables_that_are_no_function_are_refused(detector_ramp, counts, values, said):
    with pytest.raises(ReferenceInvalid, match=said):
        AdcNonlinearity()(detector_ramp(np.zeros((1, 2, 2, 2))), adcinl=table(counts, values))


@pytest.mark.parametrize(
    ("kinds", "columns"),
    [
        ([("counts", "f8"), ("error", "f8")], "counts, error"),
        ([("counts", "U3"), ("deviation", "f8")], "deviation"),
        ([("counts", "c8"), ("deviation", "f8", (2,))], "none"),
    ],
)
def test_a_table_without_its_columns_is_refused(detector_ramp, kinds, columns):
    rows = np.zeros(3, kinds)
    with pytest.raises(ReferenceInvalid, match=f"has the columns {columns} of numbers, and"):
        AdcNonlinearity()(
            detector_ramp(np.zeros((1, 2, 2, 2))),
            adcinl=AdcNonlinearityReference(meta=Meta({}), table=rows),
        )


def electronics(adc_wave):
    names = (
        "bias_dn", "bias_amplifier_dn", "bias_column_dn", "bias_pixel_dn", "read_noise_dn",
        "read_noise_scatter", "pink_common_dn", "pink_amplifier_dn", "offset_dn", "drift_dn",
        "parity_dn", "parity_drift_dn",
    )  # fmt: skip
    numbers = dict.fromkeys(names, 0.0)
    return Electronics(**numbers, parity_axis="fast", adc_top_dn=65535, adc_wave=adc_wave)


def test_the_simulated_converter_is_undone(detector_ramp, rng):
    true = rng.uniform(0, 60000, (1, 1, 20, 20))
    device = electronics(WAVE)
    number = converted(true.astype(np.float32), device, Effects(adc_nonlinearity=True))
    straight = converted(true.astype(np.float32), device, Effects())
    assert np.abs(number.astype(float) - true).max() > 5
    assert np.abs(straight.astype(float) - true).max() < 0.51
    counts = np.arange(0, 65536, 8.0)
    reference = table(counts, deviation(counts, device))
    found = AdcNonlinearity()(detector_ramp(number, border=0), adcinl=reference).data
    np.testing.assert_allclose(found, true, atol=0.6)


class TestAdcNonlinearityContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        data = rng.uniform(0, 6e4, (2, 3, 64, 64))
        self.ramp = detector_ramp(data, zeroframe=data[:, 0], frames=4, gap=1)

    def case(self):
        return Case(AdcNonlinearity(), self.ramp, {"adcinl": sampled()})
