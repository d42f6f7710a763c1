"""What steps keep for the next exposure: on the detector, in sub-arrays, in files."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calcore.errors import ShapesDisagree
from calcore.model import Detector, ExposureType, Facts, Kept, Meta, Ramp, Window
from calcore.model.layout import Plane
from calcore.model.windows import Windows
from calcore.step import State, Step, diet_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Charge(Kept):
    """What a pixel held last, and how many exposures there were."""

    held: Annotated[NDArray[np.float32], Plane("HELD", "f4", fill=-1)]
    exposures: int = 1


def meta(rows, columns, start=(0, 0), **more):
    detector = Detector(
        name="DETECTOR", rows=10, columns=12, reference_rows=(0, 0), reference_columns=(0, 0),
        fast_axis=1, slow_axis=2, outputs=1,
    )  # fmt: skip
    values = {
        "subarray.xsize": columns, "subarray.ysize": rows,
        "subarray.xstart": start[1] + 1, "subarray.ystart": start[0] + 1, **more,
    }  # fmt: skip
    return Meta(values, Facts(detector, ExposureType(name="IMAGE")))


def charge(rows, columns, start=(0, 0), value=1.0, **more):
    held = np.full((rows, columns), value, np.float32)
    return Charge(meta=meta(rows, columns, start), held=held, **more)


def test_a_subarray_is_laid_on_what_was_kept_of_the_rest():
    first = charge(4, 5, (2, 3)).on_detector(None)
    expected = np.full((10, 12), -1.0)
    expected[2:6, 3:8] = 1
    np.testing.assert_array_equal(first.held, expected)
    second = charge(2, 12, (5, 0), value=7, exposures=2).on_detector(first)
    expected[5:7] = 7
    np.testing.assert_array_equal(second.held, expected)
    assert second.exposures == 2
    assert first.held[5, 4] == 1
    whole = charge(10, 12, value=3).on_detector(second)
    np.testing.assert_array_equal(whole.held, np.full((10, 12), 3.0))


def test_an_exposure_gets_its_own_part():
    kept = charge(4, 5, (2, 3)).on_detector(None)
    cut = kept.within(meta(3, 4, (4, 6)), Window.whole(3, 4))
    np.testing.assert_array_equal(cut.held, [[1, 1, -1, -1], [1, 1, -1, -1], [-1, -1, -1, -1]])
    np.testing.assert_array_equal(cut.cut(cut.frame.with_rows(1, 2)).held, [[1, 1, -1, -1]])


def test_what_has_no_place_is_refused():
    with pytest.raises(ShapesDisagree, match="4 rows and 5 columns do not lie in one piece"):
        charge(4, 5, (8, 3)).on_detector(None)
    for word in ("multistripe_reads1", "multistripe_reads2"):
        stripes = meta(4, 12, **{f"subarray.{word}": 1})
        with pytest.raises(ShapesDisagree, match="leave the step out"):
            charge(10, 12).within(stripes, Window.whole(4, 12))


def test_a_tree_holds_planes_and_values():
    kept = charge(10, 12, value=2, exposures=5)
    again = Charge.of({**kept.tree(), "filename": "x"}, kept.meta)
    np.testing.assert_array_equal(again.held, kept.held)
    assert again.exposures == 5
    assert set(kept.tree()) == {"held", "exposures"}
    swapped = {**kept.tree(), "held": kept.held.astype(">f4")}
    assert Charge.of(swapped, kept.meta).held.dtype == np.dtype("f4")
    with pytest.raises(TypeError, match="held"):
        Charge.of({"exposures": 2}, kept.meta)


def windows(ends, start=(0, 0), seconds=30.0):
    return Windows(meta=meta(*ends.shape, start), ends=ends, seconds=seconds)


def test_windows_are_lists_that_count_from_the_corner_of_the_subarray():
    before = np.zeros((10, 12))
    before[0, 1], before[9, 11], before[3, 4] = 7, 8, 9
    ends = np.zeros((4, 5))
    ends[0, 2], ends[3, 4] = 100, 200
    kept = windows(ends, (2, 3)).on_detector(windows(before))
    tree = kept.tree()
    assert [list(tree[name]) for name in ("rows", "cols", "vals")] == [[0, 3], [2, 4], [100, 200]]
    assert (tree["origin"], tree["pers_time"]) == ([2, 3], 30)
    beyond = tree["beyond"]
    assert [list(beyond[name]) for name in ("rows", "cols", "vals")] == [[0, 9], [1, 11], [7, 8]]
    for where in (meta(10, 12), meta(2, 2, (1, 1))):
        again = Windows.of(tree, where)
        np.testing.assert_array_equal(again.ends, kept.ends)
        assert again.seconds == 30.0


def test_lists_without_an_origin_are_of_the_exposures_own_subarray():
    tree = {"rows": [1], "cols": [2], "vals": [5.0], "pers_time": 30}
    ends = Windows.of(tree, meta(4, 5, (2, 3))).ends
    assert np.argwhere(ends).tolist() == [[3, 5]]
    with pytest.raises(ValueError, match="pixels that the exposure does not read"):
        Windows.of({**tree, "rows": [4]}, meta(4, 5, (2, 3)))
    with pytest.raises(KeyError, match="pers_time"):
        Windows.of({"rows": [1], "cols": [2], "vals": [5.0]}, meta(4, 5))


@dataclass(frozen=True)
class Result:
    ramp: Ramp
    charge: Charge


def returning(hint: Any, asks: Any = State[Charge]) -> type[Step]:
    class Own(Step):
        def apply(self, ramp, *, earlier): ...

    Own.apply.__annotations__ = {"ramp": Ramp, "earlier": asks, "return": hint}
    return Own


def test_a_signature_asks_for_state():
    assert diet_of(returning(Result)).state == ("earlier", Charge)


@pytest.mark.parametrize(
    ("hint", "asks"), [(Ramp, State[Charge]), (Charge, State[Charge]), (Result, State[Windows])]
)
def test_a_step_that_asks_for_state_must_return_it(hint, asks):
    with pytest.raises(
        TypeError, match="must be a Kept, and apply must take one record and return"
    ):
        diet_of(returning(hint, asks))
