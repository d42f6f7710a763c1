"""What flows through pipelines: frozen records of arrays and metadata."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ShapesDisagree
from calcore.model.layout import Plane, disagreement, fields_of, times
from calcore.model.meta import Meta
from calcore.model.window import Window


@dataclass(frozen=True, eq=False)
class Carried:
    """What a file holds that calcore does not know; it rides along untouched.

    Attributes
    ----------
    cards : mapping
        Per extension name (``"PRIMARY"``, ``"SCI"`` …) the header's cards, in order. Those whose
        value is in the metadata only keep its place and comment.
    extensions : tuple
        Unknown extensions, as the file reader left them.
    tree : mapping
        Unknown nodes of the ASDF tree.
    """

    cards: Mapping[str, Any] = field(default_factory=dict)
    extensions: tuple[Any, ...] = ()
    tree: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Record:
    """Base of all records: metadata, arrays, and what rides along.

    `window` says which part of the frame the planes hold; None means all of it. A record that is
    `aside` is only saved: no step works on it.
    """

    aside: ClassVar[bool] = False

    meta: Meta
    carried: Carried = field(default_factory=Carried, repr=False)
    window: Window | None = None

    def __post_init__(self) -> None:
        """Refuse planes that do not fit each other: compiled code does not look where it reads."""
        kind: Any = type(self)
        shapes = {
            name: plane.shape
            for name in fields_of(kind, Plane)
            if (plane := getattr(self, name)) is not None
        }
        fault = disagreement(kind, shapes)
        if fault:
            raise ShapesDisagree(f"the arrays of this {kind.__name__} do not fit: {fault}")
        size = next((shape[-2:] for shape in shapes.values()), None)
        if self.window is not None and size is not None and size != self.window.shape:
            raise ShapesDisagree(
                f"this {kind.__name__} has {times(size)} rows and columns where "
                f"{times(self.window.shape)} are needed; give one that covers the exposure"
            )

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @property
    def has_planes(self) -> bool:
        """True if it has rows and columns; a table has none."""
        kind: Any = type(self)
        return any(getattr(self, name) is not None for name in fields_of(kind, Plane))

    @property
    def frame(self) -> Window:
        """The part of the frame that the planes hold."""
        if self.window is not None:
            return self.window
        kind: Any = type(self)
        for name in fields_of(kind, Plane):
            plane = getattr(self, name)
            if plane is not None:
                return Window.whole(*plane.shape[-2:])
        raise ValueError(f"{type(self).__name__} holds no plane")

    def cut(self, window: Window) -> Self:
        """Return the record with all planes cut to `window`, as contiguous arrays.

        Planes may be lazy sections of a file, which are read here and only here. A record without
        planes, such as a table, is returned as it is.

        Raises
        ------
        ShapesDisagree
            The window is of a frame of another size.
        """
        return self._cut(window, lambda plane, where: np.ascontiguousarray(plane[..., *where]))

    def unread(self, window: Window) -> Self:
        """Return the record with all planes cut to `window`; those in a file stay there.

        They are read where they are indexed. Otherwise it is as `cut`.
        """

        def part(plane: Any, where: tuple[slice, slice]) -> Any:
            return plane.within(*where) if hasattr(plane, "within") else plane[..., *where]

        return self._cut(window, part)

    def _cut(self, window: Window, part: Callable[[Any, tuple[slice, slice]], Any]) -> Self:
        """Return the record with a part of each plane, if there are any."""
        kind: Any = type(self)
        planes = {name: getattr(self, name) for name in fields_of(kind, Plane)}
        planes = {name: plane for name, plane in planes.items() if plane is not None}
        if not planes:
            return self
        own = self.frame
        if (own.frame_rows, own.frame_columns) != (window.frame_rows, window.frame_columns):
            raise ShapesDisagree(
                f"this {kind.__name__} has {own.frame_rows} x {own.frame_columns} rows and columns "
                f"where {window.frame_rows} x {window.frame_columns} are needed; give one that "
                "covers just the exposure"
            )
        where = window.within(own)
        cuts: dict[str, Any] = {name: part(plane, where) for name, plane in planes.items()}
        return dataclasses.replace(self, window=window, **cuts)

    def fetched(self, window: Window) -> Self:
        """Return the part of the record within `window`, of which nothing is left in a file.

        Sections of a file keep what they read as the file has it, which takes less memory than
        `cut`, and is turned into numbers when it is cut once more. A record without planes, or
        that does not cover the window, is returned as it is.
        """
        kind: Any = type(self)
        planes = {name: getattr(self, name) for name in fields_of(kind, Plane)}
        planes = {name: plane for name, plane in planes.items() if plane is not None}
        if not planes or not self.frame.holds(window):
            return self
        rows, columns = window.within(self.frame)
        cuts: dict[str, Any] = {
            name: plane.fetched(rows, columns)
            if hasattr(plane, "fetched")
            else plane[..., rows, columns]
            for name, plane in planes.items()
        }
        return dataclasses.replace(self, window=window, **cuts)

    @property
    def in_memory(self) -> bool:
        """True if no plane lies in a file."""
        kind: Any = type(self)
        planes = (getattr(self, name) for name in fields_of(kind, Plane))
        return all(plane is None or isinstance(plane, np.ndarray) for plane in planes)

    def loaded(self, *names: str) -> Self:
        """Return the record with every lazy plane read, or only those of some names."""
        if self.in_memory:
            return self
        if not names:
            return self.cut(self.frame)
        read: dict[str, Any] = {name: np.ascontiguousarray(getattr(self, name)) for name in names}
        return self.replace(**read)

    def with_planes(self, change: Callable[[NDArray[Any]], Any]) -> Self:
        """Return the record with what some function makes of each plane in memory."""
        kind: Any = type(self)
        planes = {name: getattr(self, name) for name in fields_of(kind, Plane)}
        changed: dict[str, Any] = {
            name: change(plane) for name, plane in planes.items() if isinstance(plane, np.ndarray)
        }
        return self.replace(**changed)

    def view(self, window: Window) -> Self:
        """Return the record with all planes cut to `window`, without copying a pixel."""
        rows, columns = window.within(self.frame)
        kind: Any = type(self)
        cuts: dict[str, Any] = {
            name: plane[..., rows, columns]
            for name in fields_of(kind, Plane)
            if (plane := getattr(self, name)) is not None
        }
        return dataclasses.replace(self, window=window, **cuts)


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, eq=False)
class Parts(Generic[R]):
    """What is made of one set in several parts.

    Attributes
    ----------
    parts : mapping of str to records
        Each by the word that tells it in the names of files, such as ``ch1-short``; a product that
        is all in one has the word "".
    """

    parts: Mapping[str, R]


def map_records(result: Any, change: Callable[[Any], Any]) -> Any:
    """Apply a change to a record, or to each record of parts or of a dataclass of records."""
    if isinstance(result, Record):
        return change(result)
    if isinstance(result, Parts):
        return Parts({word: change(part) for word, part in result.parts.items()})
    parts = {
        item.name: change(part)
        for item in dataclasses.fields(result)
        if isinstance(part := getattr(result, item.name), Record)
    }
    return dataclasses.replace(result, **parts)
