"""What calcore lets a third party do, capability by capability: one test for each row of the contract."""

import ast
import re
import shutil

import numpy as np
import pytest
from astropy.io import fits

from calcore.flags import DQ

PLANNED = ("plan", "--stage", "1", "--with", "acme")
ORDER = re.compile(r"^  (\w+) +(?:(\S+) of )?(\S+ \S+)  ", re.MULTILINE)


def planned(place, visit, tmp_path, *words):
    """Return the slots of a plan in order, with the steps that fill them."""
    done = place.calcore("plan", visit, *words, cwd=tmp_path, cache=visit / "crds_cache")
    assert done.returncode == 0, done.stderr
    return {slot: use or slot for slot, use, _ in ORDER.findall(done.stdout)}


def info(place, path, tmp_path):
    done = place.calcore("info", path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installing_it_changes_no_byte_until_it_is_named(plain, named, stranger, visit, tmp_path):
    done = stranger.run(visit, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "acme" not in done.stdout + done.stderr
    products = sorted(path.name for path in plain.folder.glob("*.fits"))
    assert len(products) > 8
    assert sorted(path.name for path in (tmp_path / "out").glob("*.fits")) == products
    for name in products:
        assert plain.has(tmp_path / "out" / name), name
    assert not plain.has(named.one("*_rate.fits"))


def test_no_private_name_of_calcore_s_is_needed(stranger):
    package = stranger.folders[-1] / "acme"
    named = []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                named += [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                named += [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute):
                named.append(f".{node.attr}")
    assert "calcore.step.Step" in named
    assert [name for name in named if "._" in name and not name.startswith(".__")] == []


def test_contract_01_add_a_step_at_a_place_for_some_exposures(stranger, visit, named, tmp_path):
    slots = list(planned(stranger, visit, tmp_path, *PLANNED[1:]))
    assert slots.index("dark_current") + 1 == slots.index("level") < slots.index("jump")
    assert slots.index("afterglow") + 1 == slots.index("ramp_fit")
    # for an exposure type that it was not declared for, it is not there
    other = tmp_path / "dark"
    other.mkdir()
    for path in visit.glob("*00001_mirimage_uncal.fits"):
        with fits.open(path) as file:
            file[0].header["EXP_TYPE"] = "MIR_DARKIMG"
            file.writeto(other / path.name)
    words = ("--pipeline", "detector1", "--with", "acme", "--stage", "1")
    done = stranger.calcore("plan", other, *words, cwd=tmp_path, cache=visit / "crds_cache")
    assert "acme.jump" in done.stdout, done.stderr
    assert "acme.level" not in done.stdout
    assert "level                complete  (acme.level of acme 1.2.0)" in info(
        stranger, named.one("*_rate.fits"), tmp_path
    )


def test_contract_02_replace_a_step_and_keep_the_user_s_settings(stranger, visit, named, tmp_path):
    words = ("--set", "jump.rejection_threshold=7")
    done = stranger.calcore(*PLANNED, visit, *words, cwd=tmp_path, cache=visit / "crds_cache")
    assert done.returncode == 0, done.stderr
    assert "acme.jump of acme 1.2.0" in done.stdout
    assert "rejection_threshold = 7.0 sigma  (the command line)" in done.stdout
    assert "jump.find_showers of calcore-miri detector1 is unknown to acme.jump: dropped" in (
        done.stdout.replace("profile default (calcore-miri detector1)", "calcore-miri detector1")
    )
    shown = info(stranger, named.one("*_rate.fits"), tmp_path)
    assert "(acme.jump of acme 1.2.0)" in shown
    with fits.open(named.one("*_rate.fits")) as file:
        assert file[0].header["S_JUMP"] == "COMPLETE"


def test_contract_02_a_setting_of_the_user_s_that_it_lacks_is_an_error(stranger, visit, tmp_path):
    words = ("--set", "jump.min_jump_to_flag_neighbors=7")
    done = stranger.calcore(*PLANNED, visit, *words, cwd=tmp_path, cache=visit / "crds_cache")
    assert done.returncode in {1, 2}
    assert "min_jump_to_flag_neighbors" in done.stderr
    assert done.stderr.count("\n") == 1


def test_contract_03_wrap_a_step_one_does_not_own(stranger, visit, named, tmp_path):
    events = [(seen["event"], seen["slot"]) for seen in named.seen]
    assert ("before", "jump") in events
    after = [seen for seen in named.seen if seen["event"] == "after"]
    jump = next(seen for seen in after if seen["slot"] == "jump")
    entering = next(seen for seen in after if seen["slot"] == "level")
    assert jump["shape"] == entering["shape"] == [1, 6, 64, 72]
    assert jump["seconds"] > 0
    assert all(seen["shape"] is None for seen in after if seen["slot"] == "ramp_fit")
    report = tmp_path / "report.json"
    (tmp_path / "fails.py").write_text(FAILS)
    words = ("--stage", "1", "--with", "acme", "--with", "./fails.py")
    done = stranger.run(visit, *words, cwd=tmp_path, ACME_REPORT=str(report))
    assert done.returncode == 1
    failed = [line for line in report.read_text().split("{") if '"failed"' in line]
    assert '"slot": "fails"' in failed[0]
    assert "no rain today" in failed[0]


FAILS = '''
"""A step that fails."""
from dataclasses import dataclass
from calcore.hooks import hookimpl
from calcore.model import Ramp
from calcore.step import Step


@dataclass(frozen=True, kw_only=True)
class Fails(Step):
    """Fail."""

    def apply(self, ramp: Ramp) -> Ramp:
        raise ValueError("no rain today")


@hookimpl
def calcore_edit_pipeline(pipeline):
    if pipeline == "detector1":
        return {"edit": [{"insert": "fails", "use": "fails.fails", "before": "ramp_fit"}]}
'''


def test_contract_04_act_on_groups_before_ramps_are_fitted(named):
    with fits.open(named.one("*_rate.fits")) as file:
        assert file[0].header["S_LEVEL"] == "COMPLETE"
        assert 0 < file[0].header["ACMELEV"] <= 100


def test_contract_05_see_all_exposures_in_the_order_of_time(stranger, visit, named, tmp_path):
    # one after the other, with what was kept of the one before
    first, second = sorted(named.folder.glob("*_rate.fits"))
    begun = f"goes on from {first.name.removesuffix('_rate.fits')}_afterglow.asdf"
    shown = [info(stranger, path, tmp_path) for path in (first, second)]
    assert [begun in text for text in shown] == [False, True]
    # by hand, in a file of the user's, in another order, in processes of their own
    (tmp_path / "mine.toml").write_text(AFTERGLOW)
    later, earlier = sorted(visit.glob("*_uncal.fits"), reverse=True)
    done = stranger.calcore(
        "run", later, earlier, "--stage", "1", "--config", "mine.toml", "-o", "out", "--no-pictures",
        "--executor", "processes", cwd=tmp_path, cache=visit / "crds_cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rates = sorted((tmp_path / "out").glob("*_rate.fits"))
    flagged = [(fits.getdata(path, "DQ") & int(DQ.PERSISTENCE) != 0).any() for path in rates]
    assert flagged == [False, True]
    # all at once, whatever the order in the association
    members = sorted(named.folder.glob("*_crf.fits"))
    assert len(members) == 2
    assert ["trails" in info(stranger, path, tmp_path) for path in members] == [True, True]
    flagged = [(fits.getdata(path, "DQ") & int(DQ.PERSISTENCE) != 0).any() for path in members]
    assert flagged[1]


AFTERGLOW = """
[[pipeline.detector1.edit]]
insert = "afterglow"
use = "acme.afterglow"
before = "ramp_fit"
[pipeline.detector1.set.afterglow]
threshold = 500.0
"""


def test_contract_06_supply_and_alter_reference_data(stranger, visit, named, tmp_path):
    words = ("plan", visit, "--stage", "1", "--with", "acme")
    cache = visit / "crds_cache"
    made = stranger.calcore(*words, cwd=tmp_path, cache=cache).stdout
    assert "acmesteady: made by acme  (acme)" in made
    assert re.search(r"readnoise: crds://\S+ \+ acme 1\.2\.0  \(CRDS\)", made)
    own = tmp_path / "acmesteady.fits"
    image = fits.ImageHDU(np.ones((64, 72), np.float32), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(own)
    alone = (*words[:4], "--until", "level", *words[4:])
    searched = stranger.calcore(*alone, cwd=tmp_path, cache=cache, ACME_REFERENCES=str(tmp_path))
    assert "acmesteady: acmesteady.fits  (acme)" in searched.stdout
    given = stranger.calcore(*alone, "--ref", f"acmesteady={own}", cwd=tmp_path, cache=cache)
    assert "acmesteady: acmesteady.fits  (--ref)" in given.stdout
    with fits.open(named.one("*_rate.fits")) as file:
        assert file[0].header["R_READNO"].endswith("+ acme 1.2.0")


def test_contract_07_give_a_mask_that_several_steps_use(stranger, visit, tmp_path):
    flicker = "clean_flicker_noise"
    words = ("--set", f"{flicker}.skip=false", "--set", f"{flicker}.mask_science_regions=true")
    done = stranger.calcore(*PLANNED, visit, *words, cwd=tmp_path, cache=visit / "crds_cache")
    assert done.returncode == 0, done.stderr
    slots = re.split(r"^  (?=\w)", done.stdout, flags=re.MULTILINE)
    using = {slot.split()[0] for slot in slots if "scenemask: <SceneMask>  (calcore_mask)" in slot}
    assert using == {"level", "clean_flicker_noise"}


def test_contract_08_add_modes_product_types_readers_and_writers(
    stranger, clean, visit, named, tmp_path
):
    scatter = named.one("*_scatter.fits")
    with fits.open(scatter) as file:
        assert file[0].header["DATAMODL"] == "AcmeScatterModel"
        assert file["SCATTER"].data.shape == (64, 72)
    read = "import calcore, sys; record = calcore.open(sys.argv[1]); print(type(record).__name__)"
    assert stranger.python("-c", read, scatter, cwd=tmp_path).stdout == "Scatter\n"
    raw = min(visit.glob("*_uncal.fits"))
    with fits.open(raw) as file:
        file[0].header["EXP_TYPE"] = "MIR_ACME"
        file.writeto(tmp_path / raw.name)
    words = ("run", raw.name, "-o", "out", "--no-pictures")
    done = stranger.calcore(*words, cwd=tmp_path, cache=visit / "crds_cache")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*_rate.fits"))) == 1
    refused = clean.calcore(*words, "--overwrite", cwd=tmp_path, cache=visit / "crds_cache")
    assert refused.returncode != 0
    assert "MIR_ACME" in refused.stderr


def test_contract_09_add_pipelines_and_commands(stranger, visit, tmp_path):
    words = ("--pipeline", "quick")
    assert list(planned(stranger, visit, tmp_path, *words)) == ["dq_init", "jump", "ramp_fit"]
    assert "(from acme 1.2.0)" in stranger.calcore("--help", cwd=tmp_path).stdout
    assert stranger.calcore("acme", cwd=tmp_path).stdout == "acme finds cosmic rays\n"


def test_contract_10_judge_products_with_limits(named):
    assert "median rate is" in named.said
    assert "outside 1e+06 to inf" in named.said
    assert "share of pixels lost" not in named.said
    assert named.one("*_acme.txt").read_text().endswith(" lost\n")


def test_contract_11_bring_an_executor(stranger, visit, plain, tmp_path):
    done = stranger.run(visit, "--executor", "latest_first", "--stage", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rates = sorted((tmp_path / "out").glob("*_rate.fits"))
    assert all(plain.has(path) for path in rates)
    ended = re.findall(r"^(jw\S+)  detector1  complete", done.stdout, re.MULTILINE)
    assert ended == sorted(ended, reverse=True)
    assert len(ended) == 2


def test_contract_11_bring_a_storage(stranger, visit, plain, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    raw = min(visit.glob("*_uncal.fits"))
    shutil.copy(raw, store)
    words = (f"acme://{raw.name}", "-o", tmp_path / "out", "--stage", "1")
    wish = {"cwd": tmp_path, "cache": visit / "crds_cache"}
    refused = stranger.calcore("run", *words, **wish)
    assert refused.returncode == 2
    assert f"acme://{raw.name} is an address, and no package that was named" in refused.stderr
    done = stranger.calcore("run", *words, "--with", "acme", ACME_STORE=str(store), **wish)
    assert done.returncode == 0, done.stderr
    (rate,) = store.glob("*_rate.fits")
    assert rate.read_bytes() == (tmp_path / "out" / rate.name).read_bytes()


def test_contract_12_record_status_and_provenance_of_one_s_own(stranger, named, tmp_path):
    with fits.open(named.one("*_rate.fits")) as file:
        assert file[0].header["S_LEVEL"] == "COMPLETE"
        assert "ACMELEV" in file[0].header
    shown = info(stranger, named.one("*_rate.fits"), tmp_path)
    for line in ("(acme.level of acme 1.2.0)", "(acme.afterglow of acme 1.2.0)"):
        assert line in shown
    member = named.one("*_crf.fits")
    read = "import calcore, sys; print(calcore.open(sys.argv[1]).meta['acme.exposures_before'])"
    assert stranger.python("-c", read, member, cwd=tmp_path).stdout == "0\n"


def test_contract_13_be_switched_off_pinned_listed_and_diagnosed(stranger, visit, tmp_path):
    listed = stranger.calcore("plugins", "list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "acme 1.2.0  for calcore <0.2,>=0.1" in listed.stdout
    assert "4 steps: acme.afterglow, acme.jump, acme.level, acme.trails" in listed.stdout
    assert "acme.jump replaces jump" in listed.stdout
    words = ("plan", visit, "--stage", "1", "-q", "--with")
    cache = visit / "crds_cache"
    pinned = stranger.calcore(*words, "acme>=1.2,<2", cwd=tmp_path, cache=cache)
    assert pinned.returncode == 0, pinned.stderr
    assert "acme.jump" in pinned.stdout
    other = stranger.calcore(*words, "acme==1.1", cwd=tmp_path, cache=cache)
    assert other.returncode == 2
    assert "acme==1.1 is asked for, but acme 1.2.0 is installed" in other.stderr
    off = stranger.calcore(*words, "acme", cwd=tmp_path, cache=cache, CALCORE_WITHOUT="acme")
    assert off.returncode == 2
    assert "There is no installed package with hooks 'acme'" in off.stderr
    shown = stranger.calcore("plugins", "list", cwd=tmp_path, CALCORE_WITHOUT="acme")
    assert "(switched off by CALCORE_WITHOUT)" in shown.stdout
    checked = stranger.calcore("plugins", "list", "--check", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


CONTRACT = """
from acme.cases import afterglow, trails
from acme.jump import MedianJump
from acme.level import GroupLevel
from calcore.testing import StepContract, a_case


class TestMedianJump(StepContract):
    def case(self):
        return a_case(MedianJump)


class TestGroupLevel(StepContract):
    def case(self):
        return a_case(GroupLevel)


class TestAfterglow(StepContract):
    def case(self):
        return afterglow()


class TestTrails(StepContract):
    def case(self):
        return trails()


def test_fixtures(calcore_ramp, calcore_reference):
    assert calcore_ramp((1, 4, 16, 16)).data.shape == (1, 4, 16, 16)
"""


def test_contract_14_test_itself_with_the_kit_that_ships(stranger, tmp_path):
    (tmp_path / "test_acme.py").write_text(CONTRACT)
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py")
    done = stranger.python(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "25 passed" in done.stdout


@pytest.mark.parametrize("how", ["loading", "running"])
def test_contract_15_fail_without_taking_the_run_down_if_optional(broken, visit, tmp_path, how):
    words = ["run", min(visit.glob("*_uncal.fits")), "-o", "out", "--no-pictures", "--stage", "1"]
    if how == "running":
        text = FAILS.replace('"before"', '"optional": True, "before"')
        (tmp_path / "fails.py").write_text(text)
        words += ["--with", "./fails.py"]
    else:
        (tmp_path / "mine.toml").write_text(
            '[[pipeline.detector1.edit]]\ninsert = "extra"\nuse = "broken.missing_library"\n'
            'before = "jump"\noptional = true\n'
        )
        words += ["--config", "mine.toml"]
    done = broken.calcore(*words, cwd=tmp_path, cache=visit / "crds_cache")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert ("broken 0.3.1" if how == "loading" else "no rain today") in said
    (rate,) = (tmp_path / "out").glob("*_rate.fits")
    held = broken.calcore("info", rate, cwd=tmp_path).stdout
    assert ("broken 0.3.1" if how == "loading" else "no rain today") in held
    again = broken.calcore(*words, cwd=tmp_path, cache=visit / "crds_cache")
    assert again.returncode == 0, again.stderr
    assert "kept" in again.stdout + again.stderr
