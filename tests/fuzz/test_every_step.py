"""Damaged exposures and references, given to every step and to whole pipelines of stage 1.

Whatever is in a file, a run ends with a product that can be read, or with one sentence and no file.
"""

import runpy
import zlib
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import calcore
from calcore.errors import CalcoreError
from calcore.flags import DQ
from calcore.model import Rate
from calcore.run import Status, plan, run, step
from calcore.run.manifest import FOLDER

HERE = Path(__file__).parent
VISITS = runpy.run_path(str(HERE.parent / "conftest.py"))
mutate = runpy.run_path(str(HERE / "mutations.py"))["mutate"]
SMALL = {
    "nircam": {"subarray": "SUB64P", "n_groups": 5, "n_ints": 2},
    "nirspec": {"subarray": "SUB32", "n_groups": 5, "n_ints": 2},
    "niriss": {"subarray": "SUBTAAMI", "n_groups": 5, "n_ints": 2},
    "miri": {"subarray": "SUB64", "n_groups": 6, "n_ints": 2},
    "fgs": {"subarray": "SUB32LL", "n_groups": 5, "n_ints": 2, "detectors": ["GUIDER1"]},
}
STEPS = sorted(
    point.name
    for point in entry_points(group="calcore.steps")
    if ".combination." not in point.value
    and ".calibration." not in point.value
    and not point.name.startswith(("fgs.", "acme."))  # guide stars' files are of another kind
)
CASES = [
    (instrument, name)
    for instrument in SMALL
    for name in STEPS
    if name.partition(".")[0] in (instrument, name)
]
_EACH = 4


@pytest.fixture(scope="module", params=SMALL)
def visit(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / request.param
    made = VISITS["simulated"](folder, request.param, n_dithers=1, seed=7, **SMALL[request.param])
    with VISITS["references_of"](made):
        yield request.param, made


@pytest.fixture(scope="module")
def names(visit):
    """The steps that this instrument's exposures are given to."""
    return [name for instrument, name in CASES if instrument == visit[0]]


def seeds(*what, number):
    text = " ".join(map(str, what))
    return [zlib.crc32(f"{text} {n}".encode()) for n in range(number)]


class Judge:
    """Sees tasks end, and gathers what is not in order."""

    def __init__(self):
        self.made, self.wrong = 0, []

    def see(self, task, folder: Path, what: str):
        """Do a task that writes to a folder of its own."""
        try:
            products = task().products
        except CalcoreError as error:
            reasons, made = [str(error)], []
        else:
            reasons = [one.reason for one in products if one.status is Status.FAILED]
            made = [path for one in products for path in one.files]
        for reason in reasons:
            if not reason or "unexpected" in reason or "Traceback" in reason:
                self.wrong.append(f"{what}: {reason}")
        there = {path for path in folder.rglob("*") if path.is_file()}
        there = {path for path in there if path.parent.name != FOLDER}  # manifests
        if there != set(made):
            self.wrong.append(f"{what}: {there} is there, {made} was made")
        for path in made:
            self.made += 1
            if not sound(path):
                self.wrong.append(f"{what}: {path.name} has numbers that are none, without flags")


def sound(path: Path) -> bool:
    """Tell whether a rate that is no number carries a flag; reads any product."""
    record = calcore.open(path)
    if not isinstance(record, Rate):
        return True
    flagged = (record.dq & np.uint32(DQ.DO_NOT_USE | DQ.REFERENCE_PIXEL)) != 0
    return bool((flagged | np.isfinite(record.data)).all())


def test_every_step_takes_or_refuses_damaged_exposures(visit, names, tmp_path):
    instrument, made = visit
    judge = Judge()
    for name in names:
        for number, seed in enumerate(seeds(instrument, name, number=_EACH)):
            raw = mutate(made.raw[0], tmp_path / made.raw[0].name, seed)
            out = tmp_path / f"{name}_{number}"
            judge.see(partial(step, name, raw, output=out), out, f"{name}, seed {seed}")
    assert not judge.wrong
    assert judge.made > len(names) / 2  # damage of some kinds is harmless to many steps


@pytest.mark.parametrize("profile", ["default", "reference"])
def test_stage_1_takes_or_refuses_damaged_exposures(visit, tmp_path, profile):
    instrument, made = visit
    judge = Judge()
    for number, seed in enumerate(seeds(instrument, profile, number=8)):
        raw = mutate(made.raw[0], tmp_path / made.raw[0].name, seed)
        out = tmp_path / str(number)
        task = partial(run, raw, stage="1", output=out, profile=profile)
        judge.see(task, out, f"{profile}, seed {seed}")
    assert not judge.wrong
    assert judge.made > 0


def test_every_step_takes_or_refuses_damaged_references(visit, tmp_path):
    instrument, made = visit
    judge = Judge()
    cache = made.folder / "crds_cache" / "references"
    files = {path.name.split("_")[2]: path for path in cache.rglob("*.fits")}
    (product,) = plan(made.raw[0], stage="1", settings={"ipc.skip": False})
    for slot in product.slots:
        for kind in slot.references.keys() & files.keys():
            for number, seed in enumerate(seeds(instrument, slot.name, kind, number=3)):
                damaged = mutate(files[kind], tmp_path / files[kind].name, seed)
                out = tmp_path / f"{slot.name}_{kind}_{number}"
                task = partial(
                    step, slot.use, made.raw[0], output=out, references={kind: str(damaged)}
                )
                judge.see(task, out, f"{slot.name} with {kind}, seed {seed}")
    assert not judge.wrong
    assert judge.made > 0
