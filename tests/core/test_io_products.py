"""Products: what is written is read back, by us and by astropy, and nothing that came in is lost."""

import errno
import gzip
import os
import subprocess
import sys
from pathlib import Path

import asdf
import astropy.units as u
import gwcs
import numpy as np
import pytest
from astropy import coordinates
from astropy.io import fits
from astropy.modeling import models
from astropy.table import QTable
from gwcs import coordinate_frames

from calcore import io
from calcore.errors import (
    FileInvalid,
    FileProblem,
    FileTruncated,
    KeywordMissing,
    OutputProblem,
)
from calcore.io._products import model_name
from calcore.model import (
    Catalog,
    Detector,
    ExposureType,
    Facts,
    Image,
    Meta,
    Mosaic,
    Ramp,
    Rate,
    Segmentation,
    Window,
)
from calcore.step import Room

NY, NX = 24, 40
META = {
    "telescope": "JWST",
    "instrument.name": "CAM",
    "instrument.detector": "DET1",
    "exposure.type": "CAM_IMAGE",
    "exposure.group_time": 10.73677,
    "exposure.nints": 2,
    "exposure.zero_frame": True,
    "observation.date": "2026-01-02",
    "program.title": "It's a long title, " * 6,
    "target.ra": 83.6,
    "bunit_data": "DN",
    "wcsinfo.v2_ref": -120.5,
    "subarray.xsize": NX,
    "subarray.ysize": NY,
    "subarray.xstart": 1,
    "subarray.ystart": 1,
}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def ramp(rng):
    shape = (2, 3, NY, NX)
    times = np.zeros(2, [("integration_number", "i4"), ("int_mid_BJD_TDB", "f8")])
    times["integration_number"], times["int_mid_BJD_TDB"] = (1, 2), (59000.5, 59000.6)
    group = np.zeros(6, [("group_number", "i2"), ("group_end_time", "U26"), ("in_use", "?")])
    group["group_end_time"][2] = "2026-01-02T00:00:00.000"
    group["in_use"][3] = True
    return Ramp(
        meta=Meta(META),
        data=rng.normal(1000, 10, shape).astype("f4"),
        groupdq=rng.integers(0, 255, shape, "u1", endpoint=True),
        pixeldq=rng.integers(0, 2**32, (NY, NX), "u4"),
        zeroframe=rng.normal(0, 1, (2, NY, NX)).astype("f4"),
        int_times=times,
        group=group,
    )


def rate_of(rng, shape=(NY, NX), kind=Rate, **more):
    names = ("data", "err", "var_poisson", "var_rnoise")
    planes = {name: rng.normal(size=shape).astype("f4") for name in names}
    return kind(meta=Meta(META), dq=rng.integers(0, 2**32, shape, "u4"), **planes, **more)


def same_planes(one, two, names):
    for name in names:
        a, b = getattr(one, name), getattr(two, name)
        assert a.dtype == b.dtype, name
        assert np.array_equal(a, b), name


@pytest.fixture
def wcs():
    sky = models.Pix2Sky_TAN() | models.RotateNative2Celestial(83.6, -69.1, 180)
    bent = (
        models.Polynomial2D(2, c0_0=0.1, c1_0=1.0, c1_1=1e-5),
        models.Polynomial2D(2, c0_1=1.0, c2_0=3e-6),
    )
    to_sky = (
        models.Shift(-20) & models.Shift(-12)
        | models.Mapping((0, 1, 0, 1))
        | bent[0] & bent[1]
        | models.Scale(1e-5) & models.Scale(1e-5)
        | sky
    )
    detector = coordinate_frames.Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))
    world = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    result = gwcs.WCS([(detector, to_sky), (world, None)])
    result.bounding_box = ((-0.5, NX - 0.5), (-0.5, NY - 0.5))
    return result


