"""The report of a conversion: what every layer was and is now, what was compared, and what was refused."""

from collections.abc import Iterable
from dataclasses import dataclass

from fermatnet.model.errors import InputError

__all__ = ["Change", "Report"]

REFUSED = "refused"


@dataclass(frozen=True)
class Change:
    """One line of the report: layer, what it was, what it is now (the same: left), why."""

    name: str
    was: str
    now: str
    why: str


class Report(list[Change]):
    """The lines of a conversion, a list of :class:`Change`; ``compared``: what the nets behind it compared,
    in a sentence each."""

    def __init__(self, changes: Iterable[Change] = ()):
        super().__init__(changes)
        self.compared: list[str] = []

    def note(self, name: str, was: str, now: str, why: str) -> None:
        """Add a line."""
        self.append(Change(name, was, now, why))

    def refuse(self, name: str, was: str, why: str) -> None:
        """Add a line of what cannot be converted."""
        self.append(Change(name, was, REFUSED, why))

    @property
    def refusals(self) -> list[Change]:
        """The lines of what cannot be converted."""
        return [change for change in self if change.now == REFUSED]

    def raise_refusals(self, what: str) -> None:
        """InputError with every refusal in one line, if there is any."""
        lines = [": ".join(filter(None, (change.name, change.was, change.why))) for change in self.refusals]
        if len(lines) == 1:
            raise InputError(lines[0])
        if lines:
            raise InputError(
                f"{what} cannot be converted for {len(lines)} reasons: "
                + "; ".join(f"({n}) {line}" for n, line in enumerate(lines, 1))
            )

    def __str__(self) -> str:
        lines = [f"{change.name}: {change.was} -> {change.now}: {change.why}" for change in self]
        return "\n".join([*lines, *(f"compared: {text}" for text in self.compared)])
