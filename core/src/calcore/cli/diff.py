"""``calcore diff``: in what two products, or the products of two runs, differ."""

import json
from pathlib import Path
from typing import Any

import click

_SHOWN = 10
"""So many differences of a kind are shown without ``-v``."""
_PATH = click.Path(path_type=Path, readable=False)


@click.command()
@click.argument("one", metavar="A", type=_PATH)
@click.argument("other", metavar="B", type=_PATH)
@click.option("--tolerance", type=float, default=0.0, show_default=True,
              metavar="SIGMA", help="Values that differ by up to so many errors are the same.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write what was found as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing; the exit status tells.")
@click.option("-v", "--verbose", is_flag=True, help="Show all keywords that differ.")
def diff(
    one: Path, other: Path, tolerance: float, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Compare the products A and B, or all products of two folders or manifests.

    Values are compared in units of their error, flags bit by bit, keywords and tables entry by
    entry, world coordinates in arcseconds. Dates of writing make no difference, nor do other
    settings that led to the same values; they are told. The exit status is 0 if all is the same, 1 if
    something differs, 2 if something cannot be compared.
    """
    from calcore.errors import CalcoreError
    from calcore.report.compare import compare

    try:
        compared = compare(one, other, tolerance)
    except CalcoreError as error:
        click.echo(f"calcore: {error}", err=True)
        raise click.exceptions.Exit(2) from error
    same = all(pair.same for pair in compared)
    if as_json:
        click.echo(json.dumps(_plain(compared), indent=1))
    elif not quiet:
        for line in _lines(compared, None if verbose else _SHOWN):
            click.echo(line)
    unread = any(pair.problem for pair in compared)
    raise click.exceptions.Exit(2 if unread else 0 if same else 1)


def _plain(compared: Any) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [
        {
            "name": pair.name,
            "same": pair.same,
            "found": [asdict(item) for item in pair.found],
            "problem": pair.problem,
        }
        for pair in compared
    ]


def _lines(compared: Any, most: int | None) -> list[str]:
    """Return a table of what was found, `most` of each kind, and a last line that sums up."""
    lines = []
    for pair in compared:
        if pair.problem:
            lines += [pair.name, f"  cannot be compared: {pair.problem}"]
        if not pair.found:
            continue
        lines.append(pair.name)
        wide = max(len(item.where) for item in pair.found)
        kinds = max(len(item.kind) for item in pair.found)
        for kind in dict.fromkeys(item.kind for item in pair.found):
            own = [item for item in pair.found if item.kind == kind]
            lines += [
                f"  {item.where:<{wide}}  {kind:<{kinds}}  {item.words}".rstrip()
                for item in own[:most]
            ]
            if most is not None and len(own) > most:
                more = f"and {len(own) - most} more (-v shows them)"
                lines.append(f"  {'':<{wide}}  {kind:<{kinds}}  {more}")
    number, same = len(compared), sum(pair.same for pair in compared)
    unread = sum(bool(pair.problem) for pair in compared)
    if number == 1 and not unread:
        lines.append("the same" if same else "they differ")
    else:
        more = f", {unread} not compared" if unread else ""
        differing = number - same - unread
        lines.append(f"{number} products: {same} the same, {differing} differing{more}")
    return lines
