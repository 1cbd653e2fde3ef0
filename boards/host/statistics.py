"""What happened on the link."""

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass
class Statistics:
    """Counts of a host since its board was opened.

    ``images``: results taken; ``seconds``: spent in runs. ``repeated``: frames sent again; ``bad``: frames
    that came damaged; ``refused``: frames that the board found damaged or had no room for; ``stray``: right
    frames that answer nothing that is still asked; ``reloads``: loads repeated after a reset; ``reopened``:
    times that the port was lost and found.
    """

    images: int = 0
    seconds: float = 0.0
    repeated: int = 0
    bad: int = 0
    refused: int = 0
    stray: int = 0
    reloads: int = 0
    reopened: int = 0

    @property
    def images_per_second(self) -> float:
        """Images a second over the whole run, 0 where no time has passed."""
        return self.images / self.seconds if self.seconds else 0.0
