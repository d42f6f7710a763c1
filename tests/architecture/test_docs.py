"""The pages users read say what is true."""

import re
import tomllib
from pathlib import Path

import pytest

from calcore.cli.app import COMMANDS, commands
from calcore.step import Step

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "core/*.md", "plugins/*/*.md")
    for path in ROOT.glob(pattern)
)
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist(page):
    text = page.read_text()
    named = re.findall(r"(?:`|bin/)calcore ([a-z]+)", text)
    for block in blocks(text, ""):
        named += re.findall(r"^calcore ([a-z]+)", block, re.MULTILINE)
    assert set(named) <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    named = re.findall(r"`make ([a-z]+)", text)
    for block in blocks(text, ""):
        named += re.findall(r"^make ([a-z]+)", block, re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_examples_are_python_and_toml(page):
    text = page.read_text()
    for block in blocks(text, "python"):
        compile(block, str(page), "exec")
    for block in blocks(text, "toml"):
        tomllib.loads(block)


def options_of(command):
    """Return the options of a command and of those below it."""
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for below in getattr(command, "commands", {}).values():
        yield from options_of(below)


def test_options_in_the_pages_exist():
    known = {"--help", "--version"}
    for name in COMMANDS:
        known |= set(options_of(commands.get_command(None, name)))
    for page in PAGES:
        lines = [line for line in page.read_text().splitlines() if "towncrier" not in line]
        found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "\n".join(lines)))
        assert found <= known, page


def test_the_step_that_is_shown_is_a_step():
    page = (ROOT / "docs/plugins.md").read_text()
    shown = next(block for block in blocks(page, "python") if "class MedianJump" in block)
    names = {"__name__": "example"}
    exec(shown.replace("class MedianJump", "class Shown"), names)
    assert issubclass(names["Shown"], Step)
    assert names["Shown"](rejection_threshold=4).rejection_threshold == 4.0


@pytest.mark.parametrize(
    "folder", ["core", *(f"plugins/{p.name}" for p in ROOT.glob("plugins/*/"))]
)
def test_fragments_have_types_that_towncrier_knows(folder):
    project = ROOT / folder
    if not (project / "pyproject.toml").exists():
        pytest.fail(f"{folder} is no package")
    settings = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["towncrier"]
    types = {entry["directory"] for entry in settings["type"]}
    assert "data" in types
    for fragment in (project / settings["directory"]).glob("[!.]*"):
        name = re.fullmatch(r"(\d+|\+[\w-]+)\.(\w+)(?:\.\d+)?\.md", fragment.name)
        assert name, fragment
        assert name[2] in types, fragment
        assert fragment.read_text().strip().endswith("."), fragment


def test_modes_that_can_be_simulated_are_listed():
    rows = re.findall(
        r"^\| (\w+) \| (`.*`) \|$", (ROOT / "docs" / "simulate.md").read_text(), re.MULTILINE
    )
    told = {name.lower(): re.findall(r"`([\w-]+)`", modes) for name, modes in rows}
    tables = ROOT.glob("plugins/*/src/*/tables/simulate.toml")
    there = {path.parts[-5]: sorted(tomllib.loads(path.read_text())["modes"]) for path in tables}
    assert {name: sorted(modes) for name, modes in told.items()} == there
