"""Sets of exposures that stay in their files: the same to the bit, and little in memory at once."""

import runpy
import weakref
from pathlib import Path

import numpy as np
import pytest

from calcore import io
from calcore.model import Group, Image, mosaic
from calcore.run.room import RunnersRoom
from calcore.step import ALONE
from calcore.steps import combinable
from calcore.steps.combination import outlier_detection
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


def test_what_lies_in_files_is_combined_to_the_same_bits_on_any_number_of_threads(files):
    group = opened(files, 4)
    read = group.with_members([one.loaded() for one in group.members])
    flagged, mosaic = combined(read, ALONE)
    there, other = combined(group, RunnersRoom(3))
    assert sum(int((one.dq[...] & 16 != 0).sum()) for one in there.members) > 40
    for mine, one in zip(there.members, flagged.members, strict=True):
        assert not isinstance(mine.data, np.ndarray)
        for name in PLANES:
            np.testing.assert_array_equal(getattr(mine, name)[...], getattr(one, name))
    for name in ("data", "err", "wht", "con", "var_flat"):
        np.testing.assert_array_equal(getattr(other, name), getattr(mosaic, name))


def test_a_few_rows_of_exposures_are_in_memory(files, monkeypatch):
    for module in (mosaic, outlier_detection, combinable):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 16)
    alive, most = weakref.WeakSet(), []

    def watched(read):
        def work(self, *what):
            result = read(self, *what)
            alive.add(result)
            most.append(sum(one.data.size for one in alive))
            return result

        return work

    group = SkyMatch(skystat="median").apply(opened(files, 9), room=RunnersRoom())
    monkeypatch.setattr(Image, "cut", watched(Image.cut))
    monkeypatch.setattr(Image, "loaded", watched(Image.loaded))
    Resample().apply(OutlierDetection().apply(group, room=RunnersRoom()), room=RunnersRoom())
    rows = 16 + 2 * outlier_detection.HALO
    assert max(most) <= 2 * rows * 132  # those before, until the next ones take their place
