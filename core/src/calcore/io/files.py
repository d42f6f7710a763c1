"""Names of exposures and products.

An exposure's file is ``<root>_<suffix>.fits``; the root of a raw file is that of all its products.
"""

from pathlib import Path

SUFFIXES: frozenset[str] = frozenset({
    "uncal", "ramp", "dark", "rate", "rateints", "fitopt", "bsub", "bsubints", "cal", "calints",
    "crf", "crfints", "i2d", "s2d", "s3d", "x1d", "x1dints", "c1d", "cat", "segm", "phot", "whtlt",
    "psfstack", "psfalign", "psfsub", "ami-oi", "amimulti-oi", "aminorm-oi", "amilg", "wfscmb",
    "esec", "mask", "median", "blot", "outlier",
})  # fmt: skip
"""What product names end with."""

STAGE_OF: dict[str, int] = {
    "uncal": 0, "ramp": 1, "dark": 1, "rate": 1, "rateints": 1, "fitopt": 1, "bsub": 2,
    "bsubints": 2, "cal": 2, "calints": 2, "crf": 3, "crfints": 3, "i2d": 3, "s2d": 3, "s3d": 3,
    "x1d": 3, "x1dints": 3, "c1d": 3, "cat": 3, "segm": 3, "phot": 3, "whtlt": 3,
}  # fmt: skip
"""The stage that makes a product; 0 is the archive's raw file."""

_AFTER_DASH = frozenset({"uncal", "cal"})
"""Some guide-star exposures have a dash before these."""

_ENDINGS = (".fits.gz", ".fits", ".asdf", ".ecsv", ".json", ".png")


def stem(path: Path | str) -> str:
    """Return a file's name without folder and ending (``.fits``, ``.fits.gz``, ``.ecsv`` …)."""
    name = Path(path).name
    for ending in _ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem


def suffix_of(path: Path | str) -> str:
    """Return the product suffix of a file's name, such as ``rate``; empty if it has none."""
    name = stem(path)
    for mark in "_-":
        root, _, last = name.rpartition(mark)
        if root and last in (SUFFIXES if mark == "_" else _AFTER_DASH):
            return last
    return ""


def exposure_root(path: Path | str) -> str:
    """Return a file's name without folder, ending and product suffix."""
    suffix = suffix_of(path)
    name = stem(path)
    return name[: -len(suffix) - 1] if suffix else name


def product_path(folder: Path | str, root: str, suffix: str) -> Path:
    """Return where a product of an exposure or association is written."""
    ending = ".ecsv" if suffix in {"cat", "phot", "whtlt", "tweakreg", "refcat"} else ".fits"
    return Path(folder) / f"{root}_{suffix}{ending}"
