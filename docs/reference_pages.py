"""Pages made from what is installed: every command, every step, every pipeline, every flag.

They are written anew whenever the site is built, and are not kept.
"""

import inspect
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from sphinx.ext.napoleon import Config, NumpyDocstring

from calcore.cli.app import COMMANDS, commands
from calcore.flags import DQ
from calcore.parameters import Parameter, parameters_of, spell
from calcore.registry import discovery
from calcore.step import diet_of


def write(folder: Path) -> None:
    """Write all pages into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "steps").mkdir(parents=True)
    pages = {"commands": _commands(), "flags": _flags(), "steps": _steps()}
    names = [item.name for item in discovery.names("calcore.steps")]
    pages |= {f"steps/{name}": _step(name) for name in names}
    for name, lines in pages.items():
        (folder / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _commands() -> Iterator[str]:
    """Every command as its help shows it."""
    yield "# Commands"
    with click.Context(commands, info_name="calcore") as context:
        for name in COMMANDS:
            command = commands.get_command(context, name)
            assert command is not None
            yield from _command(command, context, f"calcore {name}")


def _command(command: click.Command, above: click.Context, name: str) -> Iterator[str]:
    with click.Context(command, info_name=name.rpartition(" ")[2], parent=above) as context:
        yield from ("", f"## {name}", "", "```text", command.get_help(context), "```")
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                inner = command.get_command(context, each)
                assert inner is not None
                yield from _command(inner, context, f"{name} {each}")


def _flags() -> Iterator[str]:
    """Every data-quality flag."""
    yield from (
        "# Flags", "",
        "Flags of a pixel have 32 bits, of which the first eight are also those of a group.", "",
        "| Bit | Value | Name |", "|---|---|---|",
    )  # fmt: skip
    for flag in DQ:
        if flag:
            yield f"| {int(flag).bit_length() - 1} | {int(flag)} | {flag.name} |"


def _steps() -> Iterator[str]:
    """The list of all steps."""
    yield from ("# Steps", "")
    yield "A step is called by its name; one that a package brings, by its owner's name before it."
    yield from ("", "| Step | Package | Does |", "|---|---|---|")
    found = discovery.names("calcore.steps")
    for item in found:
        step = discovery.load("calcore.steps", item.name)
        summary = (inspect.getdoc(step) or "").partition("\n")[0]
        yield f"| [{item.name}](steps/{item.name}.md) | {item.distribution} | {summary} |"
    yield from ("", "```{toctree}", ":hidden:", "")
    yield from (f"steps/{item.name}" for item in found)
    yield "```"


def _step(name: str) -> Iterator[str]:
    """One step: what it does, what it asks for, what can be set."""
    step: Any = discovery.load("calcore.steps", name)
    diet = diet_of(step)
    flow = getattr(diet.flow, "__name__", str(diet.flow))
    yield from (f"# {name}", "", "```{eval-rst}")
    yield str(NumpyDocstring(inspect.getdoc(step) or "", Config()))
    yield from ("```", "")
    many = f"a set of records {flow}" if diet.grouped else f"a record {flow}"
    yield f"Works on {many}; `{step.__module__}.{step.__qualname__}`."
    if diet.state is not None:
        yield "It goes on from the previous exposure of the detector."
    yield from _references(step, diet)
    parameters = parameters_of(step)
    yield from ("", "## Parameters", "")
    if not parameters:
        yield "None."
        return
    yield from ("| Name | Default | Unit | Values | Meaning |", "|---|---|---|---|---|")
    for parameter in parameters.values():
        yield _row(
            f"`{parameter.name}`", f"`{_plain(parameter.default)}`", parameter.unit,
            _values(parameter), parameter.doc,
        )  # fmt: skip
    yield ""
    yield "Defaults are the step's own; `calcore plan` shows what a pipeline sets. In a file they stand"
    yield f"below `[set.{name.rpartition('.')[2]}]`."


def _references(step: Any, diet: Any) -> Iterable[str]:
    if not diet.references:
        return
    yield from ("", "## Reference files", "", "| Type | Without it |", "|---|---|")
    for wish in diet.references:
        without = "the step is skipped"
        if wish.optional:
            without = "the step does without"
        if wish.kind.type in step.required:
            without = "the exposure fails"
        yield f"| `{wish.kind.type}` | {without} |"


def _plain(value: Any) -> Any:
    """Return a default as a configuration file spells it."""
    if isinstance(value, DQ):
        return "+".join(flag.name or "" for flag in DQ if flag & value) or 0
    return value


def _values(parameter: Parameter) -> str:
    low, high = parameter.range.low, parameter.range.high
    limits = "" if low is None else f", at least {low:g}"
    limits += "" if high is None else f", at most {high:g}"
    return spell(parameter.type) + limits


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
