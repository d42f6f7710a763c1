"""``calcore info``: what a file holds and how it was made."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

_MAIN = (
    "INSTRUME", "DETECTOR", "CHANNEL", "MODULE", "FILTER", "PUPIL", "GRATING", "EXP_TYPE",
    "READPATT", "SUBARRAY", "NINTS", "NGROUPS", "NFRAMES", "GROUPGAP", "TGROUP", "EFFEXPTM",
    "DATE-OBS", "TIME-OBS", "TARGPROP", "REFTYPE", "USEAFTER", "CAL_VER", "CRDS_CTX", "ASNTABLE",
    "DATAMODL",
)  # fmt: skip
"""Keywords that are shown without ``-v``."""

_FLAG_PLANES = {"DQ", "PIXELDQ", "GROUPDQ"}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE ...",
                type=click.Path(path_type=Path, readable=False))  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show all keywords and all settings.")
def info(files: tuple[Path, ...], verbose: bool) -> None:
    """Show what each FILE holds and how it was made.

    Exposures, products and reference files (FITS): main keywords, extensions, how many pixels
    carry which flag, and which steps were done with what. Also associations, manifests of runs, catalogues and ASDF.
    """
    from calcore.errors import CalcoreError, explained

    failed = False
    for path in files:
        try:
            _check_there(path)
            describe = _READERS.get(path.suffix.lower(), _fits)
            lines = list(describe(path, verbose))
        except CalcoreError as error:
            failed = True
            click.echo(f"calcore: {error}", err=True)
        except Exception as error:  # noqa: BLE001 - the other files are described all the same
            failed = True
            click.echo(f"calcore: {path}: {explained(error)}", err=True)
        else:
            click.echo("\n".join((*lines, "")))
    if failed:
        raise click.exceptions.Exit(1)


def _check_there(path: Path) -> None:
    """Refuse what is no file."""
    from calcore.errors import FileProblem

    if os.path.isdir(path):  # noqa: PTH112 - these two are False in a folder that is closed
        raise FileProblem(path, "is a folder; name files in it")
    if not os.path.isfile(path):  # noqa: PTH113
        raise FileProblem(path, "there is no such file; check name and folder")


def _size(path: Path) -> str:
    number = float(path.stat().st_size)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def _fits(path: Path, verbose: bool) -> Iterator[str]:
    """Describe a FITS file."""
    from calcore import io
    from calcore.run.record import NODE

    contents = io.contents(path)
    yield f"{path.name}  {_size(path)}"
    header = contents.primary.header
    for keyword in header if verbose else _MAIN:
        if header.get(keyword) is not None:
            value = header[keyword]
            yield f"  {keyword:<8}  {f'{value:.10g}' if isinstance(value, float) else value}"
    yield "extensions"
    for extension in contents.extensions[1:]:
        shape = "x".join(map(str, extension.shape)) or "empty"
        unit = extension.header.get("BUNIT") or ""
        kind = _element(extension.header) if extension.kind == "IMAGE" else "table"
        yield f"  {extension.name:<16} {kind:<8} {shape:<22} {unit}".rstrip()
    for extension in contents.extensions[1:]:
        if extension.name in _FLAG_PLANES and extension.shape:
            yield from _flags(path, extension.name, extension.version)
    records = io.read_node(path, NODE)
    for record in records.values():
        yield from _record(record, verbose)
    if not records:
        yield from _steps_of_header(header)


def _element(header: dict[str, Any]) -> str:
    """Return the type of an image's elements as numpy calls it."""
    names = {8: "uint8", 16: "int16", 32: "int32", 64: "int64", -32: "float32", -64: "float64"}
    name = names.get(int(header.get("BITPIX") or 0), "?")
    return f"u{name}" if header.get("BZERO") in {2**15, 2**31, 2**63} else name


def _flags(path: Path, name: str, version: int) -> Iterator[str]:
    """Count the pixels that carry each flag."""
    import numpy as np
    from astropy.io import fits

    from calcore.flags import DQ

    values = np.asarray(fits.getdata(path, (name, version))).astype(np.uint32, copy=False)
    yield f"flags in {name}"
    good = int(np.count_nonzero(values == 0))
    rows = [("none", good)]
    rows += [
        (flag.name or "", int(np.count_nonzero(values & np.uint32(flag)))) for flag in DQ if flag
    ]
    for flag_name, count in rows:
        if count:
            yield f"  {flag_name:<16} {count:>10}  {count / values.size:8.3%}"