class TestRoundTrip:
    def test_ramp(self, ramp, tmp_path):
        path = io.write(ramp, tmp_path / "a_ramp.fits")
        back = io.open(path)
        assert type(back) is Ramp
        same_planes(back, ramp, ("data", "groupdq", "pixeldq", "zeroframe", "int_times", "group"))
        kept = {name: value for name, value in META.items() if name != "program.title"}
        assert {name: back.meta[name] for name in kept} == kept
        assert back.meta["program.title"] == META["program.title"].rstrip()
        assert back.meta["filename"] == "a_ramp.fits"
        assert back.average_dark_current is None

    def test_raw_counts_stay_raw_in_the_file_and_become_floats_when_read(self, ramp, rng, tmp_path):
        counts = rng.integers(0, 65535, ramp.data.shape, "u2", endpoint=True)
        raw = Ramp(meta=ramp.meta, data=counts, groupdq=None, pixeldq=None)
        path = io.write(raw, tmp_path / "a_uncal.fits")
        with fits.open(path) as file:
            assert file["SCI"].data.dtype == np.uint16
            assert np.array_equal(file["SCI"].data, counts)
            assert [hdu.name for hdu in file] == ["PRIMARY", "SCI", "ASDF"]
            assert file[0].header["DATAMODL"] == "Level1bModel"
        back = io.open(path)
        assert back.data.dtype == np.float32
        assert np.array_equal(back.data, counts)
        assert back.groupdq.shape == counts.shape
        assert back.pixeldq.shape == (NY, NX)
        assert not back.groupdq.any()
        assert not back.pixeldq.any()

    @pytest.mark.parametrize("shape", [(NY, NX), (3, NY, NX)])
    @pytest.mark.parametrize("kind", [Rate, Image])
    def test_rates_and_images(self, rng, tmp_path, shape, kind):
        rate = rate_of(rng, shape, kind)
        name = {Rate: "rate", Image: "cal"}[kind]
        path = io.write(rate, tmp_path / f"a_{name}.fits")
        back = io.open(path)
        assert type(back) is kind
        same_planes(back, rate, ("data", "err", "dq", "var_poisson", "var_rnoise"))

    def test_mosaic_with_coordinates(self, rng, wcs, tmp_path):
        mosaic = Mosaic(
            meta=Meta(META),
            data=rng.normal(size=(NY, NX)).astype("f4"),
            err=rng.normal(size=(NY, NX)).astype("f4"),
            wht=rng.normal(size=(NY, NX)).astype("f4"),
            con=rng.integers(-(2**31), 2**31, (2, NY, NX), "i4"),
            wcs=wcs,
        )
        back = io.open(io.write(mosaic, tmp_path / "a_i2d.fits"))
        assert type(back) is Mosaic
        same_planes(back, mosaic, ("data", "err", "wht", "con"))
        x, y = np.meshgrid(np.arange(NX), np.arange(NY))
        assert np.array_equal(back.wcs(x, y), wcs(x, y))
        assert back.wcs.bounding_box == wcs.bounding_box

    def test_segmentation_and_catalogue(self, rng, tmp_path):
        labels = rng.integers(0, 2**32, (NY, NX), "u4")
        segments = Segmentation(meta=Meta(META), data=labels)
        back = io.open(io.write(segments, tmp_path / "a_segm.fits"))
        assert type(back) is Segmentation
        assert np.array_equal(back.data, labels)
        table = QTable({"label": [1, 2], "flux": [0.5, 1.5] * u.Jy})
        path = io.write(Catalog(table), tmp_path / "a_cat.ecsv")
        again = io.open(path)
        assert isinstance(again, Catalog)
        assert again.table["flux"].unit == u.Jy
        assert list(tmp_path.glob(".*")) == []

    def test_what_astropy_sees(self, ramp, tmp_path):
        path = io.write(ramp, tmp_path / "a_ramp.fits")
        with fits.open(path) as file:
            file.verify("exception")
            assert file[0].header["NAXIS"] == 0
            assert [hdu.name for hdu in file][1] == "SCI"
            assert [hdu.name for hdu in file][-1] == "ASDF"
            assert {hdu.ver for hdu in file[1:]} == {1}
            assert np.array_equal(file["PIXELDQ"].data, ramp.pixeldq)
            assert file["GROUPDQ"].data.dtype == np.uint8
            assert file["SCI"].header["V2_REF"] == -120.5
            assert "V2_REF" not in file[0].header
            assert file[0].header["TGROUP"] == 10.73677
            assert file[0].header["ZEROFRAM"] is True
            assert list(file["GROUP"].data["group_end_time"])[2] == "2026-01-02T00:00:00.000"
            assert list(file["GROUP"].data["in_use"]) == list(ramp.group["in_use"])


