"""Narrow strips of references: read once for all exposures, and again when the file has changed."""

import os

import numpy as np
import pytest

from calcore.io._section import Section
from calcore.io._source import FileSource, MemorySource
from calcore.io._strips import SharedSection

SHAPE = (3, 5, 128)
ENDS = (..., slice(124, 128))


def section(source, shape=SHAPE, kind=SharedSection):
    return kind(source, 0, np.dtype(">f4"), shape, np.dtype("f4"))


@pytest.fixture
def values():
    return np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)


@pytest.fixture
def path(tmp_path, values):
    path = tmp_path / "reference"
    path.write_bytes(values.astype(">f4").tobytes())
    return path


@pytest.fixture
def reads(monkeypatch):
    """Places in files that are read from here on."""
    places = []
    read = FileSource.read_into

    def counted(self, offset, buffer):
        places.append(offset)
        read(self, offset, buffer)

    monkeypatch.setattr(FileSource, "read_into", counted)
    return places


def test_a_strip_is_read_once_for_all_exposures(path, values, reads):
    first = section(FileSource(path))[ENDS]
    assert reads
    reads.clear()
    again = section(FileSource(path))[ENDS]
    assert not reads
    for strip in (first, again):
        np.testing.assert_array_equal(strip, values[ENDS])
        assert not strip.flags.writeable


def test_strips_of_a_sub_array_are_its_own(path, values):
    source = FileSource(path)
    for left in (0, 2):
        part = section(source).within(slice(1, 4), slice(left, left + 100))
        np.testing.assert_array_equal(part[..., :2], values[:, 1:4, left : left + 2])


def test_a_file_that_has_changed_is_read_again(path, values):
    section(FileSource(path))[ENDS]
    path.write_bytes((values + 1).astype(">f4").tobytes())
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(section(FileSource(path))[ENDS], (values + 1)[ENDS])


def test_wide_parts_and_exposures_are_read_each_time(path, reads):
    for kind, index in ((SharedSection, (..., slice(0, 5))), (Section, ENDS)):
        section(FileSource(path), kind=kind)[index]
        reads.clear()
        section(FileSource(path), kind=kind)[index]
        assert reads


def test_what_is_in_memory_is_taken_from_there(path, values, reads):
    fetched = section(FileSource(path)).fetched(slice(0, 5), slice(0, 128))
    unzipped = section(MemorySource(path, path.read_bytes()))
    reads.clear()
    for part in (fetched, unzipped):
        np.testing.assert_array_equal(part[ENDS], values[ENDS])
        assert part[ENDS].flags.writeable
    assert not reads


def test_strips_of_long_ago_are_forgotten(path, reads, monkeypatch):
    monkeypatch.setattr("calcore.io._strips._MOST", 2 * 4 * 4)  # one row of one strip, twice
    shared = section(FileSource(path))
    for row in (0, 1, 0, 2, 0, 1):  # 0 was asked for since 1 was
        reads.clear()
        shared[0, row, 124:]
    assert reads
    reads.clear()
    shared[0, 0, 124:]
    assert not reads
