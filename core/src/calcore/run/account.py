"""The account of one product in a run's manifest: from what, by which steps, with what, how long."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from calcore.errors import CalcoreError
from calcore.run.assemble import BuiltSlot
from calcore.run.graph import Job
from calcore.run.outcome import SlotOutcome, Status
from calcore.run.record import Tree


class Prepared(Protocol):
    """A job of which is known how its product is made."""

    job: Job
    slots: tuple[BuiltSlot, ...]

    @property
    def tree(self) -> Tree:
        """The product's record."""


def account_of(shop: Prepared, ended: Sequence[SlotOutcome]) -> Tree:
    """Return what a manifest says of how a product is made, as plain values.

    It is the product's record, with places of files, who chose references, and how each step ended
    that was begun.
    """
    try:
        tree = shop.tree
    except CalcoreError:  # a file cannot be read; the outcome says so
        return {}
    outcomes = {outcome.name: outcome for outcome in ended}
    steps = [
        _step(slot, built, outcomes.get(built.slot.name))
        for slot, built in zip(tree["slots"], shop.slots, strict=True)
    ]
    kept = {name: tree[name] for name in _KEPT if name in tree}
    if shop.job.association is not None:
        place = str(shop.job.association.path.absolute())
        kept["association"] = {**tree["association"], "path": place}
    return {**kept, "inputs": _inputs(tree["inputs"], shop.job.members), "steps": steps}


_KEPT = ("version", "profile", "asked", "context", "association", "config")


def record_of(account: Mapping[str, Any]) -> Tree:
    """Return the record that a product of an account has, as far as accounts tell."""
    slots = []
    for step in account["steps"]:
        references = step["references"]
        contents = {kind: item["content"] for kind, item in references.items() if item["content"]}
        contents |= step.get("files", {})
        if step.get("state", {}).get("content"):
            contents["state"] = step["state"]["content"]
        slots.append(
            {
                "name": step["name"],
                "use": step["use"],
                "source": step["source"],
                "status": "skipped" if step["skipped"] else "complete",
                "reason": step["skipped"],
                "settings": {name: item["value"] for name, item in step["settings"].items()},
                "references": {kind: item["name"] for kind, item in references.items()},
                **({"contents": contents} if contents else {}),
            }
        )
    kept = {name: account[name] for name in _KEPT if name in account}
    return {**kept, "inputs": account["inputs"], "slots": slots}


def _inputs(inputs: Mapping[str, Any], members: Mapping[str, Sequence[Path]]) -> Tree:
    return {
        role: [
            {**item, "path": str(path.absolute())}
            for item, path in zip(items, members[role], strict=True)
        ]
        for role, items in inputs.items()
    }


def _step(slot: Mapping[str, Any], built: BuiltSlot, outcome: SlotOutcome | None) -> Tree:
    contents = slot.get("contents", {})
    references = {}
    for kind, choice in built.choices.items():
        references[kind] = {
            "name": choice.name,
            "origin": choice.origin,
            "path": str(choice.file.absolute()) if choice.file is not None else None,
            "content": contents.get(kind, ""),
        }
    step: Tree = {
        "name": slot["name"],
        "use": slot["use"],
        "source": slot["source"],
        "skipped": slot["reason"],
        "settings": {
            name: {"value": value, "origin": built.values[name].origin}
            for name, value in slot["settings"].items()
        },
        "references": references,
    }
    idle = slot["reason"] or (outcome is not None and outcome.status is Status.SKIPPED)
    if built.step is not None and not idle and built.step.cited:
        step["cites"] = list(built.step.cited)
    files = {name: what for name, what in contents.items() if name not in {*references, "state"}}
    if files:
        step["files"] = files
    if "state" in slot:
        step["state"] = {"name": slot["state"], "content": contents.get("state", "")}
    if outcome is not None:
        step["status"] = outcome.status.value
        step["seconds"] = round(outcome.seconds, 4)
        if outcome.reason:
            step["reason"] = outcome.reason
        if outcome.flagged:
            step["flagged"] = dict(outcome.flagged)
    return step
