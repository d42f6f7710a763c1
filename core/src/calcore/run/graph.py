"""Which products to make, from what, in which order."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calcore.associations.association import Association, Member, Product
from calcore.errors import AssociationInvalid, CalcoreError
from calcore.instrument import Instrument
from calcore.io import files
from calcore.model import Meta
from calcore.registry.questions import ALIASES
from calcore.run.alike import (
    check_background,
    check_one_filter,
    check_one_instrument,
    check_one_type,
)
from calcore.run.inputs import BESIDE, PRODUCTS, TAKEN, Exposure, Inventory

STAGES = ("1", "2", "3")
# What the next stage takes of what a stage makes.
HANDED_ON = {"1": "rate", "2": "cal"}


@dataclass(frozen=True, eq=False)
class Job:
    """One product to make: an association product times a pipeline.

    `members` maps each role to the files to work on; a file that is not there yet is made by the
    job in `needs`. `association` is None for an exposure that none names. `error` says why the
    product cannot be made at all. `states` names, for slots whose step has state, the file that the
    previous exposure of the detector leaves. `told` is what the association says of members, by
    their files: metadata that theirs gives way to. `metas` are those of all exposures to work on.
    """

    key: str
    name: str
    stage: str
    pipeline: str
    instrument: str
    meta: Meta
    members: Mapping[str, tuple[Path, ...]]
    folder: Path
    association: Association | None = None
    needs: frozenset[str] = frozenset()
    error: CalcoreError | None = None
    states: Mapping[str, Path] = field(default_factory=dict)
    told: Mapping[Path, Mapping[str, str]] = field(default_factory=dict)
    metas: tuple[Meta, ...] = ()

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files the job reads, science first."""
        science = self.members.get("science", ())
        others = [
            path for role, paths in self.members.items() if role != "science" for path in paths
        ]
        return (*science, *others)


@dataclass
class Graph:
    """Jobs in an order in which each comes after those it needs."""

    jobs: dict[str, Job] = field(default_factory=dict)

    def add(self, job: Job) -> Job:
        """Add a job unless it is there already."""
        return self.jobs.setdefault(job.key, job)


@dataclass(frozen=True)
class Plan:
    """What `graph` needs to know of the request."""

    stages: tuple[str, ...]
    output: Path | None
    pipeline: str | None
    instruments: Mapping[str, Instrument | CalcoreError]


def graph(found: Inventory, plan: Plan) -> Graph:
    """Return the products that the asked stages make of what was found.

    An association that cannot be followed is added to what was found amiss.
    """
    made = Graph()
    for exposure in found.exposures.values():
        if exposure.between:
            _after_a_step(made, exposure, plan)
            continue
        if "1" in plan.stages and ("uncal" in exposure.files or plan.pipeline is not None):
            _stage1(made, exposure, plan)
        if "2" in plan.stages and _can_make(exposure, "rate", plan):
            if _goes_on(exposure, plan):
                _stage2(made, found, exposure, plan)
            elif plan.stages == ("2",):  # so that the user is told
                made.add(_job(exposure, plan, "2", {"science": (exposure.rawest,)}))
    if "3" in plan.stages:
        for association in found.associations:
            if association.stage == "3":
                for product in association.products:
                    try:
                        _stage3(made, found, association, product, plan)
                    except AssociationInvalid as error:
                        found.problems.append((association.path, error))
    return made


def _goes_on(exposure: Exposure, plan: Plan) -> bool:
    """Tell whether there is anything to do after stage 1; for a dark there is not."""
    assert exposure.meta is not None
    instrument = plan.instruments[exposure.meta.instrument]
    if isinstance(instrument, CalcoreError):
        return True
    known = instrument.exposure_types.get(exposure.meta.exposure_type)
    return known is None or known.last_stage != "1"


def _can_make(exposure: Exposure, suffix: str, plan: Plan) -> bool:
    """Tell whether a file is there or can be made of a rawer one."""
    del plan
    order = list(TAKEN)
    return any(name in exposure.files for name in order[: order.index(suffix) + 1]) or (
        suffix == "rate" and "rateints" in exposure.files
    )


def _rate(exposure: Exposure, plan: Plan) -> str:
    """Return what stage 2 takes of an exposure: its mean rate, or that of each integration."""
    assert exposure.meta is not None
    instrument = plan.instruments[exposure.meta.instrument]
    if isinstance(instrument, CalcoreError):
        return "rate"
    try:
        meta = exposure.meta.with_facts(instrument.facts(exposure.meta))
        apart = meta.is_time_series or meta.facts.exposure_type.data.get("integrations", False)
    except CalcoreError:  # which the job will tell
        return "rate"
    return "rateints" if apart else "rate"


