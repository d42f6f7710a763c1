"""Sections of files against the arrays astropy reads."""

import gzip
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

from calcore.errors import FileInvalid, FileProblem, FileTruncated
from calcore.io._hdu import scan
from calcore.io._planes import section
from calcore.io._section import Filled
from calcore.io._source import open_source

SHAPE = (2, 3, 20, 33)
INDICES = [
    ...,
    (..., slice(3, 9), slice(None)),
    (..., slice(3, 9), slice(5, 11)),
    (0, ..., slice(19, 25)),
    (slice(1, 2), 2, slice(None, None, 2), slice(30, None, -3)),
    (1, -1, 4, -2),
    (..., -1),
    (slice(None), slice(1, None), slice(7, 7)),
    1,
]


def _opened(path, dtype):
    return section(scan(open_source(path)).find("SCI"), dtype)


@pytest.fixture
def stored(tmp_path, request):
    """A file with one image, and what it holds."""
    dtype, shape = request.param
    rng = np.random.default_rng(1)
    if dtype[0] == "f":
        values = rng.normal(size=shape).astype(dtype)
        values.flat[3] = np.nan
    else:
        info = np.iinfo(dtype)
        values = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        values.flat[:2] = info.min, info.max
    path = tmp_path / "image.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(values, name="SCI")]).writeto(path)
    return path, values


@pytest.mark.parametrize(
    "stored", [(kind, SHAPE) for kind in ("u2", "i2", "u1", "u4", "i4", "f4", "f8")], indirect=True
)
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_any_index_gives_what_the_array_gives(stored, index):
    path, values = stored
    lazy = _opened(path, values.dtype.str[1:])
    part = lazy[index]
    assert np.array_equal(part, values[index], equal_nan=values.dtype.kind == "f")
    assert part.dtype.isnative
    assert part.flags.c_contiguous
    assert lazy.shape == SHAPE
    assert lazy.dtype == values.dtype


@pytest.mark.parametrize("stored", [("u2", (2, 4, 150, 500))], indirect=True)
def test_raw_counts_become_floats(stored):
    path, values = stored
    lazy = _opened(path, "f4")
    assert lazy[...].dtype == np.float32
    assert np.array_equal(lazy[...], values)  # large: by the compiled conversion
    assert np.array_equal(lazy[..., 3:5, 9:12], values[..., 3:5, 9:12])  # small: by numpy


@pytest.mark.parametrize("stored", [("u4", (20, 33)), ("i4", (20, 33))], indirect=True)
def test_narrow_flags_become_wide_ones(stored):
    path, values = stored
    assert np.array_equal(_opened(path, "u4")[...], values.astype("u4"))


def test_scaled_integers(tmp_path):
    path = tmp_path / "scaled.fits"
    image = fits.ImageHDU(np.arange(12, dtype="f4").reshape(3, 4), name="SCI")
    image.scale("int16", bscale=0.5, bzero=2)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    assert np.array_equal(_opened(path, "f4")[...], np.arange(12, dtype="f4").reshape(3, 4))


@pytest.mark.parametrize("stored", [("f4", SHAPE)], indirect=True)
def test_a_part_stays_in_the_file(stored):
    path, values = stored
    part = _opened(path, "f4").within(slice(4, 16), slice(3, 30))
    assert part.shape == (2, 3, 12, 27)
    assert np.array_equal(part[1, :, 2:5, 1:], values[1, :, 6:9, 4:30])
    again = part.within(slice(2, 4), slice(0, 1))
    assert np.array_equal(np.asarray(again), values[..., 6:8, 3:4])


@pytest.mark.parametrize("stored", [("u2", SHAPE), ("f4", SHAPE)], indirect=True)
def test_a_part_is_held_in_memory_and_needs_no_file(stored):
    path, values = stored
    lazy = _opened(path, "f4").within(slice(2, 19), slice(1, 30))
    part = lazy.fetched(slice(3, 15), slice(4, 27))
    path.write_bytes(b"")
    assert part.shape == (2, 3, 12, 23)
    expected = values[..., 5:17, 5:28].astype(np.float32)
    for index in (..., (..., slice(2, 9), slice(3, 20)), (1, 2, slice(0, 4), slice(5, 6))):
        assert np.array_equal(part[index], expected[index], equal_nan=True)


