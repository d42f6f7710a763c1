"""Progress of a run: one line a step, bars on a terminal, a table at the end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from calcore.cli.timeleft import TimeLeft, spoken
from calcore.run import Outcome, Progress, RunResult, SlotOutcome, Status

_STYLES = {
    Status.COMPLETE: "green",
    Status.SKIPPED: "yellow",
    Status.FAILED: "bold red",
    Status.KEPT: "cyan",
}


class Lines:
    """Writes one line when a step has ended, under a heading for each product.

    On a terminal, bars below show how far the product and the whole run are, and how long it will
    still take; elsewhere that stands in the headings. Of products made in other processes nothing is
    heard until they have ended; their lines come then.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.when_made: Callable[[Outcome], object] = lambda _outcome: None
        self.heard: Callable[[Outcome], object] = lambda _outcome: None
        self.heading = ""
        self.pipelines: dict[str, str] = {}
        self.tasks: dict[str, Any] = {}
        self.told: set[str] = set()
        self.whole: Any = None
        self.left = TimeLeft()
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _Left(self),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self.bars.stop()

    def planned(self, products: int) -> None:
        """Open the bar of the whole run."""
        self.left.start(products)
        self.whole = self.bars.add_task("products", total=products)

    def product_started(self, name: str, pipeline: str) -> None:
        """Open the product's bar."""
        self.left.started(name, pipeline)
        self.pipelines[name] = pipeline
        self.tasks[name] = self.bars.add_task(name, total=None)

    def slot_started(self, product: str, slot: str) -> None:
        """Show the step on the product's bar."""
        if product in self.tasks:
            self.bars.reset(self.tasks[product], description=f"{product} {slot}", total=None)

    def advanced(self, product: str, done: int, total: int) -> None:
        """Move the product's bar."""
        self.left.advanced(product, done, total)
        if product in self.tasks:
            self.bars.update(self.tasks[product], completed=done, total=total)

    def slot_finished(self, product: str, outcome: SlotOutcome) -> None:
        """Write the step's line."""
        self.told.add(product)
        self._head(product)
        took = f"{outcome.seconds:7.2f} s" if outcome.status is Status.COMPLETE else " " * 9
        line = Text(f"    {outcome.name:<22}")
        line.append(f"{outcome.status.value:<9}", style=_STYLES[outcome.status])
        line.append(f" {took}")
        if outcome.reason:
            line.append(f"  {outcome.reason}", style="dim")
        self._write(line)

    def product_finished(self, outcome: Outcome) -> None:
        """Close the product's bar, pass on what it warned of, and call `when_made` if it was made."""
        self.heard(outcome)
        self.pipelines[outcome.name] = outcome.pipeline
        if outcome.name not in self.told:
            for slot in outcome.slots:
                self.slot_finished(outcome.name, slot)
        self.told.discard(outcome.name)
        if outcome.status is not Status.FAILED:
            self.when_made(outcome)
        if outcome.status is Status.KEPT:
            self._head(outcome.name)
            self._write(Text("    nothing to do: the products are there already", style="cyan"))
        if outcome.why:
            self._head(outcome.name)
            self._write(Text(f"    made again: {outcome.why}", style="cyan"))
        made = outcome.status is not Status.KEPT
        self.left.finished(outcome.name, outcome.pipeline, made=made)
        if outcome.name in self.tasks:
            self.bars.remove_task(self.tasks.pop(outcome.name))
        if self.whole is not None:
            self.bars.advance(self.whole)

    def _head(self, product: str) -> None:
        heading = f"{product}  {self.pipelines.get(product, '')}".rstrip()
        if heading != self.heading:
            self.heading = heading
            line = Text(heading, style="bold")
            if self.left.products > 1 and not self.console.is_terminal:
                words = f"{self.left.ended + 1} of {self.left.products}", spoken(self.left.seconds)
                line.append(f"  ({', '.join(word for word in words if word)})")
            self._write(line)

    def _write(self, text: Text) -> None:
        text.rstrip()
        self.console.print(text, soft_wrap=True, highlight=False)


