"""Simulated persistence: charge is conserved, and comes back as late as the traps are slow."""

import numpy as np
import pytest

from calcore.simulate.physics import Effects, Persistence
from calcore.simulate.traps import Traps

SHAPE = (4, 5)
FULL = np.full(SHAPE, 1e5, np.float32)
EMPTY = np.zeros(SHAPE, np.float32)


def traps(times_s=(100.0,), fractions=(1e-3,)):
    return Traps(Persistence(times_s=times_s, fractions=fractions), SHAPE)


def test_traps_fill_and_empty_exponentially():
    one = traps()
    taken = -one.exchange(FULL, 100.0)
    np.testing.assert_allclose(taken, 100 * (1 - np.exp(-1)), rtol=1e-5)
    given = one.exchange(EMPTY, 50.0)
    np.testing.assert_allclose(given, taken * (1 - np.exp(-0.5)), rtol=1e-5)
    np.testing.assert_allclose(one.exchange(EMPTY, 1e9), taken - given, rtol=1e-4)
    np.testing.assert_allclose(one.exchange(EMPTY, 10.0), 0, atol=1e-4)


def test_many_short_times_are_one_long_time():
    long, short = traps((10.0, 1000.0), (2e-4, 3e-4)), traps((10.0, 1000.0), (2e-4, 3e-4))
    whole = long.exchange(FULL, 60.0)
    parts = sum(short.exchange(FULL, 1.0) for _ in range(60))
    np.testing.assert_allclose(parts, whole, rtol=1e-3)
    np.testing.assert_allclose(short.held.sum(axis=0), -whole, rtol=1e-3)


def test_rest_empties_without_giving_to_pixels():
    one = traps()
    one.exchange(FULL, 1e9)
    one.rest(100.0)
    np.testing.assert_allclose(one.held[0], 100 * np.exp(-1), rtol=1e-5)


def test_what_is_given_has_the_variance_of_its_number():
    many = Traps(Persistence(times_s=(1.0,), fractions=(1e-3,)), (200, 200))
    many.exchange(np.full((200, 200), 4e4, np.float32), 1e9)
    given = many.exchange(np.zeros((200, 200), np.float32), 1e9, np.random.default_rng(1))
    assert given.mean() == pytest.approx(40, rel=0.01)
    assert given.var() == pytest.approx(40, rel=0.05)


def test_it_is_off_unless_asked_for():
    assert not Effects().persistence
    assert Effects.only("persistence").persistence
