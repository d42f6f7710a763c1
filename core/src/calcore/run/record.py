"""What a product says of how it was made, so that it can be told whether it must be made again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calcore import __version__, io
from calcore.associations.association import Association
from calcore.errors import CalcoreError
from calcore.model import Meta
from calcore.pipeline import Pipeline
from calcore.run.assemble import BuiltSlot

NODE = "calcore"
"""Name of the node of the ASDF tree; it holds one record for each pipeline a product went through."""


def record_tree(
    pipeline: Pipeline, slots: Sequence[BuiltSlot], profile: str, states: Mapping[str, str]
) -> dict[str, Any]:
    """Return the record of one pipeline, for a product's ASDF tree.

    `states` are the files of earlier exposures that slots have begun with.
    """
    return {
        "version": __version__,
        "pipeline": pipeline.name,
        "profile": profile,
        "slots": [
            {
                "name": built.slot.name,
                "use": built.slot.use,
                "source": built.source,
                "status": "skipped" if built.skip else "complete",
                "reason": built.skip,
                "settings": {name: _plain(value.value) for name, value in built.values.items()},
                "references": {kind: choice.name for kind, choice in built.choices.items()},
                **({"state": states[built.slot.name]} if built.slot.name in states else {}),
            }
            for built in slots
        ],
    }


def keywords(
    meta: Meta, pipeline: Pipeline, slots: Sequence[BuiltSlot], association: Association | None
) -> dict[str, Any]:
    """Return the changes to a product's metadata that tell where it comes from."""
    changes = {name: value for name, value in pipeline.header.items() if name not in meta}
    changes["calibration_software_version"] = __version__
    changes["calibration_software_revision"] = "RELEASE"
    if pipeline.stage == "1":
        changes["filetype"] = None  # raw files say here that they are raw
    if association is not None:
        changes["asn.table_name"] = association.path.name
        changes["asn.pool_name"] = association.pool
    elif pipeline.stage != "1":
        changes["asn.table_name"] = changes["asn.pool_name"] = "singleton"
    if any(choice.origin == "CRDS" for built in slots for choice in built.choices.values()):
        from calcore.references.crds_store import context  # noqa: PLC0415 - heavy

        changes["ref_file.crds.context_used"], changes["ref_file.crds.sw_version"] = context()
    return changes


def same_record(path: Path, pipeline: str, tree: Mapping[str, Any], inputs: Sequence[Path]) -> bool:
    """Tell whether a product was made as `tree` says, after the last change of its inputs."""
    try:
        made = path.stat().st_mtime
        if any(source.exists() and source.stat().st_mtime > made for source in inputs):
            return False
        return bool(io.read_node(path, NODE).get(pipeline) == tree)
    except (OSError, CalcoreError):
        return False


def _plain(value: Any) -> Any:
    """Return a value as ASDF keeps it."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return value
