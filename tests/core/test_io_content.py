"""What a file holds in one word, whether a product is whole, and names of what is not whole yet."""

import os
import time

import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.errors import FileProblem, FileTruncated
from calcore.io import _temporary, content
from calcore.io.content import content_of, content_of_record, is_whole, sealed
from calcore.model import Image, Meta

META = Meta({"instrument.name": "X", "bunit_data": "MJy/sr"})


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep words of files in a folder of the test's own, also those of small files."""
    monkeypatch.setattr(content, "user_cache_path", lambda _name: tmp_path / "cache")
    monkeypatch.setattr(content, "_LARGE", 1)


def product(path, value=1.0):
    data = np.full((30, 40), value, np.float32)
    dq = np.zeros(data.shape, np.uint32)
    return io.write(Image(meta=META, data=data, err=data, dq=dq), path, record_tree={"a": {"b": 1}})


def dated(path, date):
    header = fits.getheader(path)
    assert len(header["DATE"]) == len(date)
    text = path.read_bytes().replace(header["DATE"].encode(), date.encode(), 1)
    path.write_bytes(text)


def test_the_date_and_the_name_make_no_difference(tmp_path):
    one, other = product(tmp_path / "a_cal.fits"), product(tmp_path / "b_cal.fits")
    assert content_of(one) != content_of(other)  # FILENAME
    (tmp_path / "c").mkdir()
    other = product(tmp_path / "c" / "a_cal.fits")
    dated(other, "2001-02-03T04:05:06.789")
    assert one.read_bytes() != other.read_bytes()
    assert content_of(one) == content_of(other) == sealed(one)
    assert is_whole(other)


@pytest.mark.parametrize("place", ["header", "SCI", "ERR", "tree"])
def test_any_other_byte_makes_one(tmp_path, place):
    path = product(tmp_path / "a_cal.fits")
    octets = bytearray(path.read_bytes())
    starts = {part.name: part.offset for part in io.contents(path).extensions}
    comment = octets.index(b"INSTRUME") + 40
    at = {"header": comment, "tree": starts["ASDF"] + 20}.get(place) or starts[place] + 7
    before = content_of(path)
    octets[at] ^= 1
    path.write_bytes(octets)
    assert content_of(path) != before
    assert not is_whole(path)


def test_a_product_that_is_cut_short_says_so(tmp_path):
    path = product(tmp_path / "a_cal.fits")
    os.truncate(path, path.stat().st_size - 2880)
    with pytest.raises(FileTruncated):
        is_whole(path)


def test_files_of_others_have_a_content_and_no_seal(tmp_path):
    path = tmp_path / "theirs.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.arange(9))]).writeto(path)
    assert sealed(path) == ""
    assert is_whole(path)
    text = tmp_path / "a.txt"
    text.write_text("one")
    before = content_of(text)
    text.write_text("two")
    assert content_of(text) != before
    broken = tmp_path / "broken.fits"
    broken.write_text("no FITS file")
    assert content_of(broken).startswith("xxh3:")
    with pytest.raises(FileProblem, match=r"none\.fits: cannot be read: No such file"):
        content_of(tmp_path / "none.fits")


def test_a_word_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    path = product(tmp_path / "a_cal.fits")
    word = content_of(path)
    content._KNOWN.clear()  # as in another process
    with monkeypatch.context() as patch:
        patch.setattr(content, "_read", lambda _path: "read again")
        assert content_of(path) == word
        later = time.time() + 10
        os.utime(path, (later, later))
        assert content_of(path) == "read again"
    for kept in (tmp_path / "cache" / "contents").iterdir():
        kept.write_text("{")  # a cache that is damaged is done without
    content._KNOWN.clear()
    assert content_of(path) == word


def test_a_record_in_memory_has_a_word_for_its_arrays():
    data = np.zeros((3, 4), np.float32)
    one = Image(meta=META, data=data, err=data, dq=np.zeros((3, 4), np.uint32))
    assert content_of_record(one) == content_of_record(one.replace(data=data.copy()))
    assert content_of_record(one) != content_of_record(one.replace(data=data + 1))


def test_unfinished_files_of_the_dead_are_removed(tmp_path, monkeypatch):
    living = io.temporary_name(tmp_path / "a_rate.fits")
    own = f"-{os.getpid():x}-"
    dead = living.with_name(living.name.replace(own, "-7ffffff0-"))
    monkeypatch.setattr(_temporary, "_machine", lambda: "00000000")
    far, gone = (io.temporary_name(tmp_path / "b_rate.fits") for _ in range(2))
    monkeypatch.undo()
    not_ours = tmp_path / ".a.part"
    for path in (living, dead, far, gone, not_ours):
        path.touch()
    long_ago = time.time() - 2 * 86400
    os.utime(gone, (long_ago, long_ago))
    assert set(io.remove_leftovers(tmp_path)) == {dead, gone}
    assert set(tmp_path.glob(".*.part")) == {living, far, not_ours}
    assert io.remove_leftovers(tmp_path / "none") == []
