"""``calcore report``: a run as one page of HTML."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path, readable=False)


@click.command()
@click.argument("paths", nargs=-1, type=_PATH, metavar="[FOLDER|MANIFEST|PRODUCT ...]")
@click.option("-o", "--output", type=_PATH, metavar="FILE",
              help="The page; report.html in the first folder by default.")  # fmt: skip
@click.option("--pictures", type=click.IntRange(min=0), default=40, show_default=True, metavar="N",
              help="Show so many exposures and combined products in pictures.")  # fmt: skip
@click.option("--title", metavar="TEXT", help="Heading of the page.")
def report(paths: tuple[Path, ...], output: Path | None, pictures: int, title: str | None) -> None:
    """Write one page of HTML about a run: what was made, how, how long it took, and what to cite.

    FOLDER is where a run has left its products; the present folder by default. All runs that made
    products there are taken together, or that of a MANIFEST alone. Of a PRODUCT only what it says
    itself is told. The page needs no network and no other file.
    """
    from calcore.io import write_text
    from calcore.report.account import gather
    from calcore.report.page import render

    chosen = paths or (Path(),)
    run = gather(chosen)
    for problem in run.unread:
        click.echo(f"calcore: left out: {problem}", err=True)
    shown, left_out = _looks(run.products, pictures)
    page = output or _folder(chosen[0]) / "report.html"
    heading = title or f"calcore in {_folder(chosen[0]).absolute().name}"
    write_text(render(run, shown, title=heading, left_out=left_out), page)
    click.echo(f"{page}: {len(run.products)} products")


def _folder(path: Path) -> Path:
    """Return the folder that a page about a path belongs to."""
    from calcore.run.manifest import FOLDER

    folder = path if path.is_dir() else path.parent
    return folder.parent if folder.name == FOLDER else folder


def _looks(products: Sequence[Any], most: int) -> tuple[dict[str, list[Any]], int]:
    """Return small pictures by name of product, raw ones first, and how many names have none."""
    from calcore.errors import CalcoreError
    from calcore.io.files import exposure_root
    from calcore.report.alignment import RESIDUALS
    from calcore.report.pictures import looks

    files: dict[str, list[Path]] = {}
    for product in products:
        own = files.setdefault(product.name, [])
        raw = [path for path in product.inputs if path.stem.endswith("uncal")]
        roots = {product.name, f"{product.name}{RESIDUALS.removesuffix('.ecsv')}"}
        made = [path for path in product.files if exposure_root(path) in roots]
        own += [path for path in (*raw, *made) if path not in own]
    shown: dict[str, list[Any]] = {}
    for name in list(files)[:most]:
        for path in sorted(files[name], key=_stage):
            several = path.stem.endswith("ints")  # one image for each integration
            drawn = path.suffix == ".fits" or path.name.endswith(RESIDUALS)
            if several or not drawn or not path.is_file():
                continue
            try:
                found = looks(path)
            except CalcoreError as error:
                click.echo(f"calcore: no picture of {path.name}: {error}", err=True)
                continue
            if found:
                shown.setdefault(name, []).extend(found)
    return shown, max(len(files) - most, 0)


def _stage(path: Path) -> int:
    """Return the place of a file on its way from raw to combined."""
    from calcore.io.files import suffix_of

    order = ("uncal", "dark", "rate", "cal", "i2d", "segm")
    suffix = suffix_of(path)
    return order.index(suffix) if suffix in order else len(order)
