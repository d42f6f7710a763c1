"""``calcore plugins``: which packages are installed and what they bring."""

import click


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Name everything that each package brings.")
def plugins(verbose: bool) -> None:
    """List the packages that are installed, what they bring, and whether it can be loaded."""
    from calcore.errors import PluginBroken
    from calcore.registry import discovery

    brought: dict[str, dict[str, list[str]]] = {}
    broken: list[str] = []
    for group, kind in discovery.KINDS.items():
        for item in discovery.names(group):
            brought.setdefault(item.source, {}).setdefault(kind, []).append(item.name)
            try:
                discovery.load(group, item.name)
            except PluginBroken as error:
                if str(error) not in broken:
                    broken.append(str(error))
    for source in sorted(brought):
        click.echo(source)
        for kind, names in brought[source].items():
            plural = kind if len(names) == 1 else f"{kind}s"
            shown = ", ".join(names) if verbose or len(names) <= 4 else ""
            click.echo(f"    {len(names)} {plural}{': ' if shown else ''}{shown}")
    for message in broken:
        click.echo(f"calcore: {message}", err=True)
    if broken:
        raise click.exceptions.Exit(1)
