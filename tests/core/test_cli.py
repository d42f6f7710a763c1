"""The command line: what it passes on, what it says, and its exit status."""

import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

import calcore.run
import calcore.simulate.visit
from calcore.cli.app import COMMANDS, commands
from calcore.cli.options import value_of
from calcore.cli.plans import grouped, lines_of
from calcore.cli.progress import Lines, summary
from calcore.errors import DataUnusable, FileTruncated, PluginMissing
from calcore.run import Outcome, ProductPlan, RunResult, SlotOutcome, SlotPlan, Status
from calcore.run.outcome import Figure, ReferenceChoice, Value
from calcore.simulate import SimulatedVisit, SkyOptions, Target, VisitOptions

RUN = sys.modules["calcore.run"]


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Return a function that runs a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return CliRunner().invoke(commands, [str(word) for word in words])

    return run


class Recorder:
    """Stands for the runner, and remembers what it was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = {}

    def __call__(self, *given, **wishes):
        self.asked = {"given": given, **wishes}
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def runner(monkeypatch):
    """Return a function that puts something in the runner's place."""

    def put(name, answer):
        recorder = Recorder(answer)
        monkeypatch.setattr(RUN, name, recorder)
        return recorder

    return put


def outcome(
    status=Status.COMPLETE, name="jw01_nis", reason="", exit_status=0, files=(), figures=()
):
    slots = (
        SlotOutcome("dq_init", Status.COMPLETE, 0.25),
        SlotOutcome("ipc", Status.SKIPPED, reason="no reference file"),
    )
    return Outcome(
        name,
        "detector1",
        status,
        1.5,
        slots,
        files,
        figures,
        reason=reason,
        exit_status=exit_status,
    )


def test_every_command_of_the_table_exists_and_explains_itself(ask):
    for name, (place, text) in COMMANDS.items():
        module, attribute = place.split(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        shown = ask(name, "--help")
        assert shown.exit_code == 0, name
        assert len(shown.output) > 60
        assert text.endswith(".")


def test_help_names_every_command(ask):
    shown = ask("--help").output
    for name, (_, text) in COMMANDS.items():
        assert name in shown
        assert text in shown


@pytest.mark.parametrize("words", [("plan",), ("references", "list"), ("references", "fetch")])
def test_what_makes_nothing_takes_the_options_of_run_and_names_those_it_needs(ask, runner, words):
    shown = ask(*words, "--help").output
    assert "--profile" in shown
    for unused in ("--executor", "--scheduler", "--jobs", "--overwrite"):
        assert unused not in shown
    assert ("--save" in shown) == (words == ("plan",))
    runner("plan", (product("a"),))
    assert ask(*words, "--jobs", "2", "--overwrite").exit_code == 0


def test_the_version_is_the_package_s(ask):
    assert ask("--version").output == f"calcore {calcore.__version__}\n"


def test_an_unknown_command_names_the_nearest(ask):
    shown = ask("rum")
    assert shown.exit_code == 2
    assert shown.stderr == "calcore: There is no command 'rum'. Did you mean 'run'?\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["run", "--stage", "4"],
            "'4' is not one of '1', '2', '3', 'all'. See calcore run --help.",
        ),
        (["run", "--nonsense"], "No such option"),
        (["run", "--jobs", "0"], "0 is not in the range x>=1"),
        (["run", "--set", "jump.threshold"], "--set 'jump.threshold' is not of the form"),
        (["run", "--set", "threshold=5"], "--set threshold='5' is not of the form"),
        (["run", "--set", "detector1:=5"], "is not of the form SLOT.PARAMETER=VALUE"),
        (["run", "--ref", "dark"], "--ref 'dark' is not of the form TYPE=FILE"),
        (["run", "nowhere.fits"], "nowhere.fits: there is no such file or folder"),
        (["plan", "--config", "no.toml"], "no.toml: there is no such configuration file"),
        (["run", "--scheduler", ""], "scheduler must be a text that is not empty, not ''"),
        (["step"], "Missing argument 'NAME'"),
        (["simulate", "--instrument", "miri", "-o", "x", "--ra", "nan"], "--ra must be a number"),
        (["simulate", "--instrument", "miri", "-o", "x", "--ra", "1e9"], "not in the range"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(ask, words, message):
    shown = ask(*words)
    assert shown.exit_code == 2
    assert shown.stderr.startswith("calcore: ")
    assert shown.stderr.count("\n") == 1
    assert message in shown.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("0.8", 0.8), ("1e-3", 1e-3), ("true", True), ("True", True), ("False", False),
        ("None", None), ("[1, 2]", [1, 2]), ('"4"', "4"), ("median", "median"), ("N/A", "N/A"),
        ("~DO_NOT_USE+NON_SCIENCE", "~DO_NOT_USE+NON_SCIENCE"), ("a=b", "a=b"),
    ],
)  # fmt: skip
def test_values_are_read_as_toml_or_text(text, value):
    read = value_of(text)
    assert read == value
    assert type(read) is type(value)


