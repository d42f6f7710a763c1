"""In which order exposures are made whose steps go on from the previous one, and from which files."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray

from calcore import io
from calcore.errors import (
    BadPipeline,
    FileInvalid,
    KeywordMissing,
    OutputProblem,
    ShapesDisagree,
    StateInvalid,
)
from calcore.model import Detector, ExposureType, Facts, Kept, Meta, Ramp, Rate
from calcore.model.layout import Plane
from calcore.model.windows import Windows
from calcore.pipeline import Pipeline, Setting, Slot
from calcore.registry.manager import manager
from calcore.run import states
from calcore.run.assemble import BuiltSlot
from calcore.run.execute import Execution
from calcore.run.graph import Job
from calcore.run.order import fitting
from calcore.run.outcome import Silence
from calcore.run.record import record_tree
from calcore.run.request import Request
from calcore.run.states import (
    add_state,
    files_left,
    in_order,
    read_state,
    source_of,
    state_path,
    with_states,
    write_states,
)
from calcore.step import State, Step
from calcore.steps.detector.gain_scale import GainScale
from calcore.steps.detector.persistence import Persistence
from calcore.steps.detector.ramp_fit import RampFit

FACTS = Facts(
    Detector(
        name="ONE", rows=8, columns=8, reference_rows=(0, 0), reference_columns=(0, 0),
        fast_axis=1, slow_axis=2, outputs=1,
    ),
    ExposureType(name="IMAGE"),
)  # fmt: skip


def job(name, start, detector="ONE", *, segment=1, stage="1", needs=(), folder="out"):
    values = {
        "instrument.name": "OWN", "instrument.detector": detector, "exposure.start_time": start,
        "exposure.integration_start": segment, "subarray.xsize": 8, "subarray.ysize": 8,
    }  # fmt: skip
    return Job(
        f"{name}:{stage}", name, stage, "detector1", "OWN", Meta(values, FACTS),
        {"science": (Path(f"{name}_uncal.fits"),)}, Path(folder), needs=frozenset(needs),
    )  # fmt: skip


def keeps(_):
    return ("persistence",)


def names(jobs):
    return [job.name for job in jobs]


def test_exposures_of_a_detector_follow_each_other_in_time():
    jobs = [job("c", 60003.0), job("x", 60002.5, "TWO"), job("a", 60001.0), job("b", 60002.0)]
    ordered = {job.name: job for job in in_order(jobs, keeps)}
    assert list(ordered) == ["a", "b", "c", "x"]
    assert ordered["c"].needs == {"b:1"}
    assert ordered["c"].states == {"persistence": Path("out/b_persistence.asdf")}
    assert ordered["a"].needs == ordered["x"].needs == frozenset()
    assert ordered["a"].states == ordered["x"].states == {}


def test_segments_of_an_exposure_follow_each_other():
    jobs = [job("three", 60001.0, segment=21), job("one", 60001.0), job("two", 60001.0, segment=11)]
    assert names(in_order(jobs, keeps)) == ["one", "two", "three"]


def test_only_exposures_with_the_same_slot_follow_each_other():
    jobs = [job("a", 60001.0), job("b", 60002.0), job("c", 60003.0)]
    slots = {"a": ("one", "two"), "b": ("one",), "c": ("two",)}
    ordered = {job.name: job for job in in_order(jobs, lambda job: slots[job.name])}
    assert ordered["b"].states == {"one": Path("out/a_one.asdf")}
    assert ordered["c"].states == {"two": Path("out/a_two.asdf")}


def test_without_state_nothing_changes():
    jobs = [job("c", 60003.0), job("a", 60001.0)]
    assert in_order(jobs, lambda _: ()) == jobs
    alone = [job("c", None), job("x", None, "TWO")]
    assert in_order(alone, keeps) == alone


def test_later_stages_come_after_what_they_need():
    jobs = [job("b", 60002.0), job("b", 60002.0, stage="2", needs=["b:1"]), job("a", 60001.0)]
    ordered = in_order(jobs, lambda job: keeps(job) if job.stage == "1" else ())
    assert [job.key for job in ordered] == ["a:1", "b:1", "b:2"]


def test_an_exposure_that_does_not_say_when_it_began_fails_alone():
    ordered = {
        job.name: job
        for job in in_order([job("b", 60002.0), job("?", None), job("a", 60001.0)], keeps)
    }
    assert isinstance(ordered["?"].error, KeywordMissing)
    assert ordered["b"].needs == {"a:1"}
    infinite = in_order([job("b", 60002.0), job("?", np.inf)], keeps)
    assert [str(job.error) for job in infinite if job.error] == [
        "exposure.start_time is inf, but must be a date (MJD); correct the header"
    ]


def windows(of, value):
    return Windows(meta=of.meta, ends=np.full((8, 8), value), seconds=30.0)


def built(**runner):
    settings = {name: Setting(str(value), "") for name, value in runner.items()}
    slot = Slot("persistence", "persistence", "persistence", runner=settings)
    return BuiltSlot(slot, "calcore 1", Persistence(persistence_time=30.0))


def test_state_goes_through_a_file(tmp_path):
    first, second = (job(name, start, folder=tmp_path) for name, start in (("a", 1.0), ("b", 2.0)))
    write_states({"persistence": windows(first, 50.0)}, [built()], first)
    second = replace(second, states={"persistence": state_path(first, "persistence")})
    given = with_states([built()], second)[0].given["windows"]
    np.testing.assert_array_equal(given.ends, np.full((8, 8), 50.0))
    assert given.seconds == 30.0
    assert given.meta is second.meta
    assert with_states([built()], first)[0].given == {"windows": None}


def test_an_exposure_with_nothing_to_do_hands_the_state_on(tmp_path):
    first, second, third = (job(name, ord(name), folder=tmp_path) for name in "abc")
    second = replace(second, states={"persistence": state_path(first, "persistence")})
    third = replace(third, states={"persistence": state_path(second, "persistence")})
    idle = replace(built(), skip="too few groups")
    write_states({}, [idle], first)
    write_states({}, [idle], second)
    assert not list(tmp_path.iterdir())
    assert files_left([idle], first) == {}
    assert with_states([built()], third)[0].given == {"windows": None}
    write_states({"persistence": windows(first, 50.0)}, [built()], first)
    write_states({}, [idle], second)
    assert files_left([idle], second) == {state_path(second, "persistence"): None}
    given = with_states([built()], third)[0].given["windows"]
    np.testing.assert_array_equal(given.ends, np.full((8, 8), 50.0))
    off = built()
    off = replace(off, slot=replace(off.slot, runner={"skip": Setting(value=True, origin="")}))
    assert files_left([replace(off, skip="switched off")], second) == {}


def test_an_exposure_in_stripes_is_refused_before_the_first_pixel():
    striped = job("a", 1.0)
    striped = replace(striped, meta=striped.meta.set({"subarray.multistripe_reads1": 1}))
    with pytest.raises(ShapesDisagree, match="do not lie in one piece on detector ONE"):
        with_states([built()], striped)


def test_the_users_file_is_for_the_first_exposure(tmp_path):
    before = tmp_path / "a_persistence.asdf"
    chained = replace(job("b", 2.0), states={"persistence": before})
    assert source_of(built(state="mine.asdf"), chained) is None
    before.touch()
    assert source_of(built(state="mine.asdf"), chained) == before
    assert source_of(built(state="mine.asdf"), job("a", 1.0)) == Path("mine.asdf")
    assert source_of(built(), job("a", 1.0)) is None


def test_detectors_share_the_file_that_the_user_names(tmp_path):
    together = tmp_path / "new" / "all.asdf"
    for name, detector, value in (("a", "ONE", 5.0), ("b", "TWO", 6.0), ("c", "ONE", 7.0)):
        exposure = job(name, 1.0, detector, folder=tmp_path)
        write_states({"persistence": windows(exposure, value)}, [built()], exposure)
        add_state(state_path(exposure, "persistence"), together)
    tree = io.read_asdf_tree(together)
    assert {name: node["vals"][0] for name, node in tree.items()} == {"ONE": 7.0, "TWO": 6.0}
    assert tree["ONE"]["calcore"] == {
        "use": "persistence", "source": "calcore 1", "exposure": "c", "start_time": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "start", "detector", "use", "message"),
    [
        ("b", 2.0, "TWO", "persistence", "has the state of ONE, not of TWO; name a file of this"),
        ("b", 2.0, "ONE", "acme.glow", "was left by step persistence, and not by acme.glow; name"),
        ("b", 0.5, "ONE", "persistence", "left by a, which began later; name a file of an earlier"),
        ("a", 1.0, "ONE", "persistence", "was left by this exposure itself; name a file of an"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, name, start, detector, use, message):
    first = job("a", 1.0, folder=tmp_path)
    write_states({"persistence": windows(first, 5.0)}, [built()], first)
    path = state_path(first, "persistence")
    with pytest.raises(StateInvalid, match=message):
        read_state(path, Windows, use, job(name, start, detector))


def test_a_file_of_another_version_is_refused(tmp_path):
    path = tmp_path / "windows.asdf"
    io.write_tree({"ONE": {"pixels": [1], "calcore": {"use": "persistence"}}}, path)
    with pytest.raises(
        StateInvalid, match=r"holds calcore, pixels of ONE, which persistence cannot"
    ):
        read_state(path, Windows, "persistence", job("b", 2.0))


@pytest.mark.parametrize(
    "changes",
    [{"rows": [0.5]}, {"rows": [1, 2]}, {"cols": ["x"]}, {"vals": [np.nan]}, {"vals": None},
     {"pers_time": None}, {"pers_time": "long"}, {"pers_time": -1}, {"pers_time": np.inf}, {"origin": 3}, {"origin": [1, 2, 3]},
     {"beyond": [1]}, {"rows": {"a": 1}}, {"rows": [-1]}, {"rows": [8]}],
)  # fmt: skip
def test_a_file_with_nonsense_is_refused(tmp_path, changes):
    path = tmp_path / "windows.asdf"
    node = {"rows": [1], "cols": [2], "vals": [3.0], "pers_time": 30, "calcore": "nobody"}
    io.write_tree({"ONE": node}, path)
    assert read_state(path, Windows, "persistence", job("b", 2.0)).ends[1, 2] == 3.0
    io.write_tree({"ONE": {**node, **changes}}, path)
    with pytest.raises(StateInvalid, match="which persistence cannot go on with"):
        read_state(path, Windows, "persistence", job("b", 2.0))


def test_what_stands_for_a_detector_must_be_a_state(tmp_path):
    path = tmp_path / "windows.asdf"
    io.write_tree({"ONE": [1, 2], 3: {}}, path)
    with pytest.raises(StateInvalid, match="has the state of 3, not of ONE; name a file of"):
        read_state(path, Windows, "persistence", job("b", 2.0))


def test_a_place_that_cannot_be_written_is_found_out_before_the_first_pixel(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputProblem, match="is not a folder; choose another"):
        with_states([built(save_state=tmp_path / "file" / "all.asdf")], job("b", 2.0))
    for folder in (tmp_path, ""):  # no text is the present folder
        with pytest.raises(OutputProblem, match="is no file that can be added to; name another"):
            with_states([built(save_state=folder)], job("b", 2.0))
    with pytest.raises(FileInvalid, match="is not an ASDF file"):  # it would be lost
        with_states([built(save_state=tmp_path / "file")], job("b", 2.0))


def test_files_that_are_not_there_or_no_asdf_are_refused(tmp_path):
    with pytest.raises(FileInvalid, match="is not there; name a file that a step with state"):
        with_states([built(state=tmp_path / "nothing.asdf")], job("b", 2.0))
    (tmp_path / "text.asdf").write_text("windows")
    with pytest.raises(FileInvalid, match="is not an ASDF file"):
        with_states([built(state=tmp_path / "text.asdf")], job("b", 2.0))


@dataclass(frozen=True, eq=False, kw_only=True)
class Brightest(Kept):
    """The largest signal so far."""

    data: Annotated[NDArray[np.float32], Plane("SCI", "f4")]


@dataclass(frozen=True)
class Seen:
    """What flows on, and what is kept."""

    ramp: Ramp
    brightest: Brightest


@dataclass(frozen=True, kw_only=True)
class Remember(Step):
    """Keep the largest signal; needs whole frames."""

    def apply(self, ramp: Ramp, *, before: State[Brightest]) -> Seen:
        largest = ramp.data.max(axis=(0, 1))
        if before is not None:
            largest = np.maximum(largest, before.data)
        return Seen(ramp, Brightest(meta=ramp.meta, data=largest))


def test_a_step_of_whole_frames_keeps_state_too(detector_ramp, rng):
    ramps = [detector_ramp(rng.normal(0, 9, (2, 3, 8, 8))) for _ in range(2)]
    kept, saved = None, []
    for ramp in ramps:
        execution = Execution(
            product="own", members=lambda *_: (), save=lambda *given: saved.append(given),
            hook=manager().hook, progress=Silence(),
        )  # fmt: skip
        slot = BuiltSlot(Slot("seen", "own.seen", "seen"), "", Remember(), given={"before": kept})
        result = execution.run(ramp, (slot,))
        assert isinstance(result, Ramp)
        kept = execution.kept["seen"]
    expected = np.maximum(*(ramp.data.max(axis=(0, 1)) for ramp in ramps))
    np.testing.assert_array_equal(kept.data, expected)
    assert not saved


@dataclass(frozen=True)
class SeenRate:
    """What flows on, and what is kept."""

    rate: Rate
    brightest: Brightest


@dataclass(frozen=True, kw_only=True)
class RememberRate(Step):
    """Keep the largest rate."""

    def apply(self, rate: Rate, *, before: State[Brightest]) -> SeenRate: ...


def test_a_step_with_state_works_on_one_record():
    steps = {"ramp_fit": RampFit(), "gain_scale": GainScale(), "seen": RememberRate()}
    slots = [BuiltSlot(Slot(name, name, name), "", step) for name, step in steps.items()]
    own = Pipeline("own", "1", tuple(item.slot for item in slots))
    fitting(own, slots[2:])
    with pytest.raises(BadPipeline, match="seen of own keeps something of one record for the next"):
        fitting(own, slots[::2])


def test_runs_that_add_to_one_file_at_once_lose_nothing(tmp_path):
    together = tmp_path / "windows.asdf"
    paths = [
        io.write_tree({name.upper(): {"exposure": name}}, tmp_path / f"{name}.asdf")
        for name in "abcdefghijkl"
    ]
    begin = threading.Barrier(len(paths))

    def add(path):
        begin.wait()
        add_state(path, together)

    with ThreadPoolExecutor(len(paths)) as pool:
        list(pool.map(add, paths))
    assert set(io.read_asdf_tree(together)) == set("ABCDEFGHIJKL")


def test_a_file_that_another_run_never_lets_go_of_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(states, "_PATIENCE", 0.05)
    own = io.write_tree({"ONE": {}}, tmp_path / "own.asdf")
    message = r"another run has held .all.asdf.lock"
    with FileLock(tmp_path / ".all.asdf.lock"), pytest.raises(OutputProblem, match=message):
        add_state(own, tmp_path / "all.asdf")
    assert not (tmp_path / "all.asdf").exists()


def test_a_file_that_the_run_itself_adds_to_does_not_make_it_do_all_again(tmp_path):
    state = io.write_tree({"ONE": {}}, tmp_path / "all.asdf")
    for more, is_ingredient in (({}, True), ({"save_state": str(state)}, False)):
        slot = built(state=str(state), **more)
        pipeline = Pipeline("detector1", "1", (slot.slot,))
        exposure = replace(job("a", 1.0), members={})
        begun = {"persistence": state}
        (told,) = record_tree(exposure, Request(), pipeline, [slot], "default", begun)["slots"]
        assert told["state"] == "all.asdf"
        assert ("state" in told.get("contents", {})) is is_ingredient
