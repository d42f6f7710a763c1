"""Whether a reference file can be read to its last number."""

from pathlib import Path
from typing import Any

import numpy as np

from calcore import io
from calcore.errors import ReferenceInvalid
from calcore.model import Reference
from calcore.model.layout import Plane, fields_of


def examine(path: Path, kind: type[Reference]) -> str:
    """Read a reference file wholly and return what it holds, for people to read.

    Parameters
    ----------
    path : Path
        The file.
    kind : reference class
        What it should be.

    Raises
    ------
    ReferenceInvalid, ReferenceMissing, FileTruncated
        It is not of this type, is not there, is cut short, or a plane of it has no finite number.
    """
    reference: Any = io.open_reference(path, kind)
    chosen: Any = kind
    said = []
    for name in fields_of(chosen, Plane):
        plane = getattr(reference, name)
        if plane is None:
            continue
        shape = " x ".join(str(size) for size in plane.shape)
        if not np.issubdtype(plane.dtype, np.floating):
            np.asarray(plane[...])
            said.append(f"{name} {shape}")
            continue
        finite = float(np.mean(np.isfinite(plane[...])))
        if finite == 0:
            raise ReferenceInvalid(
                f"reference {kind.type}: {path}: {name} has no finite number; give another file"
            )
        said.append(f"{name} {shape}" + (f", {finite:.1%} finite" if finite < 1 else ""))
    return "; ".join(said) or "no planes"