class TestWhatRidesAlong:
    @pytest.fixture
    def foreign(self, ramp, tmp_path):
        """A file with cards, extensions and nodes that calcore does not know."""
        path = io.write(ramp, tmp_path / "a_uncal.fits", record_tree={"their": {"node": [1, 2.5]}})
        with fits.open(path) as file:
            file[0].header["MYKEY"] = (42, "my own")
            file[0].header["HIERARCH my long keyword"] = 1.5
            file[0].header["HISTORY"] = "made by hand"
            file[0].header["TGROUP"] = (10.73677, "their own comment")
            file["SCI"].header["OTHERKEY"] = "x"
            file["INT_TIMES"].header["TUNIT2"] = "d"
            file.append(fits.ImageHDU(np.arange(12, dtype="f4").reshape(3, 4), name="THEIRS"))
            file.append(fits.ImageHDU(np.ones((2, 2), "i2"), name="REFOUT"))
            changed = tmp_path / "b_uncal.fits"
            file.writeto(changed)
        return changed

    def test_cards_extensions_and_nodes_are_kept(self, foreign, tmp_path):
        record = io.open_lazy(foreign)
        out = io.write(
            record.replace(meta=record.meta.set({"exposure.group_time": 11.5})),
            tmp_path / "c_ramp.fits",
        )
        with fits.open(out) as file:
            header = file[0].header
            assert header["MYKEY"] == 42
            assert header.comments["MYKEY"] == "my own"
            assert header["my long keyword"] == 1.5
            assert "made by hand" in str(header["HISTORY"])
            assert header["TGROUP"] == 11.5
            assert header.comments["TGROUP"] == "their own comment"
            assert file["SCI"].header["OTHERKEY"] == "x"
            assert file["INT_TIMES"].columns[1].unit == "d"
            assert np.array_equal(file["THEIRS"].data, np.arange(12).reshape(3, 4))
            assert np.array_equal(file["REFOUT"].data, np.ones((2, 2)))
        assert io.open(out).carried.tree["their"] == {"node": [1, 2.5]}
        assert io.read_node(out, "their") == {"node": [1, 2.5]}

    def test_a_name_without_keyword_travels_in_the_tree(self, ramp, tmp_path):
        record = ramp.replace(meta=ramp.meta.set({"background.polynomial_degree": 3}))
        back = io.open(io.write(record, tmp_path / "a_ramp.fits"))
        assert back.meta["background.polynomial_degree"] == 3

    def test_a_value_taken_away_is_gone(self, foreign, tmp_path):
        record = io.open(foreign)
        changed = record.replace(meta=record.meta.set({"target.ra": None}))
        with fits.open(io.write(changed, tmp_path / "c_ramp.fits")) as file:
            assert "TARG_RA" not in file[0].header

    def test_a_rate_takes_no_planes_of_the_ramp_along(self, foreign, rng, tmp_path):
        raw = io.open(foreign)
        rate = rate_of(rng).replace(carried=raw.carried)
        with fits.open(io.write(rate, tmp_path / "c_rate.fits")) as file:
            names = {hdu.name for hdu in file}
        assert "THEIRS" in names
        assert names.isdisjoint({"REFOUT", "GROUPDQ", "PIXELDQ", "ZEROFRAME", "GROUP"})

    def test_history_entries_are_kept(self, ramp, tmp_path):
        path = io.write(ramp, tmp_path / "a_uncal.fits")
        with asdf.config_context():
            tree = asdf.AsdfFile({"meta": {"odd": {"value": 1}}})
            tree.add_history_entry("observed")
            tree.write_to(tmp_path / "tree.asdf")
        content = np.frombuffer((tmp_path / "tree.asdf").read_bytes(), "u1")
        with fits.open(path) as file:
            column = fits.Column("ASDF_METADATA", f"{content.size}B", array=content[None])
            file["ASDF"] = fits.BinTableHDU.from_columns([column], name="ASDF")
            file.writeto(tmp_path / "b_uncal.fits")
        out = io.write(io.open(tmp_path / "b_uncal.fits"), tmp_path / "c_ramp.fits")
        entries = io.open(out).carried.tree["history"]["entries"]
        assert [entry["description"] for entry in entries] == ["observed"]


