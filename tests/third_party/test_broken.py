"""A package broken in every way: each is one sentence that names it, and harms nobody who needs it not."""

import pytest

WITH = ("--with", "broken", "--stage", "1")
"""Words of a run that asks the hooks of the broken package."""


def said(done):
    """Return the one sentence on standard error, which names the package."""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert "broken 0.3.1" in lines[0]
    return lines[0]


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("import_error", "RuntimeError: the author has never tried this; reinstall or uninstall"),
        ("missing_library", "it needs a-library-that-is-not-there>=2: pip install"),
        ("signature", "Asks.apply asks for weather: <class 'str'>, which is neither"),
        ("arguments", "Takes.rows must take 3 arguments, self included"),
        ("no_step", "NoStep is not a calcore Step"),
        ("gone", "has no attribute 'Gone'"),
    ],
)
def test_a_step_that_cannot_be_used(broken, tmp_path, step, sentence):
    done = broken.calcore("steps", f"broken.{step}", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in said(done)


def test_a_run_that_needs_a_broken_step_says_so_before_any_pixel(broken, visit, tmp_path):
    edit = '[[pipeline.detector1.edit]]\nreplace = "jump"\nuse = "broken.signature"\n'
    (tmp_path / "mine.toml").write_text(edit)
    done = broken.run(visit, "--stage", "1", "--config", "mine.toml", cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "step 'broken.signature' of broken 0.3.1 cannot be used" in last
    assert not list(tmp_path.glob("out/*"))


def test_a_name_that_two_have_names_both(rivals, tmp_path):
    done = rivals.calcore("steps", "acme.jump", cwd=tmp_path)
    assert done.returncode == 1
    assert "brought by acme 1.2.0 and broken 0.3.1; uninstall one of them" in said(done)


def test_a_name_of_core_s_stays_core_s(broken, tmp_path):
    done = broken.calcore("steps", "jump", cwd=tmp_path)
    assert done.returncode == 0
    assert "jump  (calcore 0.1.0, calcore.steps.detector.jump)" in done.stdout
    assert "step 'jump' is core's; the one of broken 0.3.1 is left aside" in done.stderr


def test_a_command_that_cannot_be_imported(broken, tmp_path):
    done = broken.calcore("broken", cwd=tmp_path)
    assert done.returncode == 1
    assert "command 'broken' of broken 0.3.1 cannot be loaded" in said(done)
    assert broken.calcore("--help", cwd=tmp_path).returncode == 0


def test_one_made_for_another_core(outdated, plain, visit, tmp_path):
    done = outdated.calcore("steps", "acme.jump", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "acme 1.2.0 needs calcore<8,>=7, but 0.1.0 is installed" in done.stderr
    listed = outdated.calcore("plugins", "list", cwd=tmp_path)
    assert listed.returncode == 0
    assert "cannot be used: acme 1.2.0 needs calcore<8,>=7" in listed.stdout
    named = outdated.run(visit, "--stage", "1", "--with", "acme", cwd=tmp_path)
    assert named.returncode == 1
    assert "acme 1.2.0 needs calcore<8,>=7" in named.stderr.splitlines()[-1]


def test_it_harms_no_run_that_does_not_need_it(broken, plain, visit, tmp_path):
    done = broken.run(visit, "--stage", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    products = sorted((tmp_path / "out").glob("*.fits"))
    assert len(products) == 4
    for path in products:
        assert plain.has(path), path.name


def test_a_hook_that_only_watches_costs_no_product(broken, plain, visit, tmp_path):
    raw = min(visit.glob("*_uncal.fits"))
    words = ("run", raw, "-o", "out", "--no-pictures", *WITH)
    cache = visit / "crds_cache"
    done = broken.calcore(*words, cwd=tmp_path, cache=cache, BROKEN="diagnose after finished")
    assert done.returncode == 0, done.stderr
    for hook in ("diagnose", "after_step", "run_finished"):
        assert f"calcore_{hook} of broken 0.3.1 failed: ZeroDivisionError" in done.stderr
    assert plain.has_pixels(min((tmp_path / "out").glob("*_rate.fits")))


@pytest.mark.parametrize("hook", ["edit", "find"])
def test_a_hook_that_answers_is_named_when_it_fails(broken, visit, tmp_path, hook):
    raw = min(visit.glob("*_uncal.fits"))
    words = ("run", raw, "-o", "out", "--no-pictures", *WITH)
    done = broken.calcore(*words, cwd=tmp_path, cache=visit / "crds_cache", BROKEN=hook)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"of broken 0.3.1 failed: ZeroDivisionError: {hook} divides by nothing" in last
    assert "report it to the authors of broken 0.3.1" in last


def test_all_that_is_broken_is_said_when_asked(rivals, tmp_path):
    listed = rivals.calcore("plugins", "list", cwd=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "needs a-library-that-is-not-there>=2, which is not installed" in listed.stdout
    assert "step 'acme.jump' is brought by acme 1.2.0 and broken 0.3.1" in listed.stdout
    assert "pipeline 'detector1' is core's; the one of broken 0.3.1 is left aside" in listed.stdout
    assert "command 'run' is core's; this one is left aside" in listed.stdout
    checked = rivals.calcore("plugins", "list", "--check", cwd=tmp_path)
    assert checked.returncode == 1
    for line in checked.stderr.splitlines():
        assert "broken 0.3.1" in line
    for name in ("import_error", "missing_library", "signature", "arguments", "no_step", "gone"):
        assert f"'broken.{name}'" in checked.stderr