def test_run_passes_everything_on(ask, runner, tmp_path):
    asked = runner("run", RunResult((outcome(),)))
    (tmp_path / "raw").mkdir()
    (tmp_path / "mine.toml").write_text("")
    words = (
        "run raw --instrument nis --stage 2 --pipeline calwebb_image2 -o out --jobs 3 "
        "--memory-budget 2GB "
        "--set jump.rejection_threshold=5 --set image3:resample.pixfrac=0.8 --skip ipc "
        "--skip jump --save refpix --from dq_init --until ramp_fit --ref dark=a=b.fits "
        "--ref flat=N/A --config mine.toml --profile reference --with acme --executor processes "
        "--overwrite --no-pictures -q"
    )
    shown = ask(*words.split())
    assert (shown.exit_code, shown.output) == (0, "")
    del asked.asked["progress"]
    assert asked.asked == {
        "given": (), "inputs": (Path("raw"),), "instrument": "nis", "stage": "2",
        "pipeline": "calwebb_image2", "output": Path("out"), "jobs": 3, "memory_budget": "2GB",
        "settings": {"jump.rejection_threshold": 5, "image3:resample.pixfrac": 0.8},
        "skip": ("ipc", "jump"), "save": ("refpix",), "start": "dq_init", "until": "ramp_fit",
        "references": {"dark": "a=b.fits", "flat": "N/A"}, "config": Path("mine.toml"),
        "profile": "reference", "packages": ("acme",), "executor": "processes", "overwrite": True,
        "scheduler": None, "asked_by": "the command line",
    }  # fmt: skip
    assert set(asked.asked) - {"given"} <= set(calcore.run.Request.__dataclass_fields__)


def test_without_inputs_the_present_folder_is_taken(ask, runner):
    asked = runner("run", RunResult(()))
    assert ask("run").exit_code == 0
    assert asked.asked["inputs"] == (Path(),)
    assert asked.asked["profile"] == "default"
    assert asked.asked["overwrite"] is False


def test_step_names_its_step(ask, runner, tmp_path):
    asked = runner("step", RunResult((outcome(),)))
    (tmp_path / "a_uncal.fits").touch()
    assert ask("step", "dq_init", "a_uncal.fits", "--set", "dq_init.x=1").exit_code == 0
    assert asked.asked["given"] == ("dq_init",)
    assert asked.asked["inputs"] == (Path("a_uncal.fits"),)


@pytest.mark.parametrize("status", [1, 2, 64])
def test_a_failed_product_is_said_and_is_the_exit_status(ask, runner, status):
    reasons = ("jw02_nis_uncal.fits: is cut short", "there is no dark")
    failed = tuple(
        outcome(Status.FAILED, name, reason, status)
        for name, reason in zip(("jw02_nis", "jw03_nis"), reasons, strict=True)
    )
    runner("run", RunResult((outcome(), *failed), 3.0))
    shown = ask("run")
    assert shown.exit_code == status
    assert shown.stderr.splitlines()[-2:] == [
        "calcore: jw02_nis_uncal.fits: is cut short", "calcore: jw03_nis: there is no dark",
    ]  # fmt: skip
    assert "1 complete, 2 failed in 3.0 s" in shown.stdout


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (DataUnusable("a.fits: all is saturated"), 1, "a.fits: all is saturated"),
        (FileTruncated("b.fits", "is cut short"), 1, "b.fits: is cut short"),
        (PluginMissing("OTHER", "c.fits"), 2, "pip install calcore-other"),
        (OSError(28, "No space left on device", "d.fits"), 1, "d.fits: No space left on device"),
        (MemoryError("60 GiB"), 1, "there is not enough memory (60 GiB); free some"),
        (ZeroDivisionError("by zero"), 1, "unexpected ZeroDivisionError: by zero; run the command"),
    ],
)
def test_every_error_is_one_sentence(ask, runner, error, status, message):
    runner("run", error)
    shown = ask("run")
    assert shown.exit_code == status
    assert shown.stderr.startswith("calcore: ")
    assert shown.stderr.count("\n") == 1
    assert message in shown.stderr


