"""Planes of a record in a file: where they are, which shape they must have, what fills a gap."""

from typing import Any

import numpy as np

from calcore.errors import FileInvalid
from calcore.io._hdu import Contents, Extension
from calcore.io._section import Filled, Section, Translation
from calcore.io._strips import SharedSection
from calcore.model import Reference
from calcore.model.layout import Array, Plane, disagreement, fields_of, times

_STORED = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


def section(
    extension: Extension,
    dtype: str,
    translate: Translation | None = None,
    kind: type[Section] = Section,
) -> Section | np.ndarray[Any, Any]:
    """Return an image extension as a section of its file, in the element type that is wanted."""
    header = extension.header
    path = extension.source.path
    if extension.is_compressed:
        image = _decompressed(extension).astype(dtype)
        return image if translate is None else translate(image)
    if extension.kind != "IMAGE":
        raise FileInvalid(
            path, f"{extension.name} is a {extension.kind}, not an image; give another file"
        )
    scale, zero = header.get("BSCALE") or 1, header.get("BZERO") or 0
    if not (isinstance(scale, int | float) and isinstance(zero, int | float)):
        raise FileInvalid(
            path,
            f"BSCALE and BZERO of {extension.name} are {scale!r} and {zero!r}, but must be numbers; "
            "correct the header",
        )
    return kind(
        extension.source,
        extension.offset,
        np.dtype(_STORED[int(header["BITPIX"])]),
        extension.shape,
        np.dtype(dtype),
        scale=scale,
        zero=zero,
        translate=translate,
    )


def _decompressed(extension: Extension) -> np.ndarray[Any, Any]:
    """Return an image that is compressed tile by tile."""
    from astropy.io import fits  # noqa: PLC0415 - slow to import, and hardly ever needed

    with fits.open(extension.source.path) as file:
        return np.array(file[extension.name, extension.version].data)


def planes_of(
    contents: Contents, kind: Any, translate: Translation | None = None
) -> dict[str, Any]:
    """Return the planes and arrays of a record as sections of a file.

    Parameters
    ----------
    contents : Contents
        The file.
    kind : record class
        What is read; its annotations say which extensions.
    translate : callable, optional
        Renumbers the flags of planes whose extension is called ``DQ``.

    Returns
    -------
    dict
        Field name to `Section`, `Filled` or None.

    Raises
    ------
    FileInvalid
        A required extension is missing, or a shape does not fit.
    """
    found: dict[str, Any] = {}
    main: tuple[Plane, tuple[int, ...]] | None = None
    sections = SharedSection if issubclass(kind, Reference) else Section
    for name, plane in fields_of(kind, Plane).items():
        extension = contents.find(plane.extension)
        if extension is None or not extension.shape:
            if plane.required:
                raise FileInvalid(
                    contents.source.path, _lacks(contents, plane.extension, kind.__name__)
                )
            if plane.fill is None or main is None:
                found[name] = None
            else:
                found[name] = Filled(_shape(plane, *main), np.dtype(plane.dtype), plane.fill)
            continue
        flags = translate if plane.extension == "DQ" else None
        found[name] = section(extension, plane.dtype, flags, sections)
        shape = found[name].shape
        if 0 in shape:
            raise FileInvalid(
                contents.source.path,
                f"{plane.extension} is {times(shape)} (slowest axis first), so it holds nothing; "
                "give another file",
            )
        if main is None:
            _check_axes(contents, plane, shape, kind)
            main = plane, shape
    shapes = {name: plane.shape for name, plane in found.items() if plane is not None}
    fault = disagreement(kind, shapes)
    if fault:
        raise FileInvalid(contents.source.path, f"{fault}; make the file again")
    for name, array in fields_of(kind, Array).items():
        extension = contents.find(array.extension)
        if extension is None and array.required:
            raise FileInvalid(
                contents.source.path, _lacks(contents, array.extension, kind.__name__)
            )
        flags = translate if array.extension == "DQ" else None
        found[name] = section(extension, array.dtype, flags)[...] if extension is not None else None
    return found


def _lacks(contents: Contents, extension: str, kind: str) -> str:
    """Return the sentence for a missing extension."""
    there = ", ".join(e.name for e in contents.extensions[1:]) or "no extension"
    return (
        f"has no extension {extension}, which a file of type {kind} needs; it holds {there}. "
        "Give another file"
    )


def _check_axes(contents: Contents, plane: Plane, shape: tuple[int, ...], kind: Any) -> None:
    """Check the number of axes; integrations may come on top of images and of groups."""
    bare = issubclass(kind, Reference) and plane.axes == ("y", "x") and not plane.stacked
    most = len(plane.axes) + (len(plane.axes) < 4 and not bare)
    if not len(plane.axes) <= len(shape) <= most:
        raise FileInvalid(
            contents.source.path,
            f"{plane.extension} has {len(shape)} axes; a file of type {kind.__name__} has "
            f"{len(plane.axes)} ({', '.join(plane.axes)}). Give another file",
        )


def _shape(plane: Plane, main: Plane, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a missing plane: that of the main plane along the axes both have."""
    if plane.axes == main.axes:
        return shape
    sizes = dict(zip(main.axes[::-1], shape[::-1], strict=False))
    return tuple(sizes.get(axis, 1) for axis in plane.axes)
