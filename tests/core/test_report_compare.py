"""Two products, or two runs, compared: values by their errors, flags by bits, all else by entries."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from click.testing import CliRunner

from calcore import io
from calcore.cli.app import commands
from calcore.errors import FileInvalid, FileProblem, UsageError
from calcore.flags import DQ
from calcore.model import Catalog, Image, Meta
from calcore.report.compare import compare

META = Meta({"instrument.name": "X", "instrument.filter": "F1", "bunit_data": "MJy/sr"})


def image(**changes):
    planes = {
        "data": np.linspace(1, 2, 200, dtype=np.float32).reshape(10, 20),
        "err": np.full((10, 20), 0.5, np.float32),
        "dq": np.zeros((10, 20), np.uint32),
    }
    return Image(meta=changes.pop("meta", META), **{**planes, **changes})


def written(path, record=None, tree=None):
    path.parent.mkdir(exist_ok=True)
    return io.write(record or image(), path, record_tree={"calcore": tree or {}})


def found(tmp_path, record, tolerance=0.0):
    one = written(tmp_path / "one" / "a_cal.fits")
    other = written(tmp_path / "other" / "a_cal.fits", record)
    (pair,) = compare(one, other, tolerance)
    return pair


def test_equal_products_of_other_times_and_names_are_the_same(tmp_path):
    one = written(tmp_path / "a_cal.fits")
    other = written(tmp_path / "b_cal.fits")
    assert one.read_bytes() != other.read_bytes()
    (pair,) = compare(one, other)
    assert pair.same
    assert pair.found == ()


def test_values_are_compared_in_units_of_their_error(tmp_path):
    data = image().data.copy()
    data[3, 4] += 1.0  # two errors
    data[5, 6] += 0.25
    data[7, 8] = np.nan
    pair = found(tmp_path, image(data=data))
    values = {item.words: item for item in pair.found}
    beyond = next(item for words, item in values.items() if "differ" in words)
    assert (beyond.where, beyond.kind, beyond.number) == ("SCI", "values", 2)
    assert beyond.largest == pytest.approx(2.0, rel=1e-6)
    assert "1 of 200 are NaN in one only" in values


@pytest.mark.parametrize(("tolerance", "number"), [(0.4, 2), (0.6, 1), (2.1, 0)])
def test_a_tolerance_is_so_many_errors(tmp_path, tolerance, number):
    data = image().data.copy()
    data[3, 4] += 1.0
    data[5, 6] += 0.25
    pair = found(tmp_path, image(data=data), tolerance)
    assert sum(item.number for item in pair.found) == number
    assert pair.same is (number == 0)


def test_without_an_error_values_are_compared_by_their_size(tmp_path):
    err = image().err.copy()
    err[0, 0] = 0.4
    (item,) = found(tmp_path, image(err=err)).found
    assert (item.where, item.number) == ("ERR", 1)
    assert item.largest == pytest.approx(0.2, rel=1e-5)


def test_flags_are_compared_bit_by_bit(tmp_path):
    one, other = np.zeros((2, 10, 20), np.uint32)
    one[0, :3] = int(DQ.JUMP_DET | DQ.DO_NOT_USE)
    other[0, :2] = int(DQ.DO_NOT_USE)
    other[9, 9] = int(DQ.JUMP_DET)
    first = written(tmp_path / "one" / "a_cal.fits", image(dq=one))
    second = written(tmp_path / "other" / "a_cal.fits", image(dq=other))
    (pair,) = compare(first, second)
    assert [(item.kind, item.words) for item in pair.found] == [
        ("flags", "DO_NOT_USE: 1 only in the first, 0 only in the second"),
        ("flags", "JUMP_DET: 3 only in the first, 1 only in the second"),
    ]


def test_keywords_are_compared(tmp_path):
    pair = found(tmp_path, image(meta=META.set({"instrument.filter": "F2"})))
    assert [(item.where, item.kind, item.words) for item in pair.found] == [
        ("PRIMARY", "keyword", "FILTER: 'F1' and 'F2'")
    ]


def test_planes_of_other_shape_and_extensions_of_one_only_are_told(tmp_path):
    small = {name: getattr(image(), name)[:5] for name in ("data", "err")}
    pair = found(tmp_path, image(**small, dq=None))
    words = {(item.where, item.words) for item in pair.found}
    assert {("SCI", "(10, 20) and (5, 20)"), ("DQ", "is only in the first")} <= words


def test_other_settings_with_the_same_result_are_a_remark(tmp_path):
    def tree(threshold):
        slot = {
            "name": "jump", "use": "jump", "source": "calcore 1", "status": "complete",
            "reason": "", "settings": {"threshold": threshold}, "references": {},
        }  # fmt: skip
        return {"detector1": {"slots": [slot]}}

    one = written(tmp_path / "one" / "a_cal.fits", tree=tree(4.0))
    other = written(tmp_path / "other" / "a_cal.fits", tree=tree(5.0))
    (pair,) = compare(one, other)
    assert pair.same
    assert [item.words for item in pair.found] == ["jump.threshold was 4.0, and is 5.0"]


def test_catalogues_are_compared_column_by_column(tmp_path):
    paths = []
    for folder, flux in (("one", [1.0, np.nan]), ("other", [1.5, np.nan])):
        (tmp_path / folder).mkdir()
        table = QTable({"label": [1, 2], "flux": flux})
        paths.append(io.write(Catalog(table), tmp_path / folder / "a_cat.ecsv"))
    ((item,),) = (pair.found for pair in compare(*paths))
    assert item.words == "column flux: 1 of 2 rows differ; row 1: 1.0 and 1.5"
    assert compare(paths[0], paths[0])[0].same


def test_folders_are_compared_file_by_file(tmp_path):
    for folder in ("one", "other"):
        written(tmp_path / folder / "a_cal.fits")
    written(tmp_path / "one" / "b_cal.fits")
    pairs = compare(tmp_path / "one", tmp_path / "other")
    assert [(pair.name, pair.same) for pair in pairs] == [
        ("a_cal.fits", True),
        ("b_cal.fits", False),
    ]
    assert pairs[1].found[0].words == "is only in the first"


def test_what_cannot_be_compared_is_said(tmp_path):
    one = written(tmp_path / "one" / "a_cal.fits")
    with pytest.raises(FileInvalid, match="one is a file, one is a run"):
        compare(one, tmp_path)
    for name in ("a.ecsv", "a.txt", "b.txt"):
        (tmp_path / name).touch()
    with pytest.raises(FileInvalid, match="of two kinds"):
        compare(one, tmp_path / "a.ecsv")
    with pytest.raises(FileInvalid, match=r"name files that end in \.fits, \.ecsv, \.asdf"):
        compare(tmp_path / "a.txt", tmp_path / "b.txt")
    for paths in (
        (one, tmp_path / "none"),
        (tmp_path / "none", one),
        (tmp_path / "none", tmp_path),
    ):
        with pytest.raises(FileProblem, match="none: does not exist"):
            compare(*paths)
    for tolerance in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=f"a number from 0 on, not {tolerance}"):
            compare(one, one, tolerance)


def test_another_type_of_numbers_is_told(tmp_path):
    one = written(tmp_path / "a_cal.fits")
    other = tmp_path / "b_cal.fits"
    with fits.open(one) as hdus:
        hdus["SCI"].data = hdus["SCI"].data.astype(np.float64)
        hdus.writeto(other)
    (pair,) = compare(one, other)
    assert [(item.where, item.kind, item.words) for item in pair.found] == [
        ("SCI", "type", "float32 and float64")
    ]
    assert not pair.same


def test_a_file_that_cannot_be_read_is_told_among_the_others(tmp_path):
    for folder in ("one", "other"):
        for name in ("a", "b", "c"):
            written(tmp_path / folder / f"{name}_cal.fits")
    (tmp_path / "other" / "b_cal.fits").write_bytes(b"no FITS")
    ask = ["diff", str(tmp_path / "one"), str(tmp_path / "other")]
    told = CliRunner().invoke(commands, ask)
    assert told.exit_code == 2
    lines = told.stdout.splitlines()
    assert lines[0] == "b_cal.fits"
    assert lines[1].startswith("  cannot be compared: ")
    assert str(tmp_path / "other" / "b_cal.fits") in lines[1]
    assert lines[2:] == ["3 products: 2 the same, 0 differing, 1 not compared"]
    pairs = json.loads(CliRunner().invoke(commands, [*ask, "--json"]).stdout)
    assert [(pair["same"], bool(pair["problem"])) for pair in pairs] == [
        (True, False), (False, True), (True, False),
    ]  # fmt: skip


def test_the_command_says_it_in_a_table_and_by_its_exit_status(tmp_path):
    data = image().data.copy()
    data[3, 4] += 1.0
    one = written(tmp_path / "one" / "a_cal.fits")
    other = written(tmp_path / "other" / "a_cal.fits", image(data=data))

    def ask(*words):
        return CliRunner().invoke(commands, ["diff", *map(str, words)])

    assert ask(one, one).exit_code == 0
    told = ask(one, other)
    assert told.exit_code == 1
    assert told.stdout.splitlines() == [
        "a_cal.fits", "  SCI  values  1 of 200 differ, by up to 1 (2 errors)", "they differ",
    ]  # fmt: skip
    assert ask(one, other, "--tolerance", "3").exit_code == 0
    assert ask(one, other, "-q").stdout == ""
    (pair,) = json.loads(ask(one, other, "--json").stdout)
    assert pair["same"] is False
    assert pair["found"][0]["largest"] == pytest.approx(2.0)
    written(one.with_name("b_cal.fits"))
    told = ask(one.parent, other.parent)
    assert told.stdout.splitlines()[-1] == "2 products: 0 the same, 2 differing"
    told = ask(one, tmp_path / "none.fits")
    assert told.exit_code == 2
    assert told.stderr == f"calcore: {tmp_path / 'none.fits'}: does not exist; check the name\n"
    told = ask(one, one, "--tolerance", "nan")
    assert (told.exit_code, told.stderr.count("from 0 on, not nan")) == (2, 1)