def test_verbose_shows_where_it_happened(ask, runner):
    runner("run", DataUnusable("all is saturated"))
    shown = ask("run", "-v")
    assert "Traceback" in shown.stderr
    assert shown.stderr.endswith("calcore: all is saturated\n")


def written(console):
    return console.file.getvalue()


@pytest.fixture
def console():
    """A console that is not a terminal."""
    import io

    return Console(file=io.StringIO(), width=60, highlight=False)


def test_one_line_a_step_under_each_product_s_heading(console):
    with Lines(console) as lines:
        lines.planned(2)
        for name in ("one", "two"):
            lines.product_started(name, "detector1")
        for name in ("one", "two", "two"):
            lines.slot_started(name, "jump")
            lines.advanced(name, 1, 4)
            lines.slot_finished(name, SlotOutcome("jump", Status.COMPLETE, 1.25))
        lines.product_finished(outcome(name="one"))
    assert [line.split() for line in written(console).splitlines()] == [
        ["one", "detector1", "(1", "of", "2)"], ["jump", "complete", "1.25", "s"],
        ["two", "detector1", "(1", "of", "2)"],
        ["jump", "complete", "1.25", "s"], ["jump", "complete", "1.25", "s"],
    ]  # fmt: skip


def test_what_other_processes_made_is_told_when_it_is_done(console):
    with Lines(console) as lines:
        lines.planned(1)
        lines.product_finished(outcome())
    text = written(console)
    assert [line.split()[0] for line in text.splitlines()] == ["jw01_nis", "dq_init", "ipc"]
    assert text.splitlines()[2].split() == ["ipc", "skipped", "no", "reference", "file"]


def test_long_names_are_not_cut(console):
    name = "jw" + "1" * 100
    with Lines(console) as lines:
        lines.product_started(name, "detector1")
        lines.slot_finished(name, SlotOutcome("jump", Status.SKIPPED, reason="w" * 90))
    summary(console, RunResult((outcome(name=name, files=(Path(f"/out/{name}_rate.fits"),)),)), {})
    text = written(console)
    assert text.count(name) == 2  # the heading, and the table
    assert "w" * 90 in text


def test_only_what_was_made_is_drawn(console):
    drawn = []
    with Lines(console) as lines:
        lines.when_made = drawn.append
        for status in (Status.COMPLETE, Status.FAILED, Status.KEPT):
            lines.product_finished(outcome(status))
    assert [item.status for item in drawn] == [Status.COMPLETE, Status.KEPT]


def test_a_terminal_gets_bars():
    import io

    screen = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with Lines(screen) as lines:
        lines.planned(1)
        lines.product_started("one", "detector1")
        lines.slot_started("one", "jump")
        lines.advanced("one", 2, 4)
        lines.bars.refresh()
        lines.slot_finished("one", SlotOutcome("jump", Status.COMPLETE, 1.0))
        lines.product_finished(outcome(name="one"))
    text = written(screen)
    assert "2/4" in text
    assert "products" in text


def test_the_table_names_files_pictures_and_where_they_are(console):
    rate, table = Path("/out/jw01_nis_rate.fits"), Path("/out/jw01_nis_cat.ecsv")
    more = tuple(Path(f"/out/jw0{n}_nis_o001_crf.fits") for n in (1, 2))
    result = RunResult((outcome(files=(rate, table, *more)),), 2.0)
    summary(console, result, {rate: (rate.with_suffix(".png"),)})
    text = written(console)
    assert "_rate.fits _rate.png _cat.ecsv 2 x _crf.fits" in text
    assert "1 complete in 2.0 s; files are in /out" in text


def test_figures_outside_their_limits_are_shown(console):
    figures = (Figure("saturated [%]", 2.0, high=5.0), Figure("flagged [%]", 71.0, 0.0, 40.0))
    summary(console, RunResult((outcome(figures=figures),), 2.0), {})
    text = written(console)
    assert "jw01_nis: flagged [%] is 71, outside 0 to 40" in text
    assert "saturated" not in text


def product(name, value=5.0, error="", status=0):
    slot = SlotPlan(
        "jump", "acme.jump", "acme 1.0",
        {"rejection_threshold": Value(value, "the command line", "Limit.", "sigma", "0…")},
        {"gain": ReferenceChoice("gain.fits", "CRDS")}, by_rows=2,
    )  # fmt: skip
    skipped = SlotPlan("ipc", "ipc", "calcore 0.1", skip="no reference file")
    return ProductPlan(
        name, "detector1", "X", "X_IMAGE", (Path(f"/in/{name}_uncal.fits"),),
        (Path(f"/out/{name}_rate.fits"),), (slot, skipped), ("a note",), error, status,
    )  # fmt: skip


