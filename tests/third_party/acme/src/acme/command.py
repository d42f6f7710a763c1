"""A command of our own."""

import click


@click.command()
def acme() -> None:
    """Say who we are."""
    click.echo("acme finds cosmic rays")
