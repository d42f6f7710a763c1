"""What our steps are checked with, where calcore cannot guess it."""

from acme.afterglow import Afterglow, Brightest
from acme.trails import Trails
from calcore.testing import Case, a_group, a_ramp


def afterglow() -> Case:
    """A ramp, and what the exposure before has left."""
    ramp = a_ramp()
    before = Brightest(meta=ramp.meta, data=ramp.data.max(axis=(0, 1)))
    return Case(Afterglow(threshold=100.0), ramp, {"before": before})


def trails() -> Case:
    """Three exposures, not in the order of time."""
    return Case(Trails(threshold=1.0), a_group(3))
