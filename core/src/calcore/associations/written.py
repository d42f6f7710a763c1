"""Association files, as the reference pipeline writes them."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcore.associations.made import Made
from calcore.errors import OutputProblem
from calcore.io import write_text


@dataclass(frozen=True)
class Written:
    """An association and its file; `new` tells whether the file has changed, or would."""

    made: Made
    path: Path
    new: bool


def content_of(made: Made, folder: Path, program: str) -> dict[str, Any]:
    """Return what the file of an association in a folder holds.

    Members are named as the reference pipeline does, without folder, unless their exposures are in
    another one: then by the way from there. `program` is what made it, with its version.
    """
    members = []
    for member, own in zip(made.product.members, made.exposures, strict=True):
        way = os.path.relpath(own.folder, folder)
        entry = {
            "expname": member.file if way == os.curdir else str(Path(way) / member.file),
            "exptype": member.role,
            "exposerr": None,
        }
        if made.level == 3:
            entry["asn_candidate"] = f"[('o{own.observation}', 'observation')]"
        members.append(entry)
    return {
        "asn_type": made.type,
        "asn_rule": made.rule,
        "version_id": None,
        "code_version": program,
        "degraded_status": "No known degraded exposures in association.",
        "program": made.program,
        "constraints": "No constraints",
        "asn_id": made.identity,
        "target": made.target,
        "asn_pool": "none",
        "products": [{"name": made.product.name, "members": members}],
    }


def write(
    associations: Iterable[Made],
    folder: Path,
    program: str,
    *,
    replace: bool = False,
    dry: bool = False,
) -> list[Written]:
    """Write each association to its file; those that are there already with the same products are kept.

    Parameters
    ----------
    associations
        What to write.
    folder
        Where to; it is made if need be.
    program
        What makes them, with its version.
    replace
        Replace files that hold other products.
    dry
        Write nothing.

    Raises
    ------
    OutputProblem
        A file holds other products and may not be replaced; nothing has been written then. Or it
        cannot be written.
    """
    texts = []
    for made in associations:
        content = content_of(made, folder, program)
        path = folder / made.file
        same = _products(path) == content["products"]
        if os.path.lexists(path) and not (same or replace or dry):
            raise OutputProblem(
                path, "is there already and holds other products; use --force to replace it"
            )
        texts.append((Written(made, path, new=not same), content))
    if not dry:
        folder.mkdir(parents=True, exist_ok=True)
        for written, content in texts:
            if written.new:
                write_text(json.dumps(content, indent=4) + "\n", written.path)
    return [written for written, _ in texts]


def _products(path: Path) -> Sequence[Any] | None:
    """Return the products that a file holds; None if there are none to be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content.get("products") if isinstance(content, dict) else None
