"""Numbers in ascending order."""

import numpy as np
import pytest

from calcore.kernels.sorting import ascending


@pytest.mark.parametrize("number", [0, 1, 2, 3000])
def test_numbers_of_all_sizes_are_put_in_order(rng: np.random.Generator, number: int) -> None:
    values = rng.normal(size=number).astype(np.float32)
    values *= np.float32(10) ** rng.integers(-40, 38, number).astype(np.float32)
    before = values.copy()
    found = ascending(values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.sort(values))
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(ascending(values, spoilt=True), found)


def test_infinities_are_last_and_zeros_by_sign() -> None:
    values = np.array([np.inf, 0.0, -1.0, -0.0, 1e-38, -np.inf, 0.0], np.float32)
    found = ascending(values)
    np.testing.assert_array_equal(found, np.sort(values))
    np.testing.assert_array_equal(np.signbit(found), [1, 1, 1, 0, 0, 0, 0])


def test_every_other_number_may_be_given() -> None:
    values = np.arange(10, dtype=np.float32)[::-2]
    np.testing.assert_array_equal(ascending(values), [1, 3, 5, 7, 9])
