"""The table of commands. Each is imported when it is called, so that help is quick."""

import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import click

from calcore import __version__
from calcore.errors import CalcoreError, UnknownName, explained

COMMANDS = {
    "run": ("calcore.cli.run:run", "Calibrate exposures, from raw ramps to mosaics."),
    "plan": ("calcore.cli.plan:plan", "Show what run would do, and why."),
    "step": ("calcore.cli.run:step", "Do one step on a file."),
    "simulate": ("calcore.cli.simulate:simulate", "Make raw exposures of a sky that is known."),
    "associate": ("calcore.cli.associate:associate", "Make associations of images."),
    "report": ("calcore.cli.report:report", "Write a page of HTML about a run."),
    "info": ("calcore.cli.info:info", "Show what a file holds and how it was made."),
    "diff": ("calcore.cli.diff:diff", "Tell in what two products, or two runs, differ."),
    "steps": ("calcore.cli.steps:steps", "List steps, or one step's parameters."),
    "references": (
        "calcore.cli.references:references",
        "List, fetch, check and bundle the reference files of a run.",
    ),
    "plugins": ("calcore.cli.plugins:plugins", "List, write and check packages."),
    "doctor": ("calcore.cli.doctor:doctor", "Check the installation."),
}
"""Name, place and summary of core's own commands."""

_GROUP = "calcore.commands"


class Commands(click.Group):
    """Core's commands and those that packages bring under the entry points ``calcore.commands``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names; nothing is imported."""
        del ctx
        brought = {point.name for point in _brought()}
        return [*COMMANDS, *sorted(brought)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name in COMMANDS:
            module, name = COMMANDS[cmd_name][0].split(":")
            command: click.Command = getattr(import_module(module), name)
            return command
        if any(point.name == cmd_name for point in _brought()):
            from calcore.registry.discovery import load

            loaded: click.Command = load(_GROUP, cmd_name)
            return loaded
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with; name the nearest if there is none."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise UnknownName("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        del ctx
        rows = [(name, summary) for name, (_, summary) in COMMANDS.items()]
        rows += [(point.name, _source(point)) for point in _brought()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; every failure is one sentence and an exit status."""
        del standalone_mode
        arguments = list(sys.argv[1:] if args is None else args)
        verbose = _is_verbose(arguments)
        try:
            with _terminable():
                status = super().main(
                    arguments, prog_name, complete_var, standalone_mode=False, **extra
                )
        except CalcoreError as error:
            fail(str(error), error.exit_status, verbose=verbose)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "calcore"
            message = error.format_message().rstrip(".")
            fail(f"{message}. See {where} --help.", 2, verbose=False)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code, verbose=False)
        except click.Abort:
            fail("interrupted; finished products stay, unfinished ones leave no file", 130)
        except OSError as error:
            _finish_output()
            fail(_of_system(error), 1, verbose=verbose)
        except MemoryError as error:
            fail(explained(error), 1, verbose=verbose)
        except Exception as error:  # noqa: BLE001 - a defect of ours; users get a sentence too
            hint = "" if verbose else "; run the command again with -v for a traceback to report"
            fail(f"unexpected {type(error).__name__}: {error}{hint}", 1, verbose=verbose)
        _finish_output()
        sys.exit(status if isinstance(status, int) else 0)


@contextmanager
def _terminable() -> Iterator[None]:
    """Stop as cleanly when the system asks for it (SIGTERM) as when the user does.

    What is raised while Python throws an object away is lost: then the command ends as interrupted
    when it is through.
    """
    asked = []

    def stop(number: int, _frame: Any) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if asked:
        raise click.Abort


def _finish_output() -> None:
    """Write what standard output still holds; stop if that cannot be, quietly on a closed pipe."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError, ValueError):  # the interpreter would try again, and say so
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        fail(f"standard output: {error.strerror or error}", 1)


def fail(message: str, status: int, *, verbose: bool = False) -> NoReturn:
    """Say what went wrong on standard error and stop; the traceback only if `verbose`."""
    if verbose:
        traceback.print_exc()
    click.echo(f"calcore: {message}", err=True)
    sys.exit(status)


def _is_verbose(arguments: list[str]) -> bool:
    """Tell whether ``-v`` was asked for, also when the command line could not be read."""
    plain = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(word in {"-v", "--verbose"} for word in plain)


def _of_system(error: OSError) -> str:
    """Return what the operating system refused, with the file it was about."""
    reason = error.strerror or str(error) or type(error).__name__
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    printing = frame.f_globals.get("__name__", "").partition(".")[0] in {"click", "rich"}
    name = error.filename or ("standard output" if printing else "")
    return f"{name}: {reason}" if name else reason


def _brought() -> list[EntryPoint]:
    """Return the commands of packages that are not switched off, nor called as one of core's."""
    off = {name.lower() for name in re.split(r"[,\s]+", os.environ.get("CALCORE_WITHOUT", ""))}
    points = [
        point
        for point in entry_points(group=_GROUP)
        if point.name not in COMMANDS and not (point.dist and point.dist.name.lower() in off)
    ]
    return sorted(points, key=lambda point: point.name)


def _source(point: EntryPoint) -> str:
    dist = point.dist
    return f"(from {dist.name} {dist.version})" if dist else ""


@click.command(
    "calcore",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command explains itself: calcore run --help.",
)
@click.version_option(__version__, "--version", message="%(prog)s %(version)s")
def commands() -> None:
    """Calibrate James Webb Space Telescope data."""
