"""What the default profile makes of small simulated visits, held against the truth.

The long measurement, benchmarks/truth.py, has more of all and writes docs/accuracy.md.
"""

from dataclasses import replace

import pytest
from benchmarks.truth_page import hit_misses, misses
from benchmarks.truth_visits import Visit

from calcore.simulate import VisitOptions
from calcore.simulate.sky_options import SkyOptions, Target

RAPID = Visit(
    name="rapid",
    instrument="nircam",
    options=VisitOptions(seed=1, n_groups=10, n_dithers=3, subarray="SUB320"),
    ladder=0.01,
)
AVERAGED = Visit(
    name="averaged",
    instrument="nircam",
    options=VisitOptions(seed=2, n_groups=10, n_dithers=2, subarray="SUB320", pattern="SHALLOW4"),
    ladder=0.01,
)
WEAK = Visit(
    name="weak",
    instrument="nircam",
    options=VisitOptions(seed=3, n_groups=10, n_dithers=2, subarray="SUB320"),
    ladder=0.01,
    hits=(60.0, 0.04),
)
FAST = Visit(
    name="fast",
    instrument="miri",
    options=VisitOptions(seed=4, n_groups=12, n_dithers=1),
    ladder=0.01,
)
CROWDED = Visit(
    name="crowded",
    instrument="nircam",
    options=VisitOptions(
        seed=5,
        n_groups=10,
        n_dithers=1,
        subarray="SUB320",
        # No single stars, which would keep others away from most of a field so small.
        sky=replace(SkyOptions.crowded(), grid=False),
    ),
)
NEAR_STARS = Visit(
    name="near_stars",
    instrument="nircam",
    options=VisitOptions(
        seed=6, n_groups=8, n_dithers=2, subarray="SUB640", target=Target(ra_deg=0.0005)
    ),
    lattice=46.0,
    stage="all",
)
MID_STARS = Visit(
    name="mid_stars",
    instrument="miri",
    options=VisitOptions(seed=7, n_groups=8, n_dithers=2, subarray="BRIGHTSKY"),
    lattice=44.0,
    stage="all",
)

SLIT = Visit(
    name="slit",
    instrument="nirspec",
    options=VisitOptions(
        mode="bright_object", seed=8, n_groups=10, detectors=("NRS2",), subarray="SUBS200A1"
    ),
    ladder=0.01,
)
STRIP = Visit(
    name="strip",
    instrument="niriss",
    options=VisitOptions(
        mode="soss", seed=9, n_groups=8, n_ints=3, subarray="SUBSTRIP96", segment_ints=2
    ),
    ladder=0.01,
)
GUIDER = Visit(
    name="guider",
    instrument="fgs",
    options=VisitOptions(
        seed=10, n_groups=10, n_dithers=4, detectors=("GUIDER2",), subarray="SUB128LL"
    ),
    ladder=0.01,
)


@pytest.mark.parametrize(
    "visit", [RAPID, AVERAGED, FAST, CROWDED, SLIT, STRIP, GUIDER], ids=lambda visit: visit.name
)
def test_rates_and_flags_keep_the_limits(measured, visit):
    result = measured(visit)
    assert misses(result) == []
    faintest, brightest = result.rates["clean"][0], result.rates["clean"][-1]
    assert brightest.low >= 1e3 * faintest.low or visit is CROWDED
    assert all(score.pixels > 0 for score in result.rates["flagged"])


def test_hits_are_found(measured):
    result = measured(WEAK)
    assert hit_misses([result]) == []
    near_six = next(score for score in result.hits if score.low < 6 < score.high)
    assert near_six.hits > 100
    assert not [miss for miss in misses(result) if "false" in miss]


def test_the_crowded_field_saturates_as_much_as_asked(measured):
    assert measured(CROWDED).saturated >= 0.02


@pytest.mark.parametrize("visit", [NEAR_STARS, MID_STARS], ids=lambda visit: visit.name)
def test_fluxes_and_positions_keep_the_limits(measured, visit):
    result = measured(visit)
    assert misses(result) == []
    for product in ("cal", "i2d"):
        assert len(result.fluxes[product]) == 6
