"""The ASDF tree of products."""

import io
import math
from collections import OrderedDict

import asdf
import numpy as np
import pytest

from calcore.errors import FileInvalid
from calcore.io._tree import flat, lookup, merged, nested, read_asdf, tree_bytes, without

PLAIN = {
    "meta": {"asn": {"exptype": "science"}, "empty": {}},
    "calcore": {
        "numbers": [1, -2, 1e-5, 1e22, 2.5, np.float32(0.5), np.int64(7)],
        "flags": [True, False, None],
        "words": [
            "yes",
            "1.5",
            "a: b",
            'quote " and \\',
            "ü 星 🔭",
            "line\nbreak",
            "",
            "!tag",
            "~",
        ],
        "slots": [{"name": "jump", "set": {"a": 1}}, []],
        "1": "a number as key",
    },
}


def test_plain_values_come_back_the_same_by_us_and_by_asdf(tmp_path):
    content = tree_bytes(PLAIN)
    assert read_asdf(tmp_path, content) == PLAIN
    with asdf.open(io.BytesIO(content)) as file:
        assert file["calcore"] == PLAIN["calcore"]
        assert file["meta"] == PLAIN["meta"]


def test_numbers_that_are_none(tmp_path):
    tree = read_asdf(tmp_path, tree_bytes({"x": [math.nan, math.inf, -math.inf]}))
    assert math.isnan(tree["x"][0])
    assert tree["x"][1:] == [math.inf, -math.inf]


ARRAYS = {
    "table": np.arange(1000.0),
    "labels": np.arange(6, dtype=">i2").reshape(2, 3),
    "mask": np.array([True, False]),
    "whole": np.array(7, np.uint8),
    "waves": np.array([1 + 2j, -3j], np.complex64),
}


def test_arrays_come_back_the_same_by_us_and_by_asdf(tmp_path):
    plain = {name: ARRAYS[name] for name in ("table", "labels", "whole", "waves")}
    content = tree_bytes(plain)
    tree = read_asdf(tmp_path, content)
    with asdf.open(io.BytesIO(content)) as file:
        for name, values in plain.items():
            np.testing.assert_array_equal(tree[name], values)
            assert tree[name].dtype == values.dtype.newbyteorder("=")
            np.testing.assert_array_equal(file[name], values)


@pytest.mark.parametrize("compression", [None, "zlib", "bzp2"])
@pytest.mark.parametrize("more", [{}, {"words": np.array(["only", "asdf", "reads", "them"])}])
def test_arrays_that_asdf_wrote(tmp_path, compression, more):
    buffer = io.BytesIO()
    asdf.AsdfFile({**ARRAYS, **more}).write_to(buffer, all_array_compression=compression)
    tree = read_asdf(tmp_path, buffer.getvalue())
    for name, values in {**ARRAYS, **more}.items():
        np.testing.assert_array_equal(tree[name], values)


def test_arrays_of_a_file_without_their_blocks(tmp_path):
    content = tree_bytes(ARRAYS)
    # Newer asdf leaves such an array as it stands in the tree, older asdf does not open the file.
    with pytest.raises(FileInvalid, match=r"holds .*ndarray|cannot be read as ASDF"):
        read_asdf(tmp_path, content[: content.index(b"\xd3BLK")])


def test_tags_stay_with_what_is_plain(tmp_path):
    shift = {"!": "tag:stsci.edu:asdf/transform/shift-1.2.0", "offset": 2.0}
    unit = {"!": "tag:stsci.edu:asdf/unit/unit-1.0.0", "=": "arcsec"}
    plain = {"move": shift, "units": [unit, unit], "ordered": OrderedDict(b=[1], a={"x": 2})}
    content = tree_bytes(plain)
    again = read_asdf(tmp_path, content, made=())
    assert again == plain
    assert tree_bytes(again) == content
    assert read_asdf(tmp_path, content, made=["ordered", "absent"]) == plain
    tree = read_asdf(tmp_path, content, made=["ordered", "move"])
    assert tree["move"](1.0) == 3.0
    assert str(tree["units"][0]) == "arcsec"


def test_dotted_paths():
    tree = {"meta": {"wcs": 1, "a": {"b": 2}}, "x": 3}
    assert lookup(tree, "meta.a.b") == 2
    assert lookup(tree, "meta.a.c") is None
    assert without(tree, "meta.a.b") == {"meta": {"wcs": 1}, "x": 3}
    assert without({"meta": {"wcs": 1}}, "meta.wcs") == {}
    assert without(tree, "no.such") == tree
    assert nested(flat(tree)) == tree
    assert tree == {"meta": {"wcs": 1, "a": {"b": 2}}, "x": 3}


def test_what_has_a_tag_is_a_leaf():
    unit = {"!": "tag:stsci.edu:asdf/unit/unit-1.0.0", "=": "um"}
    assert flat({"meta": {"unit": unit, "type": "specwcs"}}) == {
        "meta.unit": unit,
        "meta.type": "specwcs",
    }


def test_merging_keeps_both_sides_and_prefers_the_upper():
    below = {"a": {"x": 1, "y": 2}, "b": 3}
    assert merged(below, {"a": {"y": 5}, "c": 4}) == {"a": {"x": 1, "y": 5}, "b": 3, "c": 4}
    assert below == {"a": {"x": 1, "y": 2}, "b": 3}


@pytest.mark.filterwarnings("ignore::asdf.exceptions.AsdfConversionWarning")
def test_a_node_that_nothing_installed_can_read_is_named_with_its_remedy(tmp_path):
    content = tree_bytes({"model": 1}).replace(
        b" 1\n", b" !<tag:stsci.edu:jwst_pipeline/nosuch-1.0.0> {a: 1}\n"
    )
    with pytest.raises(FileInvalid, match=r"nosuch-1.0.0, .*pip install stdatamodels"):
        read_asdf(tmp_path / "x.asdf", content)
