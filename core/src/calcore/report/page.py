"""A run as one page of HTML that needs nothing else: no network, no script, no other file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from calcore import __version__
from calcore.registry.works import SOFTWARE, defaults_of_step
from calcore.report.account import ProductAccount, RunAccount, StepAccount
from calcore.report.pictures import Look
from calcore.run.request import CALL, COMMAND_LINE, EITHER

SECTIONS = (
    ("products", "Products"), ("looks", "Before and after"), ("steps", "Steps"),
    ("memory", "Memory"), ("flags", "Flags"), ("figures", "Figures"), ("warnings", "Warnings"),
    ("settings", "Parameters"), ("references", "References"), ("versions", "Versions"),
    ("citations", "Citations"),
)  # fmt: skip
"""Anchors and names of the page's sections, in order."""
_MANY = 3
"""So many names are told before they become a number."""


@dataclass(frozen=True)
class Row:
    """A step of one pipeline over all its products.

    `part` is its share of the pipeline's thread-seconds, from 0 to 1; `cells` are the outcomes of each
    product, None where it has no such step.
    """

    name: str
    use: str
    source: str
    ended: tuple[tuple[str, int], ...]
    reasons: tuple[str, ...]
    seconds: float
    part: float
    flagged: tuple[tuple[str, str, int], ...]
    cells: tuple[StepAccount | None, ...]


