"""``calcore simulate``: raw exposures of a sky that is known."""

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_EPILOG = """\b
Example:
  calcore simulate --instrument NAME -o visit
"""

_VISIT = (
    click.option("--instrument", required=True, metavar="NAME", help="Whose exposures to make."),
    click.option("--mode", default="image", show_default=True, metavar="MODE",
                 help="What kind of exposures."),
    click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR",
                 help="Folder to write to; it is made if need be."),
    click.option("--size", metavar="NAME", help="One of the mode's sizes, such as small."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
                 help="The same seed gives the same bytes."),
    click.option("--detector", "detectors", multiple=True, metavar="NAME",
                 help="Which detectors; may be repeated."),
    click.option("--filter", "filters", multiple=True, metavar="NAME",
                 help="Which filters, one for each channel."),
    click.option("--subarray", metavar="NAME", help="Which part of the detectors is read."),
    click.option("--pattern", metavar="NAME", help="How frames make groups."),
    click.option("--groups", "n_groups", type=click.IntRange(min=1), help="Groups."),
    click.option("--integrations", "n_ints", type=click.IntRange(min=1), help="Integrations."),
    click.option("--segment", "segment_ints", type=click.IntRange(min=1), metavar="INTEGRATIONS",
                 help="Cut exposures into files of so many integrations."),
    click.option("--dithers", "n_dithers", type=click.IntRange(min=1), help="Exposures."),
    click.option("--ra", "ra_deg", type=click.FloatRange(-360, 720), help="Where to look [deg]."),
    click.option("--dec", "dec_deg", type=click.FloatRange(-90, 90), help="Where to look [deg]."),
    click.option("--roll", "roll_deg", type=click.FloatRange(-360, 720), help="Position angle of the telescope [deg]."),
    click.option("--source", type=click.Choice(["point", "extended", "uniform"]), default="point", show_default=True,
                 help="What a spectrograph looks at."),
    click.option("--band", "bands", multiple=True, metavar="NAME",
                 help="Values of BAND, one after another; may be repeated."),
    click.option("--background", "n_background", type=click.IntRange(min=0), metavar="EXPOSURES",
                 help="Exposures of the sky beside the target, in each band."),
    click.option("--velocity", "velocity_km_s", type=click.FloatRange(-1000, 1000), metavar="KM/S",
                 help="The telescope's, away from the target; spectrographs see it."),
    click.option("--geometry", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
                 help="References that say where a spectrograph's pixels look, in place of the simulator's own."),
    click.option("--crowded", is_flag=True, help="Many bright stars: many pixels saturate."),
    click.option("--references/--no-references", default=True, show_default=True,
                 help="Make the reference files too."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("-v", "--verbose", is_flag=True, help="Show tracebacks."),
)  # fmt: skip


def _visit_options(function: F) -> F:
    for option in reversed(_VISIT):
        function = option(function)
    return function


@click.command(epilog=_EPILOG)
@_visit_options
def simulate(instrument: str, output: Path, **options: Any) -> None:
    """Make raw exposures of a sky that is known.

    Writes raw ramps as the archive has them, an association, the reference files in a CRDS cache,
    and the truth: what was in the sky, and what the detectors are.
    """
    quiet = options.pop("quiet")
    options.pop("verbose")

    from rich.console import Console

    from calcore.simulate import simulate as simulate_visit

    console = Console(stderr=True, highlight=False, quiet=quiet)
    chosen = _options_of(options)
    with console.status("simulating") as status:

        def tell(what: str) -> None:
            if console.is_terminal:
                status.update(what)
            else:
                console.print(f"    {what}", soft_wrap=True)

        made = simulate_visit(_simulation_of(instrument), output, chosen, tell)
    if quiet:
        return
    click.echo(f"{len(made.raw)} raw exposures in {output}")
    for path in made.associations:
        click.echo(f"association {path}")
    if made.truth is not None:
        click.echo(f"truth in {made.truth}")
    if made.environment:
        click.echo("\nTo calibrate them with the reference files that were made:")
        for name, value in made.environment.items():
            click.echo(f"  export {name}={_absolute(value)}")
        stage = "" if made.associations else " --stage 1"
        click.echo(f"  calcore run --instrument {instrument} {output} -o products{stage}")


def _absolute(value: str) -> str:
    """Return a path in full, so that it holds in any folder; anything else as it is."""
    path = Path(value)
    return str(path.resolve()) if path.exists() else value


def _simulation_of(name: str) -> Any:
    """Return what an instrument's package brings for its simulation.

    Raises
    ------
    PluginMissing
        The instrument is not installed.
    ModeNotSupported
        Its package cannot simulate.
    """
    from calcore.errors import ModeNotSupported
    from calcore.registry import discovery

    found = discovery.instrument(name, "")
    try:
        return import_module(f"{found.package}.simulate").SIMULATION
    except ModuleNotFoundError as error:
        if error.name != f"{found.package}.simulate":
            raise
        raise ModeNotSupported(
            f"{found.distribution} {found.version} cannot simulate {found.name} exposures"
        ) from error


def _options_of(options: dict[str, Any]) -> Any:
    """Return the command line as the simulator's options."""
    from calcore.errors import UsageError
    from calcore.simulate import SkyOptions, Target, VisitOptions

    target = {
        name: value
        for name in ("ra_deg", "dec_deg", "roll_deg", "velocity_km_s")
        if (value := options.pop(name)) is not None
    }
    for name, value in target.items():
        if math.isnan(value):  # which lies in every range, as far as click can see
            raise UsageError(f"--{name.split('_')[0]} must be a number, not nan")
    crowded = options.pop("crowded")
    for name in ("detectors", "filters", "bands"):
        options[name] = options[name] or None
    sky = SkyOptions.crowded() if crowded else SkyOptions()
    return VisitOptions(target=Target(**target), sky=sky, **options)
