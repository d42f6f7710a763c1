"""``calcore references``: the reference files of a run, before the run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcore.cli.options import WITHOUT_SAY, plan_options, request_of
from calcore.cli.plan import stop_if_wrong

if TYPE_CHECKING:
    from calcore.model import Reference
    from calcore.run import ProductPlan
    from calcore.run.outcome import ReferenceChoice

_MEGABYTE = 1e6


_options = plan_options(*WITHOUT_SAY, "save", "quiet", verbose="Show tracebacks.")


class _ListByDefault(click.Group):
    """A group that lists if the first word names no command of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the word in that was left out."""
        if not args or (args[0] not in self.commands and args[0] not in {"-h", "--help"}):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListByDefault)
def references() -> None:
    """List, fetch, check and bundle the reference files that a run would use.

    INPUT and options are those of calcore run; without a command they are listed.
    """


@references.command("list")
@_options
def list_(inputs: tuple[Path, ...], **options: Any) -> None:
    """List type, file and who chose it."""
    plans = _plans(inputs, options)
    rows = sorted({(kind, choice.path, choice.origin) for kind, choice in _chosen(plans)})
    width = max((len(kind) for kind, _, _ in rows), default=0)
    for kind, path, origin in rows:
        click.echo(f"{kind:<{width}}  {path}  ({origin})")
    stop_if_wrong(plans)


@references.command()
@_options
def fetch(inputs: tuple[Path, ...], **options: Any) -> None:
    """Have everything in the local cache that a run will need.

    Parameter references and rules are fetched, too; the run then needs no network.
    """
    from calcore.references.crds_store import CRDS, cache

    plans = _plans(inputs, options)
    files = CRDS.files()
    size = sum(path.stat().st_size for path in files if path.is_file())
    if files:
        click.echo(f"{len(files)} files, {size / _MEGABYTE:.1f} MB, are in {cache()}")
    else:
        click.echo("CRDS has no file for these exposures")
    stop_if_wrong(plans)


@references.command()
@_options
def check(inputs: tuple[Path, ...], **options: Any) -> None:
    """Read every reference file wholly, and see whether it fits its exposure.

    A file that is cut short, of another type, for another detector or without numbers is an error.
    """
    from calcore.errors import CalcoreError
    from calcore.references.examine import examine

    plans = _plans(inputs, options)
    files = {
        (kind, choice.file): read_as(slot.use, kind)
        for product in plans
        for slot in product.slots
        if not slot.skip
        for kind, choice in slot.references.items()
        if choice.file is not None
    }
    wrong = 0
    for (kind, path), form in sorted(files.items(), key=lambda item: item[0]):
        try:
            said = examine(path, form)
            click.echo(f"ok     {kind}  {path.name}  {said}")
        except CalcoreError as error:
            wrong += 1
            click.echo(f"WRONG  {kind}  {path.name}  {error}")
    stop_if_wrong(plans)
    if wrong:
        raise click.exceptions.Exit(1)


@references.command()
@click.option(
    "--to", "target", required=True, metavar="FOLDER|ARCHIVE",
    type=click.Path(path_type=Path), help="Folder, or archive (.tar, .tar.gz, .tgz, .zip).",
)  # fmt: skip
@_options
def bundle(target: Path, inputs: tuple[Path, ...], **options: Any) -> None:
    """Copy all that a run will need to a folder or an archive, for a machine with no network.

    It is a CRDS cache: there, set CRDS_PATH to the folder.
    """
    from calcore.references.bundle import bundle as make
    from calcore.references.bundle import ending
    from calcore.references.crds_store import CRDS, cache

    archive = ending(cache(), target)
    plans = _plans(inputs, options)
    stop_if_wrong(plans)
    own = {choice.file for _, choice in _chosen(plans) if choice.file is not None}
    files = sorted({*CRDS.files(), *own})
    left_out = make(cache(), files, target)
    for path in left_out:
        click.echo(f"calcore: {path} is no file of CRDS; take it along yourself", err=True)
    size = sum(path.stat().st_size for path in files if path not in left_out)
    click.echo(
        f"{len(files) - len(left_out)} files, {size / _MEGABYTE:.1f} MB, and their rules are in "
        f"{target}; set CRDS_PATH to {'the unpacked folder' if archive else target.resolve()}"
    )


def _plans(inputs: tuple[Path, ...], options: dict[str, Any]) -> "tuple[ProductPlan, ...]":
    options.pop("quiet")
    options.pop("verbose")
    request = request_of(inputs, options)
    from calcore.run import plan

    return plan(**request)


def read_as(step: str, kind: str) -> "type[Reference]":
    """Return the class that a step reads a type of reference as: instruments have forms of their own."""
    from calcore.model.reference import reference_types
    from calcore.registry.steps import step_class
    from calcore.step import diet_of

    wanted: Any = step_class(step)
    own = {wish.kind.type: wish.kind for wish in diet_of(wanted).references}
    return own.get(kind) or reference_types()[kind]  # plugins ask for more, to mask a scene


def _chosen(plans: "tuple[ProductPlan, ...]") -> "set[tuple[str, ReferenceChoice]]":
    """Return type and choice of every reference that steps will use."""
    return {
        (kind, choice)
        for product in plans
        for slot in product.slots
        if not slot.skip
        for kind, choice in slot.references.items()
    }
