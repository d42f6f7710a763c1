"""How long a run will still take."""

import time
from collections.abc import Callable

_TOO_SOON = 1.0
"""Before that nothing is foretold [s]."""


class TimeLeft:
    """Foretells the end of a run from what has been done of it, and how long that took.

    Products count alike, but for those that were there already: they cost no time. How much of the
    present ones is done is told from the last product that the same pipeline made, or from the bands of
    rows that have passed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.products = 0
        self.ended = 0
        self._begun: float | None = None
        self._made = 0
        self._took: dict[str, float] = {}
        self._running: dict[str, tuple[str, float, float]] = {}

    def started(self, product: str, pipeline: str) -> None:
        """A product is begun."""
        now = self.clock()
        if self._begun is None:
            self._begun = now
        self._running[product] = pipeline, now, 0.0

    def advanced(self, product: str, done: int, total: int) -> None:
        """So many of so many bands of rows have passed."""
        if product in self._running:
            pipeline, begun, _ = self._running[product]
            self._running[product] = pipeline, begun, done / total

    def finished(self, product: str, pipeline: str, *, made: bool) -> None:
        """A product has ended; `made` if it was not there already."""
        self.ended += 1
        _, begun, _ = self._running.pop(product, (pipeline, None, 0.0))
        if made:
            self._made += 1
            if begun is not None:
                self._took[pipeline] = self.clock() - begun
        elif not self._made and not self._running:
            self._begun = None

    def start(self, products: int) -> None:
        """So many products will be made; of those that others make only the end is heard."""
        self.products = products
        self._begun = self.clock()

    @property
    def seconds(self) -> float | None:
        """The time left [s]; None as long as nothing tells."""
        if self._begun is None:
            return None
        now = self.clock()
        if now - self._begun < _TOO_SOON:
            return None
        parts = sum(self._part(now, *running) for running in self._running.values())
        done = self._made + parts
        left = self.products - self.ended - parts
        if done <= 0 or left <= 0:
            return None
        return left * (now - self._begun) / done

    def _part(self, now: float, pipeline: str, begun: float, bands: float) -> float:
        """Return how much of a product is done, from 0 to less than 1."""
        took = self._took.get(pipeline, 0.0)
        return min((now - begun) / took, 0.95) if took > 0 else 0.9 * bands


def spoken(seconds: float | None) -> str:
    """Return a time as people say it, such as ``about 3 min left``; empty if it is not known."""
    if seconds is None:
        return ""
    if seconds < 55:
        return f"about {max(5 * round(seconds / 5), 5)} s left"
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"about {minutes} min left"
    hours, minutes = divmod(5 * round(minutes / 5), 60)
    return f"about {hours} h {minutes:02} min left" if minutes else f"about {hours} h left"
