"""``calcore steps``: which steps there are, and what can be set."""

import inspect
from collections.abc import Iterable
from typing import Any

import click

_GROUP = "calcore.steps"


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option(
    "--schema", is_flag=True, help="Print the JSON schema of configuration files, for editors."
)
def steps(names: tuple[str, ...], schema: bool) -> None:
    """List all steps, or say everything about the steps NAME.

    A step that a package brings is called by its owner's name: owner.step. NAME may be a file of
    steps, too.
    """
    if schema:
        import json

        from calcore.cli.schema import schema as schema_of_files

        click.echo(json.dumps(schema_of_files(), indent=2))
        return
    from calcore.registry import discovery
    from calcore.registry.steps import step_class

    if names:
        for name in _named(names):
            for line in describe(name, step_class(name), discovery.found(_GROUP, name)):
                click.echo(line)
        return
    from calcore.errors import PluginBroken

    broken: list[str] = []
    rows: list[tuple[str, str, str]] = []
    for item in discovery.names(_GROUP):
        try:
            rows.append((item.name, item.source, _summary(step_class(item.name))))
        except PluginBroken as error:
            broken.append(str(error))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for name, source, text in rows:
        click.echo(f"{name:<{widths[0]}}  {source:<{widths[1]}}  {text}")
    for message in broken:
        click.echo(f"calcore: {message}", err=True)
    if broken:
        raise click.exceptions.Exit(1)


def _named(words: Iterable[str]) -> list[str]:
    """Return the names of steps; a file stands for all that it brings."""
    from pathlib import Path

    from calcore.registry import discovery, local

    known = {item.name for item in discovery.names(_GROUP)}
    found: list[str] = []
    for word in words:
        if word in known:
            found.append(word)
        elif local.is_place(word):
            files = local.add(Path(word).expanduser())
            found += [i.name for i in discovery.names(_GROUP) if i.distribution in files]
        else:  # a slot's name stands for all steps that are called so, whoever brings them
            own = [name for name in sorted(known) if name.rpartition(".")[2] == word]
            found += own or [word]
    return found


def describe(name: str, step: Any, found: Any) -> list[str]:
    """Return the lines that say what a step is, wants and lets one set."""
    from calcore.parameters import parameters_of, spell
    from calcore.step import diet_of

    diet = diet_of(step)
    flow = getattr(diet.flow, "__name__", str(diet.flow))
    works_on = f"a set of {flow} records" if diet.grouped else f"a {flow} record"
    lines = [f"{name}  ({found.source}, {step.__module__})", ""]
    lines += [f"  {line}".rstrip() for line in (inspect.getdoc(step) or "").splitlines()]
    lines += ["", f"  works on {works_on}"]
    for wish in diet.references:
        needed = "optional" if wish.optional else "needed"
        if wish.kind.type in step.required:
            needed = "needed; without it the exposure fails"
        lines.append(f"  reference {wish.kind.type} ({needed})")
    if diet.state is not None:
        lines.append(
            "  goes on from the previous exposure of the detector; "
            "state and save_state name files to begin with, and to add to"
        )
    lines += [f"  follows {work}" for work in step.cites]
    parameters = parameters_of(step)
    if not parameters:
        return [*lines, "  no parameters", ""]
    lines.append("  parameters")
    for parameter in parameters.values():
        unit = f" [{parameter.unit}]" if parameter.unit else ""
        limits = _limits(parameter.range)
        lines.append(
            f"    {parameter.name} = {parameter.default!r}{unit}  {spell(parameter.type)}{limits}"
        )
        if parameter.doc:
            lines.append(f"        {parameter.doc}")
    return [*lines, ""]


def _summary(step: Any) -> str:
    """Return the first line of a step's description."""
    return (inspect.getdoc(step) or "").partition("\n")[0]


def _limits(limits: Any) -> str:
    low, high = limits.low, limits.high
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low:g}"
    if low is None:
        return f", at most {high:g}"
    return f", {low:g} to {high:g}"