def _folder(exposure: Exposure, plan: Plan) -> Path:
    return plan.output or next(iter(exposure.files.values())).parent


def _job(
    exposure: Exposure,
    plan: Plan,
    stage: str,
    members: Mapping[str, tuple[Path, ...]],
    **more: object,
) -> Job:
    """Return a job of an exposure; a mode without pipeline becomes a job with an error.

    So does one whose association asks for another pipeline than the exposure goes through.
    """
    assert exposure.meta is not None
    meta = exposure.meta
    pipeline, error = plan.pipeline or "", None
    instrument = plan.instruments[meta.instrument]
    if isinstance(instrument, CalcoreError):
        error = instrument
    else:
        try:
            meta = meta.with_facts(instrument.facts(meta))
            check_pipeline(exposure, plan, stage)
            pipeline = pipeline or instrument.pipeline_of(meta, stage)
            _check_purpose(more.get("association"), pipeline, plan, meta)
        except CalcoreError as problem:
            error = problem
    values: dict[str, object] = {
        "key": f"{exposure.root}:{stage}",
        "name": exposure.root,
        "stage": stage,
        "pipeline": pipeline,
        "instrument": meta.instrument,
        "meta": meta,
        "members": members,
        "folder": _folder(exposure, plan),
        "error": error,
        "metas": (meta,),
        **more,
    }
    return Job(**values)  # type: ignore[arg-type]  # every value has its field's type


def check_pipeline(exposure: Exposure, plan: Plan, stage: str) -> None:
    """Check that the pipeline which the user names, if one, is not one of other exposures.

    Raises
    ------
    ModeNotSupported
        It is.
    """
    assert exposure.meta is not None
    instrument = plan.instruments[exposure.meta.instrument]
    if plan.pipeline is not None and not isinstance(instrument, CalcoreError):
        name = ALIASES.get(plan.pipeline, plan.pipeline)
        instrument.check_pipeline(name, exposure.meta, stage)


def _check_purpose(association: object, pipeline: str, plan: Plan, meta: Meta) -> None:
    """Check that an association, if there is one, is for the pipeline of its exposures."""
    if not isinstance(association, Association) or plan.pipeline is not None:
        return
    if association.pipeline not in {"", pipeline}:
        raise AssociationInvalid(
            f"{association.path}: its asn_type is {association.type}, which asks for the pipeline "
            f"{association.pipeline}, but {meta.exposure_type} exposures go through {pipeline} in "
            "this version; take another association, or name the --pipeline"
        )


def _stage1(made: Graph, exposure: Exposure, plan: Plan) -> Job:
    return made.add(_job(exposure, plan, "1", {"science": (exposure.rawest,)}))


def _after_a_step(made: Graph, exposure: Exposure, plan: Plan) -> None:
    """Add the job of a step that goes on from what another one has left."""
    stage = exposure.between if _goes_on(exposure, plan) else "1"
    if plan.pipeline is not None:
        (stage,) = plan.stages
    if stage in plan.stages:
        made.add(_job(exposure, plan, stage, {"science": (exposure.rawest,)}))


def _made_or_there(
    made: Graph, found: Inventory, exposure: Exposure, suffix: str, plan: Plan
) -> tuple[Path, str | None]:
    """Return the path of a member's file, and the key of the job that makes it, if one must."""
    rates = ("rate", "rateints")
    stage = "1" if suffix in rates else "2"
    planned = f"{exposure.root}:{stage}" in made.jobs or (
        stage in plan.stages and "uncal" in exposure.files
    )
    if suffix in exposure.files and not planned:
        return exposure.files[suffix], None
    there = [exposure.files[name] for name in rates if name in exposure.files]
    if suffix in rates and there and "uncal" not in exposure.files:
        return there[0], None
    job = _stage1(made, exposure, plan) if stage == "1" else _stage2(made, found, exposure, plan)
    return job.folder / f"{job.name}_{suffix}.fits", job.key


def _stage2(made: Graph, found: Inventory, exposure: Exposure, plan: Plan) -> Job:
    key = f"{exposure.root}:2"
    if key in made.jobs:
        return made.jobs[key]
    own = found.assigned.get(exposure.root)
    suffix = (own.suffix if own is not None else "") or _rate(exposure, plan)
    path, need = _made_or_there(made, found, exposure, suffix, plan)
    members: dict[str, tuple[Path, ...]] = {"science": (path,)}
    needs = {need} if need else set()
    more: dict[str, object] = {}
    if own is not None:
        more = {"name": own.name, "association": own.association}
        more |= {"error": own.error} if own.error is not None else {}
    product = own.product if own is not None else Product("", ())
    folder = own.association.path.parent if own is not None else Path()
    for member in product.used:
        if member.role == "science":
            continue
        try:
            other = _exposure(found, product, member.file, folder)
            if member.role == "background":
                check_background(exposure, other, product)
        except AssociationInvalid as error:
            more["error"] = error
            break
        suffix = _rate(other, plan)
        other_path, other_need = _made_or_there(made, found, other, suffix, plan)
        members[member.role] = (*members.get(member.role, ()), other_path)
        needs |= {other_need} if other_need else set()
    return made.add(
        _job(
            exposure,
            plan,
            "2",
            members,
            key=key,
            needs=frozenset(needs),
            **more,
        )
    )


