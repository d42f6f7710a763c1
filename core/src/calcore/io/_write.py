"""Writing products plane by plane or band by band."""

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calcore.errors import OutputProblem
from calcore.io._cards import BLOCK, Card, serialise
from calcore.io._headers import cards_for, nameless
from calcore.io._output import parts_of, reason, tree_of
from calcore.io._products import belongs, model_name
from calcore.io._source import FileSource
from calcore.io._storage import encoded, image_cards, storage
from calcore.io._tables import table_cards
from calcore.io._temporary import temporary_name
from calcore.io._tree import merged, tree_bytes, tree_cards
from calcore.io.content import SEAL, keep, seal_of
from calcore.io.keywords import as_keywords
from calcore.model import Carried, Meta, Record, Window
from calcore.model.layout import Array, Plane, Several, TableExtension, fields_of

_SPARE = 2
"""Header blocks kept free for keywords that are only known at the end."""
_PIECE = 1 << 22
"""Bytes of a plane that are written at a time."""
_READ = 1 << 23
"""The same of a plane that is read from a file, which may have a part of each image in many places."""

Ahead = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Yields what some work gives for each item, in order, as `map` does."""


class ProductWriter:
    """A product that is laid out first and filled band by band, under a temporary name.

    Parameters
    ----------
    path : path
        Where the product will be.
    kind : record class
        What it is; its annotations say which extensions.
    meta : Meta
        Metadata, as far as they are known.
    shapes : mapping
        Shape of each plane that will be written, by field name.
    dtypes : mapping, optional
        Element types of planes that are not stored as their annotation says.
    carried : Carried, optional
        Headers and extensions of the file the product comes from.
    spare : int
        Header blocks to keep free for keywords that come with `close`.

    Raises
    ------
    OutputProblem
        The folder cannot be written, or the disk is full. Nothing is left behind.
    """

    def __init__(
        self,
        path: Path | str,
        kind: Any,
        meta: Meta,
        shapes: Mapping[str, tuple[int, ...]],
        *,
        dtypes: Mapping[str, np.dtype[Any]] | None = None,
        carried: Carried | None = None,
        spare: int = _SPARE,
    ) -> None:
        self.path = Path(path)
        self._kind = kind
        self._meta = meta
        self._carried = carried or Carried()
        self._temporary = temporary_name(self.path)
        self._lock = threading.Lock()
        self._file = -1
        self._seal = ""
        notes: Any = {**fields_of(kind, Plane), **fields_of(kind, Array)}
        self._planes = {name: note for name, note in notes.items() if name in shapes}
        self._shapes = {name: tuple(shapes[name]) for name in self._planes}
        self._stored = {
            name: storage(note.dtype, (dtypes or {}).get(name))
            for name, note in self._planes.items()
        }
        headers = self._headers(meta)
        self._blocks = [len(serialise(cards)) // BLOCK + spare for cards in headers]
        self._lay_out()
        with self._said():
            self._file = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            os.ftruncate(self._file, self._end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def __del__(self) -> None:
        self.abort()

    def put(self, window: Window, record: Record) -> None:
        """Write a band: those planes of `record` that the product has, at `window`.

        The record may hold more rows and columns than `window`. Several threads may put at once.
        """
        for name in self._planes:
            plane = getattr(record, name, None)
            if plane is None or not isinstance(self._planes[name], Plane):
                continue
            rows, columns = window.within(record.frame)
            self._put(name, np.asarray(plane[..., rows, columns]), window)

    def put_plane(self, name: str, plane: Any, *, ahead: Ahead = map) -> None:
        """Write a whole plane, which may be a lazy section, in pieces.

        `ahead` may begin with pieces before they are asked for.
        """
        stored, position = self._stored[name], self._offsets[name]
        size = _PIECE if isinstance(plane, np.ndarray) or len(plane.shape) == 2 else _READ

        def encode(piece: tuple[slice, ...]) -> NDArray[Any]:
            return encoded(np.asarray(plane[piece]), stored)

        pieces = _pieces(self._shapes[name], max(1, size // stored[0].itemsize))
        for values in ahead(encode, pieces):
            with self._said():
                self._write(position, values)
            position += values.nbytes

    def _put(self, name: str, values: NDArray[Any], window: Window) -> None:
        """Write rows and columns of a plane."""
        stored = self._stored[name]
        rows, columns = self._shapes[name][-2:]
        item = stored[0].itemsize
        height, width = window.shape
        planes = encoded(values, stored).reshape(-1, height, width)
        with self._said():
            for index, plane in enumerate(planes):
                start = self._offsets[name] + (index * rows + window.row_start) * columns * item
                if width == columns:
                    self._write(start, plane)
                    continue
                for row in range(height):
                    place = start + (row * columns + window.column_start) * item
                    self._write(place, plane[row])

    def close(
        self,
        meta: Meta | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        record_tree: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write headers, tables, what rides along and the tree, and give the product its name.

        Parameters
        ----------
        meta : Meta, optional
            Metadata as they are now; those given at the start if left out.
        fields : mapping, optional
            Tables and tree nodes of the record class by field name, such as ``int_times``, ``wcs``.
        record_tree : mapping, optional
            More nodes for the ASDF tree.
        """
        meta = self._meta if meta is None else meta
        headers = self._headers(meta)
        with self._said():
            needed = [len(serialise(cards)) // BLOCK for cards in headers]
            if any(n > b for n, b in zip(needed, self._blocks, strict=True)):
                self._move([max(pair) for pair in zip(needed, self._blocks, strict=True)])
            for cards, start, blocks in zip(headers, self._starts, self._blocks, strict=True):
                self._write(start, np.frombuffer(serialise(cards, blocks), np.uint8))
            position = self._end
            for piece in self._tail(meta, fields or {}, record_tree or {}):
                self._write(position, np.frombuffer(piece, np.uint8))
                position += len(piece)
            os.close(self._file)
            self._file = -1
            self._temporary.replace(self.path)
        keep(self.path, self._seal)
        return self.path

    def abort(self) -> None:
        """Remove the temporary file; does nothing once the product is closed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    # How the file is laid out.

    def _headers(self, meta: Meta) -> list[list[Card]]:
        """Return the cards of the first header and of each plane's."""
        now = datetime.now(UTC).replace(tzinfo=None)
        model = model_name(self._kind, self._shapes, self._stored, meta)
        values = {
            **meta,
            "date": now.isoformat(timespec="milliseconds"),
            "filename": self.path.name,
            **({"model_type": model} if model else {}),
        }
        cards = self._carried.cards
        primary = [
            Card("SIMPLE", True, "conforms to the FITS standard"),
            Card("BITPIX", 8),
            Card("NAXIS", 0),
            Card("EXTEND", True),
            *cards_for("PRIMARY", values, cards.get("PRIMARY", ())),
        ]
        headers = [primary]
        for name, note in self._planes.items():
            own = cards_for(note.extension, values, cards.get(note.extension, ()))
            headers.append(image_cards(note.extension, self._shapes[name], self._stored[name], own))
        return headers

    def _lay_out(self) -> None:
        """Find where headers and planes begin."""
        self._starts: list[int] = [0]
        self._offsets: dict[str, int] = {}
        position = self._blocks[0] * BLOCK
        for name, blocks in zip(self._planes, self._blocks[1:], strict=True):
            self._starts.append(position)
            position += blocks * BLOCK
            self._offsets[name] = position
            size = int(np.prod(self._shapes[name], dtype=np.int64)) * self._stored[name][0].itemsize
            position += -(-size // BLOCK) * BLOCK
        self._end = position

    def _move(self, blocks: list[int]) -> None:
        """Make room for longer headers: move the planes towards the end, the last one first."""
        before, ends = dict(self._offsets), self._end
        self._blocks = blocks
        self._lay_out()
        os.ftruncate(self._file, self._end)
        names = list(before)
        stops = [*(before[name] for name in names[1:]), ends]
        for name, stop in zip(reversed(names), reversed(stops), strict=True):
            size = int(np.prod(self._shapes[name], dtype=np.int64)) * self._stored[name][0].itemsize
            place = min(size, stop - before[name])
            while place > 0:
                count = min(_PIECE, place)
                place -= count
                piece = os.pread(self._file, count, before[name] + place)
                self._write(self._offsets[name] + place, np.frombuffer(piece, np.uint8))
            padding = -size % BLOCK
            self._write(self._offsets[name] + size, np.zeros(padding, np.uint8))

    def _tail(
        self, meta: Meta, fields: Mapping[str, Any], record_tree: Mapping[str, Any]
    ) -> Iterator[bytes]:
        """Yield what comes after the planes: tables, what rides along, the tree."""
        yield from _tables(self._kind, fields, meta, self._carried)
        for name in fields_of(self._kind, Several):
            for version, one in enumerate(fields[name], 1):
                yield from _tables(type(one), parts_of(one), one.meta, one.carried, version)
        for extension in self._carried.extensions:
            if belongs(extension, self._kind):
                piece = extension.source.read(extension.start, extension.stop - extension.start)
                yield piece + bytes(-len(piece) % BLOCK)
        tree = {**self._carried.tree}
        for part in (tree_of(self._kind, nameless(meta), fields), record_tree):
            tree = merged(tree, part)
        content = tree_bytes(tree)
        written = FileSource(self._temporary)  # all that comes before
        self._seal = seal_of(written, written.length, content)
        head = [*tree_cards(content), Card(SEAL, self._seal, "of all but DATE and this header")]
        yield serialise(head) + content + bytes(-len(content) % BLOCK)

    # Bytes.

    def _write(self, offset: int, values: NDArray[Any]) -> None:
        """Write an array at a place, whole."""
        octets: Any = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        view = memoryview(octets)
        while view.nbytes:
            count = os.pwrite(self._file, view, offset)
            view = view[count:]
            offset += count

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """Turn the system's errors into ours, and leave nothing behind."""
        try:
            yield
        except OSError as error:
            self.abort()
            raise OutputProblem(self.path, reason(error)) from error


def _tables(
    kind: Any, fields: Mapping[str, Any], meta: Meta, carried: Carried, version: int = 1
) -> Iterator[bytes]:
    """Yield the tables of a record."""
    for name, table in fields_of(kind, TableExtension).items():
        values = fields.get(name)
        if values is None:
            continue
        template = carried.cards.get(table.extension, ())
        values = np.asarray(values)
        if table.dotted:
            values = as_keywords(values)
        units = fields.get(table.units)
        head, data = table_cards(table.extension, values, template, units=units, version=version)
        head += cards_for(table.extension, meta, template)
        yield serialise(head) + data + bytes(-len(data) % BLOCK)


def _pieces(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Yield indices of parts of at most so many elements, in the order in which they lie in a file."""
    first, *rest = shape
    inner = math.prod(rest)
    if rest and inner > most:
        for place in range(first):
            for piece in _pieces(tuple(rest), most):
                yield slice(place, place + 1), *piece
        return
    step = max(1, most // max(1, inner))
    for start in range(0, first, step):
        yield (slice(start, min(start + step, first)),)