def _record(record: dict[str, Any], verbose: bool) -> Iterator[str]:
    """Describe calcore's own record of how a product was made."""
    profile, version = record.get("profile", ""), record.get("version", "")
    yield f"made by calcore {version}, {record.get('pipeline', '')}, profile {profile}"
    for name, value in record.get("asked", {}).items() if verbose else ():
        yield f"  asked for {name}: {value!r}"
    for role, items in record.get("inputs", {}).items():
        yield f"  {role:<20} {', '.join(item['name'] for item in items)}"
    for slot in record.get("slots", ()):
        reason = f": {slot['reason']}" if slot.get("reason") else ""
        use = "" if slot["use"] == slot["name"] else f"{slot['use']} of "
        yield f"  {slot['name']:<20} {slot['status']}{reason}  ({use}{slot['source']})"
        if slot["status"] == "skipped":
            continue
        for kind, file in slot.get("references", {}).items():
            yield f"      {kind}: {file}"
        if "state" in slot:
            yield f"      goes on from {slot['state']}"
        if verbose:
            for name, value in slot.get("settings", {}).items():
                yield f"      {name} = {value!r}"
    yield from _works(record)


def _works(record: dict[str, Any]) -> Iterator[str]:
    """List the papers that the steps follow which were done, as far as their packages are here."""
    from calcore.registry.works import works_of_step

    found = {
        work: None
        for slot in record.get("slots", ())
        if slot["status"] != "skipped"
        for work in works_of_step(slot["use"], slot.get("settings", {}))
    }
    if found:
        yield "  to cite"
    for work in found:
        yield f"      {work}"


def _steps_of_header(header: dict[str, Any]) -> Iterator[str]:
    """Describe how another program made a product, as its header tells."""
    steps = {k: v for k, v in header.items() if k.startswith("S_") and isinstance(v, str)}
    steps.pop("S_REGION", None)
    references = {k: v for k, v in header.items() if k.startswith("R_")}
    if steps or references:
        yield "steps and reference files, as the header has them"
    for keyword, value in (*steps.items(), *references.items()):
        yield f"  {keyword:<8}  {value}"


def _json(path: Path, verbose: bool) -> Iterator[str]:
    """Describe the manifest of a run, or an association."""
    from calcore.errors import CalcoreError, ManifestInvalid
    from calcore.run import manifest

    try:
        content = manifest.read(path)
    except ManifestInvalid:
        raise
    except CalcoreError:
        yield from _association(path, verbose)
        return
    yield f"{path.name}  run of {content['begun']}, {content['status']}"
    for package, number in content["packages"].items():
        if verbose or package.startswith("calcore"):
            yield f"  {package} {number}"
    for product in content["products"]:
        how = f"{product['name']}  {product['pipeline']}  {product['status']}"
        yield f"  {how}  {product['seconds']:.1f} s  {product['reason'] or product['why']}".rstrip()
    yield from (f"  {name}  not made" for name in content["waiting"])


def _association(path: Path, _verbose: bool) -> Iterator[str]:
    """Describe an association."""
    from calcore.associations.association import load

    association = load(path)
    yield f"{path.name}  association {association.type}, stage {association.stage}"
    for product in association.products:
        yield f"  {product.name}"
        for member in product.members:
            yield f"    {member.role:<12} {member.file}"


def _catalog(path: Path, _verbose: bool) -> Iterator[str]:
    """Describe a catalogue."""
    from calcore import io

    table = io.open(path).table
    yield f"{path.name}  {_size(path)}, {len(table)} rows"
    for name in table.colnames:
        column = table[name]
        given = getattr(column, "unit", None)  # places on the sky have none
        unit = f" [{given}]" if given is not None else ""
        about = getattr(column.info, "description", None) or ""
        yield f"  {name}{unit}  {about}".rstrip()


def _asdf(path: Path, verbose: bool) -> Iterator[str]:
    """Describe an ASDF file."""
    from contextlib import redirect_stdout
    from io import StringIO

    import asdf

    from calcore.errors import FileInvalid

    text = StringIO()
    try:
        with asdf.open(path) as file, redirect_stdout(text):
            file.info(max_rows=None if verbose else 40, max_cols=100)
    except (OSError, ValueError) as error:
        raise FileInvalid(path, f"is not an ASDF file: {error}; give another file") from error
    yield f"{path.name}  {_size(path)}"
    yield from text.getvalue().splitlines()


_READERS: dict[str, Callable[[Path, bool], Iterator[str]]] = {
    ".json": _json, ".ecsv": _catalog, ".asdf": _asdf,
}  # fmt: skip
