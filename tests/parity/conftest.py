"""The reference pipeline as a fixture: same input and references in, its arrays out.

It lives in an environment of its own: CALCORE_JWST_PYTHON names its interpreter, else
``.venv-jwst/bin/python`` under the project root is taken; without either these tests are skipped.
What it answered is kept in ``.cache/parity`` under a hash of everything that it was asked.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from calcore.model import Detector, ExposureType, Facts, Meta, Ramp, Rate, Record, Reference, Window
from calcore.model.layout import Array, Node, Plane, TableExtension, fields_of
from calcore.simulate import VisitOptions, simulate

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "parity"
WORKER = Path(__file__).with_name("reference_pipeline.py")
READY = Path(__file__).with_name("ready.py")
OWN_BATCH = Path(__file__).with_name("own_batch.py")
REFERENCE_BATCH = Path(__file__).with_name("reference_batch.py")
REFERENCE_MODULES = ("jwst.pipeline", "jwst.step", "stdatamodels.jwst.datamodels")

# Where the reference pipeline's models call things otherwise than we do.
MODELS = {
    "Ramp": "RampModel", "mask": "MaskModel", "saturation": "SaturationModel",
    "superbias": "SuperBiasModel", "ipc": "IPCModel", "linearity": "LinearityModel",
    "dark": "DarkModel", "reset": "ResetModel", "gain": "GainModel",
    "readnoise": "ReadnoiseModel", "rscd": "RSCDModel", "emicorr": "EmiModel",
    "flat": "FlatModel", "area": "PixelAreaModel", "photom": "MirImgPhotomModel",
}  # fmt: skip
ATTRIBUTES = {
    ("linearity", "coefficients"): "coeffs",
    ("linearity", "inverse"): "inv_coeffs",
    ("rscd", "table"): "rscd_group_skip_table",
    ("photom", "table"): "phot_table",
    ("photom", "linear_in_time"): "timecoeff_linear",
    ("photom", "exponential_in_time"): "timecoeff_exponential",
    ("photom", "power_law_in_time"): "timecoeff_powerlaw",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.parity)


def interpreter() -> Path | None:
    """Return the interpreter that has the reference pipeline, if there is one."""
    named = os.environ.get("CALCORE_JWST_PYTHON")
    python = Path(named) if named else ROOT / ".venv-jwst" / "bin" / "python"
    return python if python.exists() else None


@dataclass
class Answer:
    """What the reference pipeline returned: one entry for each model."""

    kind: str
    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    def __getattr__(self, name: str) -> NDArray[Any]:
        try:
            return self.arrays[name]
        except KeyError:
            raise AttributeError(name) from None


class ReferenceFailed(Exception):
    """The reference pipeline raised an error."""


# No server is asked for references; the crds package looks at some of this when it is imported.
SERVERLESS = {
    "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu", "CRDS_OBSERVATORY": "jwst",
    "CRDS_READONLY_CACHE": "1", "CRDS_IGNORE_MAPPING_CHECKSUM": "1",
    "STPIPE_DISABLE_CRDS_STEPPARS": "True",
}  # fmt: skip


@dataclass
class Ready:
    """An interpreter with its imports done, of which each program gets a copy; see ``ready.py``."""

    modules: Sequence[str]
    log: Path
    process: subprocess.Popen[str] | None = field(default=None, repr=False)
    asked: int = 0
    ended: list[int] = field(default_factory=list)

    def start(
        self, python: Path, program: Path, *arguments: Path, log: Path, cache: Path | None = None
    ) -> Callable[[], int]:
        """Have a program done after those before it; return what waits for its exit status."""
        if self.process is None:
            environment = quiet_environment() | SERVERLESS
            for name in ("CRDS_PATH", "CRDS_CONTEXT"):
                environment.pop(name, None)
            with self.log.open("a") as file:
                self.process = subprocess.Popen(
                    [python, READY, *self.modules], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True, stderr=file, env=environment,
                )  # fmt: skip
        job = {
            "program": str(program), "arguments": [str(word) for word in arguments],
            "environment": {"CRDS_PATH": str(cache)} if cache else {}, "log": str(log),
        }  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        number, self.asked = self.asked, self.asked + 1
        return lambda: self.status(number)

    def status(self, number: int) -> int:
        """Wait for the end of a program."""
        assert self.process is not None
        assert self.process.stdout is not None
        while len(self.ended) <= number:
            line = self.process.stdout.readline()
            assert line, self.log.read_text()[-4000:]
            self.ended.append(int(line))
        return self.ended[number]

    def close(self) -> None:
        """Let it end."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(timeout=30)
            if self.process.stdout is not None:
                self.process.stdout.close()


