"""Steps of core and of the instruments are held to what strangers' steps are."""

import pytest

from calcore.testing.scrutiny import looked_at, things

PACKAGES = ("calcore", *(f"calcore-{i}" for i in ("fgs", "miri", "nircam", "niriss", "nirspec")))
STEPS = [
    pytest.param(package, place, id=f"{package} {what}")
    for package in PACKAGES
    for place, what in enumerate(things(package))
    if what.startswith("step ")
]


@pytest.mark.parametrize(("package", "place"), STEPS)
def test_a_step_is_certified(package, place):
    found = looked_at(package, place)
    assert [(own.respect, own.words) for own in found if not own.good] == []
    assert {"contract", "bands", "threads", "memory"} <= {own.respect for own in found}
