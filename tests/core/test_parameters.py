"""Parameters are checked in type and range, and steps say what they ask for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from calcore.errors import BadParameter
from calcore.flags import DQ
from calcore.model import Group, Image, Meta, Ramp
from calcore.model.reference import Dark, Gain
from calcore.parameters import Doc, Range, Unit, parameters_of
from calcore.step import Auxiliary, Members, Step, diet_of


@dataclass(frozen=True, kw_only=True)
class Everything(Step):
    """A step with a parameter of every kind."""

    threshold: Annotated[float, Range(0, 10), Unit("sigma"), Doc("Where to cut.")] = 4
    count: Annotated[int, Range(1), Doc("How many.")] = 2
    on: Annotated[bool, Doc("Whether.")] = True
    method: Annotated[Literal["a", "b", "3"], Doc("Which.")] = "a"
    limit: Annotated[float | None, Doc("Maybe.")] = None
    box: Annotated[tuple[int, int] | None, Doc("Size.")] = None
    bits: Annotated[DQ, Doc("Flags.")] = DQ.DO_NOT_USE

    def apply(
        self,
        ramp: Ramp,
        *,
        dark: Dark,
        gain: Gain | None,
        backgrounds: Annotated[tuple[Image, ...], Members("background")],
        shutters: Annotated[Path, Auxiliary("instrument.msa_metadata_file")],
    ) -> Ramp:
        return ramp


def test_values_are_converted_and_kept():
    step = Everything(threshold=5, box=[3, 4], limit=2, method=3)
    assert (step.threshold, step.box, step.limit) == (5.0, (3, 4), 2.0)
    assert step.method == "3"  # a command line's 3 may be a word
    assert isinstance(step.threshold, float)


@pytest.mark.parametrize("text", ["3,4", " 3 , 4 "])
def test_lists_may_be_written_without_brackets(text):
    assert Everything(box=text).box == (3, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": "4"}, "Everything.threshold must be float, not '4' \\(str\\)"),
        ({"threshold": 11.0}, "is 11.0; it must lie in 0 to 10"),
        ({"threshold": float("nan")}, "is nan; it must lie in 0 to 10"),
        ({"count": 0}, "is 0; it must lie in 1 to inf"),
        ({"count": 1.5}, "must be int"),
        ({"count": True}, "must be int"),
        ({"on": 1}, "must be bool"),
        ({"method": "c"}, "must be 'a' or 'b' or '3'"),
        ({"box": "3,x"}, "must be a list of int, int or None, not '3,x'"),
        ({"box": [1, 2, 3]}, "must be a list of int, int or None"),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(values, message):
    with pytest.raises(BadParameter, match=message):
        Everything(**values)


def test_declarations_are_read_from_the_fields():
    parameter = parameters_of(Everything)["threshold"]
    assert (parameter.doc, parameter.unit, parameter.range) == (
        "Where to cut.",
        "sigma",
        Range(0, 10),
    )


def test_the_diet_is_read_from_the_signature():
    diet = diet_of(Everything)
    assert diet.flow is Ramp
    assert not diet.grouped
    assert [(wish.argument, wish.kind, wish.optional) for wish in diet.references] == [
        ("dark", Dark, False),
        ("gain", Gain, True),
    ]
    assert diet.members == {"backgrounds": (Image, "background")}
    assert diet.auxiliaries == {"shutters": "instrument.msa_metadata_file"}
    assert Everything().wanted(Meta()) == {"dark", "gain"}


def test_a_step_on_a_set_is_told_by_its_first_argument():
    @dataclass(frozen=True, kw_only=True)
    class Grouped(Step):
        """On a set."""

        def apply(self, group: Group[Image]) -> Group[Image]:
            return group

    assert diet_of(Grouped).grouped
    assert diet_of(Grouped).flow is Image


def test_what_nobody_could_give_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Greedy(Step):
        """Asks for the impossible."""

        def apply(self, ramp: Ramp, *, moon: int) -> Ramp:
            return ramp

    with pytest.raises(TypeError, match=r"Greedy.apply asks for moon"):
        diet_of(Greedy)
