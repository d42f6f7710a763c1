"""What a product says of how it was made, so that it can be told whether it must be made again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calcore import __version__
from calcore.associations.association import Association
from calcore.io.content import content_of, content_of_record
from calcore.io.files import exposure_root
from calcore.model import Meta, Record
from calcore.parameters import parameters_of
from calcore.pipeline import Pipeline
from calcore.references.resolve import Choice
from calcore.run.assemble import BuiltSlot
from calcore.run.graph import Job
from calcore.run.outcome import SlotOutcome, Status
from calcore.run.request import EITHER, Request
from calcore.run.settings import wished
from calcore.userfiles import read_pairs

NODE = "calcore"
"""Name of the node of the ASDF tree; it holds one record for each pipeline a product went through."""

Tree = dict[str, Any]
_OWN = "default of the step"


def record_tree(
    job: Job,
    request: Request,
    pipeline: Pipeline,
    slots: Sequence[BuiltSlot],
    profile: str,
    states: Mapping[str, Path],
    step: str | None = None,
) -> Tree:
    """Return the record of one pipeline, for a product's ASDF tree.

    It names files without their folders and says what they hold, so that it is the same wherever
    the product is made. `states` are the files of earlier exposures that slots begin with; `step`
    is the single step that was asked for.

    Raises
    ------
    FileProblem
        An input or a reference cannot be read.
    """
    tree: Tree = {
        "version": __version__,
        "pipeline": pipeline.name,
        "profile": profile,
        "asked": asked(request, pipeline, slots, profile),
        "inputs": {
            role: [_input(path, job.told.get(path, {})) for path in paths]
            for role, paths in job.members.items()
        },
        "slots": [_slot(built, states.get(built.slot.name), request.asked_by) for built in slots],
    }
    if step is not None:
        tree["step"] = step
    if job.association is not None:
        tree["association"] = _association(job.association, job.name)
    if request.config is not None and request.config.suffix == ".toml":
        tree["config"] = request.config.read_text(encoding="utf-8")
    if any(choice.origin == "CRDS" for built in slots for choice in built.choices.values()):
        tree["context"] = _context()[0]
    return tree


def _input(path: Path, told: Mapping[str, str]) -> Tree:
    """Return what is told of an input: what it holds, and what the association says of it."""
    item: Tree = {"name": path.name, "content": content_of(path)}
    if told:
        catalogue = Path(told.get("tweakreg_catalog", ""))
        held = {"tweakreg_catalog": content_of(catalogue)} if catalogue.is_file() else {}
        item["told"] = {**told, **held}
    return item


def asked(request: Request, pipeline: Pipeline, slots: Sequence[BuiltSlot], profile: str) -> Tree:
    """Return what of a request has a say in a pipeline's products, and is not left as it is."""
    here = {built.slot.name for built in slots}
    wanted = {kind for built in slots for kind in built.choices}
    settings = {
        slot: own
        for slot, values in wished(request, pipeline.name).items()
        if slot in here and (own := {k: _plain(v) for k, v in values.items() if k != "save"})
    }
    references = {
        kind: _called(value) for kind, value in request.references.items() if kind in wanted
    }
    wishes = {
        "profile": profile if profile != "default" else None,
        "settings": settings,
        "references": references,
        "from": request.start,
        "until": request.until,
        "with": list(request.packages),
        "config": str(request.config.absolute()) if request.config is not None else None,
    }
    return {name: value for name, value in wishes.items() if value}


def keywords(
    meta: Meta, pipeline: Pipeline, slots: Sequence[BuiltSlot], association: Association | None
) -> Tree:
    """Return the changes to a product's metadata that tell where it comes from."""
    changes = {name: value for name, value in pipeline.header.items() if name not in meta}
    changes["calibration_software_version"] = __version__
    changes["calibration_software_revision"] = "RELEASE"
    if catalogue := meta.get("tweakreg_catalog"):  # which was found beside the association
        changes["tweakreg_catalog"] = Path(catalogue).name
    if pipeline.stage == "1":
        changes["filetype"] = None  # raw files say here that they are raw
    if association is not None:
        changes["asn.table_name"] = association.path.name
        changes["asn.pool_name"] = association.pool
    elif pipeline.stage != "1":
        changes["asn.table_name"] = changes["asn.pool_name"] = "singleton"
    if any(choice.origin == "CRDS" for built in slots for choice in built.choices.values()):
        changes["ref_file.crds.context_used"], changes["ref_file.crds.sw_version"] = _context()
    return changes


def as_it_went(tree: Tree, outcomes: Iterable[SlotOutcome], *, ended: bool = True) -> Tree:
    """Return a record that tells of steps that went otherwise than was planned, and why.

    An optional step may have failed, or have found at work that there is nothing for it to do. Of
    the product that is written when all steps have `ended`, those that were not come to are told too:
    an error has kept them from it, and a later run has to make it again.
    """
    went = {outcome.name: outcome for outcome in outcomes}
    return {
        **tree,
        "slots": [_as_it_went(slot, went.get(slot["name"]), ended) for slot in tree["slots"]],
    }


def _as_it_went(slot: Tree, went: SlotOutcome | None, ended: bool) -> Tree:
    if slot["status"] == "skipped":
        return slot
    if went is None:
        return {**slot, "status": "not done"} if ended else slot
    if went.status is Status.COMPLETE:
        return slot
    return {**slot, "status": went.status.value, "reason": went.reason, "tried": True}


def differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return in what two records of one pipeline differ, in words; nothing if in nothing.

    Names of inputs, and who gave a setting its value, make no difference.
    """
    return [
        *_of_inputs(there.get("inputs", {}), wanted.get("inputs", {})),
        *_of_slots(there.get("slots", ()), wanted.get("slots", ())),
    ]


def _context() -> tuple[str, str]:
    from calcore.references.crds_store import context  # noqa: PLC0415 - heavy

    return context()


def _association(association: Association, product: str) -> Tree:
    """Return what is needed to write an association of one product again."""
    name, members = next(
        (item.name, item.members)
        for item in association.products
        if product in (item.name, *(exposure_root(member.file) for member in item.members))
    )
    return {
        "name": association.path.name,
        "product": name,
        "type": association.type,
        "identity": association.identity,
        "pool": association.pool,
        "members": [
            {
                "name": Path(item.file).name,
                "role": item.role,
                **({"group": item.group} if item.group else {}),
                **({"catalogue": Path(item.catalogue).name} if item.catalogue else {}),
            }
            for item in members
        ],
    }


def _slot(built: BuiltSlot, state: Path | None, asker: str) -> Tree:
    tree: Tree = {
        "name": built.slot.name,
        "use": built.slot.use,
        "source": built.source,
        "status": "skipped" if built.skip else "complete",
        "reason": built.skip.replace(asker, EITHER),
        "settings": {name: _plain(value.value) for name, value in built.values.items()},
        "origins": {
            n: EITHER if v.origin == asker else v.origin
            for n, v in built.values.items()
            if v.origin != _OWN
        },
        "references": {kind: choice.name for kind, choice in built.choices.items()},
    }
    contents = {kind: what for kind, choice in built.choices.items() if (what := _content(choice))}
    contents |= {name: content_of(path) for name, path in _named(built)}
    if state is not None:
        tree["state"] = state.name
        gathers = built.slot.runs("save_state")
        if gathers is None or Path(gathers).absolute() != state.absolute():
            contents["state"] = content_of(state)  # else the run itself changes it
    if contents:
        tree["contents"] = contents
    if built.slot.runs("save"):
        tree["saved"] = True
    return tree


def _named(built: BuiltSlot) -> Iterator[tuple[str, Path]]:
    """Yield files that the header names, or a setting, by argument or name of the setting."""
    yield from ((name, path) for name, path in built.given.items() if isinstance(path, Path))
    kind: Any = type(built.step)
    known = parameters_of(kind) if built.step is not None and not built.skip else {}
    for name, parameter in known.items():
        value = getattr(built.step, name)
        if parameter.file is None or not value or not (path := Path(value)).is_file():
            continue
        yield name, path
        for _, listed in read_pairs(value) if parameter.file.lists else ():
            if listed and (path.parent / listed).is_file():
                yield f"{listed} of {name}", path.parent / listed


def _content(choice: Choice) -> str:
    """Return what a reference holds; nothing for N/A."""
    if choice.file is not None:
        return content_of(choice.file)
    return content_of_record(choice.value) if choice.applies else ""


def _called(value: Any) -> str:
    """Return how a reference that the user gave is named."""
    if isinstance(value, Record):
        return f"<{type(value).__name__}>"
    return "N/A" if str(value).upper() == "N/A" else str(Path(value).absolute())


def _plain(value: Any) -> Any:
    """Return a value as ASDF keeps it."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Path):
        return str(value)
    return value


def _of_inputs(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for role in sorted({*there, *wanted}):
        held = there.get(role, ())
        if len(held) != len(wanted.get(role, ())):
            yield f"it had {len(held)} {role} inputs, and has {len(wanted.get(role, ()))}"
            continue
        for old, item in zip(held, wanted.get(role, ()), strict=True):
            if old["content"] == item["content"]:
                pass  # whatever it is called
            elif old["name"] != item["name"]:
                yield f"it was made of {old['name']}, and is of {item['name']}"
            else:
                yield f"the input {item['name']} has changed"
            if old.get("told", {}) != item.get("told", {}):
                yield f"what the association says of {item['name']} has changed"


def _of_slots(
    there: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    before = {slot["name"]: slot for slot in there}
    now = {slot["name"]: slot for slot in wanted}
    for name in (*before, *(name for name in now if name not in before)):
        if name not in now:
            yield f"{name} is no longer done"
        elif name not in before:
            yield f"{name} is done as well"
        else:
            yield from _of_slot(name, before[name], now[name])
    if list(before) != list(now) and before.keys() == now.keys():
        yield "the steps are done in another order"


def _of_slot(name: str, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield how one step would be done otherwise."""
    for key, what in (("use", "was done by"), ("source", "was brought by")):
        if there.get(key) != wanted[key]:
            yield f"{name} {what} {there.get(key)}, and is by {wanted[key]}"
    tried = wanted["status"] == "complete" and there.get("tried", False)
    if there.get("status") != wanted["status"] and not tried:  # it would end like that again
        reason = f" ({wanted['reason']})" if wanted["reason"] else ""
        yield f"{name} was {there.get('status')}, and is {wanted['status']}{reason}"
    if wanted.get("saved") and not there.get("saved"):
        yield f"the result of {name} was not saved"
    for key, what in (("settings", ""), ("references", " reference"), ("contents", "")):
        old, new = there.get(key, {}), wanted.get(key, {})
        for item in (*old, *(item for item in new if item not in old)):
            if old.get(item) == new.get(item):
                continue
            if key != "contents":
                was, now = (repr(values[item]) if item in values else "not there"
                            for values in (old, new))  # fmt: skip
                yield f"{name}.{item}{what} was {was}, and is {now}"
            elif item == "state":
                yield f"what {name} goes on from has changed"
            elif item not in {**there["references"], **wanted["references"]}:
                yield f"the file {item} of {name} has changed"
            elif there["references"].get(item) == wanted["references"][item]:
                yield f"the {item} reference of {name} has changed"
