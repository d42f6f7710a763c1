"""Starting costs nothing: the time users wait before anything happens."""

import os
import subprocess
import sys

import pytest

HEAVY = {"numpy", "scipy", "astropy", "asdf", "gwcs", "numba", "crds", "matplotlib", "rich",
         "stevedore", "pluggy", "photutils", "drizzle", "tweakwcs"}  # fmt: skip


def cpu_seconds(*command):
    """Return the least processor time of some runs [s]; other load on the machine does not count."""
    times = []
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        after = os.times()
        times.append(
            after.children_user - before.children_user
            + after.children_system - before.children_system
        )  # fmt: skip
    return min(times)


@pytest.mark.parametrize(
    ("code", "limit_s"),
    [
        ("import calcore", 0.2),
        ("import calcore.cli.app as app; app.commands(['--help'])", 0.3),
        ("import calcore.cli.app as app; app.commands(['plugins', 'list'])", 1.0),
    ],
    ids=["import", "help", "plugins"],
)
def test_it_starts_at_once(code, limit_s):
    assert cpu_seconds("-c", code) < limit_s


@pytest.mark.parametrize(
    "code",
    [
        "import calcore",
        "import calcore.cli.app as app\ntry: app.commands(['--help'])\nexcept SystemExit: pass",
        "import calcore.cli.app as app\ntry: app.commands(['run', '-h'])\nexcept SystemExit: pass",
        "import calcore.cli.app as app\ntry: app.commands(['plugins'])\nexcept SystemExit: pass",
    ],
    ids=["import", "help", "run-help", "plugins"],
)
def test_nothing_heavy_is_imported(code):
    ask = (
        f"{code}\nimport sys\nprint(*{{n.partition('.')[0] for n in sys.modules}}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    assert not HEAVY & set(done.stderr.split())


def test_pytest_loads_no_more_of_calcore_than_fixtures():
    code = "import sys, pytest; before = set(sys.modules); import calcore.testing.fixtures\n"
    code += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["calcore", "calcore.testing", "calcore.testing.fixtures"]


def test_listing_packages_imports_none():
    code = (
        "import calcore.cli.app as app, sys\n"
        "try: app.commands(['plugins', 'list', '-v'])\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "calcore-miri" in done.stdout
    parts = ("calcore.steps", "calcore.step", "calcore_", "calcore.kernels", "calcore.io")
    assert not [name for name in done.stderr.split() if name.startswith(parts)]


def test_steps_of_stage_1_import_nothing_that_few_exposures_need():
    code = (
        "import sys\n"
        "from importlib.metadata import entry_points\n"
        "from importlib.resources import files\n"
        "used = (files('calcore_miri') / 'pipelines' / 'detector1.toml').read_text()\n"
        "steps = [p for p in entry_points(group='calcore.steps')\n"
        "         if '.steps.detector.' in p.value or f'\"{p.name}\"' in used]\n"
        "assert len({p.load() for p in steps}) > 15\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"astropy", "asdf", "gwcs", "photutils", "scipy.interpolate", "scipy.optimize"}
    assert not heavy & set(done.stdout.split())


def test_plugins_import_nothing_heavy():
    code = (
        "import sys\n"
        "for n in ('nircam', 'nirspec', 'niriss', 'miri', 'fgs'): __import__(f'calcore_{n}')\n"
        "print(*{n.partition('.')[0] for n in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not (HEAVY - {"numpy"}) & set(done.stdout.split())