@dataclass
class Batch:
    """Jobs that a program does, one after the other; what it prints goes to a file beside them."""

    jobs: Path
    wait: Callable[[], int]

    @classmethod
    def start(cls, ready: Ready, python: Path, program: Path, jobs: Path, cache: Path) -> "Batch":
        log = jobs.with_suffix(".log")
        log.unlink(missing_ok=True)
        return cls(jobs, ready.start(python, program, jobs, log=log, cache=cache))

    def finish(self) -> None:
        """Wait until they are done, and assert that none failed."""
        assert self.wait() == 0, self.jobs.with_suffix(".log").read_text()[-4000:]
        answers = json.loads(self.jobs.with_suffix(".answers.json").read_text())
        assert not any(answers), answers


@dataclass
class ReferencePipeline:
    """Asks the reference pipeline; remembers its answers."""

    python: Path | None
    log: Path
    compare: "Compare"
    ready: Ready
    worker: subprocess.Popen[str] | None = field(default=None, repr=False)

    def step(
        self,
        name: str,
        flow: Record,
        references: Mapping[str, Reference | str] | None = None,
        *,
        model: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        keep: Mapping[str, Any] | None = None,
        reference_attributes: Mapping[str, Mapping[str, Any]] | None = None,
        members: Sequence[Record] = (),
        remember: bool = True,
        **parameters: Any,
    ) -> Answer:
        """Run one step and return its (first) result; `steps` returns all of them.

        Parameters
        ----------
        name : str
            Class of the step, such as ``"SaturationStep"``.
        flow : Record
            What the step works on.
        references : mapping
            By type: a reference record, ``"N/A"``, or a model's description.
        model, attributes
            Type and further attributes of the input model, where ours has no equal.
        keep : mapping
            ``{"attributes": [...], "meta": [...]}``: further arrays to return, and which metadata.
        reference_attributes : mapping
            By type, ``{"model": type, attribute: value}`` to change a reference's description.
        members : sequence of Record
            Association members, the step's second argument.
        remember : bool
            Keep the answer; not for steps that read or write files of their own.
        parameters
            Parameters of the step.
        """
        return self.steps(
            name, flow, references, model=model, attributes=attributes, keep=keep,
            reference_attributes=reference_attributes, members=members, remember=remember,
            **parameters,
        )[0]  # fmt: skip

    def steps(
        self,
        name: str,
        flow: Record,
        references: Mapping[str, Reference | str] | None = None,
        *,
        model: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        keep: Mapping[str, Any] | None = None,
        reference_attributes: Mapping[str, Mapping[str, Any]] | None = None,
        members: Sequence[Record] = (),
        remember: bool = True,
        **parameters: Any,
    ) -> list[Answer]:
        """Run one step and return all that it returned; see `step`."""
        _FIGURES[0].subject = name.removesuffix("Step")
        source = describe(flow, flow.meta)
        source["type"] = model or source["type"]
        source["attributes"].update(attributes or {})
        described: dict[str, Any] = {}
        for kind, reference in (references or {}).items():
            if isinstance(reference, Reference):
                described[kind] = describe(reference, flow.meta)
                extra = dict((reference_attributes or {}).get(kind, {}))
                described[kind]["type"] = extra.pop("model", described[kind]["type"])
                described[kind]["attributes"].update(extra)
            else:
                described[kind] = reference
        job = {
            "kind": "step", "step": name, "parameters": parameters, "input": source,
            "references": described, "keep": dict(keep or {}),
            "members": [describe(member, member.meta) for member in members],
        }  # fmt: skip
        return [
            Answer(item["type"], item["meta"], item["attributes"])
            for item in (self.ask if remember else self.answer)(job)["results"]
            if item is not None
        ]

    def open(self, path: Path, keep: Mapping[str, Any] | None = None) -> Answer:
        """Return what the reference pipeline's reader finds in a file."""
        content = np.frombuffer(path.read_bytes(), np.uint8)
        job = {"kind": "open", "content": content, "suffix": path.suffix, "keep": dict(keep or {})}
        item = self.ask(job)["results"][0]
        return Answer(item["type"], item["meta"], item["attributes"])

    def pipeline(
        self,
        name: str,
        path: Path,
        output: Path,
        *,
        cache: Path,
        steps: Mapping[str, Mapping[str, Any]] | None = None,
        **parameters: Any,
    ) -> list[Path]:
        """Run a whole pipeline on a file with the references in a cache; return its products.

        They are not kept in the cache of answers.
        """
        _FIGURES[0].subject = name
        python = self.require()
        output.mkdir(parents=True, exist_ok=True)
        job = {
            "kind": "pipeline", "pipeline": name, "input": str(path), "output": str(output),
            "parameters": parameters, "steps": dict(steps or {}),
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            write_job(Path(folder), job)
            wait = self.ready.start(python, WORKER, Path(folder), log=self.log, cache=cache)
            assert wait() == 0, self.log.read_text()[-4000:]
            return [Path(file) for file in self.read(Path(folder))["files"]]

    def batch(self, jobs: Path, cache: Path) -> Batch:
        """Start jobs of ``reference_batch.py`` in the background."""
        return Batch.start(self.ready, self.require(), REFERENCE_BATCH, jobs, cache)

    def program(self, path: Path, *arguments: Path, log: Path) -> int:
        """Run a program that needs no references; return its exit status."""
        return self.ready.start(self.require(), path, *arguments, log=log)()

    def answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a job without keeping it."""
        with tempfile.TemporaryDirectory() as folder:
            write_job(Path(folder), job)
            self.send(folder)
            return self.read(Path(folder))

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a job, from the cache if it was asked before."""
        digest = fingerprint(job)
        folder = CACHE / digest
        if not (folder / "result.json").exists():
            self.require()
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
                write_job(Path(temporary), job)
                self.send(temporary)
                folder.mkdir(exist_ok=True)
                for part in ("result.npz", "result.json"):
                    if (Path(temporary) / part).exists():
                        (Path(temporary) / part).replace(folder / part)
        return self.read(folder)

    def read(self, folder: Path) -> dict[str, Any]:
        """Read the answer in a folder."""
        arrays: dict[str, Any] = {}
        if (folder / "result.npz").exists():
            with np.load(folder / "result.npz") as file:
                arrays = dict(file)
        answer: dict[str, Any] = decode(json.loads((folder / "result.json").read_text()), arrays)
        if "error" in answer:
            raise ReferenceFailed(f"{answer['error']}\n{answer['traceback']}")
        return answer

    def require(self) -> Path:
        """Return the interpreter, or skip the test."""
        if self.python is None:
            pytest.skip(
                "the reference pipeline is not installed: set CALCORE_JWST_PYTHON, or make "
                ".venv-jwst with jwst==3.0.0"
            )
        return self.python

    def send(self, folder: str) -> None:
        """Have the worker do the job in a folder."""
        if self.worker is None or self.worker.poll() is not None:
            with self.log.open("a") as log:
                self.worker = subprocess.Popen(
                    [self.require(), WORKER, "--serve"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                    stderr=log, env=quiet_environment(),
                )  # fmt: skip
        assert self.worker.stdin is not None
        assert self.worker.stdout is not None
        self.worker.stdin.write(f"{folder}\n")
        self.worker.stdin.flush()
        if self.worker.stdout.readline() != "done\n":
            raise ReferenceFailed(f"the worker died:\n{self.log.read_text()[-4000:]}")

    def close(self) -> None:
        """Stop the worker."""
        if self.worker is not None and self.worker.stdin is not None:
            self.worker.stdin.close()
            self.worker.wait(timeout=30)
            if self.worker.stdout is not None:
                self.worker.stdout.close()


def quiet_environment() -> dict[str, str]:
    """Return the environment with one thread for numerical libraries."""
    ours = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return {**os.environ, **ours}


def describe(record: Record, exposure: Meta) -> dict[str, Any]:
    """Describe a record as a data model of the reference pipeline."""
    cls: Any = type(record)
    kind = record.type if isinstance(record, Reference) else cls.__name__
    model = MODELS.get(kind)
    if isinstance(record, Rate):
        model = "CubeModel" if record.data.ndim == 3 else "ImageModel"
    meta = dict(record.meta)
    if isinstance(record, Reference):
        # A reference here is made for the sub-array of the exposure; say so.
        for name in ("name", "xstart", "ystart", "xsize", "ysize", "fastaxis", "slowaxis"):
            meta.setdefault(f"subarray.{name}", exposure.get(f"subarray.{name}"))
        meta.setdefault("instrument.name", exposure.get("instrument.name"))
        meta.setdefault("instrument.detector", exposure.get("instrument.detector"))
    if kind == "dark" and record.data.ndim == 4:  # type: ignore[attr-defined]
        model = "DarkMIRIModel"
    attributes: dict[str, Any] = {}
    for extra in (Plane, Array, TableExtension, Node):
        for name in fields_of(cls, extra):
            value = getattr(record, name)
            if value is not None and name != "wcs":
                attributes[ATTRIBUTES.get((kind, name), name)] = value
    if model == "DarkMIRIModel":
        flags = attributes["dq"]
        if flags.ndim == 2:
            shape = (record.data.shape[0], 1, *flags.shape)  # type: ignore[attr-defined]
            attributes["dq"] = np.ascontiguousarray(np.broadcast_to(flags, shape))
    return {
        "type": model,
        "meta": {name: value for name, value in meta.items() if value is not None},
        "attributes": attributes,
    }


def encode(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): encode(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item, arrays) for item in value]
    if isinstance(value, np.ndarray):
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"__array__": key}
    return value.item() if isinstance(value, np.generic) else value


