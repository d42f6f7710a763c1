"""Threads and memory that steps on whole frames may take."""

import threading
from dataclasses import dataclass

import numpy as np
import pytest

from calcore.model import Meta, Ramp
from calcore.run.room import RunnersRoom
from calcore.run.scratch import ScratchPlane
from calcore.step import ALONE, Room, Step, diet_of


@dataclass(frozen=True, kw_only=True)
class Doubled(Step):
    """Double all samples, a group at a time."""

    def apply(self, ramp: Ramp, *, room: Room = ALONE) -> Ramp:
        """Return twice the signal."""
        data = room.plane(ramp.data.shape, ramp.data.dtype)

        def work(place):
            data[place] = 2 * ramp.data[place]

        room.each(work, np.ndindex(ramp.data.shape[:2]))
        return ramp.replace(data=data)


def test_a_step_asks_for_room():
    assert diet_of(Doubled).room == "room"


@pytest.mark.parametrize("room", [ALONE, RunnersRoom(2), RunnersRoom(2, 10)])
def test_planes_are_filled_wherever_they_lie(room):
    data = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    flags = np.zeros(data.shape, np.uint8)
    ramp = Ramp(meta=Meta({}), data=data, groupdq=flags, pixeldq=np.zeros((4, 5), np.uint32))
    found = Doubled().apply(ramp, room=room)
    assert isinstance(found.data, ScratchPlane) == (getattr(room, "budget", 1000) < data.nbytes)
    np.testing.assert_array_equal(np.asarray(found.data), 2 * data)


def test_work_is_done_on_all_threads():
    met = threading.Barrier(2, timeout=20)
    RunnersRoom(2).each(lambda _: met.wait(), range(2))  # alone, each would wait for the other


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_of_the_work_come_through(threads):
    with pytest.raises(ZeroDivisionError):
        RunnersRoom(threads).each(lambda item: 1 // item, [2, 1, 0])


@pytest.mark.parametrize("threads", [1, 2])
def test_what_numpy_ignores_is_ignored_on_all_threads(threads):
    with np.errstate(invalid="ignore"):
        RunnersRoom(threads).each(lambda item: item - item, [np.float32(np.inf)] * 3)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads):
    assert list(RunnersRoom(threads).ahead(lambda item: item * item, range(7))) == [
        item * item for item in range(7)
    ]


def test_items_are_begun_before_they_are_asked_for():
    met = threading.Barrier(2, timeout=20)
    results = RunnersRoom(2).ahead(lambda item: met.wait() * 0 + item, range(4))
    assert list(results) == [0, 1, 2, 3]  # in turn, each would wait for the next


def test_no_more_items_are_begun_than_there_are_threads():
    begun = []
    results = RunnersRoom(3).ahead(begun.append, range(9))
    next(results)
    results.close()
    assert 1 <= len(begun) <= 3


def test_an_error_comes_with_the_item_that_has_it():
    results = RunnersRoom(2).ahead(lambda item: 1 // item, [1, 0, 2])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
