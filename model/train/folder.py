"""The run folder: config.json, metrics.jsonl, checkpoint.pt, float.pt, model.pt, summary.json, curves.png.

Everything is written whole or not at all. Tensors are saved by ``torch.save`` as plain dictionaries and
loaded with ``weights_only=True``:
nothing in a run folder can execute anything.
"""

import io
import json
import pickle
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import validate
from fermatnet.model.outputs import check_directory, make_parents, remove_empty

__all__ = ["RunFolder"]

# what zipfile and torch.load raise on bytes that are no checkpoint
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)


class RunFolder:
    """Reads and writes one run. ``create`` refuses a folder that holds something already."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.made: list[Path] = []

    def create(self) -> None:
        """Makes the folder; InputError where it holds something already."""
        self.check_new()
        self.made = [self.path, *make_parents(self.path)] if not self.path.exists() else []
        self.path.mkdir(exist_ok=True)

    def check_new(self) -> None:
        """InputError when a run cannot begin here."""
        if self.path.is_dir() and any(self.path.iterdir()):
            hint = ", or --resume the run in it" if self.has("config.json") else ""
            raise InputError(f"{self.path} is not empty: choose another folder{hint}")
        check_directory(self.path)

    def discard(self) -> None:
        """Removes a run that `create` began and that came to nothing, with the folders made for it."""
        for path in self.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        remove_empty(self.made)

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file, whole or not at all."""
        with atomic_file(self.path / name) as path:
            path.write_text(json.dumps(value, indent=2) + "\n")

    def read_json(self, name: str, shape: Any = dict) -> Any:
        """A document of the run; `InputError` when it is missing, damaged, or has not this ``shape``
        (`fermatnet.model.json_shape`)."""
        try:
            document = json.loads((self.path / name).read_text())
        except FileNotFoundError as error:
            raise InputError(f"{self.path} is not a training run: it has no {name}") from error
        except ValueError as error:
            raise InputError(f"{self.path / name} is damaged: {error}") from error
        validate(document, shape, self.path / name)
        return document

    def save(self, name: str, value: dict[str, Any]) -> None:
        """Writes tensors, whole or not at all."""
        buffer = io.BytesIO()
        torch.save(value, buffer)  # into memory: on a full disk torch's own writer fails without saying so
        with atomic_file(self.path / name) as path:
            path.write_bytes(buffer.getbuffer())

    def load(self, name: str) -> dict[str, Any]:
        """Reads tensors; InputError where the file is missing or damaged."""
        path = self.path / name
        if not path.is_file():
            raise InputError(f"{self.path} has no {name}: the run has not come that far")
        try:
            with zipfile.ZipFile(path) as archive:  # torch.load does not look at the checksums
                damaged = archive.testzip()
            if damaged is not None:
                raise InputError(f"{path} is damaged: the checksum of {damaged} does not match")
            return torch.load(path, map_location="cpu", weights_only=True)
        except InputError:
            raise
        except _DAMAGE as error:
            words = (str(error).splitlines() or ["it ends too early"])[0]
            raise InputError(f"{path} is not a checkpoint or is damaged: {words}") from error

    def has(self, name: str) -> bool:
        """Whether the folder holds a file of this name."""
        return (self.path / name).is_file()

    def metrics(self) -> list[dict[str, Any]]:
        """The entries of the log of metrics that are whole, one an epoch."""
        if not self.has("metrics.jsonl"):
            return []
        lines = (self.path / "metrics.jsonl").read_text().splitlines()
        entries = []
        for line in lines:
            try:
                entries.append(json.loads(line))
            except ValueError:  # a kill in the middle of a line: the epoch is run again
                break
        return entries

    def set_metrics(self, entries: list[dict[str, Any]]) -> None:
        """Writes the log of metrics anew, whole or not at all."""
        with atomic_file(self.path / "metrics.jsonl") as path:
            path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))

    def draw_curves(self) -> None:
        """curves.png from metrics.jsonl: loss and accuracy by epoch, one colour a phase."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        entries = self.metrics()
        figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)
        for phase, colour in zip(
            dict.fromkeys(entry["phase"] for entry in entries),
            ("#5b6770", "#c2410c", "#1d4ed8"),
            strict=False,
        ):
            mine = [entry for entry in entries if entry["phase"] == phase]
            epochs = [entry["epoch"] for entry in mine]
            axes[0].plot(epochs, [entry["loss"] for entry in mine], color=colour, label=phase)
            axes[1].plot(
                epochs, [entry["accuracy"] for entry in mine], color=colour, label=f"{phase}, training"
            )
            checked = [(entry["epoch"], entry["validation"]) for entry in mine if "validation" in entry]
            if checked:
                axes[1].plot(
                    *zip(*checked, strict=True), color=colour, linestyle="--", label=f"{phase}, validation"
                )
        for axis, title in zip(axes, ("loss", "accuracy"), strict=True):
            axis.set(title=title, xlabel="epoch")
            axis.grid(alpha=0.25)
            if entries:
                axis.legend(frameon=False, fontsize=8)
        with atomic_file(self.path / "curves.png") as path:
            figure.savefig(path, dpi=120, format="png")
        pyplot.close(figure)
