"""Commands: ``calcore run``, ``plan``, ``step`` and what helps them."""


def main() -> None:
    """Run the command line."""
    from calcore.cli.app import commands

    commands(prog_name="calcore")
