"""``calcore associate``: association files of the exposures in a folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from calcore.associations.association import Product
    from calcore.associations.exposures import Exposure
    from calcore.associations.written import Written
    from calcore.run.inputs import Inventory

_PATH = click.Path(path_type=Path, readable=False)
_LEVELS = {"2": (2,), "3": (3,), "all": (2, 3)}
_EXAMPLES = """\b
Examples:
  calcore associate raw --dry-run
  calcore associate raw && calcore run raw -o products
  calcore associate jw*_cal.fits --level 3 --by target --product-name my_field
"""


@click.command(epilog=_EXAMPLES)
@click.argument("inputs", nargs=-1, type=_PATH, metavar="[FILE|FOLDER ...]")
@click.option(
    "-o",
    "--output",
    type=_PATH,
    metavar="DIR",
    help="Folder of the associations; that of the first exposure by default.",
)
@click.option(
    "--level",
    type=click.Choice(list(_LEVELS)),
    default="all",
    show_default=True,
    help="2: each exposure and its backgrounds. 3: what is combined.",
)
@click.option(
    "--by",
    type=click.Choice(["observation", "target"]),
    default="observation",
    show_default=True,
    help="Combine what is of one observation, or of one target.",
)
@click.option(
    "--product-name",
    default="",
    metavar="NAME",
    help="Name of the combined product, where there is one.",
)
@click.option("--instrument", metavar="NAME", help="Take only this instrument's exposures.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be written.")
@click.option("--force", is_flag=True, help="Replace associations that hold other products.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show each member, and tracebacks.")
def associate(inputs: tuple[Path, ...], **options: Any) -> None:
    """Make associations of images and spectra: which exposures make which product.

    FILE and FOLDER are exposures at any stage, and where they are; the present folder by default.
    Exposures of one program, target, instrument, filter, pupil and sub-array are combined; detectors,
    modules and bands go together. Exposures whose header says that they are of the background
    (BKGDTARG) are members of those they are like, and so are nods along a slit of each other.
    """
    from calcore import __version__
    from calcore.associations.grouping import group
    from calcore.associations.written import write
    from calcore.cli.options import say_failed
    from calcore.run.inputs import gather

    found = gather(inputs or (Path(),), options["instrument"])
    exposures = [*_exposures(found)]
    grouping = group(
        exposures,
        levels=_LEVELS[options["level"]],
        by=options["by"],
        name=_checked(options["product_name"]),
    )
    folder = options["output"] or (exposures[0].folder if exposures else Path())
    written = write(
        grouping.made,
        folder,
        f"calcore {__version__}",
        replace=options["force"],
        dry=options["dry_run"],
    )
    if not options["quiet"]:
        for line in _lines(written, dry=options["dry_run"], verbose=options["verbose"]):
            click.echo(line)
        for what, said in (
            ("left out", grouping.left_out), ("not combined", grouping.not_combined),
        ):  # fmt: skip
            for why, names in said.items():
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                click.echo(f"{what}: {names[0]}{more}: {why}", err=True)
        for sentence in _doubled(written, found):
            click.echo(f"note: {sentence}", err=True)
    say_failed((path.name, str(problem)) for path, problem in found.problems)
    raise click.exceptions.Exit(1 if found.problems else 0)


def _checked(name: str) -> str:
    """Return a product's name, if it can be the name of a file.

    Raises
    ------
    UsageError
        It cannot.
    """
    from calcore.errors import UsageError

    if Path(name).name != name:
        raise UsageError(f"--product-name {name!r} is no name of a file; give it without folder")
    return name


def _exposures(found: "Inventory") -> Iterator["Exposure"]:
    """Yield what is known of the exposures that were named, or lie in folders that were.

    One of which too little is known is among the problems afterwards.
    """
    from calcore.associations.exposures import exposure_of
    from calcore.errors import CalcoreError
    from calcore.registry import discovery

    for root, exposure in found.exposures.items():
        path = next((path for path in exposure.files.values() if path in found.named), None)
        if path is None or exposure.meta is None:
            continue
        try:
            instrument = discovery.instrument(exposure.meta.instrument)
            meta = exposure.meta.with_facts(instrument.facts(exposure.meta))
            yield exposure_of(root, path.parent, meta)
        except CalcoreError as error:
            found.problems.append((path, error))


def _doubled(written: "Sequence[Written]", found: "Inventory") -> Iterator[str]:
    """Yield sentences about other associations that make products of the same names otherwise."""
    from calcore.io.files import exposure_root

    def made_of(product: "Product") -> frozenset[tuple[str, str]]:
        return frozenset((exposure_root(member.file), member.role) for member in product.used)

    own = {item.path.resolve() for item in written}
    products = {(str(item.made.level), item.made.product.name): item.made for item in written}
    for other in found.associations:
        for product in other.products if other.path.resolve() not in own else ():
            made = products.get((other.stage, product.name))
            if made is not None and made_of(made.product) != made_of(product):
                yield (
                    f"{other.path} makes {product.name} of other members; a run refuses one of the "
                    "two, so keep the one you mean"
                )


def _lines(written: "Sequence[Written]", *, dry: bool, verbose: bool) -> Iterator[str]:
    """Yield a table of associations."""
    done = {True: "would be written" if dry else "written", False: "is there already"}
    rows = [
        (
            item.path.name,
            item.made.type,
            item.made.product.name,
            _counted(item),
            ", ".join((*item.made.marks, done[item.new])),
        )
        for item in written
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for item, row in zip(written, rows, strict=True):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        yield "  ".join((*cells, row[-1]))
        if verbose:
            for member in item.made.product.members:
                yield f"    {member.role:<12} {member.file}"
    if not rows:
        yield "no associations of images or spectra"


def _counted(item: "Written") -> str:
    """Return how many members of each role there are."""
    roles = [member.role for member in item.made.product.members]
    return ", ".join(f"{roles.count(role)} {role}" for role in dict.fromkeys(roles))
