"""Small files that parameters of steps name: lists and catalogues."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from calcore.errors import FileInvalid


def read_pairs(path: str) -> list[tuple[str, str]]:
    """Return the first two words of each line of a text file; ``#`` begins a comment.

    A line of one word has an empty second.

    Raises
    ------
    FileInvalid
        The file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise FileInvalid(path, f"cannot be read as text: {error}") from error
    pairs = []
    for line in text.splitlines():
        words = line.split("#")[0].replace(",", " ").split()
        if words:
            pairs.append((words[0], words[1] if len(words) > 1 else ""))
    return pairs


def read_levels(path: str, names: Sequence[str]) -> list[float]:
    """Return the number a file gives for each name.

    Raises
    ------
    FileInvalid
        The file cannot be read, lacks a name, or a line's second word is no number.
    """
    levels = {}
    for name, word in read_pairs(path):
        try:
            levels[name] = float(word)
        except ValueError:
            raise FileInvalid(path, f"gives {word!r} for {name}, which is no number") from None
    missing = [name for name in names if name not in levels]
    if missing:
        raise FileInvalid(path, f"gives no level for {', '.join(missing)}; add a line for each")
    return [levels[name] for name in names]


def read_catalogue(path: str, *names: tuple[str, ...], optional: Collection[str] = ()) -> list[Any]:
    """Return columns of a table in any format that astropy recognises.

    Parameters
    ----------
    path : str
        File of the table.
    names : tuples of str
        For each column wanted, the names it may have, in lower case.
    optional : collection of str
        First names of columns that need not be there: they are 1 then.

    Returns
    -------
    list of float64 arrays
        Without units.

    Raises
    ------
    FileInvalid
        The file cannot be read, or lacks a column.
    """
    import numpy as np  # noqa: PLC0415 - few runs need a catalogue
    from astropy.table import Table  # noqa: PLC0415 - few runs need a catalogue

    try:
        table = Table.read(path)
    except Exception as error:  # astropy's readers raise all kinds
        raise FileInvalid(path, f"cannot be read as a table: {error}") from error
    known = {name.lower(): name for name in table.colnames}
    columns = []
    for accepted in names:
        found = next((known[name] for name in accepted if name in known), None)
        if found is None and accepted[0] in optional:
            columns.append(np.ones(len(table)))
            continue
        if found is None:
            raise FileInvalid(
                path, f"has no column {' or '.join(accepted)}; it has {', '.join(table.colnames)}"
            )
        columns.append(numbers(table[found], path))
    return columns


def numbers(column: Any, path: str | Path) -> Any:
    """Return a column of a file's table as numbers without a unit, NaN where it is masked.

    Raises
    ------
    FileInvalid
        It holds words.
    """
    import numpy as np  # noqa: PLC0415 - few runs need a catalogue

    try:
        return np.asarray(np.ma.filled(np.ma.asarray(column, np.float64), np.nan), np.float64)
    except (TypeError, ValueError) as error:
        raise FileInvalid(path, f"has a column {column.name} that holds no numbers") from error
