"""What cannot be combined, or not well, and what is told of it."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from calcore.errors import CalcoreError, DataUnusable, Doubtful, StepSkipped
from calcore.model import Group
from calcore.parameters import parameters_of
from calcore.steps.combination.outlier_detection import OutlierDetection
from calcore.steps.combination.resample import Resample
from calcore.steps.combination.skymatch import SkyMatch
from calcore.wcs.outline import parts

star_field = runpy.run_path(str(Path(__file__).parents[1] / "star_field.py"))["star_field"]
SMALL = {"shape": (60, 66), "stars": 3, "bad": False}


def named(members, *names):
    """The images under names of their own."""
    return [
        m.replace(meta=m.meta.set({"filename": name}))
        for m, name in zip(members, names, strict=False)
    ]


def group(*members, association="visit_asn.json"):
    return Group("mosaic", members, association)


def places(*declinations, n=1):
    """Fields, each farther east than the last, `n` exposures of each, named a0, a1, b0 …"""
    first = declinations[0]
    fields = [star_field(n, ra=0.001 + abs(d - first), dec=d, **SMALL) for d in declinations]
    letters = "abcdefgh"
    return [
        m.replace(
            meta=m.meta.set({"filename": f"{letters[k]}{i}", "observation.visit_number": f"00{k}"})
        )
        for k, field in enumerate(fields)
        for i, m in enumerate(field.group.members)
    ]


def emptied(member):
    return member.replace(data=np.full_like(member.data, np.nan))


@pytest.mark.parametrize("step", [Resample(), OutlierDetection()])
def test_exposures_in_places_far_apart_make_no_mosaic(step):
    members = places(-69.0, -69.0 - 1.5, n=2)
    with pytest.raises(CalcoreError) as error:
        step(group(*members))
    words = str(error.value)
    assert words.startswith("the exposures lie too far apart for one mosaic, which would have ")
    assert words.endswith(
        "almost all of them empty: a0 and a1; b0 and b1 do not overlap; make an association for "
        "each place"
    )


def test_many_places_are_told_in_a_few_words():
    members = places(-69.0, -67.0, -65.0, -63.0, -61.0, n=1)
    with pytest.raises(CalcoreError, match=r": a0; b0; c0; 2 more places do not overlap"):
        Resample()(group(*members))
    many = [*places(-69.0, n=4), places(-69.0, -65.0)[1]]
    with pytest.raises(CalcoreError, match=r": a0 and 3 more; b0 do not overlap"):
        Resample()(group(*many))


def test_who_says_the_size_gets_it():
    members = places(-69.0, -70.5)
    shape = (30, 30)
    crval = (0.001, -69.0)
    with pytest.warns(Doubtful, match="do not overlap"):
        mosaic = Resample(output_shape=shape, crpix=(15, 15), crval=crval)(group(*members))
    assert mosaic.data.shape == shape
    assert np.isfinite(mosaic.data).any()


def test_tiles_that_do_not_overlap_are_combined_with_a_word():
    members = places(-69.0, -69.01)
    with pytest.warns(Doubtful) as told:
        mosaic = Resample()(group(*members))
    assert [str(item.message) for item in told] == [
        (
            "exposures lie in places that do not overlap (a0; b0): nothing ties their positions "
            "and levels of the sky to each other"
        )
    ]
    assert set(np.unique(mosaic.con)) == {0, 1, 2}


def test_detectors_of_one_exposure_are_in_one_place():
    """They are shifted together."""
    members = places(-69.0, -69.01)
    one = {"observation.visit_number": "000"}
    Resample()(group(*(m.replace(meta=m.meta.set(one)) for m in members)))
    # But not as far apart as no detectors of a telescope are.
    members = [m.replace(meta=m.meta.set(one)) for m in places(-69.0, -70.5)]
    with pytest.raises(CalcoreError, match="almost all of them empty: a0; b0 do not overlap"):
        Resample()(group(*members))


def test_exposures_without_a_usable_pixel_are_told_or_refused():
    members = named(star_field(3, **SMALL).group.members, "a", "b", "c")
    plain = Resample()(group(*members[1:]))
    with pytest.warns(Doubtful) as told:
        mosaic = Resample()(group(emptied(members[0]), *members[1:]))
    assert [str(item.message) for item in told] == [
        "nothing of a is combined: all pixels are NaN or flagged DO_NOT_USE"
    ]
    assert np.nansum(mosaic.data) == pytest.approx(np.nansum(plain.data), rel=1e-3)
    flagged = members[1].replace(dq=members[1].dq | np.uint32(1))
    with pytest.raises(DataUnusable) as error:
        Resample()(group(emptied(members[0]), flagged))
    assert str(error.value) == (
        "there is nothing to combine: all pixels of a, b are NaN or flagged DO_NOT_USE; look at "
        "how they were made (calcore info -v FILE)"
    )


def test_there_is_no_quick_look_at_nothing():
    member = emptied(star_field(1, **SMALL).group.members[0])
    with pytest.raises(StepSkipped, match=r"^all pixels are NaN or flagged DO_NOT_USE$"):
        Resample()(group(member, association=""))


def test_there_is_no_quick_look_at_integrations():
    member = star_field(1, **SMALL).group.members[0]
    names = ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat")
    cube = member.replace(**{name: np.stack([getattr(member, name)] * 2) for name in names})
    with pytest.raises(
        StepSkipped, match=r"^there is an image for each integration, and they are "
    ):
        Resample()(group(cube, association=""))


def square(ra, dec, side=0.01):
    across = side / np.cos(np.radians(dec))
    return np.array([(ra, dec), (ra + across, dec), (ra + across, dec + side), (ra, dec + side)])


def test_parts_hang_together_through_others():
    chain = [square(0.0, 10.0 + 0.008 * k) for k in (0, 2, 1)]
    assert parts(chain) == [[0, 1, 2]]
    assert parts(chain[:2]) == [[0], [1]]
    assert parts([*chain, square(180.0, -10.0), square(0.0, 12.0)]) == [[0, 1, 2], [3], [4]]
    assert parts([square(0.0, 12.0), *chain, square(0.0, 14.0)], [[1, 4]]) == [[0], [1, 2, 3, 4]]
    assert parts([]) == []


@pytest.mark.parametrize(
    ("step", "name"), [(SkyMatch, "skylist"), (Resample, "output_wcs"), (Resample, "kernel")]
)
def test_products_depend_on_what_the_files_hold_that_settings_name(step, name):
    assert (parameters_of(step)[name].file is not None) is (name != "kernel")
