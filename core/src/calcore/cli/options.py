"""Options that run, plan and step share, and what they become."""

import os
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from calcore.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def _pairs(
    kind: str, example: str
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, str]]:
    """Return a reader of options such as ``TYPE=FILE``."""

    def read(
        _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        for text in values:
            name, equals, value = text.partition("=")
            if not (equals and name.strip() and value.strip()):
                raise UsageError(f"{kind} {text!r} is not of the form {example}")
            found[name.strip()] = value.strip()
        return found

    return read


def value_of(text: str) -> Any:
    """Read a value as TOML would, or Python's True, False and None; anything else is text."""
    words = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _settings(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    example = "SLOT.PARAMETER=VALUE"
    pairs = _pairs("--set", example)(context, parameter, values)
    for name in pairs:
        slot, dot, parameter_name = name.rpartition(":")[2].partition(".")
        if not (slot and dot and parameter_name):
            raise UsageError(f"--set {name}={pairs[name]!r} is not of the form {example}")
    return {name: value_of(value) for name, value in pairs.items()}


_PATH = click.Path(path_type=Path, readable=False)  # whether it can be read, the run finds out

# One option a line: what it is called here, what Request calls it.
_INPUTS = click.argument("inputs", nargs=-1, type=_PATH, metavar="[INPUT ...]")
_REQUEST = (
    click.option("--instrument", metavar="NAME", help="Take only this instrument's exposures."),
    click.option("--stage", type=click.Choice(["1", "2", "3", "all"]), default="all",
                 show_default=True, help="Do this stage only."),
    click.option("--pipeline", metavar="NAME", help="Do this pipeline; calwebb_… names are known."),
    click.option("-o", "--output", type=_PATH, metavar="DIR",
                 help="Folder of the products; that of each exposure by default."),
    click.option("--set", "settings", multiple=True, metavar="[PIPELINE:]SLOT.PARAM=VALUE",
                 callback=_settings, help="Set a parameter of a step."),
    click.option("--skip", multiple=True, metavar="SLOT", help="Leave this step out."),
    click.option("--from", "start", metavar="SLOT", help="Begin with this step."),
    click.option("--until", metavar="SLOT", help="End with this step."),
    click.option("--ref", "references", multiple=True, metavar="TYPE=FILE",
                 callback=_pairs("--ref", "TYPE=FILE"),
                 help="Use this reference file; N/A for none."),
    click.option("--config", type=_PATH, metavar="FILE",
                 help="Settings, edits and references from a TOML file, or the reference "
                      "pipeline's parameters (ASDF)."),
    click.option("--profile", metavar="NAME", default="default", show_default=True,
                 help="'reference' does what the reference pipeline does."),
    click.option("--with", "packages", multiple=True, metavar="PACKAGE",
                 help="Let this package (acme>=1.2), or file of steps, edit pipelines."),
    click.option("--executor", metavar="NAME", default="serial", show_default=True,
                 help="Who makes the products: serial, processes, dask, or a package's."),
    click.option("--scheduler", metavar="ADDRESS",
                 help="The dask cluster to use, tcp://…; one on this machine by default."),
    click.option("--jobs", type=click.IntRange(min=1), metavar="N",
                 help="Threads or processes; all cores by default."),
    click.option("--memory-budget", metavar="SIZE", default="4GB", show_default=True,
                 help="Memory that one product may take."),
    click.option("--save", multiple=True, metavar="SLOT", help="Write this step's result too."),
    click.option("--overwrite", is_flag=True, help="Make all products of these stages again."),
)  # fmt: skip
_VERBOSITY = (
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("-v", "--verbose", is_flag=True, help="Say more; show tracebacks."),
)


def request_options(function: F) -> F:
    """Add the inputs and all options of a request, quiet and verbose included."""
    for option in reversed((_INPUTS, *_REQUEST, *_VERBOSITY)):
        function = option(function)
    return function


WITHOUT_SAY = ("executor", "scheduler", "jobs", "memory_budget", "overwrite")
"""What has a say in how a run goes, and none in what it will make."""


def plan_options(*unused: str, **helps: str) -> Callable[[F], F]:
    """Add the options of a request to a command that makes nothing, so that it takes those of run.

    Parameters
    ----------
    *unused : str
        Options that mean nothing to the command: they are taken, and its help does not name them.
    **helps : str
        What options mean here, where that is something else.
    """

    def add(function: F) -> F:
        function = request_options(function)
        for option in getattr(function, "__click_params__", ()):
            if isinstance(option, click.Option):
                option.hidden = option.name in unused
                option.help = helps.get(str(option.name), option.help)
        return function

    return add


def request_of(inputs: tuple[Path, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `calcore.run.run` for a command line.

    Raises
    ------
    UsageError
        An input or the configuration file does not exist.
    """
    from calcore.run.fetched import address_of
    from calcore.run.request import COMMAND_LINE

    chosen = inputs or (Path(),)
    for path in chosen:
        there = os.path.exists(path)  # noqa: PTH110 - False in a folder that is closed
        if not there and not address_of(path):
            raise UsageError(f"{path}: there is no such file or folder")
    config = options.get("config")
    if config is not None and not os.path.isfile(config):  # noqa: PTH113
        raise UsageError(f"{config}: there is no such configuration file")
    return {"inputs": chosen, "asked_by": COMMAND_LINE, **options}


def say_failed(failures: Iterable[tuple[str, str]]) -> None:
    """Say on standard error why products cannot be had: a sentence for each reason.

    Parameters
    ----------
    failures : pairs of str
        Name of the product, and the reason.
    """
    names: dict[str, list[str]] = {}
    for name, reason in failures:
        names.setdefault(reason, []).append(name)
    for reason, own in names.items():
        more = f" and {len(own) - 1} more" if len(own) > 1 else ""
        about, colon, _ = reason.partition(
            ": "
        )  # a file or product, if that is what it begins with
        told = bool(colon) and own[0] in about and not more
        named = reason if told else f"{own[0]}{more}: {reason}"
        click.echo(f"calcore: {named}", err=True)
