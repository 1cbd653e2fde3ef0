"""What a detection run can be told besides `fermatnet.model.train.options.Options`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from fermatnet.model.detect.data.augment import Augmentation
from fermatnet.model.errors import InputError

__all__ = ["FREE", "RECIPES", "SETTINGS", "SETTING_SHAPES", "Settings", "settings"]


@dataclass(frozen=True)
class Settings:
    """height, width: of the network's input in pixels. classes: names, comma between them; "" for the
    format's own. train, test: splits; "" for the format's usual ones (VOC: trainval, test; COCO: train2017,
    val2017). check: a split that is scored every ``every`` epochs, "" for none. boxes: "refuse" or "skip"
    boxes that are none.

    expand, least, flip, upside, colour: see `fermatnet.model.detect.data.augment.Augmentation`. threshold:
    overlap from which a prior answers for an object; negatives: background priors a positive one.
    """

    height: int = 300
    width: int = 300
    classes: str = ""
    train: str = ""
    test: str = ""
    check: str = ""
    every: int = 10
    boxes: str = "refuse"
    expand: float = 4.0
    least: float = 0.3
    flip: bool = True
    upside: bool = False
    colour: float = 1.0
    threshold: float = 0.5
    negatives: int = 3

    def __post_init__(self) -> None:
        if not (32 <= self.height <= 4096 and 32 <= self.width <= 4096):
            raise InputError(f"height and width must be 32 to 4096, not {self.height} and {self.width}")
        if self.boxes not in ("refuse", "skip"):
            raise InputError(f"boxes must be refuse or skip, not {self.boxes!r}")
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold must be above 0 and below 1, not {self.threshold}")
        if self.negatives < 1 or self.every < 1:
            raise InputError(f"negatives and every must be at least 1: {self.negatives}, {self.every}")
        self.augmentation()

    def augmentation(self) -> Augmentation:
        """The changes of training images."""
        return Augmentation(self.expand, self.least, self.flip, self.upside, self.colour)

    def names(self) -> tuple[str, ...]:
        """The classes that were given."""
        return tuple(name.strip() for name in self.classes.split(",") if name.strip())

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


SETTINGS = tuple(item.name for item in fields(Settings))
SETTING_SHAPES = dict(get_type_hints(Settings))
"""What each setting is in JSON, for `fermatnet.model.json_shape`."""
RECIPES = Path(__file__).parent / "recipes"
FREE = ("check", "every")
"""Settings that change nothing of the result: a run may go on with others."""


def settings(given: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """(the settings among ``given``, the rest: options of training). None is not given."""
    chosen = {key: value for key, value in given.items() if value is not None}
    mine = {key: value for key, value in chosen.items() if key in SETTINGS}
    return Settings(**mine), {key: value for key, value in chosen.items() if key not in SETTINGS}
