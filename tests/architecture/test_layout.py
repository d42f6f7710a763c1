"""The house as its plan has it: floors, names, sizes."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"core": "calcore"} | {
    f"plugins/{name}": f"calcore_{name}" for name in ("nircam", "nirspec", "niriss", "miri", "fgs")
}
SOURCES = [ROOT / folder / "src" / package for folder, package in PACKAGES.items()]

INSTRUMENTS = re.compile(
    r"nircam|nirspec|niriss|\bmiri|\bfgs|\bguider[12]|\bnrc[ab][1-5l]|\bnrs[12]\b"
    r"|\b(?:nrc|nrs|nis|mir|fgs)_[a-z]",
    re.IGNORECASE,
)


def texts(folder):
    """Return the text files of a folder, caches left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.parts)
        if path.is_file() and not hidden and path.suffix not in {".pyc", ".so"}:
            yield path, path.read_text(encoding="utf-8")


def test_imports_go_downstairs():
    # In a process of its own, since it switches off all loggers that there are.
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_import_contract_has_exceptions():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert not [c["name"] for c in settings["contracts"] if "ignore_imports" in c]
    assert not settings.get("exclude_type_checking_imports", False)


def test_core_spells_no_instrument():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, text in texts(ROOT / "core")
        for number, line in enumerate(text.splitlines(), 1)
        if INSTRUMENTS.search(line)
    ]
    outside = [line for line in found if line not in extras()]
    assert not outside, "\n".join(outside)


def extras():
    """Return the lines of core's pyproject that let pip install an instrument with core."""
    path = ROOT / "core/pyproject.toml"
    lines = path.read_text().splitlines()
    start = lines.index("[project.optional-dependencies]")
    stop = next(n for n in range(start + 1, len(lines)) if lines[n].startswith("["))
    return {
        f"{path.relative_to(ROOT)}:{number + 1}: {lines[number].strip()}"
        for number in range(start, stop)
    }


@pytest.mark.parametrize(
    "word", ["NIRCam", "nircam", "MIRI", "MIRIMAGE", "NRC_IMAGE", "mir_lrs", "FGS", "NRS1"]
)
def test_the_search_finds_instruments(word):
    assert INSTRUMENTS.search(f'if kind == "{word}":')


@pytest.mark.parametrize("word", ["admiring", "discs", "tennis_court", "numeric", "mirror"])
def test_the_search_finds_nothing_else(word):
    assert not INSTRUMENTS.search(word)


def limit(path):
    """Return how many lines a module may have."""
    if path.name == "__init__.py":
        return 40
    step = "steps" in path.parts and not path.name.startswith("_")
    return 150 if step else 400


def test_modules_answer_one_question():
    long = [
        f"{path.relative_to(ROOT)}: {number} lines, at most {limit(path)}"
        for source in SOURCES
        for path in sorted(source.rglob("*.py"))
        if (number := len(path.read_text().splitlines())) > limit(path)
    ]
    assert not long, "\n".join(long)


def test_no_test_folder_is_a_package():
    """Equal file names in two packages would run one file twice."""
    assert not list((ROOT / "tests").rglob("__init__.py")) or all(
        "src" in path.parts for path in (ROOT / "tests").rglob("__init__.py")
    )


def test_sources_hold_no_loose_ends():
    loose = re.compile(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for source in SOURCES
        for path, text in texts(source)
        for number, line in enumerate(text.splitlines(), 1)
        if loose.search(line)
    ]
    assert not found, "\n".join(found)
