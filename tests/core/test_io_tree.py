"""The ASDF tree of products."""

import io
import math

import asdf
import numpy as np
import pytest

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


def test_arrays_go_through_asdf(tmp_path):
    tree = read_asdf(tmp_path, tree_bytes({"table": np.arange(1000.0)}))
    assert np.array_equal(tree["table"], np.arange(1000.0))


def test_dotted_paths():
    tree = {"meta": {"wcs": 1, "a": {"b": 2}}, "x": 3}
    assert lookup(tree, "meta.a.b") == 2
    assert lookup(tree, "meta.a.c") is None
    assert without(tree, "meta.a.b") == {"meta": {"wcs": 1}, "x": 3}
    assert without({"meta": {"wcs": 1}}, "meta.wcs") == {}
    assert without(tree, "no.such") == tree
    assert nested(flat(tree)) == tree
    assert tree == {"meta": {"wcs": 1, "a": {"b": 2}}, "x": 3}


def test_merging_keeps_both_sides_and_prefers_the_upper():
    below = {"a": {"x": 1, "y": 2}, "b": 3}
    assert merged(below, {"a": {"y": 5}, "c": 4}) == {"a": {"x": 1, "y": 5}, "b": 3, "c": 4}
    assert below == {"a": {"x": 1, "y": 2}, "b": 3}


@pytest.mark.filterwarnings("ignore::asdf.exceptions.AsdfConversionWarning")
def test_a_node_that_nothing_installed_can_read_is_named_with_its_remedy(tmp_path):
    from calcore.errors import FileInvalid

    content = tree_bytes({"model": 1}).replace(
        b" 1\n", b" !<tag:stsci.edu:jwst_pipeline/nosuch-1.0.0> {a: 1}\n"
    )
    with pytest.raises(FileInvalid, match=r"nosuch-1.0.0, .*pip install stdatamodels"):
        read_asdf(tmp_path / "x.asdf", content)