class TestLazy:
    def test_a_cut_reads_what_open_gives(self, ramp, tmp_path):
        path = io.write(ramp, tmp_path / "a_ramp.fits")
        whole, lazy = io.open(path), io.open_lazy(path)
        window = Window(3, 9, 5, 30, NY, NX)
        same_planes(lazy.cut(window), whole.cut(window), ("data", "groupdq", "pixeldq"))
        assert isinstance(lazy.data, io.Section)
        assert lazy.frame == whole.frame

    def test_missing_planes_are_filled_lazily(self, rng, tmp_path):
        data = rng.normal(size=(3, NY, NX)).astype("f4")
        rate = Rate(meta=Meta(META), data=data, err=None, dq=None)
        lazy = io.open_lazy(io.write(rate, tmp_path / "a_rateints.fits"))
        assert isinstance(lazy.dq, io.Filled)
        assert lazy.dq.shape == lazy.err.shape == data.shape
        assert lazy.var_poisson is None
        band = lazy.cut(Window(2, 4, 0, NX, NY, NX))
        assert band.dq.dtype == np.uint32
        assert not band.dq.any()

    def test_the_first_stage_needs_neither_asdf_nor_astropy(self, ramp, tmp_path):
        path = io.write(ramp, tmp_path / "a_uncal.fits", record_tree={"node": {"a": 1}})
        code = (
            "import sys; from calcore import io; from calcore.model import Rate; "
            f"r = io.open_lazy({str(path)!r}); "
            "p = dict(data=r.data[0, 0], err=r.data[0, 0], dq=r.pixeldq[...]); "
            f"io.write(Rate(meta=r.meta, carried=r.carried, **p), {str(tmp_path / 'b.fits')!r}); "
            "print([m for m in ('asdf', 'astropy', 'numba', 'gwcs') if m in sys.modules])"
        )
        out = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        assert out.stdout.strip() == "[]"
        assert io.read_node(tmp_path / "b.fits", "node") == {"a": 1}


class TestKinds:
    def test_an_image_of_counts_is_a_rate_until_it_has_coordinates(self, rng, wcs, tmp_path):
        rate = rate_of(rng, kind=Image).replace(meta=Meta({**META, "bunit_data": "DN/s"}))
        assert type(io.open(io.write(rate, tmp_path / "some.fits"))) is Rate
        steps = rate.meta.set({"cal_step.assign_wcs": "COMPLETE"})
        image = rate.replace(meta=steps, wcs=wcs)
        assert type(io.open(io.write(image, tmp_path / "some.fits"))) is Image

    def test_a_file_can_be_read_as_another_kind(self, rng, tmp_path):
        path = io.write(rate_of(rng), tmp_path / "a_rate.fits")
        image = io.open(path, Image)
        assert type(image) is Image
        assert image.wcs is None

    def test_a_file_without_science_is_refused(self, tmp_path):
        path = tmp_path / "a.fits"
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((2, 2)), name="COEFFS")]).writeto(
            path
        )
        with pytest.raises(FileInvalid, match=r"a\.fits: has no extension SCI.*it holds COEFFS"):
            io.open(path)
        with pytest.raises(FileInvalid, match="has no extension SCI, which a file of type Ramp"):
            io.open(path, Ramp)

    def test_a_file_of_many_slits_is_refused(self, tmp_path):
        path = tmp_path / "a.fits"
        images = [fits.ImageHDU(np.ones((2, 2)), name="SCI", ver=ver) for ver in (1, 2)]
        fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
        with pytest.raises(FileInvalid, match="holds 2 extensions SCI, one for each slit"):
            io.open(path)

    def test_shapes_that_contradict_each_other_are_refused(self, tmp_path):
        path = tmp_path / "a_rate.fits"
        images = [
            fits.ImageHDU(np.ones((4, 5), "f4"), name="SCI"),
            fits.ImageHDU(np.ones((4, 6), "f4"), name="ERR"),
        ]
        fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
        with pytest.raises(FileInvalid, match="ERR is 4 x 6, but SCI is 4 x 5"):
            io.open(path)

    def test_a_ramp_needs_four_axes(self, rng, tmp_path):
        path = io.write(rate_of(rng), tmp_path / "a_rate.fits")
        with pytest.raises(FileInvalid, match="SCI has 2 axes; a file of type Ramp has 4"):
            io.open(path, Ramp)


