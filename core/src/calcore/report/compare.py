"""In what two products, or the products of two runs, differ.

Values are compared in units of their error, flags bit by bit, keywords and tables entry by entry.
When a file was written and what it is called makes no difference.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from calcore import io
from calcore.errors import CalcoreError, FileInvalid, FileProblem, UsageError, explained
from calcore.flags import DQ
from calcore.run import manifest
from calcore.run.record import NODE, differences

KINDS = (".fits", ".ecsv", ".asdf")
"""Endings of files that are compared."""

_ORDER = {"table": 1, "coordinates": 2, "keyword": 3, "made otherwise": 4}
_FLAGS = frozenset({"DQ", "PIXELDQ", "GROUPDQ"})
_DATES = frozenset({"DATE", "CHECKSUM", "DATASUM", "CONTENT"})
_LAYOUT = ("XTENSION", "SIMPLE", "EXTEND", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "TTYPE",
           "TFORM", "TDIM", "TNULL", "TZERO", "TSCAL", "BZERO", "BSCALE")  # fmt: skip
_COMMENTARY = frozenset({"", "COMMENT", "HISTORY"})
_PIECE = 1 << 24
"""So many pixels are looked at at once."""


@dataclass(frozen=True)
class Difference:
    """One difference: in which extension, of what kind, how many entries, in words.

    `largest` is the largest difference of values, in units of the error where there is one, else
    relative to the values. A remark does not make products differ: they were made otherwise.
    """

    where: str
    kind: str
    words: str
    number: int = 1
    largest: float | None = None
    remark: bool = False


@dataclass(frozen=True)
class Compared:
    """What was found of two files of one name; `problem` is why they cannot be compared."""

    name: str
    found: tuple[Difference, ...] = ()
    problem: str = ""

    @property
    def same(self) -> bool:
        """True if nothing but remarks was found."""
        return not self.problem and all(difference.remark for difference in self.found)


def compare(one: Path, other: Path, tolerance: float = 0.0) -> list[Compared]:
    """Compare two products, two folders of products, or what the manifests of two runs name.

    Parameters
    ----------
    one, other : Path
        Two files, or two of folders and manifests.
    tolerance : float
        Values that differ by up to so many errors are the same; where there is no error, relative
        differences up to this are none.

    Raises
    ------
    FileProblem, FileInvalid
        There is no such path, one of two files cannot be read, or a file is to be compared with a
        folder. Of two runs, a file that cannot be read does not keep the others from being compared.
    UsageError
        The tolerance is no number from 0 on.
    """
    if not (tolerance >= 0 and math.isfinite(tolerance)):
        raise UsageError(f"the tolerance must be a number from 0 on, not {tolerance}")
    for path in (one, other):
        if not os.path.exists(path):  # noqa: PTH110 - False in a folder that is closed
            raise FileProblem(path, "does not exist; check the name")
    runs = [path.is_dir() or path.suffix == ".json" for path in (one, other)]
    if runs[0] != runs[1]:
        raise FileInvalid(one, f"cannot be compared with {other}: one is a file, one is a run")
    if not runs[0]:
        return [compare_files(one, other, tolerance)]
    files, others = _files(one), _files(other)
    compared = []
    for name in sorted({*files, *others}):
        if name in files and name in others:
            compared.append(_compared(files[name], others[name], tolerance))
        else:
            where = "first" if name in files else "second"
            absent = Difference("", "file", f"is only in the {where}")
            compared.append(Compared(name, (absent,)))
    return compared


def compare_files(one: Path, other: Path, tolerance: float = 0.0) -> Compared:
    """Compare two files; see `compare`."""
    if one.suffix != other.suffix:
        raise FileInvalid(other, f"cannot be compared with {one.name}: they are of two kinds")
    look = {".fits": _fits, ".ecsv": _ecsv, ".asdf": _asdf}.get(one.suffix)
    if look is None:
        raise FileInvalid(one, f"cannot be compared; name files that end in {', '.join(KINDS)}")
    found = sorted(look(one, other, tolerance), key=lambda item: _ORDER.get(item.kind, 0))
    return Compared(one.name, tuple(found))


def _compared(one: Path, other: Path, tolerance: float) -> Compared:
    """Compare two of many files; say so if that cannot be."""
    try:
        return compare_files(one, other, tolerance)
    except Exception as error:  # noqa: BLE001 - the other files are compared all the same
        return Compared(one.name, problem=explained(error))


def _files(run: Path) -> dict[str, Path]:
    """Return the products of a folder, or of a manifest, by name."""
    if run.is_dir():
        return {path.name: path for path in run.iterdir() if path.suffix in KINDS}
    named = [Path(file) for product in manifest.read(run)["products"] for file in product["files"]]
    beside = run.parent.parent
    paths = (path if path.is_file() else beside / path.name for path in named)
    return {path.name: path for path in paths if path.suffix in KINDS}


def _fits(one: Path, other: Path, tolerance: float) -> Iterator[Difference]:
    for path in (one, other):
        io.contents(path)  # says in a sentence what is wrong with it
    with fits.open(one) as first, fits.open(other) as second:
        hdus, others = _by_name(first), _by_name(second)
        for key in (*hdus, *(key for key in others if key not in hdus)):
            if key not in hdus or key not in others:
                where = "first" if key in hdus else "second"
                yield Difference(key, "extension", f"is only in the {where}")
                continue
            pair = hdus[key], others[key]
            yield from _headers(key, pair, {one.name, other.name})
            if key == "ASDF":
                continue
            if isinstance(pair[0], fits.BinTableHDU):
                yield from _tables(key, *(Table(hdu.data) for hdu in pair))
            elif pair[0].shape != pair[1].shape:
                yield Difference(key, "shape", f"{pair[0].shape} and {pair[1].shape}")
            elif pair[0].shape:
                yield from _types(key, pair)
                error = hdus.get(key.replace("SCI", "ERR")) if key.startswith("SCI") else None
                yield from _images(key, pair, error, tolerance)
    yield from _coordinates(one, other)
    yield from _records(one, other)


def _by_name(hdus: Any) -> dict[str, Any]:
    """Return extensions by name; those after the first of a name have a number, too."""
    found: dict[str, Any] = {}
    for hdu in hdus:
        name = hdu.name or "PRIMARY"
        key = name if hdu.ver == 1 else f"{name},{hdu.ver}"
        found.setdefault(key, hdu)
    return found


def _headers(where: str, pair: tuple[Any, Any], names: set[str]) -> Iterator[Difference]:
    """Compare keywords."""
    headers = [hdu.header for hdu in pair]
    for keyword in dict.fromkeys((*headers[0], *headers[1])):
        if keyword in _COMMENTARY or keyword in _DATES or keyword.startswith(_LAYOUT):
            continue
        values = [header.get(keyword, "(not there)") for header in headers]
        own_names = keyword == "FILENAME" and set(values) <= names
        if not own_names and not _equal(*values):
            yield Difference(where, "keyword", f"{keyword}: {values[0]!r} and {values[1]!r}")


def _types(where: str, pair: tuple[Any, Any]) -> Iterator[Difference]:
    """Compare the type of numbers."""
    types = [np.asarray(hdu.section[:1]).dtype.name for hdu in pair]
    if types[0] != types[1]:
        yield Difference(where, "type", f"{types[0]} and {types[1]}")


def _images(
    where: str, pair: tuple[Any, Any], error: Any, tolerance: float
) -> Iterator[Difference]:
    """Compare planes, piece by piece."""
    error = error if error is not None and error.shape == pair[0].shape else None
    number = alone = 0
    largest, farthest = 0.0, 0.0
    only: dict[int, list[int]] = {}
    for piece in _pieces(pair[0].shape):
        a, b = (np.asarray(hdu.section[piece]) for hdu in pair)
        if a.dtype.kind in "iu" and where.partition(",")[0] in _FLAGS:
            _count_flags(a.astype(np.uint32), b.astype(np.uint32), only)
            number += int(np.count_nonzero(a != b))
            continue
        a, b = a.astype(np.float64), b.astype(np.float64)
        unit = np.maximum(np.abs(a), np.abs(b))
        if error is not None:
            sigma = np.asarray(error.section[piece], np.float64)
            unit = np.where(sigma > 0, sigma, unit)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.where(a == b, 0.0, np.abs(a - b))
            relative = np.where(size > 0, size / unit, 0.0)
        alone += int(np.count_nonzero(np.isnan(a) != np.isnan(b)))
        beyond = relative > tolerance
        number += int(np.count_nonzero(beyond))
        if beyond.any():
            largest = max(largest, float(np.max(size[beyond])))
            farthest = max(farthest, float(np.max(relative[beyond])))
    pixels = math.prod(pair[0].shape)
    for bit, (first, second) in sorted(only.items()):
        name = DQ(1 << bit).name or f"bit {bit}"
        words = f"{name}: {first} only in the first, {second} only in the second"
        yield Difference(where, "flags", words, first + second)
    if number and not only:
        scale = "errors" if error is not None else "of the values"
        words = f"{number} of {pixels} differ, by up to {largest:.3g} ({farthest:.3g} {scale})"
        yield Difference(where, "values", words, number, farthest)
    if alone:
        yield Difference(where, "values", f"{alone} of {pixels} are NaN in one only", alone)


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield parts of the first axis, none of more than `_PIECE` pixels if that can be."""
    step = max(1, _PIECE // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], step):
        yield (slice(start, min(start + step, shape[0])), *(slice(None),) * (len(shape) - 1))


def _count_flags(one: Any, other: Any, only: dict[int, list[int]]) -> None:
    """Count for each bit the pixels that carry it in one only."""
    changed = int(np.bitwise_or.reduce(one ^ other, axis=None))
    for bit in range(32):
        mark = np.uint32(1 << bit)
        if changed & (1 << bit):
            counts = only.setdefault(bit, [0, 0])
            counts[0] += int(np.count_nonzero(one & ~other & mark))
            counts[1] += int(np.count_nonzero(other & ~one & mark))


def _tables(where: str, one: Table, other: Table) -> Iterator[Difference]:
    """Compare tables column by column."""
    if len(one) != len(other):
        yield Difference(where, "table", f"{len(one)} rows and {len(other)}")
        return
    for name in dict.fromkeys((*one.colnames, *other.colnames)):
        if name in _DATES:
            continue
        if name not in one.colnames or name not in other.colnames:
            place = "first" if name in one.colnames else "second"
            yield Difference(where, "table", f"column {name} is only in the {place}")
            continue
        rows = [i for i in range(len(one)) if not _equal(one[name][i], other[name][i])]
        if rows:
            first = rows[0]
            words = f"column {name}: {len(rows)} of {len(one)} rows differ; row {first + 1}: "
            words += f"{one[name][first]} and {other[name][first]}"
            yield Difference(where, "table", words, len(rows))


def _ecsv(one: Path, other: Path, _tolerance: float) -> Iterator[Difference]:
    tables = [io.open(path).table for path in (one, other)]
    yield from _tables("", *tables)


def _asdf(one: Path, other: Path, _tolerance: float) -> Iterator[Difference]:
    leaves = [dict(_leaves(io.read_asdf_tree(path))) for path in (one, other)]
    for name in dict.fromkeys((*leaves[0], *leaves[1])):
        if not _equal(*(tree.get(name) for tree in leaves)):
            yield Difference("", "node", name)


def _leaves(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for name, node in tree.items():
            yield from _leaves(node, f"{above}.{name}" if above else str(name))
    else:
        yield above, tree


def _equal(one: Any, other: Any) -> bool:
    """Tell whether two entries are the same; NaN is NaN."""
    if one is other:
        return True
    try:
        a, b = np.asarray(one), np.asarray(other)
        if a.shape != b.shape:
            return False
        numbers = a.dtype.kind in "fc" and b.dtype.kind in "fc"
        return bool(np.array_equal(a, b, equal_nan=numbers))
    except (TypeError, ValueError):
        return bool(one == other)


def _coordinates(one: Path, other: Path) -> Iterator[Difference]:
    """Compare where the same pixels lie on the sky."""
    places: list[Any] = []
    for path in (one, other):
        wcs, shape = None, ()
        with suppress(CalcoreError, TypeError, AttributeError):
            record = io.open_lazy(path)
            wcs, shape = getattr(record, "wcs", None), record.data.shape[-2:]
        places.append(None if wcs is None or len(shape) != 2 else _sky(wcs, shape))
    if (places[0] is None) != (places[1] is None):
        where = "first" if places[1] is None else "second"
        yield Difference("ASDF", "coordinates", f"are only in the {where}")
    elif places[0] is not None and places[1] is not None:
        shift = 3600 * float(np.nanmax(np.abs(places[0] - places[1]), initial=0.0))
        if shift > 0:
            words = f"differ by up to {shift:.3g} arcsec"
            yield Difference("ASDF", "coordinates", words, largest=shift)


def _sky(wcs: Any, shape: tuple[int, ...]) -> Any:
    """Return unit vectors of a grid of pixels, in degrees of arc (3, n)."""
    y, x = (grid.ravel() for grid in np.meshgrid(*(np.linspace(0, n - 1, 7) for n in shape)))
    with suppress(Exception):  # coordinates of another kind, such as those of spectra
        ra, dec = (np.radians(np.asarray(value, float)) for value in wcs(x, y)[:2])
        vector = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
        return np.degrees(vector)
    return None


def _records(one: Path, other: Path) -> Iterator[Difference]:
    """Tell in what the making of two products differed; where values are the same, so be it."""
    first, second = ({}, {})
    with suppress(FileProblem):
        first, second = (io.read_node(path, NODE) for path in (one, other))
    for pipeline in first:
        if pipeline in second:
            for words in _told(differences(first[pipeline], second[pipeline])):
                yield Difference(pipeline, "made otherwise", words, remark=True)


def _told(found: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(found)
