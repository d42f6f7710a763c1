"""Parameter references: settings of steps that CRDS hands out for an exposure, as ``pars-*`` files.

Their types are named after the reference pipeline's classes: ``pars-jumpstep`` for a step,
``pars-detector1pipeline`` for a pipeline and all its steps. Both are ASDF trees with a node
``parameters``, those of a pipeline with a list ``steps`` as well
(https://jwst-pipeline.readthedocs.io/en/latest/jwst/stpipe/config_asdf.html).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calcore import io
from calcore.errors import ReferenceInvalid, ReferenceMissing
from calcore.model import Meta
from calcore.references.resolve import choose

# The variable by which users of the reference pipeline do without them.
SWITCH = "STPIPE_DISABLE_CRDS_STEPPARS"
PREFIX = "pars-"
# Slots whose class has another name.
_CLASSES = {
    "bkg_subtract": "background",
    "imprint_subtract": "imprint",
    "msa_flagging": "msaflagopen",
    "srctype": "sourcetype",
}

Settings = dict[str, dict[str, Any]]
Finder = Callable[[str, Meta], "tuple[Any, str] | None"]


def switched_off() -> bool:
    """Tell whether the user does without parameter references."""
    return os.environ.get(SWITCH, "").strip().lower() in {"1", "t", "true", "y", "yes"}


def type_of_step(slot: str) -> str:
    """Return the reference type of a slot's parameters."""
    return f"{PREFIX}{_CLASSES.get(slot, slot.replace('_', ''))}step"


def parameter_references(
    pipeline: str,
    slots: Sequence[str],
    meta: Meta,
    overrides: Mapping[str, tuple[Any, str]],
    find: Finder,
) -> tuple[list[tuple[str, Settings]], tuple[str, ...]]:
    """Return settings and their origins, lowest first: steps' files, then the pipeline's own.

    Parameters
    ----------
    pipeline : str
        Name of the pipeline.
    slots : sequence of str
        Names of its slots; settings of others are left out.
    meta : Meta
        Metadata of the exposure.
    overrides : mapping
        Files that the user named, by type.
    find : callable
        Asks plugins and CRDS for references.

    Returns
    -------
    layers : list of (str, dict)
        File names, and ``{slot: {parameter: value}}``.
    notes : tuple of str
        What could not be asked.

    Raises
    ------
    FileInvalid, ReferenceInvalid
        A file is not ASDF, or not a parameter file.
    """
    wanted = {type_of_step(slot): slot for slot in slots}
    layers: list[tuple[str, Settings]] = []
    for kind in (*wanted, f"{PREFIX}{pipeline.replace('-', '')}pipeline"):
        try:
            choice = choose(kind, meta, overrides, find)
        except ReferenceMissing as error:
            if kind in overrides:
                raise
            return layers, (f"parameter references are not looked at: {error}",)
        if choice.applies:
            found = _settings(Path(choice.value), wanted.get(kind))
            layers.append((choice.name, {n: own for n, own in found.items() if n in slots}))
    return layers, ()


def read_settings(path: Path, slots: Sequence[str]) -> tuple[str | None, Settings]:
    """Read a parameter file that a user names: a step's, or a pipeline's with its steps'.

    Parameters
    ----------
    path : Path
        The file, as the reference pipeline's ``--save-parameters`` writes it.
    slots : sequence of str
        Names of slots, to one of which a step's class belongs.

    Returns
    -------
    pipeline : str or None
        The pipeline's class in lower case without its ending; None for a step's file.
    settings : dict
        ``{slot: {parameter: value}}``; what is set for a pipeline itself stands under "".

    Raises
    ------
    FileInvalid, ReferenceInvalid
        It is not ASDF, or no parameter file of a step or pipeline.
    """
    tree = io.read_asdf_tree(path)
    kind = str(tree.get("class", "")).rpartition(".")[2].lower()
    if kind.endswith("pipeline"):
        own = tree.get("parameters") or {}
        return kind.removesuffix("pipeline"), {"": dict(own), **_settings(path, None)}
    classes = {type_of_step(slot): slot for slot in slots}
    slot = classes.get(f"{PREFIX}{kind}")
    if slot is None:
        raise ReferenceInvalid(
            f"{path}: the class {tree.get('class')!r} is of no step or pipeline that calcore knows; "
            "give a parameter file of the reference pipeline"
        )
    return None, _settings(path, slot)


def _settings(path: Path, slot: str | None) -> Settings:
    """Read a step's file, or a pipeline's."""
    tree = io.read_asdf_tree(path)
    if slot is not None:
        return {slot: _parameters(path, tree)}
    steps = tree.get("steps") or []
    if not (isinstance(steps, list) and all(isinstance(step, dict) for step in steps)):
        raise ReferenceInvalid(f"{path}: the node steps is no list of steps; give a parameter file")
    return {str(step.get("name")): _parameters(path, step) for step in steps}


def _parameters(path: Path, node: Any) -> dict[str, Any]:
    parameters = node.get("parameters") if isinstance(node, dict) else None
    if not isinstance(parameters, dict):
        raise ReferenceInvalid(
            f"{path} has no node parameters; give a parameter file (class, name, parameters)"
        )
    return dict(parameters)