@pytest.mark.parametrize("stored", [("u2", (1, 5, 64, 40))], indirect=True)
def test_threads_read_the_same(stored):
    path, values = stored
    lazy = _opened(path, "f4")
    with ThreadPoolExecutor(8) as pool:
        bands = list(pool.map(lambda row: lazy[..., row : row + 4, :], range(0, 64, 4)))
    assert np.array_equal(np.concatenate(bands, axis=-2), values)


@pytest.mark.parametrize("stored", [("u2", SHAPE)], indirect=True)
def test_it_travels_to_another_process(stored):
    path, values = stored
    assert np.array_equal(pickle.loads(pickle.dumps(_opened(path, "f4")))[...], values)


@pytest.mark.parametrize("stored", [("u2", SHAPE)], indirect=True)
def test_too_many_indices(stored):
    with pytest.raises(IndexError, match="5 indices for 4 axes"):
        _opened(stored[0], "f4")[0, 0, 0, 0, 0]
    with pytest.raises(IndexError):
        _opened(stored[0], "f4")[7]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_filled_planes_behave_alike(index):
    whole = np.full(SHAPE, 3, np.uint8)
    assert np.array_equal(Filled(SHAPE, np.dtype("u1"), 3)[index], whole[index])
    part = Filled(SHAPE, np.dtype("u1"), 3).within(slice(2, 5), slice(0, 4))
    assert np.array_equal(np.asarray(part), whole[..., 2:5, 0:4])


@pytest.mark.parametrize("stored", [("u2", SHAPE)], indirect=True)
def test_compressed_files(stored, tmp_path):
    path, values = stored
    packed = tmp_path / "image.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(_opened(packed, "u2")[1, ..., 4:6], values[1, ..., 4:6])
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(FileTruncated, match=r"image\.fits\.gz: the compressed file ends too early"):
        open_source(packed)
    packed.write_bytes(b"plain")
    with pytest.raises(FileInvalid, match="not compressed with gzip"):
        open_source(packed)


def test_tile_compressed_images(tmp_path):
    path = tmp_path / "tiles.fits"
    values = np.arange(400, dtype="i4").reshape(20, 20)
    image = fits.CompImageHDU(values, name="SCI", compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    assert np.array_equal(_opened(path, "f4")[...], values)


@pytest.mark.parametrize("stored", [("f4", SHAPE)], indirect=True)
@pytest.mark.parametrize("keep", [0.99, 0.5, 0.02])
def test_a_file_cut_short_is_refused_before_anything_is_read(stored, keep):
    path, _ = stored
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) // 2880 * 2880 + 100])
    with pytest.raises(FileTruncated, match=rf"{path}: .*(promise|within a header)"):
        scan(open_source(path))


@pytest.mark.parametrize("stored", [("f4", SHAPE)], indirect=True)
def test_a_file_cut_short_while_it_is_read(stored):
    path, _ = stored
    lazy = _opened(path, "f4")
    with path.open("r+b") as file:
        file.truncate(9000)
    with pytest.raises(FileTruncated, match="cut short while it was read"):
        lazy[...]


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileProblem, match="there is no such file"):
        open_source(tmp_path / "absent.fits")
    with pytest.raises(FileInvalid, match="is a folder"):
        open_source(tmp_path)
    other = tmp_path / "other.fits"
    other.write_bytes(b"")
    with pytest.raises(FileInvalid, match="it is empty"):
        scan(open_source(other))
    other.write_bytes(b"#ASDF 1.0.0\n")
    with pytest.raises(FileInvalid, match="begins with '#ASDF"):
        scan(open_source(other))
