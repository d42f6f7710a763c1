"""A stranger's package brings a step, a hook and a command; a broken one is named."""

import pytest

from calcore.flags import DQ


def test_its_step_is_listed_with_its_source(stranger, tmp_path):
    done = stranger.calcore("steps", "acme.jump", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "acme.jump  (acme 1.2.0, acme.jump)" in done.stdout
    assert "rejection_threshold = 5.0 [sigma]  float, at least 0" in done.stdout


def test_its_command_is_in_the_help_and_runs(stranger, tmp_path):
    shown = stranger.calcore("--help", cwd=tmp_path)
    assert "(from acme 1.2.0)" in shown.stdout
    assert stranger.calcore("acme", cwd=tmp_path).stdout == "acme finds cosmic rays\n"


def test_it_is_listed_among_the_plugins(stranger, tmp_path):
    done = stranger.calcore("plugins", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "acme 1.2.0\n" in done.stdout
    assert "2 steps: acme.afterglow, acme.jump" in done.stdout


CONTRACT = """
import numpy as np
from acme.jump import MedianJump
from calcore.model import Meta, Ramp
from calcore.model.reference import Gain, ReadNoise
from calcore.testing import Case, StepContract

rng = np.random.default_rng(1)
data = np.cumsum(rng.normal(50, 6, (1, 8, 24, 20)), axis=1).astype("f4")
data[0, 4:, 10, 7] += 500
ramp = Ramp(
    meta=Meta({"exposure.ngroups": 8, "exposure.nints": 1}),
    data=data, groupdq=np.zeros(data.shape, "u1"), pixeldq=np.zeros((24, 20), "u4"),
)
flat = np.ones((24, 20), "f4")


class TestMedianJump(StepContract):
    def case(self):
        given = {"gain": Gain(meta=Meta({}), data=flat * 2),
                 "readnoise": ReadNoise(meta=Meta({}), data=flat * 5)}
        return Case(MedianJump(), ramp, given)


def test_hit():
    case = TestMedianJump().case()
    flags = case.step(case.flow, **case.given).groupdq
    print("flagged", flags[0, 4, 10, 7], int((flags != 0).sum()))
"""


def test_its_step_keeps_the_contract_that_ships(stranger, tmp_path):
    (tmp_path / "test_acme.py").write_text(CONTRACT)
    done = stranger.python(
        "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_acme.py", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"flagged {int(DQ.JUMP_DET)} 1" in done.stdout
    assert "7 passed" in done.stdout


BROKEN = "[calcore.steps]\nbroken.jump = broken_module:Jump\n"


def test_a_broken_package_is_named_and_stops_only_who_needs_it(clean, package, tmp_path):
    place = clean.with_folder(package("broken", BROKEN, "import a_library_that_is_not_there\n"))
    done = place.calcore("steps", "broken.jump", cwd=tmp_path)
    assert done.returncode == 1
    assert "broken 1.0" in done.stderr
    assert "a_library_that_is_not_there" in done.stderr
    assert done.stderr.count("\n") == 1
    assert place.calcore("steps", "dark_current", cwd=tmp_path).returncode == 0
    listed = place.calcore("plugins", cwd=tmp_path)
    assert listed.returncode == 1
    assert "broken 1.0" in listed.stderr


def test_two_packages_with_one_name_are_both_named(stranger, package, tmp_path):
    place = stranger.with_folder(package("rival", "[calcore.steps]\nacme.jump = rival_module:x\n"))
    done = place.calcore("steps", "acme.jump", cwd=tmp_path)
    assert done.returncode == 1
    assert "acme 1.2.0" in done.stderr
    assert "rival 1.0" in done.stderr


@pytest.mark.parametrize("requires", ["calcore>=7", "calcore<0.1"])
def test_a_package_for_another_core_is_refused_from_its_metadata(
    clean, package, tmp_path, requires
):
    folder = package(
        "old",
        "[calcore.steps]\nold.jump = old_module:x\n",
        "raise SystemError\n",
        requires=requires,
    )
    done = clean.with_folder(folder).calcore("steps", "old.jump", cwd=tmp_path)
    assert done.returncode == 1
    assert f"old 1.0 needs {requires}" in done.stderr
    assert "pip install --upgrade calcore old" in done.stderr


def plan(place, visit, tmp_path, *words):
    done = place.calcore(
        "plan", visit, "--stage", "1", *words, cwd=tmp_path, cache=visit / "crds_cache"
    )
    return done, done.stdout


def test_installing_it_changes_nothing(stranger, visit, tmp_path):
    done, shown = plan(stranger, visit, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "acme" not in shown


def test_naming_it_puts_its_step_in_the_slot_and_keeps_the_user_s_settings(
    stranger, visit, tmp_path
):
    done, shown = plan(
        stranger, visit, tmp_path, "--with", "acme", "--set", "jump.rejection_threshold=7"
    )
    assert done.returncode == 0, done.stderr
    assert "acme.jump of acme 1.2.0" in shown
    assert "rejection_threshold = 7.0 sigma  (the command line)" in shown
    assert "smallest_noise = 1.0 DN  (default of the step)" in shown


def test_a_setting_that_its_step_lacks_is_an_error_if_the_user_gave_it(stranger, visit, tmp_path):
    words = ("--with", "acme", "--set", "jump.min_jump_to_flag_neighbors=7")
    done, _ = plan(stranger, visit, tmp_path, *words)
    assert done.returncode in {1, 2}
    assert "min_jump_to_flag_neighbors" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_user_s_file_names_it_as_well(stranger, visit, tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text('[[pipeline.detector1.edit]]\nreplace = "jump"\nuse = "acme.jump"\n')
    done, shown = plan(stranger, visit, tmp_path, "--config", config)
    assert done.returncode == 0, done.stderr
    assert "acme.jump of acme 1.2.0" in shown


def test_a_package_that_is_not_there_is_named(clean, visit, tmp_path):
    done, _ = plan(clean, visit, tmp_path, "--with", "acme")
    assert done.returncode in {1, 2}
    assert "acme" in done.stderr


def test_its_step_runs_in_the_clean_environment(stranger, visit, tmp_path):
    done = stranger.calcore(
        "run", visit, "--stage", "1", "--with", "acme", "-o", "out", "--instrument", "miri",
        cwd=tmp_path, cache=visit / "crds_cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rate = min((tmp_path / "out").glob("*_rate.fits"))
    assert rate.with_suffix(".png").is_file()
    shown = stranger.calcore("info", rate, cwd=tmp_path).stdout
    assert "jump                 complete  (acme.jump of acme 1.2.0)" in shown


AFTERGLOW = """
[[pipeline.detector1.edit]]
insert = "afterglow"
use = "acme.afterglow"
before = "ramp_fit"
[pipeline.detector1.set.afterglow]
threshold = 500.0
"""


def test_its_step_sees_what_it_kept_of_the_exposure_before(stranger, visit, tmp_path):
    (tmp_path / "mine.toml").write_text(AFTERGLOW)
    second, first = sorted(visit.glob("*_uncal.fits"), reverse=True)
    done = stranger.calcore(
        "run", second, first, "--stage", "1", "--config", "mine.toml", "-o", "out",
        "--executor", "processes", cwd=tmp_path, cache=visit / "crds_cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*_afterglow.asdf"))) == 2
    first, second = sorted((tmp_path / "out").glob("*_rate.fits"))
    shown = [stranger.calcore("info", path, cwd=tmp_path).stdout for path in (first, second)]
    begun = f"goes on from {first.name.removesuffix('_rate.fits')}_afterglow.asdf"
    assert [begun in text for text in shown] == [False, True]
    assert ["PERSISTENCE" in text for text in shown] == [False, True]