class _Left(ProgressColumn):
    """Says beside the bar of the whole run how long it will still take."""

    max_refresh = 1.0

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self.lines = lines

    def render(self, task: Task) -> Text:
        """Return the time left."""
        whole = task.id == self.lines.whole
        return Text(spoken(self.lines.left.seconds) if whole else "", style="cyan")


class Several:
    """Progress that several watch."""

    def __init__(self, *watchers: Progress) -> None:
        self.watchers = watchers

    def planned(self, products: int) -> None:
        """Tell all."""
        for watcher in self.watchers:
            watcher.planned(products)

    def product_started(self, name: str, pipeline: str) -> None:
        """Tell all."""
        for watcher in self.watchers:
            watcher.product_started(name, pipeline)

    def slot_started(self, product: str, slot: str) -> None:
        """Tell all."""
        for watcher in self.watchers:
            watcher.slot_started(product, slot)

    def advanced(self, product: str, done: int, total: int) -> None:
        """Tell all."""
        for watcher in self.watchers:
            watcher.advanced(product, done, total)

    def slot_finished(self, product: str, outcome: SlotOutcome) -> None:
        """Tell all."""
        for watcher in self.watchers:
            watcher.slot_finished(product, outcome)

    def product_finished(self, outcome: Outcome) -> None:
        """Tell all."""
        for watcher in self.watchers:
            watcher.product_finished(outcome)


def summary(console: Console, result: RunResult, pictures: dict[Path, tuple[Path, ...]]) -> None:
    """Write a table of what was made, and where it lies.

    Parameters
    ----------
    console : Console
        Where to write.
    result : RunResult
        How the run ended.
    pictures : mapping
        Files and their pictures.
    """
    rows: list[tuple[str, ...]] = [("product", "pipeline", "status", "time [s]", "files")]
    folders: list[Path] = []
    for outcome in result.products:
        names: dict[str, int] = {}
        for file in outcome.files:
            if file.parent not in folders:
                folders.append(file.parent)
            for made in (file, *pictures.get(file, ())):
                ending = f"_{made.name.rpartition('_')[2]}"
                names[ending] = names.get(ending, 0) + 1
        rows.append(
            (outcome.name, outcome.pipeline, outcome.status.value, f"{outcome.seconds:.1f}",
             " ".join(f"{n} x {name}" if n > 1 else name for name, n in names.items()))
        )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    styles = ["bold", *(_STYLES[outcome.status] for outcome in result.products)]
    console.print()
    for row, style in zip(rows, styles, strict=True):
        name, pipeline, status, seconds = (
            f"{text:>{width}}" if column == 3 else f"{text:<{width}}"
            for column, (text, width) in enumerate(zip(row, widths, strict=False))
        )
        line = Text(f"{name}  {pipeline}  ")
        line.append(status, style=style)
        line.append(f"  {seconds}  {row[4]}")
        line.rstrip()
        console.print(line, soft_wrap=True)
    for outcome in result.products:
        for figure in outcome.figures:
            if not figure.good:
                low = "-inf" if figure.low is None else f"{figure.low:g}"
                high = "inf" if figure.high is None else f"{figure.high:g}"
                console.print(
                    f"{outcome.name}: {figure.name} is {figure.value:g}, outside {low} to {high}",
                    soft_wrap=True, markup=False, style="yellow",
                )  # fmt: skip
    where = f"; files are in {', '.join(map(str, folders))}" if folders else ""
    console.print(f"{counted(result)} in {result.seconds:.1f} s{where}", soft_wrap=True)


def counted(result: RunResult) -> str:
    """Return how many products ended how, such as ``3 complete, 1 failed``."""
    number = dict.fromkeys(Status, 0)
    for outcome in result.products:
        number[outcome.status] += 1
    return ", ".join(f"{n} {status.value}" for status, n in number.items() if n) or "nothing to do"
