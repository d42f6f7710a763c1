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
