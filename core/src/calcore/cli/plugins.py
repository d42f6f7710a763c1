"""``calcore plugins``: which packages are installed, what they bring; a new one; whether one is sound."""

import click


@click.group(invoke_without_command=True)
@click.pass_context
def plugins(context: click.Context) -> None:
    """List, write and check packages; without a command, list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@plugins.command("list")
@click.option("-v", "--verbose", is_flag=True, help="Name everything that each package brings.")
@click.option("--check", is_flag=True, help="Import everything, and say what cannot be used.")
def list_(verbose: bool = False, check: bool = False) -> None:
    """List the packages that are installed: for which core, what they bring, what they replace.

    All of it is read from the packages' metadata: nothing is imported, unless --check asks for it.
    """
    from calcore.registry import overview

    for line in overview.lines(verbose=verbose):
        click.echo(line)
    if not check:
        return
    from calcore.registry.soundness import broken

    messages = broken()
    for message in messages:
        click.echo(f"calcore: {message}", err=True)
    if messages:
        raise click.exceptions.Exit(1)
