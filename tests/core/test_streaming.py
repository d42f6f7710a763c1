"""Sets of exposures that do not fit into memory: the same to the bit, and few in memory at once."""

import runpy
import weakref
from pathlib import Path

import numpy as np
import pytest

from calcore import io
from calcore.model import Group, Image
from calcore.run.room import RunnersRoom, is_crowded, settled
from calcore.steps.combination.outlier_detection import OutlierDetection
from calcore.steps.combination.resample import Resample
from calcore.steps.combination.skymatch import SkyMatch
from calcore.steps.combination.tweakreg import TweakReg

star_field = runpy.run_path(str(Path(__file__).parents[1] / "star_field.py"))["star_field"]
PLANES = ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exposures")
    members = star_field(n=4, hits=20).group.members
    return [io.write(one, folder / f"{k}_cal.fits") for k, one in enumerate(members)]


def opened(files, n):
    """Return a set of exposures, the same over and over under other numbers, left in their files."""
    members = [io.open(files[k % len(files)], planes=False) for k in range(n)]
    changes = [{"observation.exposure_number": f"{k:05d}"} for k in range(n)]
    pairs = zip(members, changes, strict=True)
    return Group("mosaic", tuple(one.replace(meta=one.meta.set(own)) for one, own in pairs))


def combined(group, room, *, align=True):
    if align:
        group = TweakReg(brightest=30).apply(group, room=room).group
    group = SkyMatch(skystat="median").apply(group, room=room)
    flagged = OutlierDetection().apply(group, room=room)
    return flagged, Resample().apply(flagged, room=room)


def test_exposures_are_read_if_there_is_room_for_them(files):
    group = opened(files, 4)
    size = 4 * 6 * 4 * 120 * 132
    assert is_crowded(group, 3 * size - 1)
    assert not is_crowded(group, 3 * size)
    assert not is_crowded(group.members[0], 1)
    assert all(one.in_memory for one in settled(group, RunnersRoom(2)).members)
    left = settled(group, RunnersRoom(2, crowded=True))
    assert not any(one.in_memory for one in left.members)


def test_what_lies_in_files_is_combined_to_the_same_bits_on_any_number_of_threads(files):
    group = opened(files, 4)
    flagged, mosaic = combined(settled(group, RunnersRoom()), RunnersRoom())
    there, other = combined(group, RunnersRoom(3, crowded=True))
    assert sum(int((one.dq[...] & 16 != 0).sum()) for one in there.members) > 40
    for mine, one in zip(there.members, flagged.members, strict=True):
        assert not isinstance(mine.data, np.ndarray)
        for name in PLANES:
            np.testing.assert_array_equal(getattr(mine, name)[...], getattr(one, name))
    for name in ("data", "err", "wht", "con", "var_flat"):
        np.testing.assert_array_equal(getattr(other, name), getattr(mosaic, name))


def test_no_more_exposures_are_in_memory_than_are_worked_on(files, monkeypatch):
    alive, most = weakref.WeakSet(), []
    read = Image.loaded

    def watched(self, *names):
        result = read(self, *names)
        alive.add(result)
        most.append(len(alive))
        return result

    monkeypatch.setattr(Image, "loaded", watched)
    combined(opened(files, 9), RunnersRoom(crowded=True), align=False)
    assert len(most) == 4 * 9
    assert max(most) <= 2  # the one before, until the next one takes its place