class TestMeta:
    def test_headers_alone(self, ramp, tmp_path):
        path = io.write(ramp, tmp_path / "a_ramp.fits")
        meta = io.read_meta(path)
        assert meta["exposure.group_time"] == 10.73677
        assert meta["exposure.zero_frame"] is True
        packed = tmp_path / "a_ramp.fits.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert dict(io.read_meta(packed)) == dict(meta)

    def test_types_are_those_of_the_table(self, ramp, tmp_path):
        path = io.write(ramp, tmp_path / "a_ramp.fits")
        with fits.open(path) as file:
            file[0].header["TGROUP"] = 10
            file[0].header["NINTS"] = 2.0
            file[0].header["PROGRAM"] = 1234
            file.writeto(tmp_path / "b.fits")
        meta = io.read_meta(tmp_path / "b.fits")
        assert isinstance(meta["exposure.group_time"], float)
        assert isinstance(meta["exposure.nints"], int)
        assert meta["observation.program_number"] == "1234"

    def test_a_missing_keyword_is_named_with_the_file(self, tmp_path):
        path = tmp_path / "a.fits"
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((2, 2)), name="SCI")]).writeto(path)
        with pytest.raises(
            KeywordMissing, match=rf"{path}: the keyword INSTRUME \(instrument.name\) is missing"
        ):
            io.read_meta(path)

    def test_a_file_that_is_cut_short(self, ramp, tmp_path):
        path = io.write(ramp, tmp_path / "a_ramp.fits")
        path.write_bytes(path.read_bytes()[:50000])
        with pytest.raises(FileTruncated, match=r"it is 50000 bytes long, but its headers promise"):
            io.read_meta(path)

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(FileProblem, match=r"absent_rate.fits: there is no such file"):
            io.read_meta(tmp_path / "absent_rate.fits")
        with pytest.raises(FileProblem, match=r"absent_cat.ecsv: there is no such file"):
            io.open(tmp_path / "absent_cat.ecsv")


class TestBandByBand:
    PLANES = ("data", "err", "dq", "var_poisson", "var_rnoise")

    def shapes(self, record):
        return {name: getattr(record, name).shape for name in self.PLANES}

    @pytest.mark.parametrize("height", [1, 7, 16, NY])
    def test_any_height_and_order_gives_the_same_bytes(self, rng, tmp_path, height):
        rate = rate_of(rng, (2, NY, NX))
        meta = rate.meta.set({"cal_step.jump": "COMPLETE"})
        with io.ProductWriter(tmp_path / "a.fits", Rate, meta, self.shapes(rate)) as product:
            for start in reversed(range(0, NY, height)):
                window = Window(start, min(start + height, NY), 0, NX, NY, NX)
                product.put(window, rate.cut(window.grown(2)))
            assert not (tmp_path / "a.fits").exists()
            product.close()
        back = io.open(tmp_path / "a.fits")
        same_planes(back, rate, self.PLANES)
        assert back.meta["cal_step.jump"] == "COMPLETE"
        assert list(tmp_path.glob(".*")) == []

    def test_part_of_the_columns(self, rng, tmp_path):
        rate = rate_of(rng)
        with io.ProductWriter(tmp_path / "a.fits", Rate, rate.meta, self.shapes(rate)) as product:
            for left in (0, 17):
                window = Window(0, NY, left, 17 if left == 0 else NX, NY, NX)
                product.put(window, rate.cut(window))
            product.close()
        same_planes(io.open(tmp_path / "a.fits"), rate, self.PLANES)

    @pytest.mark.parametrize("spare", [0, 2])
    def test_keywords_tables_and_nodes_that_come_late(self, rng, wcs, tmp_path, spare):
        image = rate_of(rng, (2, NY, NX), Image)
        times = np.array([(1, 5.5)], [("number", "i4"), ("mid", "f8")])
        late = {f"cal_step.{name}": "COMPLETE" for name in ("jump", "ramp_fit", "refpix")}
        late["program.title"] = "t" * 9000
        late["bunit_err"] = "u" * 9000
        with io.ProductWriter(
            tmp_path / "a.fits", Image, image.meta, self.shapes(image), spare=spare
        ) as product:
            product.put(Window.whole(NY, NX), image)
            product.close(
                image.meta.set(late),
                fields={"int_times": times, "wcs": wcs},
                record_tree={"calcore": {"n": 1}},
            )
        back = io.open(tmp_path / "a.fits", Image)
        same_planes(back, image, self.PLANES)
        assert {name: back.meta[name] for name in late} == late
        assert np.array_equal(back.int_times, times)
        assert back.wcs(3, 4) == wcs(3, 4)
        assert back.carried.tree["calcore"] == {"n": 1}
        with fits.open(tmp_path / "a.fits") as file:
            file.verify("exception")

    def test_an_error_leaves_nothing_behind_and_the_old_file_alone(self, rng, tmp_path):
        rate = rate_of(rng)
        (tmp_path / "a.fits").write_text("old")
        with (
            pytest.raises(ZeroDivisionError),
            io.ProductWriter(tmp_path / "a.fits", Rate, rate.meta, self.shapes(rate)),
        ):
            raise ZeroDivisionError
        assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]
        assert (tmp_path / "a.fits").read_text() == "old"


