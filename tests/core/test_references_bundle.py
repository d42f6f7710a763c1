"""A bundle is a cache with the rules and just the files that are asked for."""

import os
import shutil
import time

import numpy as np
import pytest
from astropy.io import fits

from calcore.errors import FileTruncated, OutputProblem, ReferenceInvalid, UsageError
from calcore.model.reference import Dark, Gain
from calcore.references.bundle import bundle
from calcore.references.examine import examine


@pytest.fixture
def cache(tmp_path):
    root = tmp_path / "cache"
    for name in ("config/jwst/server_config", "mappings/jwst/jwst_0001.pmap",
                 "references/jwst/x/x_gain.fits", "references/jwst/x/x_dark.fits"):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def gain(cache):
    return cache / "references/jwst/x/x_gain.fits"


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


WANTED = [
    "config/jwst/server_config", "mappings/jwst/jwst_0001.pmap", "references/jwst/x/x_gain.fits",
]  # fmt: skip


def test_a_folder_holds_the_rules_and_what_is_asked_for(cache, tmp_path):
    assert bundle(cache, [gain(cache)], tmp_path / "bundle") == ()
    assert names(tmp_path / "bundle") == WANTED


@pytest.mark.parametrize("ending", ["tar", "tgz", "tar.gz", "zip", "ZIP"])
def test_an_archive_holds_the_same(cache, tmp_path, ending):
    target = tmp_path / "new" / f"jwst_1.2.{ending}"
    bundle(cache, [gain(cache)], target)
    shutil.unpack_archive(target, tmp_path, "zip" if ending == "ZIP" else None)
    assert names(tmp_path / "jwst_1.2") == WANTED
    assert names(target.parent) == [target.name]  # nothing temporary is left
    assert (tmp_path / "jwst_1.2" / WANTED[2]).read_text() == WANTED[2]


@pytest.mark.parametrize("ending", ["tar", "tgz", "zip"])
def test_the_same_files_give_the_same_bytes(cache, tmp_path, ending, monkeypatch):
    one, other = (tmp_path / name / f"bundle.{ending}" for name in ("one", "other"))
    bundle(cache, [gain(cache)], one)
    os.utime(gain(cache), (1e9, 1e9))
    monkeypatch.setattr(time, "time", lambda: 2e9)
    bundle(cache, [gain(cache)], other)
    assert one.read_bytes() == other.read_bytes()


def test_an_archive_of_another_kind_is_refused(cache, tmp_path):
    sentence = r"bundle.tar.xz would be an archive of a kind .* with .tar, .tar.gz, .tgz or .zip"
    with pytest.raises(UsageError, match=sentence):
        bundle(cache, [gain(cache)], tmp_path / "bundle.tar.xz")


@pytest.mark.parametrize("name", ["", "references", "bundle.tgz"])
def test_a_cache_is_not_bundled_into_itself(cache, name):
    before = names(cache)
    with pytest.raises(UsageError, match=r"lies in the cache .* itself; choose a place outside"):
        bundle(cache, [gain(cache)], cache / name)
    assert names(cache) == before


def test_files_that_are_there_stay_and_changed_ones_are_renewed(cache, tmp_path):
    target = tmp_path / "bundle"
    bundle(cache, [gain(cache)], target)
    copy = target / "references/jwst/x/x_gain.fits"
    before = copy.stat().st_ino
    bundle(cache, [gain(cache)], target)
    assert copy.stat().st_ino == before
    gain(cache).write_text("a new gain")
    bundle(cache, [gain(cache)], target)
    assert copy.read_text() == "a new gain"


def test_files_from_elsewhere_are_named(cache, tmp_path):
    own = tmp_path / "my_dark.fits"
    own.write_text("dark")
    assert bundle(cache, [gain(cache), own], tmp_path / "bundle") == (own,)
    assert names(tmp_path / "bundle") == WANTED


def test_a_target_that_cannot_be_written_is_a_sentence(cache, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputProblem, match="file/bundle: cannot be written: Not a directory"):
        bundle(cache, [gain(cache)], tmp_path / "file" / "bundle")


def written(path, data):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")]).writeto(path)
    return path


def test_what_a_reference_holds_is_said(tmp_path):
    data = np.ones((8, 10), "f4")
    data[0] = np.nan
    assert examine(written(tmp_path / "g.fits", data), Gain) == "data 8 x 10, 87.5% finite"


def test_a_reference_without_numbers_is_refused(tmp_path):
    path = written(tmp_path / "g.fits", np.full((8, 10), np.nan, "f4"))
    with pytest.raises(ReferenceInvalid, match=r"g.fits: data has no finite number"):
        examine(path, Gain)


def test_a_reference_of_another_kind_or_cut_short_is_refused(tmp_path):
    path = written(tmp_path / "g.fits", np.ones((80, 100), "f4"))
    with pytest.raises(ReferenceInvalid, match="reference dark"):
        examine(path, Dark)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(FileTruncated):
        examine(path, Gain)
