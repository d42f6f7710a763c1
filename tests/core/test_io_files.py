"""Names of exposures and products."""

from pathlib import Path

import pytest

from calcore.io.files import exposure_root, product_path, stem, suffix_of

NAME = "jw01234005001_02101_00001_det1"


@pytest.mark.parametrize(
    ("file", "root", "suffix"),
    [
        (f"/data/{NAME}_uncal.fits", NAME, "uncal"),
        (f"{NAME}_rateints.fits.gz", NAME, "rateints"),
        (f"{NAME}-seg002_uncal.fits", f"{NAME}-seg002", "uncal"),
        ("jw01234-o005_t001_det_f1_i2d.fits", "jw01234-o005_t001_det_f1", "i2d"),
        ("jw01234-o005_t001_det_f1_cat.ecsv", "jw01234-o005_t001_det_f1", "cat"),
        ("my_exposure.fits", "my_exposure", ""),
        ("rate.fits", "rate", ""),
    ],
)
def test_root_and_suffix(file, root, suffix):
    assert exposure_root(file) == root
    assert suffix_of(file) == suffix


def test_product_path():
    assert product_path("out", NAME, "rate") == Path("out") / f"{NAME}_rate.fits"
    assert product_path("out", NAME, "cat").suffix == ".ecsv"


def test_stem_of_other_files():
    assert stem("a/b.asn.json") == "b.asn"
    assert stem("a/notes.txt") == "notes"
