"""The rules every step obeys, as tests to inherit.

::

    class TestDarkCurrent(StepContract):
        def case(self):
            return Case(DarkCurrent(), ramp, {"dark": dark})
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcore.errors import BadParameter
from calcore.model import Kept, Record, Reference
from calcore.model.layout import Plane, fields_of
from calcore.parameters import parameters_of
from calcore.run.bands import Chain, Link, Tally, Tiling, collect, parted, with_header
from calcore.step import Room, Rows, Step, diet_of

TILES = ((1, None), (7, None), (16, None), (7, 3), (None, 5))


@dataclass(frozen=True, eq=False)
class Case:
    """A step, what flows into it, and what else its `apply` is given."""

    step: Step
    flow: Any
    given: Mapping[str, Any] = field(default_factory=dict)


class StepContract:
    """Inherit, and define `case`; the step is then held to what the runner relies on."""

    def case(self) -> Case:
        """Return a step with data that make it do something."""
        raise AssertionError(f"{type(self).__name__} must define case()")

    def test_is_a_frozen_dataclass_with_a_sentence(self) -> None:
        """A step is a value: settings cannot change after it is built."""
        kind: Any = type(self.case().step)
        assert getattr(kind, "__dataclass_params__").frozen  # noqa: B009 - typed as any class
        assert kind.__doc__
        assert "(" not in kind.__doc__.splitlines()[0][:40]

    def test_signature_can_be_read(self) -> None:
        """The runner learns from the signature alone what the step needs."""
        kind: Any = type(self.case().step)
        diet = diet_of(kind)
        for name in (wish.argument for wish in diet.references):
            assert name in self.case().given or any(
                wish.optional for wish in diet.references if wish.argument == name
            )

    def test_parameters_say_what_they_mean(self) -> None:
        """Every parameter has a description, and its default lies in its range."""
        kind: Any = type(self.case().step)
        for parameter in parameters_of(kind).values():
            assert parameter.doc, f"{parameter.name} has no Doc"
            parameter.check(kind.__name__, parameter.default)

    def test_parameters_of_a_wrong_type_are_refused(self) -> None:
        """A wrong type is found when the step is built."""
        kind: Any = type(self.case().step)
        for parameter in parameters_of(kind).values():
            try:
                parameter.check(kind.__name__, object())
            except BadParameter as error:
                assert parameter.name in str(error)  # noqa: PT017 - the message is the point
            else:
                raise AssertionError(f"{parameter.name} takes anything")

    def test_inputs_are_untouched(self) -> None:
        """What flows in, and the references, are the same after the step as before."""
        case = self.case()
        before = [_copy(case.flow), *(_copy(value) for value in case.given.values())]
        case.step(case.flow, **case.given)
        after = [case.flow, *case.given.values()]
        for old, new in zip(before, after, strict=True):
            assert_same(old, new)

    def test_bands_give_what_whole_frames_give(self) -> None:
        """Any size of bands, or of tiles, and any number of threads gives the same bits."""
        case = self.case()
        if not isinstance(case.flow, Record):
            return
        references = {
            value.type: value for value in case.given.values() if isinstance(value, Reference)
        }
        rows = case.step.rows(case.flow.meta, references)
        if rows is None:
            return
        whole, kept = parted(case.step(case.flow, **case.given))
        frame = case.flow.frame
        for height, width in (*TILES, (None, None)):
            if rows.whole and width is not None:
                continue
            columns = width or frame.frame_columns
            tiling = Tiling(height or frame.frame_rows, columns, 2 * columns)
            for threads in (1, 2):
                banded, banded_kept = _banded(case, rows, tiling, threads)
                assert_same(whole, banded, path=f"{tiling}")
                assert_same(kept, banded_kept, path=f"{tiling} kept")


def _banded(case: Case, rows: Rows, tiling: Tiling, threads: int) -> tuple[Any, Kept | None]:
    """Return what flows out of bands, and what is kept for the next exposure."""
    link = Link("step", case.step, case.given, rows, Room(threads))
    tally = Tally()
    result = collect(Chain(case.flow).then(link), tiling, threads, tally)
    if isinstance(result, Record):
        names = case.step.planes(case.flow.meta)
        if names:
            planes = {name: getattr(result, name) for name in names}
            result = result.replace(
                **case.step.finish(result.meta, planes, **link.wants(case.step.finish))
            )
            tally.counts.setdefault("step", {}).update(case.step.tally(result))
    return with_header(result, link, tally), tally.kept.get("step")


def _copy(value: Any) -> Any:
    if not isinstance(value, Record):
        return value
    kind: Any = type(value)
    planes = {
        name: np.array(plane)
        for name in fields_of(kind, Plane)
        if (plane := getattr(value, name)) is not None
    }
    return value.replace(**planes)


def assert_same(one: Any, other: Any, path: str = "") -> None:
    """Compare records, and dataclasses of records, to the bit."""
    if isinstance(one, Record):
        kind: Any = type(one)
        assert dict(one.meta) == dict(other.meta), path
        for name in fields_of(kind, Plane):
            first, second = getattr(one, name), getattr(other, name)
            assert (first is None) == (second is None), f"{path} {name}"
            if first is not None:
                np.testing.assert_array_equal(first, second, err_msg=f"{path} {name}")
    elif dataclasses.is_dataclass(one):
        for item in dataclasses.fields(one):
            assert_same(getattr(one, item.name), getattr(other, item.name), f"{path} {item.name}")