def decode(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if "__array__" in value:
            return arrays[value["__array__"]]
        return {key: decode(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    return value


def fingerprint(job: dict[str, Any]) -> str:
    """Return a hash of a job and of the program that answers it."""
    arrays: dict[str, NDArray[Any]] = {}
    text = json.dumps(encode(job, arrays), sort_keys=True)
    digest = hashlib.sha256(WORKER.read_bytes() + text.encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.descr} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def write_job(folder: Path, job: dict[str, Any]) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    (folder / "job.json").write_text(json.dumps(encode(job, arrays)))
    if arrays:
        np.savez(folder / "arrays.npz", **arrays)


@pytest.fixture(scope="session")
def reference_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferencePipeline]:
    """The reference pipeline; the test is skipped if it is asked something new and is not there."""
    log = tmp_path_factory.mktemp("reference") / "worker.log"
    pipeline = ReferencePipeline(interpreter(), log, Compare(), Ready(REFERENCE_MODULES, log))
    yield pipeline
    pipeline.close()
    pipeline.ready.close()


@pytest.fixture(scope="session")
def own_batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Batch]]:
    """Return a function that starts jobs of ``own_batch.py``: ours, with references in a cache."""
    points = entry_points(group="calcore.steps")
    steps = sorted({p.module for p in points if p.module.startswith("calcore")})
    ready = Ready(["calcore.run", *steps], tmp_path_factory.mktemp("own") / "own.log")

    def start(jobs: Sequence[Mapping[str, Any]], folder: Path, cache: Path) -> Batch:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "jobs.json"
        path.write_text(json.dumps(list(jobs)))
        return Batch.start(ready, Path(sys.executable), OWN_BATCH, path, cache)

    yield start
    ready.close()