class TestPiecesEncodedAhead:
    """Threads encode pieces of planes while others are written."""

    @pytest.fixture(autouse=True)
    def small_pieces(self, monkeypatch):
        monkeypatch.setattr("calcore.io._write._PIECE", 7 * 4 * NX)
        monkeypatch.setattr("calcore.io._write._READ", 3 * 4 * NX + 12)

    @pytest.mark.parametrize("threads", [1, 2, 5])
    @pytest.mark.parametrize("lazy", [False, True])
    def test_the_same_planes_are_written(self, rng, tmp_path, threads, lazy):
        rate = rate_of(rng, (3, NY, NX))
        flow = rate
        if lazy:
            flow = io.open_lazy(io.write(rate, tmp_path / "a_rateints.fits"), Rate)
        path = io.write(flow, tmp_path / "b_rateints.fits", ahead=Room(threads).ahead)
        same_planes(io.open(path), rate, TestBandByBand.PLANES)

    def test_a_full_disk_leaves_nothing_behind(self, rng, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(OutputProblem, match=r"a_rate.fits: .*No space left"):
            io.write(rate_of(rng), tmp_path / "a_rate.fits", ahead=Room(2).ahead)
        assert list(tmp_path.iterdir()) == []


class TestOutputProblems:
    def test_a_disk_that_is_full(self, rng, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(OutputProblem, match=r"a_rate.fits: .*No space left.*free some space"):
            io.write(rate_of(rng), tmp_path / "a_rate.fits")
        assert list(tmp_path.iterdir()) == []

    def test_a_limit_on_file_size(self, tmp_path):
        code = (
            "import resource, numpy as np; from calcore import io; from calcore.model import *; "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); "
            "d = np.ones((100, 100), 'f4'); "
            f"io.write(Rate(meta=Meta({{}}), data=d, err=d, dq=None), {str(tmp_path / 'a.fits')!r})"
        )
        out = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True
        )
        assert "OutputProblem" in out.stderr.strip().splitlines()[-1]
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_does_not_exist(self, rng, tmp_path):
        with pytest.raises(OutputProblem, match="its folder does not exist"):
            io.write(rate_of(rng), tmp_path / "no" / "a_rate.fits")
        with pytest.raises(OutputProblem, match="its folder does not exist"):
            io.write(Catalog(QTable({"a": [1]})), tmp_path / "no" / "a_cat.ecsv")

    def test_a_folder_that_is_a_file(self, rng, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputProblem, match="Not a directory; choose another folder with -o"):
            io.write(rate_of(rng), tmp_path / "file" / "a_rate.fits")

    def test_a_name_that_is_a_folder(self, rng, tmp_path):
        (tmp_path / "a_rate.fits").mkdir()
        with pytest.raises(OutputProblem, match="Is a directory"):
            io.write(rate_of(rng), tmp_path / "a_rate.fits")
        assert [path.name for path in tmp_path.iterdir()] == ["a_rate.fits"]

    def test_paths_may_be_text(self, rng, tmp_path):
        assert io.write(rate_of(rng), str(tmp_path / "a_rate.fits")) == Path(
            tmp_path / "a_rate.fits"
        )


@pytest.mark.parametrize(
    ("column", "lamp_mode", "named"),
    [
        (None, None, "ImageModel"),
        (True, None, "IFUImageModel"),
        (["IFU"], "IFU", "IFUImageModel"),
        (["IFU"], "FIXEDSLIT", "ImageModel"),
        (["IFU"], None, "ImageModel"),
    ],
)
def test_count_rates_of_an_image_slicer_have_a_name_of_their_own(column, lamp_mode, named):
    detector = Detector(
        name="D", rows=8, columns=8, reference_rows=(0, 0), reference_columns=(0, 0), fast_axis=1,
        slow_axis=2, outputs=1,
    )  # fmt: skip
    data = {} if column is None else {"integral_field": column}
    meta = Meta({"instrument.lamp_mode": lamp_mode}) if lamp_mode else Meta({})
    stored = {"data": ("", False)}
    known = meta.with_facts(Facts(detector, ExposureType(name="T", data=data)))
    assert model_name(Rate, {"data": (8, 8)}, stored, known) == named
    assert model_name(Rate, {"data": (3, 8, 8)}, stored, known) == "CubeModel"
    assert model_name(Rate, {"data": (8, 8)}, stored, meta) == "ImageModel"
