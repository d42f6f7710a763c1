"""Reference files: sub-arrays, flags by name, tables, trees."""

import gzip

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling import models

from calcore import io
from calcore.errors import FileTruncated, ReferenceInvalid, ReferenceMissing
from calcore.flags import DQ
from calcore.model import Meta, Window
from calcore.model.reference import (
    Area,
    Dark,
    Distortion,
    Gain,
    Ipc,
    Linearity,
    Mask,
    Photom,
    Reference,
    Saturation,
    UserMask,
)

NY, NX = 32, 48


def science(size=(NY, NX), start=(1, 1)):
    return Meta(
        {
            "subarray.ysize": size[0],
            "subarray.xsize": size[1],
            "subarray.ystart": start[0],
            "subarray.xstart": start[1],
        }
    )


def sized(size=(NY, NX), start=(1, 1)):
    words = ("SUBSIZE2", "SUBSIZE1", "SUBSTRT2", "SUBSTRT1")
    return dict(zip(words, (*size, *start), strict=True))


def make(path, header=None, tables=None, **images):
    hdus = [fits.PrimaryHDU(header=fits.Header(header or {}))]
    hdus += [fits.ImageHDU(values, name=name) for name, values in images.items()]
    for name, values in (tables or {}).items():
        hdus.append(fits.BinTableHDU(values, name=name))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


@pytest.fixture
def image():
    return np.arange(NY * NX, dtype="f4").reshape(NY, NX)


class TestSubarrays:
    def test_the_whole_frame(self, image, tmp_path):
        gain = io.open_reference(make(tmp_path / "g.fits", SCI=image), Gain, science())
        assert np.array_equal(gain.cut(gain.frame).data, image)
        assert gain.cut(gain.frame).data.dtype == np.float32

    @pytest.mark.parametrize("header", [sized(), {}])
    def test_a_sub_array_is_cut_from_a_full_frame(self, image, tmp_path, header):
        path = make(tmp_path / "g.fits", header, SCI=image)
        gain = io.open_reference(path, Gain, science((8, 16), (5, 9)))
        assert gain.frame == Window.whole(8, 16)
        assert np.array_equal(gain.cut(gain.frame).data, image[4:12, 8:24])
        band = gain.cut(Window(2, 5, 3, 16, 8, 16))
        assert np.array_equal(band.data, image[6:9, 11:24])

    @pytest.mark.parametrize("header", [sized((8, 16), (5, 9)), {}])
    def test_a_reference_of_the_same_sub_array(self, image, tmp_path, header):
        path = make(tmp_path / "g.fits", header, SCI=image[:8, :16])
        gain = io.open_reference(path, Gain, science((8, 16), (5, 9)))
        assert np.array_equal(gain.cut(gain.frame).data, image[:8, :16])

    def test_leading_axes_are_kept(self, rng, tmp_path):
        cube = rng.normal(size=(2, 3, NY, NX)).astype("f4")
        path = make(tmp_path / "d.fits", SCI=cube, DQ=np.zeros((NY, NX), "i4"))
        dark = io.open_reference(path, Dark, science((4, 6), (3, 2)))
        assert np.array_equal(dark.cut(dark.frame).data, cube[..., 2:6, 1:7])
        assert dark.data.shape == (2, 3, 4, 6)
        assert dark.dq.shape == (4, 6)

    def test_a_kernel_is_not_cut(self, tmp_path):
        kernel = np.arange(9, dtype="f4").reshape(3, 3)
        ipc = io.open_reference(
            make(tmp_path / "i.fits", SCI=kernel), Ipc, science((8, 16), (5, 9))
        )
        assert np.array_equal(ipc.data, kernel)

    def test_a_reference_that_does_not_cover_the_exposure(self, image, tmp_path):
        path = make(tmp_path / "g.fits", sized((8, 16), (5, 9)), SCI=image[:8, :16])
        with pytest.raises(
            ReferenceInvalid,
            match=r"gain: .*g\.fits covers rows 5 to 12 and columns 9 to 24 of the detector, but "
            r"the exposure reads rows 1 to 32 and columns 1 to 48",
        ):
            io.open_reference(path, Gain, science())

    def test_arrays_that_contradict_the_header(self, image, tmp_path):
        path = make(tmp_path / "g.fits", sized(), SCI=image[:8])
        with pytest.raises(
            ReferenceInvalid, match=r"SUBSIZE2, SUBSIZE1 = 32, 48 but its arrays have 8 rows"
        ):
            io.open_reference(path, Gain, science())

    def test_arrays_that_contradict_each_other(self, image, tmp_path):
        path = make(tmp_path / "s.fits", SCI=image, DQ=np.zeros((NY, NX - 4), "u1"))
        with pytest.raises(
            ReferenceInvalid, match=r"saturation: .*DQ is 32 x 44, but SCI is 32 x 48"
        ):
            io.open_reference(path, Saturation, science())

    def test_too_few_axes(self, image, tmp_path):
        with pytest.raises(ReferenceInvalid, match="COEFFS has 2 axes; a file of type Linearity"):
            io.open_reference(make(tmp_path / "l.fits", COEFFS=image), Linearity, science())

    def test_a_mask_may_have_a_plane_for_each_integration(self, image, tmp_path):
        cube = np.stack([image, image + 1])
        read = io.open_reference(make(tmp_path / "m.fits", SCI=cube), UserMask, science())
        np.testing.assert_array_equal(read.cut(Window.whole(*image.shape)).data, cube)
        with pytest.raises(ReferenceInvalid, match="SCI has 3 axes; a file of type Gain has 2"):
            io.open_reference(make(tmp_path / "g.fits", SCI=cube), Gain, science())