def render(
    run: RunAccount,
    looks: Mapping[str, Sequence[Look]],
    *,
    title: str = "",
    left_out: int = 0,
) -> str:
    """Return a page of HTML about a run.

    Parameters
    ----------
    run : RunAccount
        What is known of it.
    looks : mapping
        Names of products, and small pictures of their files from raw to last.
    title : str
        Heading of the page.
    left_out : int
        Of so many products no pictures were made.
    """
    environment = Environment(
        loader=PackageLoader("calcore.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"memory": memory, "seconds": seconds, "number": "{:,}".format}
    environment.tests["users"] = is_users
    products = run.products
    pipelines = list(dict.fromkeys(product.pipeline for product in products))
    figures = [(product, figure) for product in products for figure in product.figures]
    return environment.get_template("page.html").render(
        run=run,
        title=title or "A run of calcore",
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        version=__version__,
        sections=SECTIONS,
        begun=[_when(time) for time in run.begun if time],
        counts=_counted(product.status for product in products),
        product_seconds=sum(product.seconds or 0.0 for product in products),
        thread_seconds=sum(step.seconds or 0.0 for p in products for step in p.steps),
        peak=max((product.peak_memory or 0 for product in products), default=0) or None,
        pipelines=[(name, _of(products, name), _rows(_of(products, name))) for name in pipelines],
        looks=looks,
        left_out=left_out,
        figures=[(product, figure, _is_good(figure)) for product, figure in figures],
        warnings=_warnings(products),
        settings=list(_settings(products)),
        references=_references(products),
        contexts=sorted({product.context for product in products if product.context}),
        sources=sorted({step.source for p in products for step in p.steps}),
        works=_works(products),
        software=_software(run),
    )


def memory(size: int | None) -> str:
    """Return a size of memory as people read it; empty if it is not known."""
    if size is None:
        return ""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def seconds(time: float | None) -> str:
    """Return a time as people read it; empty if it is not known."""
    if time is None:
        return ""
    if time < 100:
        return f"{time:.2f} s"
    minutes, rest = divmod(round(time), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _when(time: str) -> str:
    """Return the time of a manifest as people read it."""
    return time.replace("T", " ").replace("+00:00", " UTC")


def _counted(words: Iterable[str]) -> tuple[tuple[str, int], ...]:
    number: dict[str, int] = {}
    for word in words:
        number[word] = number.get(word, 0) + 1
    return tuple(number.items())


def _of(products: Iterable[ProductAccount], pipeline: str) -> list[ProductAccount]:
    return [product for product in products if product.pipeline == pipeline]


def _rows(products: Sequence[ProductAccount]) -> list[Row]:
    """Return the steps of products of one pipeline, in the order in which they are done."""
    names = list(dict.fromkeys(step.name for product in products for step in product.steps))
    by_name = [{step.name: step for step in product.steps} for product in products]
    total = sum(step.seconds or 0.0 for product in products for step in product.steps)
    rows = []
    for name in names:
        cells = tuple(steps.get(name) for steps in by_name)
        there = [step for step in cells if step is not None]
        spent = sum(step.seconds or 0.0 for step in there)
        rows.append(
            Row(
                name=name,
                use=there[0].use,
                source=there[0].source,
                ended=_counted(step.status for step in there if step.status),
                reasons=tuple(dict.fromkeys(step.reason for step in there if step.reason)),
                seconds=spent,
                part=spent / total if total else 0.0,
                flagged=_flagged(there),
                cells=cells,
            )
        )
    return rows


def _flagged(steps: Iterable[StepAccount]) -> tuple[tuple[str, str, int], ...]:
    """Return what steps flagged together: what, which flag, how many."""
    total: dict[tuple[str, str], int] = {}
    for step in steps:
        for what, numbers in step.flagged.items():
            for flag, number in numbers.items():
                total[what, flag] = total.get((what, flag), 0) + number
    return tuple((what, flag, number) for (what, flag), number in total.items())


def _is_good(figure: Mapping[str, Any]) -> bool:
    value, low, high = (figure.get(name) for name in ("value", "low", "high"))
    if not isinstance(value, int | float):  # not a number, or infinite
        return low is None and high is None
    return (low is None or value >= low) and (high is None or value <= high)


def _warnings(
    products: Iterable[ProductAccount],
) -> list[tuple[str, str, list[tuple[ProductAccount, str]]]]:
    """Return each warning once, with its source, and the products and steps that had it."""
    found: dict[tuple[str, str], list[tuple[ProductAccount, str]]] = {}
    for product in products:
        for message, source, step in product.warnings:
            found.setdefault((message, source), []).append((product, step))
    return [(message, source, places) for (message, source), places in found.items()]


def _settings(
    products: Sequence[ProductAccount],
) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield parameters of steps that were done and differ from their step's default.

    Each is pipeline, ``step.parameter``, value, default, who gave it, and which products had it.
    What users gave comes first.
    """
    found: dict[tuple[str, str, str, str, str], list[str]] = {}
    defaults: dict[str, Mapping[str, Any]] = {}
    for product in products:
        for step in product.steps:
            if step.status == "skipped":
                continue
            own = defaults.setdefault(step.use, defaults_of_step(step.use))
            for name, (value, origin) in step.settings.items():
                if value == own[name] if name in own else origin == "default of the step":
                    continue
                default = repr(own[name]) if name in own else ""
                key = product.pipeline, f"{step.name}.{name}", repr(value), default, origin
                found.setdefault(key, []).append(product.name)
    for key, names in sorted(found.items(), key=lambda item: not is_users(item[0][4])):
        every = [product.name for product in products if product.pipeline == key[0]]
        yield *key, _told(names, every)


def is_users(origin: str) -> bool:
    """Tell whether a user gave a value: on the command line, in a call, or in a file."""
    return origin in {COMMAND_LINE, CALL, EITHER} or origin.endswith((".toml", ".asdf"))


def _references(products: Sequence[ProductAccount]) -> list[tuple[str, str, str, str, str]]:
    """Return type, file, who chose it, steps and products of each reference."""
    found: dict[tuple[str, str, str], tuple[list[str], list[str]]] = {}
    for product in products:
        for step in product.steps:
            if step.status == "skipped":
                continue
            for kind, name, origin in step.references:
                steps, names = found.setdefault((kind, name, origin), ([], []))
                steps.append(step.name)
                names.append(product.name)
    every = [product.name for product in products]
    return [
        (*key, ", ".join(dict.fromkeys(steps)), _told(names, every))
        for key, (steps, names) in sorted(found.items())
    ]


def _told(names: Sequence[str], every: Sequence[str]) -> str:
    """Return which of all products are meant."""
    chosen, all_names = list(dict.fromkeys(names)), set(every)
    if set(chosen) == all_names:
        return "all"
    if len(chosen) <= _MANY:
        return ", ".join(chosen)
    return f"{len(chosen)} of {len(all_names)}"


def _works(products: Iterable[ProductAccount]) -> list[tuple[str, str]]:
    """Return papers, and the steps that follow them."""
    found: dict[str, list[str]] = {}
    for product in products:
        for step in product.steps:
            for work in step.cites:
                found.setdefault(work, []).append(step.name)
    return [(work, ", ".join(dict.fromkeys(steps))) for work, steps in sorted(found.items())]


def _software(run: RunAccount) -> list[tuple[str, str]]:
    """Return papers of libraries that took part."""
    asked = any(
        origin == "CRDS" for p in run.products for s in p.steps for *_, origin in s.references
    )
    return [
        (name, work)
        for name, work in SOFTWARE.items()
        if (name in run.packages or not run.packages)
        and (name != "crds" or asked or any(product.context for product in run.products))
    ]
