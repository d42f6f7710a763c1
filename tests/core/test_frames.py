"""Whole frames from parts: planes that are alike are held once."""

from dataclasses import dataclass

import numpy as np
import pytest

from calcore.model import Meta, Rate, Window
from calcore.run.frames import Frames

FRAME = Window.whole(6, 5)


@dataclass(frozen=True, eq=False)
class Both:
    """Rates of an exposure and of its integrations."""

    rate: Rate
    rateints: Rate


def part(rows: Window, n_int: int = 1, odd: float = 0.0) -> Both:
    """Return rates of a band of rows; an integration's error differs by `odd` from all's."""
    y = np.arange(rows.row_start, rows.row_stop, dtype=np.float32)[:, None]
    data = y * 10 + np.arange(5, dtype=np.float32)
    data[0, 0] = np.nan
    flags = np.full(data.shape, 3, np.uint32)
    whole = Rate(meta=Meta(), window=rows, data=data, err=data / 2, dq=flags)
    each = {name: np.stack([getattr(whole, name)] * n_int) for name in ("data", "err", "dq")}
    each["err"] = each["err"] + np.float32(odd)
    return Both(whole, Rate(meta=Meta(), window=rows, **each))


def bands() -> list[Window]:
    """Return three bands of two rows."""
    return [FRAME.with_rows(row, row + 2) for row in (0, 2, 4)]


def gathered(parts: list[Both]) -> Both:
    """Return whole frames of bands."""
    frames = Frames(FRAME, None)
    for rows, one in zip(bands(), parts, strict=True):
        frames.put(one, rows)
    return frames.result


def test_one_integration_is_held_once():
    result = gathered([part(rows) for rows in bands()])
    for name in ("data", "err", "dq"):
        plane, planes = getattr(result.rate, name), getattr(result.rateints, name)
        assert planes.shape == (1, 6, 5)
        assert np.shares_memory(plane, planes)
        expected = np.concatenate([getattr(part(rows).rate, name) for rows in bands()])
        np.testing.assert_array_equal(plane, expected)


@pytest.mark.parametrize("differing", [0, 1, 2])
def test_planes_part_where_they_differ(differing):
    odd = [0.25 if number == differing else 0.0 for number in range(3)]
    parts = [part(rows, odd=value) for rows, value in zip(bands(), odd, strict=True)]
    result = gathered(parts)
    assert np.shares_memory(result.rate.data, result.rateints.data)
    assert not np.shares_memory(result.rate.err, result.rateints.err)
    for path in ("rate", "rateints"):
        expected = np.concatenate([getattr(one, path).err for one in parts], axis=-2)
        np.testing.assert_array_equal(getattr(result, path).err, expected)


def test_zeros_of_two_signs_differ():
    parts = [part(rows) for rows in bands()]
    parts[1].rate.data[0, 1] = 0.0
    parts[1].rateints.data[0, 0, 1] = -0.0
    result = gathered(parts)
    assert not np.signbit(result.rate.data[2, 1])
    assert np.signbit(result.rateints.data[0, 2, 1])


def test_several_integrations_are_of_their_own():
    result = gathered([part(rows, n_int=2) for rows in bands()])
    assert result.rateints.data.shape == (2, 6, 5)
    assert not np.shares_memory(result.rate.data, result.rateints.data)
    np.testing.assert_array_equal(result.rateints.data[1], result.rate.data)
