"""``calcore plugins``: which packages are installed, what they bring; a new one; whether one is sound."""

from pathlib import Path

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
    from calcore.cli.app import COMMANDS
    from calcore.registry import overview

    for line in overview.lines(verbose=verbose, commands=COMMANDS):
        click.echo(line)
    if not check:
        return
    from calcore.registry.soundness import broken

    messages = broken()
    for message in messages:
        click.echo(f"calcore: {message}", err=True)
    if messages:
        raise click.exceptions.Exit(1)


@plugins.command("new")
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path(), metavar="DIR",
              help="Where the package's folder is made; here by default.")  # fmt: skip
def new(name: str, output: Path) -> None:
    """Write a package NAME with a step, its test and its entry points, ready to be changed."""
    import shlex

    from calcore.testing.newpackage import write_package

    for path in write_package(name, output):
        click.echo(path)
    click.echo(f"\nTry it: cd {shlex.quote(str(output / name))} && pip install -e . && pytest")


@plugins.command("check")
@click.argument("name")
def check(name: str) -> None:
    """Hold everything that package NAME brings to what calcore and its users rely on.

    NAME is an installed package, or a file of steps. Each step is given the case that the package
    brings for it (entry points calcore.cases), or one that is made up: it must give the same for
    any bands, tiles and threads, leave its inputs alone, keep to a bound of memory, and say what
    it and its parameters are. Exit status 1 tells that something is not as it should be.
    """
    from calcore.testing.certify import certify

    verdicts = {True: "good", False: "WRONG", None: "unknown"}
    counts = dict.fromkeys(verdicts, 0)
    before = ""
    for finding in certify(name):
        shown = finding.what if finding.what != before else ""
        before = finding.what
        counts[finding.good] += 1
        verdict = verdicts[finding.good]
        click.echo(f"{shown:<28}  {finding.respect:<14} {verdict:<8} {finding.words}")
    amiss = [f"{counts[key]} {verdicts[key].lower()}" for key in (False, None) if counts[key]]
    click.echo(f"\n{name}: {' and '.join(amiss) or 'all is good'}")
    if amiss:
        raise click.exceptions.Exit(1)
