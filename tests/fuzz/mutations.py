"""Damage that files meet: cards lost or mistyped, planes cut, values that no detector gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

HDUs = fits.HDUList
Mutation = Callable[[HDUs, np.random.Generator], None]

# Cards that say how an exposure was taken: half of the damage falls on them.
TELLING = (
    "INSTRUME", "DETECTOR", "EXP_TYPE", "READPATT", "SUBARRAY", "NINTS", "NGROUPS", "NFRAMES",
    "GROUPGAP", "FRMDIVSR", "DRPFRMS1", "TGROUP", "TFRAME", "TSAMPLE", "INTSTART", "INTEND",
    "NOUTPUTS", "FASTAXIS", "SLOWAXIS", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2", "DATE-OBS",
    "TIME-OBS", "EXPSTART", "FILTER", "PUPIL", "GRATING", "CHANNEL", "TSOVISIT", "EXPMID",
)  # fmt: skip
# Cards without which a file is no FITS file; astropy would mend them.
STRUCTURE = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "XTENSION", "PCOUNT", "GCOUNT", "TFIELDS",
             "TFORM", "TTYPE", "TDIM", "BSCALE", "BZERO", "EXTNAME", "COMMENT", "HISTORY")  # fmt: skip
VALUES = ("", "GARBAGE", "1", -1, 0, 1, 2, 3, 17, 65536, 2**40, -0.5, 1e-30, 3.7, 1e30, True, False)


def _cards(file: HDUs) -> list[tuple[int, str]]:
    return [
        (number, keyword)
        for number, extension in enumerate(file)
        for keyword in extension.header
        if keyword and not keyword.startswith(STRUCTURE)
    ]


def change_cards(file: HDUs, rng: np.random.Generator) -> None:
    """Give up to three cards another value, or take them away."""
    for _ in range(rng.integers(1, 4)):
        cards = _cards(file)
        telling = [card for card in cards if card[1] in TELLING]
        chosen = telling if telling and rng.random() < 0.5 else cards
        number, keyword = chosen[rng.integers(len(chosen))]
        if rng.random() < 0.25:
            del file[number].header[keyword]
        else:
            file[number].header[keyword] = VALUES[rng.integers(len(VALUES))]


def _image(file: HDUs, rng: np.random.Generator) -> Any:
    images = [e for e in file if e.is_image and e.data is not None and e.data.ndim]
    return images[rng.integers(len(images))] if images else None


def change_values(file: HDUs, rng: np.random.Generator) -> None:
    """Fill a block of an image with a value that nobody expects."""
    image = _image(file, rng)
    if image is None:
        return
    data = image.data.astype(np.float32) if image.data.dtype.kind == "f" else image.data.copy()
    if image.name == "SCI" and rng.random() < 0.7:
        data = data.astype(np.float32)
    block = tuple(
        slice(*sorted(rng.integers(0, size + 1, 2))) if rng.random() < 0.6 else slice(None)
        for size in data.shape
    )
    if data.dtype.kind == "f":
        data[block] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -1e5, 65535.0, 3e38, 1e-40])
    else:
        limits = np.iinfo(data.dtype)
        data[block] = data.dtype.type(int(rng.choice([limits.min, 0, 1, 2, limits.max])))
    image.data = data


def change_shape(file: HDUs, rng: np.random.Generator) -> None:
    """Cut an axis of an image, lose one, or add one."""
    image = _image(file, rng)
    if image is None:
        return
    data, axis = image.data, int(rng.integers(image.data.ndim))
    kind = rng.integers(4)
    if kind == 0 and data.shape[axis] > 1:
        image.data = np.ascontiguousarray(np.take(data, range(data.shape[axis] - 1), axis))
    elif kind == 1:
        image.data = np.ascontiguousarray(np.take(data, [0], axis))
    elif kind == 2 and data.ndim > 1:
        image.data = np.ascontiguousarray(np.take(data, 0, axis))
    else:
        image.data = data[np.newaxis].copy()


def change_type(file: HDUs, rng: np.random.Generator) -> None:
    """Store an image as numbers of another kind."""
    image = _image(file, rng)
    if image is not None:
        wanted = rng.choice(["u1", "i2", "i4", "i8", "f4", "f8"])
        with np.errstate(all="ignore"):
            image.data = np.nan_to_num(image.data).astype(wanted)


def change_extensions(file: HDUs, rng: np.random.Generator) -> None:
    """Lose an extension, double one, rename one, or add flags or a zero frame that nobody asked for."""
    science = next((e for e in file if e.name == "SCI" and e.data is not None), None)
    number = int(rng.integers(1, len(file))) if len(file) > 1 else 0
    kind = rng.integers(5)
    if kind == 0 and number:
        del file[number]
    elif kind == 1 and number:
        file.append(file[number].copy())
    elif kind == 2 and number:
        file[number].name = str(
            rng.choice(["SCI", "DQ", "PIXELDQ", "GROUPDQ", "DATA", "INT_TIMES"])
        )
    elif science is not None and science.data.ndim == 4:
        shape = science.data.shape
        name, size, dtype = {
            3: ("GROUPDQ", shape, "u1"), 4: ("PIXELDQ", shape[2:], "u4"),
        }[int(kind)] if kind > 2 else ("ZEROFRAME", (shape[0], *shape[2:]), "f4")  # fmt: skip
        values = rng.integers(0, 255, size).astype(dtype)
        file.append(fits.ImageHDU(values if rng.random() < 0.7 else values[..., 1:], name=name))


def change_tables(file: HDUs, rng: np.random.Generator) -> None:
    """Lose rows or columns of a table, or fill a column with nothing."""
    tables = [e for e in file if isinstance(e, fits.BinTableHDU) and e.name != "ASDF"]
    if not tables:
        return
    table = tables[rng.integers(len(tables))]
    names = table.columns.names
    kind = rng.integers(3)
    if kind == 0:
        table.data = table.data[: len(table.data) // 2]
    elif kind == 1 and len(names) > 1:
        table.columns.del_col(names[rng.integers(len(names))])
    else:
        column = table.data[names[rng.integers(len(names))]]
        if column.dtype.kind == "f":
            column[...] = np.nan
        elif column.dtype.kind in "iu":
            column[...] = 0


MUTATIONS: tuple[Mutation, ...] = (
    change_cards, change_cards, change_values, change_values, change_shape, change_type,
    change_extensions, change_tables,
)  # fmt: skip


def mutate(source: Path, target: Path, seed: int) -> Path:
    """Write a damaged copy of a FITS file; one copy in twelve is also cut short."""
    rng = np.random.default_rng(seed)
    with fits.open(source, memmap=False, lazy_load_hdus=False) as file:
        for change in rng.choice(len(MUTATIONS), rng.integers(1, 3), replace=False):
            MUTATIONS[change](file, rng)
        file.writeto(target, output_verify="ignore", overwrite=True)
    if rng.random() < 1 / 12:
        content = target.read_bytes()
        target.write_bytes(content[: int(rng.integers(1, len(content)))])
    return target