@dataclass(frozen=True)
class Visits:
    """Raw files of simulated visits, and what both pipelines make of them in stage 1.

    Attributes
    ----------
    names
        Of the visits; their number in the order is that of their observation.
    raw, theirs, ours
        Folders.
    """

    names: Sequence[str]
    raw: Path
    theirs: Path
    ours: Path

    def files(self, name: str) -> list[str]:
        """Return the roots of a visit's files."""
        number = 1 + self.names.index(name)
        found = sorted(self.raw.glob(f"jw01234{number:03d}*_uncal.fits"))
        assert found, name
        return [path.name.removesuffix("_uncal.fits") for path in found]

    def pair(self, root: str, suffix: str) -> tuple[fits.HDUList, fits.HDUList]:
        """Return our and their product, read whole."""
        name = f"{root}_{suffix}.fits"
        return fits.open(self.ours / name), fits.open(self.theirs / name)


@pytest.fixture(scope="session")
def detector1_of_both(
    reference_pipeline: ReferencePipeline,
    own_batch: Callable[..., Batch],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Mapping[str, tuple[str, Mapping[str, Any]]]], Visits]:
    """Return a function that simulates visits and has both pipelines calibrate them at a time."""

    def calibrated(kind: str, cases: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Visits:
        folder = tmp_path_factory.mktemp(kind)
        raw, ours, asked = (folder / name for name in ("raw", "ours", "asked"))
        for number, (instrument, options) in enumerate(cases.values(), start=1):
            tables = import_module(f"calcore_{instrument}.simulate").SIMULATION
            more = {"n_dithers": 1, "observation": number, "seed": 7, "truth": False}
            simulate(tables, raw, VisitOptions(**options, **more))
        files = sorted(raw.glob("*_uncal.fits"))
        jobs = [
            {"pipeline": "Detector1Pipeline", "input": f"RAW/{path.name}", "steps": {},
             "output": "THEIRS", "parameters": {"save_calibrated_ramp": True}}
            for path in files
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps(jobs).encode() + REFERENCE_BATCH.read_bytes())
        for path in [*files, *sorted((raw / "crds_cache").rglob("*"))]:
            if path.is_file():
                digest.update(path.read_bytes())
        kept = CACHE / f"{kind}-{digest.hexdigest()[:32]}"
        theirs = None
        if not kept.exists():
            asked.mkdir()
            text = json.dumps(jobs).replace("RAW", str(raw)).replace("THEIRS", str(asked))
            (asked / "jobs.json").write_text(text)
            theirs = reference_pipeline.batch(asked / "jobs.json", raw / "crds_cache")
        own = [
            {"inputs": str(path), "output": str(ours), "stage": "1", **more}
            for path in files
            for more in ({"until": "jump"}, {})
        ]
        own_batch(own, ours, raw / "crds_cache").finish()
        if theirs is not None:
            theirs.finish()
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(asked, kept)
        shutil.rmtree(raw / "crds_cache")  # references of whole detectors are large
        return Visits(list(cases), raw, kept, ours)

    return calibrated


@dataclass
class Figures:
    """What the comparisons of one test found; ``page.py`` makes docs/parity.md of it.

    Attributes
    ----------
    test
        The test's name, with its case.
    subject
        What is compared: a step or a pipeline of the reference pipeline.
    largest
        By what is compared and its unit: the largest difference, and how many values there were.
    flags
        By plane of flags: how many differ, and how many there are.
    """

    test: str
    subject: str = ""
    largest: dict[str, tuple[float, int]] = field(default_factory=dict)
    flags: dict[str, tuple[int, int]] = field(default_factory=dict)

    def saw(self, what: str, difference: float, count: int) -> None:
        """Take a difference into account."""
        before, known = self.largest.get(what, (0.0, 0))
        self.largest[what] = max(before, float(difference)), known + int(count)

    def saw_flags(self, plane: str, ours: Any, theirs: Any) -> None:
        """Take the flags of a plane into account."""
        differ, known = self.flags.get(plane, (0, 0))
        found = int((np.asarray(ours) != np.asarray(theirs)).sum())
        self.flags[plane] = differ + found, known + int(np.asarray(theirs).size)

    def write(self) -> None:
        """Keep them for the page."""
        folder = CACHE / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(self.test.encode()).hexdigest()[:24]
        (folder / f"{name}.json").write_text(json.dumps(asdict(self)))


_FIGURES = [Figures("")]


@pytest.fixture(autouse=True)
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """What this test finds out."""
    _FIGURES[0] = found = Figures(request.node.nodeid)
    yield found
    if found.largest or found.flags:
        found.write()


class Compare:
    """Compares arrays as the parity criteria say it, and notes what it finds."""

    def records(self, ours: Any, theirs: Any) -> None:
        """Note how far two images are apart; see `images`."""
        names = {"SCI": "data", "ERR": "err", "DQ": "dq", "VAR_POISSON": "var_poisson",
                 "VAR_RNOISE": "var_rnoise", "VAR_FLAT": "var_flat"}  # fmt: skip
        self.images(*(
            {
                plane: values
                for plane, name in names.items()
                if (values := getattr(record, name, None)) is not None
            }
            for record in (ours, theirs)
        ))  # fmt: skip

    @staticmethod
    def images(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        """Note how far the planes of an image are apart, by the names of their extensions.

        SCI in units of ERR, the others relative to themselves; variances of next to nothing, below
        a millionth of the square of ERR, in units of that.
        """
        error = np.asarray(theirs["ERR"], float)
        for name in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"):
            if name not in theirs or np.shape(theirs[name]) != error.shape:
                continue
            mine, other = np.asarray(ours[name], float), np.asarray(theirs[name], float)
            unit = error if name == "SCI" else np.abs(other)
            if name.startswith("VAR"):
                unit = np.maximum(unit, 0.1 * error**2)
            good = np.isfinite(mine) & np.isfinite(other) & (unit > 0)
            difference = (np.abs(mine - other)[good] / unit[good]).max(initial=0.0)
            what = "SCI [ERR]" if name == "SCI" else f"{name.partition('_')[0]} [relative]"
            _FIGURES[0].saw(what, difference, good.sum())
        _FIGURES[0].saw_flags("DQ", ours["DQ"], theirs["DQ"])

    @staticmethod
    def ulp(ours: Any, theirs: Any, scale: Any = 0.0) -> float:
        """Return the largest difference in units in the last place of float32.

        The unit is that of the larger of the two values and of `scale`, for sums in which large
        numbers cancelled. NaN must stand where NaN stands.
        """
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert ours.shape == theirs.shape, f"shapes differ: {ours.shape} and {theirs.shape}"
        assert ours.dtype == theirs.dtype, f"types differ: {ours.dtype} and {theirs.dtype}"
        bad = np.isnan(theirs)
        np.testing.assert_array_equal(np.isnan(ours), bad, err_msg="NaN patterns differ")
        a, b = ours.astype(float)[~bad], theirs.astype(float)[~bad]
        if not a.size:
            return 0.0
        size = np.maximum(np.abs(a), np.abs(b))
        size = np.maximum(size, np.broadcast_to(np.abs(scale), ours.shape)[~bad])
        found = float(np.max(np.abs(a - b) / np.spacing(size.astype(np.float32))))
        _FIGURES[0].saw("data [ulp]", found, a.size)
        return found

    def ramps(
        self, ours: Any, theirs: Any, *, ulp: float = 2.0, groupdq: float = 1e-6, scale: Any = 0.0
    ) -> None:
        """Assert the parity criterion of stage-1 steps.

        Data within `ulp` units of float32, PIXELDQ equal, GROUPDQ equal but for a fraction.
        """
        found = self.ulp(ours.data, theirs.data, scale)
        assert found <= ulp, f"data differ by up to {found:.1f} ulp"
        np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)
        _FIGURES[0].saw_flags("PIXELDQ", ours.pixeldq, theirs.pixeldq)
        _FIGURES[0].saw_flags("GROUPDQ", ours.groupdq, theirs.groupdq)
        differ = ours.groupdq != theirs.groupdq
        assert differ.mean() <= groupdq, f"GROUPDQ differs at {np.argwhere(differ)[:10].tolist()}"
        if ours.zeroframe is not None:
            size = np.max(np.abs(scale), axis=1) if np.ndim(scale) == 4 else scale
            assert self.ulp(ours.zeroframe, theirs.zeroframe, size) <= ulp


@pytest.fixture(scope="session")
def compare() -> Compare:
    """Comparisons in the terms of the parity criteria."""
    return Compare()


DETECTORS = {
    "NRCA1": {"instrument": "NIRCAM", "fast": -1, "slow": 2},
    "NRCA2": {"instrument": "NIRCAM", "fast": 1, "slow": -2},
    "MIRIMAGE": {"instrument": "MIRI", "fast": 1, "slow": 2, "type": "MIR_IMAGE"},
    "NIS": {"instrument": "NIRISS", "fast": -2, "slow": -1, "type": "NIS_IMAGE"},
    "GUIDER1": {"instrument": "FGS", "fast": -2, "slow": -1, "type": "FGS_IMAGE"},
    "GUIDER2": {"instrument": "FGS", "fast": 2, "slow": -1, "type": "FGS_IMAGE"},
    "NRS1": {"instrument": "NIRSPEC", "fast": 2, "slow": 1, "type": "NRS_IFU"},
    "NRS2": {"instrument": "NIRSPEC", "fast": -2, "slow": -1, "type": "NRS_IFU"},
}


@pytest.fixture(scope="session")
def make_meta() -> Any:
    """Return a function that makes an exposure's metadata, facts included."""

    def make(
        detector: str,
        shape: tuple[int, int, int, int],
        *,
        subarray: str = "FULL",
        start: tuple[int, int] = (1, 1),
        frames: int = 1,
        gap: int = 0,
        frame_time: float = 10.0,
        **more: Any,
    ) -> Meta:
        row = DETECTORS[detector]
        miri = row["instrument"] == "MIRI"
        n_int, n_group, rows, columns = shape
        values = {
            "instrument.name": row["instrument"], "instrument.detector": detector,
            "instrument.filter": "F770W" if miri else "F200W", "instrument.pupil": "CLEAR",
            "exposure.type": row.get("type", "NRC_IMAGE"), "exposure.nints": n_int,
            "exposure.ngroups": n_group, "exposure.nframes": frames, "exposure.groupgap": gap,
            "exposure.frame_time": frame_time, "exposure.group_time": frame_time * (frames + gap),
            "exposure.frame_divisor": frames,
            "exposure.readpatt": "FASTR1" if miri else "BRIGHT1", "exposure.noutputs": 4,
            "exposure.start_time": 59800.0, "exposure.integration_start": 1,
            "exposure.integration_end": n_int, "exposure.sample_time": 10,
            "exposure.zero_frame": False,
            "subarray.name": subarray, "subarray.xstart": start[0], "subarray.ystart": start[1],
            "subarray.xsize": columns, "subarray.ysize": rows, "subarray.fastaxis": row["fast"],
            "subarray.slowaxis": row["slow"], "observation.date": "2022-08-09",
            "observation.time": "00:00:00.000", **{k.replace("__", "."): v for k, v in more.items()},
        }  # fmt: skip
        facts = Facts(
            Detector(
                name=detector,
                rows=1024 if miri else 2048,
                columns=1032 if miri else 2048,
                reference_rows=(0, 0) if miri else (4, 4),
                reference_columns=(4, 4),
                fast_axis=row["fast"],
                slow_axis=row["slow"],
                outputs=4,
                interleaved_outputs=miri,
            ),
            ExposureType(name=str(values["exposure.type"])),
        )
        return Meta(values, facts)

    return make


@pytest.fixture(scope="session")
def make_ramp(make_meta: Any) -> Any:
    """Return a function that makes a noisy ramp (n_int, n_group, ny, nx) of some detector."""

    def make(
        detector: str = "NRCA1",
        shape: tuple[int, int, int, int] = (2, 6, 40, 48),
        *,
        seed: int = 1,
        rate: float = 80.0,
        bias: float = 12000.0,
        noise: float = 12.0,
        data: NDArray[np.float32] | None = None,
        groupdq: NDArray[np.uint8] | None = None,
        pixeldq: NDArray[np.uint32] | None = None,
        zeroframe: NDArray[np.float32] | None = None,
        **meta: Any,
    ) -> Ramp:
        rng = np.random.default_rng(seed)
        if data is None:
            rates = rate * rng.gamma(1.0, 1.0, shape[2:])
            groups = np.arange(1, shape[1] + 1)[:, None, None]
            pattern = bias + rng.normal(0, 50, shape[2:])
            data = pattern + rates * groups + rng.normal(0, noise, shape)
        return Ramp(
            meta=make_meta(
                detector, shape, **{"exposure__zero_frame": zeroframe is not None, **meta}
            ),
            data=np.ascontiguousarray(data, np.float32),
            groupdq=np.zeros(shape, np.uint8) if groupdq is None else groupdq,
            pixeldq=np.zeros(shape[2:], np.uint32) if pixeldq is None else pixeldq,
            zeroframe=zeroframe,
        )

    return make


@pytest.fixture(scope="session")
def in_bands() -> Any:
    """Return a function that runs a step in bands of rows, as the runner does."""

    def run(step: Any, ramp: Ramp, height: int, **references: Any) -> Ramp:
        frame = ramp.frame
        halo = step.rows(ramp.meta, references).halo
        whole = {
            name: np.empty_like(getattr(ramp, name)) for name in ("data", "groupdq", "pixeldq")
        }
        for start in range(0, frame.frame_rows, height):
            band = frame.with_rows(start, min(start + height, frame.frame_rows))
            outer = Window(
                max(0, band.row_start - halo), min(frame.frame_rows, band.row_stop + halo),
                0, frame.frame_columns, frame.frame_rows, frame.frame_columns,
            )  # fmt: skip
            given = {
                name: value.cut(outer) if isinstance(value, Reference) else value
                for name, value in references.items()
            }
            result = step.apply(ramp.cut(outer), **given)
            for name, plane in whole.items():
                rows, columns = band.within(outer)
                plane[..., band.rows, :] = getattr(result, name)[..., rows, columns]
        return ramp.replace(**whole)

    return run
