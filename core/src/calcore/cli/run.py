"""``calcore run`` and ``calcore step``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from calcore.cli.options import request_of, request_options, say_failed

F = TypeVar("F", bound=Callable[..., Any])
_TELLING = (
    click.option("--pictures/--no-pictures", default=True, show_default=True,
                 help="Draw a quick look (PNG) of each two-dimensional product."),
    click.option("--log", type=click.Path(path_type=Path), metavar="FILE",
                 help="Write the log to FILE, too: one JSON object a line."),
    click.option("--log-format", type=click.Choice(["text", "json"]), default="text",
                 show_default=True, help="What is said on standard error: lines for people, or JSON."),
)  # fmt: skip
_EXAMPLES = """\b
Examples:
  calcore run raw -o products
  calcore run jw*_uncal.fits --stage 1 --set jump.rejection_threshold=5
  calcore run jw*_asn.json --stage 3 --profile reference
"""


def _telling(function: F) -> F:
    """Add the options that say what is told of a run."""
    for option in reversed(_TELLING):
        function = option(function)
    return function


@click.command(epilog=_EXAMPLES)
@request_options
@click.option(
    "--replay",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="Do a run again as its manifest, or one of its products, tells.",
)
@_telling
def run(inputs: tuple[Path, ...], **options: Any) -> None:
    """Calibrate exposures, from raw ramps to mosaics.

    INPUT are exposures at any stage, association files, or folders; the present folder by default.
    """
    if options["replay"] is None:
        del options["replay"]
    _go("", inputs, options)


@click.command()
@click.argument("name")
@request_options
@_telling
def step(name: str, inputs: tuple[Path, ...], **options: Any) -> None:
    """Do the step NAME on each INPUT.

    Its parameters are set with --set NAME.PARAM=VALUE; `calcore steps` lists steps, and
    `calcore steps NAME` their parameters.
    """
    _go(name, inputs, options)


def _go(name: str, inputs: tuple[Path, ...], options: dict[str, Any]) -> None:
    """Run, draw, and sum up."""
    quiet, verbose = options.pop("quiet"), options.pop("verbose")
    drawing, log, as_json = (
        options.pop("pictures"), options.pop("log"), options.pop("log_format") == "json",
    )  # fmt: skip
    request = request_of(inputs, options)

    from rich.console import Console

    from calcore.cli.checkup import kernels_are_kept
    from calcore.cli.jsonlines import JsonLines
    from calcore.cli.log import Notes, listening
    from calcore.cli.pictures import draw
    from calcore.cli.progress import Lines, Several, summary
    from calcore.run import Status
    from calcore.run import run as run_all
    from calcore.run import step as run_step

    console = Console(stderr=True, highlight=False, quiet=quiet or as_json)
    notes = Notes(console, verbose=verbose)
    pictures: dict[Path, tuple[Path, ...]] = {}
    if not kernels_are_kept():
        console.print("the first run here compiles its kernels, once: about half a minute more")
    with _written(log, as_json=as_json) as streams, Lines(console) as lines:
        machines = [JsonLines(stream) for stream in streams]
        if drawing:
            lines.when_made = lambda outcome: pictures.update(draw(outcome.files))
        try:
            with listening(notes, *machines, verbose=verbose) as hearing:
                lines.heard = hearing.product_finished
                progress = Several(lines, *machines)
                if name:
                    result = run_step(name, progress=progress, **request)
                else:
                    result = run_all(progress=progress, **request)
            for machine in machines:
                machine.finished(result)
        except (Exception, KeyboardInterrupt) as error:
            for machine in machines:
                machine.broken_off(error)
            if not as_json:
                raise
            interrupted = isinstance(error, KeyboardInterrupt)
            raise click.exceptions.Exit(
                130 if interrupted else getattr(error, "exit_status", 1)
            ) from error
        finally:
            notes.tell()
    summary(Console(highlight=False, quiet=quiet), result, pictures)
    failed = [outcome for outcome in result.products if outcome.status is Status.FAILED]
    if not as_json:
        say_failed((outcome.name, outcome.reason) for outcome in failed)
    raise click.exceptions.Exit(result.exit_status)


@contextmanager
def _written(log: Path | None, *, as_json: bool) -> Iterator[list[TextIO]]:
    """Open what is written for machines: standard error, a file, both or none."""
    streams = [sys.stderr] if as_json else []
    if log is None:
        yield streams
        return
    file = log.open("w", encoding="utf-8")
    try:
        yield [*streams, file]
    finally:
        with suppress(OSError):  # what could not be written was told
            file.close()
