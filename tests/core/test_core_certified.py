"""Core's own steps are held to what strangers' steps are."""

import pytest

from calcore.testing.scrutiny import looked_at, things

STEPS = [place for place, what in enumerate(things("calcore")) if what.startswith("step ")]


@pytest.mark.parametrize("place", STEPS, ids=[things("calcore")[place] for place in STEPS])
def test_a_step_of_core_s_is_certified(place):
    found = looked_at("calcore", place)
    assert [(own.respect, own.words) for own in found if not own.good] == []
    assert {"contract", "bands", "threads", "memory"} <= {own.respect for own in found}
