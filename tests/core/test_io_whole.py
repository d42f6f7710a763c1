"""Records written at once, and planes that are in a file before the rest is known."""

import errno
import os

import numpy as np
import pytest

from calcore import io
from calcore.errors import OutputProblem
from calcore.model import Image, Meta


def image(**facts):
    data = np.arange(20, dtype=np.float32).reshape(4, 5)
    flags = np.arange(20, dtype=np.uint32).reshape(4, 5)
    meta = Meta({"instrument.name": "NIRCAM", "exposure.type": "NRC_IMAGE", **facts})
    return Image(meta=meta, data=data, err=data + 1, dq=flags)


@pytest.mark.parametrize("spare", [0, 1])
def test_the_rest_may_come_later(tmp_path, spare):
    record = image()
    begun = io.Begun(record, tmp_path / "x_cal.fits", spare=spare)
    assert not (tmp_path / "x_cal.fits").exists()
    more = {f"cal_step.step_{number}": "COMPLETE" for number in range(3)}
    later = record.replace(meta=record.meta.set(more | {"source_catalog": "x_cat.ecsv"}))
    assert begun.is_of(later)
    path = begun.end(later, {"told": {"a": 1}})
    assert [one.name for one in tmp_path.iterdir()] == ["x_cal.fits"]
    found = io.open(path, Image)
    np.testing.assert_array_equal(found.data, record.data)
    np.testing.assert_array_equal(found.dq, record.dq)
    assert found.meta["source_catalog"] == "x_cat.ecsv"
    assert io.read_node(path, "told") == {"a": 1}


def test_planes_tell_whose_they_are(tmp_path):
    record = image()
    begun = io.Begun(record, tmp_path / "x_cal.fits")
    assert begun.is_of(record.replace(meta=record.meta.set(telescope="JWST")))
    assert not begun.is_of(record.replace(data=record.data.copy()))
    assert not begun.is_of(record.replace(area=record.data))
    begun.abort()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OutputProblem, match="free some space"):
        io.Begun(image(), tmp_path / "x_cal.fits")
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())
