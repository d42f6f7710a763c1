"""Which products to make, from what, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calcore.associations.association import Association, Product
from calcore.errors import AssociationInvalid, CalcoreError
from calcore.instrument import Instrument
from calcore.io import files
from calcore.model import Meta
from calcore.run.inputs import TAKEN, Exposure, Inventory

STAGES = ("1", "2", "3")
# What the next stage takes of what a stage makes.
HANDED_ON = {"1": "rate", "2": "cal"}


@dataclass(frozen=True, eq=False)
class Job:
    """One product to make: an association product times a pipeline.

    `members` maps each role to the files to work on; a file that is not there yet is made by the
    job in `needs`. `association` is None for an exposure that none names. `error` says why the
    product cannot be made at all.
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
    """Return the products that the asked stages make of what was found."""
    made = Graph()
    level2 = {
        files.exposure_root(member.file): (association, product)
        for association in found.associations
        if association.stage == "2"
        for product in association.products
        for member in product.members
        if member.role == "science"
    }
    for exposure in found.exposures.values():
        if "1" in plan.stages and ("uncal" in exposure.files or plan.pipeline is not None):
            _stage1(made, exposure, plan)
        if "2" in plan.stages and _can_make(exposure, "rate", plan):
            if _goes_on(exposure, plan):
                _stage2(made, found, exposure, plan, level2.get(exposure.root))
            elif plan.stages == ("2",):  # so that the user is told
                made.add(_job(exposure, plan, "2", {"science": (exposure.rawest,)}))
    if "3" in plan.stages:
        for association in found.associations:
            if association.stage == "3":
                for product in association.products:
                    _stage3(made, found, association, product, plan)
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


def _folder(exposure: Exposure, plan: Plan) -> Path:
    return plan.output or next(iter(exposure.files.values())).parent


def _job(
    exposure: Exposure,
    plan: Plan,
    stage: str,
    members: Mapping[str, tuple[Path, ...]],
    **more: object,
) -> Job:
    """Return a job of an exposure; a mode without pipeline becomes a job with an error."""
    assert exposure.meta is not None
    meta = exposure.meta
    pipeline, error = plan.pipeline or "", None
    instrument = plan.instruments[meta.instrument]
    if isinstance(instrument, CalcoreError):
        error = instrument
    else:
        try:
            meta = meta.with_facts(instrument.facts(meta))
            pipeline = pipeline or instrument.pipeline_of(meta, stage)
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
        **more,
    }
    return Job(**values)  # type: ignore[arg-type]  # every value has its field's type


def _stage1(made: Graph, exposure: Exposure, plan: Plan) -> Job:
    path = exposure.files.get("uncal") or next(iter(exposure.files.values()))
    return made.add(_job(exposure, plan, "1", {"science": (path,)}))


def _made_or_there(
    made: Graph, found: Inventory, exposure: Exposure, suffix: str, plan: Plan
) -> tuple[Path, str | None]:
    """Return the path of a member's file, and the key of the job that makes it, if one must."""
    stage = "1" if suffix == "rate" else "2"
    planned = f"{exposure.root}:{stage}" in made.jobs or (
        stage in plan.stages and "uncal" in exposure.files
    )
    if suffix in exposure.files and not planned:
        return exposure.files[suffix], None
    if suffix == "rate" and "rateints" in exposure.files and "uncal" not in exposure.files:
        return exposure.files["rateints"], None
    job = (
        _stage1(made, exposure, plan)
        if stage == "1"
        else _stage2(made, found, exposure, plan, None)
    )
    return job.folder / f"{exposure.root}_{suffix}.fits", job.key


def _stage2(
    made: Graph,
    found: Inventory,
    exposure: Exposure,
    plan: Plan,
    entry: tuple[Association, Product] | None,
) -> Job:
    key = f"{exposure.root}:2"
    if key in made.jobs:
        return made.jobs[key]
    path, need = _made_or_there(made, found, exposure, "rate", plan)
    members: dict[str, tuple[Path, ...]] = {"science": (path,)}
    needs = {need} if need else set()
    association, product = entry or (None, None)
    if product is not None:
        for member in product.members:
            if member.role == "science":
                continue
            other = _exposure(found, member.file, product)
            other_path, other_need = _made_or_there(made, found, other, "rate", plan)
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
            association=association,
        )
    )


def _stage3(
    made: Graph, found: Inventory, association: Association, product: Product, plan: Plan
) -> None:
    members: dict[str, tuple[Path, ...]] = {}
    needs: set[str] = set()
    first: Exposure | None = None
    for member in product.members:
        root = files.exposure_root(member.file)
        if root not in found.exposures and _is_other(found, product):
            return
        exposure = _exposure(found, member.file, product)
        first = first or exposure
        member_path, need = _made_or_there(made, found, exposure, "cal", plan)
        members[member.role] = (*members.get(member.role, ()), member_path)
        needs |= {need} if need else set()
    assert first is not None
    made.add(
        _job(
            first,
            plan,
            "3",
            members,
            key=f"{product.name}:3",
            name=product.name,
            needs=frozenset(needs),
            association=association,
        )
    )


def _is_other(found: Inventory, product: Product) -> bool:
    """Tell whether a product is of another instrument: none of its members was kept."""
    roots = {files.exposure_root(member.file) for member in product.members}
    return not roots & set(found.exposures) and not found.problems


def _exposure(found: Inventory, file: str, product: Product) -> Exposure:
    root = files.exposure_root(file)
    if root not in found.exposures:
        raise AssociationInvalid(
            f"product {product.name}: member {file} is not there, and no file it could be made from"
        )
    return found.exposures[root]
