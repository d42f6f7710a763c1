"""Bytes of a file, read by offset; of a compressed file, from memory.

Files are not mapped into memory: a mapped file that is cut short kills the process, and its pages
count as memory.
"""

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from calcore.errors import FileInvalid, FileProblem, FileTruncated


class Source(Protocol):
    """Bytes that can be read by offset, from several threads at once."""

    path: Path
    length: int
    state: tuple[int, ...]
    """What changes when the content does; that of another file is another. Empty if it is not known."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on."""
        ...

    def read_into(self, offset: int, buffer: Any) -> None:
        """Fill a writable, contiguous buffer from `offset` on."""
        ...


class FileSource:
    """An open file; it is closed when nothing refers to it any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        found = os.fstat(self._file)
        self.length = found.st_size
        self.state: tuple[int, ...] = (
            found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        )  # fmt: skip

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self._file >= 0:
            close(self._file)

    def __reduce__(self) -> tuple[Any, ...]:
        return FileSource, (self.path,)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on."""
        return os.pread(self._file, size, offset)

    def read_into(self, offset: int, buffer: Any) -> None:
        """Fill a writable, contiguous buffer from `offset` on."""
        view = memoryview(buffer).cast("B")
        while view.nbytes:
            count = os.preadv(self._file, [view], offset)
            if count == 0:
                raise FileTruncated(
                    self.path, "it was cut short while it was read; fetch or make it again"
                )
            view = view[count:]
            offset += count


class MemorySource:
    """Bytes in memory, such as those of a compressed file."""

    state: tuple[int, ...] = ()

    def __init__(self, path: Path, content: bytes | memoryview) -> None:
        self.path = path
        self.content = content
        self.length = len(content)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on."""
        return bytes(self.content[offset : offset + size])

    def read_into(self, offset: int, buffer: Any) -> None:
        """Fill a writable, contiguous buffer from `offset` on."""
        view = memoryview(buffer).cast("B")
        view[:] = memoryview(self.content)[offset : offset + view.nbytes]


def open_source(path: Path) -> Source:
    """Open a file for reading by offset; one whose name ends in ``.gz`` is decompressed in memory.

    Raises
    ------
    FileProblem
        There is no such file, or it may not be read.
    FileInvalid
        The file is no gzip file although its name says so.
    FileTruncated
        The compressed file ends too early.
    """
    try:
        if path.suffix == ".gz":
            return MemorySource(path, gzip.decompress(path.read_bytes()))
        if path.is_dir():
            raise FileInvalid(path, "is a folder, not a file; name a file in it")
        return FileSource(path)
    except FileNotFoundError as error:
        raise FileProblem(path, "there is no such file; check name and folder") from error
    except EOFError as error:
        raise FileTruncated(path, "the compressed file ends too early; fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileInvalid(
            path,
            f"is not compressed with gzip as its name says ({error}); rename or fetch it again",
        ) from error
    except OSError as error:
        raise FileProblem(
            path, f"cannot be read: {error.strerror or error}; see to its rights"
        ) from error