class TestFlags:
    def table(self, *rows):
        kind = [("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
        filled = [(bit, 1 << bit, name, "what it means") for bit, name in rows]
        return {"DQ_DEF": np.array(filled, kind)}

    def test_they_are_translated_by_name(self, tmp_path):
        dq = np.zeros((NY, NX), "u1")
        dq[1, 2], dq[3, 4], dq[5, 6] = 1, 2 | 4, 8
        tables = self.table((0, "HOT"), (1, "DO_NOT_USE"), (2, "DEAD"), (3, "NO_SUCH_FLAG"))
        path = make(tmp_path / "m.fits", tables=tables, DQ=dq)
        mask = io.open_reference(path, Mask, science())
        flags = mask.cut(mask.frame).dq
        assert flags.dtype == np.uint32
        assert flags[1, 2] == DQ.HOT
        assert flags[3, 4] == DQ.DO_NOT_USE | DQ.DEAD
        assert flags[5, 6] == 0
        assert np.count_nonzero(flags) == 2

    def test_without_a_table_they_are_taken_as_they_are(self, tmp_path):
        dq = np.full((NY, NX), 1 << 17, "i4")
        mask = io.open_reference(make(tmp_path / "m.fits", DQ=dq), Mask, science((3, 4), (2, 2)))
        assert (mask.cut(mask.frame).dq == 1 << 17).all()

    def test_a_band_is_translated_like_the_whole(self, rng, tmp_path):
        dq = rng.integers(0, 8, (NY, NX), "i2")
        tables = self.table((0, "DO_NOT_USE"), (1, "HOT"), (2, "SATURATED"))
        path = make(tmp_path / "m.fits", tables=tables, DQ=dq)
        mask = io.open_reference(path, Mask, science())
        band = mask.cut(Window(4, 9, 0, NX, NY, NX))
        assert np.array_equal(band.dq, mask.dq[4:9])

    def test_missing_flags_are_none_set(self, image, tmp_path):
        dark = io.open_reference(
            make(tmp_path / "s.fits", SCI=image), Saturation, science((4, 5), (2, 2))
        )
        cut = dark.cut(dark.frame)
        assert cut.dq.shape == (4, 5)
        assert not cut.dq.any()

    def test_a_table_without_names_is_refused(self, tmp_path):
        tables = {"DQ_DEF": np.array([(1, 1)], [("BIT", "i4"), ("VALUE", "i4")])}
        path = make(tmp_path / "m.fits", tables=tables, DQ=np.zeros((NY, NX), "i4"))
        with pytest.raises(ReferenceInvalid, match="no columns VALUE and NAME but bit, value"):
            io.open_reference(path, Mask, science())


class TestTablesAndTrees:
    def test_a_table_comes_native_stripped_and_in_lower_case(self, tmp_path):
        rows = np.array(
            [("F1   ", "CLEAR", 1.5, [1.0, 2.0]), ("F22", "P1", 2.5, [3.0, 4.0])],
            [("FILTER", "S12"), ("Pupil", "S15"), ("PHOTMJSR", ">f4"), ("wave", ">f8", 2)],
        )
        path = make(tmp_path / "p.fits", {"PIXAR_SR": 2.0e-13}, tables={"PHOTOM": rows})
        photom = io.open_reference(path, Photom, science())
        assert photom.table.dtype.names == ("filter", "pupil", "photmjsr", "wave")
        assert list(photom.table["filter"]) == ["F1", "F22"]
        assert photom.table["photmjsr"].dtype == np.float32
        assert photom.table["photmjsr"].dtype.isnative
        assert np.array_equal(photom.table["wave"], [[1, 2], [3, 4]])
        assert photom.linear_in_time is None

    def test_a_missing_table(self, image, tmp_path):
        with pytest.raises(ReferenceInvalid, match=r"has no table PHOTOM.*it holds SCI"):
            io.open_reference(make(tmp_path / "p.fits", SCI=image), Photom, science())

    def test_keywords_of_the_first_header_count_where_science_has_none(self, image, tmp_path):
        path = make(tmp_path / "a.fits", {"PIXAR_SR": 2.0e-13, "INSTRUME": "CAM"}, SCI=image)
        area = io.open_reference(path, Area, science())
        assert area.meta["photometry.pixelarea_steradians"] == 2.0e-13
        assert area.meta["instrument.name"] == "CAM"

    def test_a_transform(self, tmp_path):
        shift = models.Shift(1.5) & models.Scale(2.0)
        meta = {"instrument": {"name": "CAM"}, "reftype": "distortion"}
        asdf.AsdfFile({"meta": meta, "model": shift}).write_to(tmp_path / "d.asdf")
        distortion = io.open_reference(tmp_path / "d.asdf", Distortion, science())
        assert distortion.model(1, 2) == shift(1, 2)
        assert distortion.meta["instrument.name"] == "CAM"

    def test_a_transform_is_written_and_read(self, tmp_path):
        made = Distortion(meta=Meta({"instrument.name": "CAM"}), model=models.Shift(1.5))
        io.write(made, tmp_path / "d.asdf")
        back = io.open_reference(tmp_path / "d.asdf", Distortion, science())
        assert back.model(1) == 2.5
        assert back.meta["instrument.name"] == "CAM"

    def test_a_missing_node(self, tmp_path):
        asdf.AsdfFile({"meta": {}, "other": 1, 5: 2}).write_to(tmp_path / "d.asdf")
        with pytest.raises(
            ReferenceInvalid, match=r"has no node model, which .* it holds meta, other, 5"
        ):
            io.open_reference(tmp_path / "d.asdf", Distortion, science())

    def test_keywords_without_names(self, tmp_path):
        asdf.AsdfFile({"meta": [1], "model": 1}).write_to(tmp_path / "d.asdf")
        with pytest.raises(ReferenceInvalid, match="its node meta is a list, no mapping; fetch"):
            io.open_reference(tmp_path / "d.asdf", Distortion, science())

    def test_what_is_no_asdf_file(self, tmp_path):
        (tmp_path / "d.asdf").write_text("something")
        with pytest.raises(ReferenceInvalid, match=r"d\.asdf: is not an ASDF file"):
            io.open_reference(tmp_path / "d.asdf", Distortion, science())

    def test_a_json_file_is_a_tree_as_well(self, tmp_path):
        path = tmp_path / "d.json"
        path.write_text('{"meta": {"reftype": "distortion"}, "model": [1, 2]}')
        found = io.open_reference(path, Distortion, science())
        assert found.model == [1, 2]
        assert found.meta["reftype"] == "distortion"
        for text, words in (("{", "is no JSON file"), ("[1]", "holds no names with values")):
            path.write_text(text)
            with pytest.raises(ReferenceInvalid, match=words):
                io.open_reference(path, Distortion, science())
        path.write_text("{}")
        with pytest.raises(ReferenceInvalid, match="is a JSON file, but a gain is a FITS file"):
            io.open_reference(path, Gain, science())


class TestFiles:
    def test_a_reference_that_is_not_there(self, tmp_path):
        with pytest.raises(ReferenceMissing, match=r"gain: .*absent\.fits does not exist"):
            io.open_reference(tmp_path / "absent.fits", Gain, science())

    def test_a_reference_that_is_cut_short(self, image, tmp_path):
        path = make(tmp_path / "g.fits", SCI=image)
        path.write_bytes(path.read_bytes()[:7000])
        with pytest.raises(FileTruncated, match=r"g\.fits: it is 7000 bytes long"):
            io.open_reference(path, Gain, science())

    def test_a_compressed_reference(self, image, tmp_path):
        path = make(tmp_path / "g.fits", SCI=image)
        packed = tmp_path / "g.fits.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        gain = io.open_reference(packed, Gain, science((8, 16), (5, 9)))
        assert np.array_equal(gain.cut(gain.frame).data, image[4:12, 8:24])

    def test_a_reference_is_written_and_read(self, image, tmp_path):
        made = Saturation(
            meta=Meta({"instrument.name": "CAM", "reftype": "saturation"}),
            data=image,
            dq=np.full((NY, NX), int(DQ.HOT), "u4"),
        )
        path = io.write(made, tmp_path / "s.fits")
        back = io.open_reference(path, Saturation, science())
        whole = back.cut(back.frame)
        assert isinstance(back, Reference)
        assert np.array_equal(whole.data, image)
        assert np.array_equal(whole.dq, made.dq)


@pytest.fixture
def rng():
    return np.random.default_rng(5)
