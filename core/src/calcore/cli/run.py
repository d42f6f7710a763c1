"""``calcore run`` and ``calcore step``."""

from pathlib import Path
from typing import Any

import click

from calcore.cli.options import request_of, request_options, say_failed

_PICTURES = click.option(
    "--pictures/--no-pictures", default=True, show_default=True,
    help="Draw a quick look (PNG) of each two-dimensional product.",
)  # fmt: skip
_EXAMPLES = """\b
Examples:
  calcore run raw -o products
  calcore run jw*_uncal.fits --stage 1 --set jump.rejection_threshold=5
  calcore run jw*_asn.json --stage 3 --profile reference
"""


@click.command(epilog=_EXAMPLES)
@request_options
@_PICTURES
def run(inputs: tuple[Path, ...], **options: Any) -> None:
    """Calibrate exposures, from raw ramps to mosaics.

    INPUT are exposures at any stage, association files, or folders; the present folder by default.
    """
    _go("", inputs, options)


@click.command()
@click.argument("name")
@request_options
@_PICTURES
def step(name: str, inputs: tuple[Path, ...], **options: Any) -> None:
    """Do the step NAME on each INPUT.

    Its parameters are set with --set NAME.PARAM=VALUE; `calcore steps` lists steps, and
    `calcore steps NAME` their parameters.
    """
    _go(name, inputs, options)


def _go(name: str, inputs: tuple[Path, ...], options: dict[str, Any]) -> None:
    """Run, draw, and sum up."""
    quiet, verbose = options.pop("quiet"), options.pop("verbose")
    drawing = options.pop("pictures")
    request = request_of(inputs, options)

    from rich.console import Console

    from calcore.cli.log import listening
    from calcore.cli.pictures import draw
    from calcore.cli.progress import Lines, summary
    from calcore.run import Status
    from calcore.run import run as run_all
    from calcore.run import step as run_step

    console = Console(stderr=True, highlight=False, quiet=quiet)
    pictures: dict[Path, Path] = {}
    with listening(console, verbose=verbose), Lines(console) as lines:
        if drawing:
            lines.when_made = lambda outcome: pictures.update(draw(outcome.files))
        if name:
            result = run_step(name, progress=lines, **request)
        else:
            result = run_all(progress=lines, **request)
    summary(Console(highlight=False, quiet=quiet), result, pictures)
    failed = [outcome for outcome in result.products if outcome.status is Status.FAILED]
    say_failed((outcome.name, outcome.reason) for outcome in failed)
    raise click.exceptions.Exit(result.exit_status)