def _stage3(
    made: Graph,
    found: Inventory,
    association: Association,
    product: Product,
    plan: Plan,
) -> None:
    """Add the job of a stage-3 product.

    Raises
    ------
    AssociationInvalid
        A member is not there, members are of several instruments, those of a mosaic through several
        filters, those of another product of several types, the product's name is an exposure's, or
        another association makes a product of this name of other members.
    """
    if _is_other(found, product):
        return
    if product.name in found.exposures:
        raise AssociationInvalid(
            f"{association.path}: a product is called {product.name}, as one of the exposures is; "
            "give it a name of its own"
        )
    exposures = [
        _exposure(found, product, one.file, association.path.parent) for one in product.used
    ]
    check_one_instrument(exposures, product)
    by_role: dict[str, list[Exposure]] = {"science": [], "background": []}
    for member, exposure in zip(product.used, exposures, strict=True):
        by_role.setdefault(member.role, []).append(exposure)
    if _job(exposures[0], plan, "3", {}).pipeline == "image3":
        check_one_filter(exposures, product)
    else:
        check_one_type(by_role["science"] + by_role["background"], product)
    members: dict[str, tuple[Path, ...]] = {}
    needs: set[str] = set()
    told: dict[Path, Mapping[str, str]] = {}
    for member, exposure in zip(product.used, exposures, strict=True):
        suffix = files.suffix_of(member.file)
        if suffix not in ("calints", *BESIDE):
            suffix = "cal"
        _check_there(exposure, member.file, suffix, product.name)
        path, need = _made_or_there(made, found, exposure, suffix, plan)
        told |= {path: said} if (said := _said(association, member)) else {}
        members[member.role] = (*members.get(member.role, ()), path)
        needs |= {need} if need else set()
    key = f"{product.name}:3"
    there = made.jobs.get(key)
    if there is not None and there.members != members:
        other = there.association.path if there.association is not None else "another file"
        raise AssociationInvalid(
            f"{association.path}: {other} makes a product {product.name} too, of other members; "
            "take one of them at a time, or rename the product"
        )
    made.add(
        _job(
            exposures[0],
            plan,
            "3",
            members,
            key=key,
            name=product.name,
            needs=frozenset(needs),
            association=association,
            told=told,
            metas=tuple(one.meta for one in by_role["science"] if one.meta is not None),
        )
    )


def _is_other(found: Inventory, product: Product) -> bool:
    """Tell whether a product is of another instrument than the one asked for: no member is kept."""
    roots = {found.root_of(member.file) for member in product.members}
    return found.instrument is not None and not roots & (set(found.exposures) | found.unreadable)


def _exposure(found: Inventory, product: Product, file: str, folder: Path) -> Exposure:
    root = found.root_of(file)
    if root in found.exposures:
        return found.exposures[root]
    if root in found.unreadable:
        why = "cannot be used"
    elif os.path.isfile(folder / file):  # noqa: PTH113 - False in a folder that is closed
        why = "is no exposure; name the exposures that it was made of, or remove it"
    else:
        why = "is not there, and no file it could be made from; put it beside the association"
    raise AssociationInvalid(f"product {product.name}: member {file} {why}")


def _check_there(exposure: Exposure, file: str, suffix: str, product: str) -> None:
    """Check that a member is there, or a file that a stage before makes it from.

    Raises
    ------
    AssociationInvalid
        There are only files that come later, or beside it.
    """
    if suffix not in exposure.files and {"cal", "calints", *PRODUCTS}.issuperset(exposure.files):
        there = ", ".join(path.name for path in exposure.files.values())
        raise AssociationInvalid(
            f"product {product}: member {file} is not there, and cannot be made from {there}; let the stage "
            "before make it, no step of it skipped, or put its input beside the association"
        )


def _said(association: Association, member: Member) -> dict[str, str]:
    """Return the metadata that an association says of a member."""
    said = {"group_id": member.group} if member.group else {}
    if member.catalogue:
        said["tweakreg_catalog"] = str((association.path.parent / member.catalogue).absolute())
    return said
