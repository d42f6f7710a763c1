"""``calcore plan``: what a run would do, before any pixel is read."""

from pathlib import Path
from typing import Any

import click

from calcore.cli.options import WITHOUT_SAY, plan_options, request_of, say_failed


@click.command()
@plan_options(*WITHOUT_SAY, quiet="Leave settings and references out.")
def plan(inputs: tuple[Path, ...], **options: Any) -> None:
    """Show what run would do, and why.

    Each setting stands with its value and who gave it: the step itself, a pipeline, a profile, a
    parameter reference, a file, or the command line. All options of run are taken.
    """
    quiet, verbose = options.pop("quiet"), options.pop("verbose")
    request = request_of(inputs, options)

    from calcore.cli.plans import grouped, lines_of
    from calcore.run import plan as make_plan

    plans = make_plan(**request)
    for products in grouped(plans):
        for line in lines_of(products, brief=quiet, docs=verbose):
            click.echo(line)
        click.echo()
    stop_if_wrong(plans)


def stop_if_wrong(plans: Any) -> None:
    """End with a run's exit status if a product cannot be made; each reason is one sentence."""
    from calcore.run.outcome import gravest

    wrong = [product for product in plans if product.error]
    say_failed((product.name, product.error) for product in wrong)
    if wrong:
        raise click.exceptions.Exit(gravest(product.exit_status for product in wrong))
