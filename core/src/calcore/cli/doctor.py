"""``calcore doctor``: whether the installation is in order."""

import os
from pathlib import Path

import click


@click.command()
@click.option("--report", "as_report", is_flag=True,
              help="Print what to paste in a report of a fault: findings, settings, versions.")  # fmt: skip
@click.option("--no-server", is_flag=True, help="Do not try to reach the CRDS server.")
def doctor(as_report: bool, no_server: bool) -> None:
    """Check versions, packages, caches, the CRDS server, disk and memory.

    One line each; what is WRONG says what would help, and makes the exit status 1. Without a network
    everything works from a local cache: a server that cannot be reached is no fault.
    """
    from calcore.cli import checkup

    findings = checkup.findings(server=not no_server)
    lines = [f"{finding.state:<5}  {finding.text}" for finding in findings]
    if as_report:
        lines = ["```text", *lines, "", *checkup.settings(), "", *checkup.versions(), "```"]
    for line in lines:
        click.echo(_without_home(line) if as_report else line)
    if any(finding.state == checkup.WRONG for finding in findings):
        raise click.exceptions.Exit(1)


def _without_home(line: str) -> str:
    """Return a line that does not say who the user is."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home fails where there is none
    return line.replace(home, "~") if len(Path(home).parts) > 1 else line