def test_plans_that_agree_are_shown_once():
    plans = [product("a"), product("b"), product("c", value=4.0)]
    assert [[plan.name for plan in group] for group in grouped(plans)] == [["a", "b"], ["c"]]


def test_a_plan_says_what_why_and_from_whom(ask, runner):
    runner("plan", (product("a"), product("b")))
    shown = ask("plan").stdout
    for text in (
        "detector1  X X_IMAGE", "from  a_uncal.fits", "to    /out/b_rate.fits", "note: a note",
        "acme.jump of acme 1.0  bands of rows and 2 beyond", "gain: gain.fits  (CRDS)",
        "rejection_threshold = 5.0 sigma  (the command line)", "skipped: no reference file",
    ):  # fmt: skip
        assert text in shown
    assert shown.count("rejection_threshold") == 1
    assert "rejection_threshold" not in ask("plan", "-q").stdout
    assert "Limit. 0…" in ask("plan", "-v").stdout


@pytest.mark.parametrize(("statuses", "status"), [((1, 2), 1), ((2, 64), 2), ((64, 0), 64)])
def test_a_plan_that_cannot_be_ends_as_the_run_would(ask, runner, statuses, status):
    plans = [product("a", error=f"there is no dark for {one}", status=one) for one in statuses]
    runner("plan", tuple(plans))
    shown = ask("plan")
    assert shown.exit_code == status
    assert shown.stderr.splitlines()[0] == f"calcore: a: there is no dark for {statuses[0]}"


def test_references_are_listed_once(ask, runner):
    runner("plan", (product("a"), product("b")))
    assert ask("references").stdout == "gain  gain.fits  (CRDS)\n"


def test_lines_of_a_group_name_all_products():
    assert sum(line.strip() in {"a", "b"} for line in lines_of([product("a"), product("b")])) == 2


def simulated(tmp_path):
    return SimulatedVisit(
        raw=(tmp_path / "a_uncal.fits",), associations=(tmp_path / "a_asn.json",),
        cache=tmp_path, environment={"CRDS_PATH": "crds", "CRDS_OBSERVATORY": "jwst"}, truth=None,
    )  # fmt: skip


def test_simulate_passes_everything_on(ask, monkeypatch, tmp_path):
    asked = Recorder(simulated(tmp_path))
    monkeypatch.setattr(calcore.simulate.visit, "simulate", asked)
    words = (
        "simulate --instrument miri --mode image -o visit --size small --seed 7 --detector D1 "
        "--detector D2 --filter F1 --subarray S --pattern P --groups 5 --integrations 2 "
        "--dithers 3 --ra 0.01 --dec -69 --roll 30 --crowded --no-references"
    )
    shown = ask(*words.split())
    assert shown.exit_code == 0, shown.stderr
    instrument, output, options, _ = asked.asked["given"]
    assert (instrument.name, output) == ("MIRI", Path("visit"))
    assert options == VisitOptions(
        mode="image", size="small", seed=7, detectors=("D1", "D2"), filters=("F1",), subarray="S",
        pattern="P", n_groups=5, n_ints=2, n_dithers=3, references=False, sky=SkyOptions.crowded(),
        target=Target(ra_deg=0.01, dec_deg=-69.0, roll_deg=30.0),
    )  # fmt: skip
    assert "export CRDS_OBSERVATORY=jwst" in shown.stdout
    assert "calcore run --instrument miri visit -o products" in shown.stdout


def test_simulate_leaves_the_choice_to_the_instrument(ask, monkeypatch, tmp_path):
    asked = Recorder(simulated(tmp_path))
    monkeypatch.setattr(calcore.simulate.visit, "simulate", asked)
    assert ask("simulate", "--instrument", "MIRI", "-o", "visit", "-q").output == ""
    assert asked.asked["given"][2] == VisitOptions()


def test_an_instrument_that_cannot_be_simulated_says_so(ask, monkeypatch):
    monkeypatch.setitem(sys.modules, "calcore_fgs.simulate", None)  # as if it brought none
    shown = ask("simulate", "--instrument", "fgs", "-o", "visit")
    assert shown.exit_code == 1
    assert shown.stderr.endswith("cannot simulate FGS exposures\n")
    assert ask("simulate", "--instrument", "hst", "-o", "visit").exit_code == 2
