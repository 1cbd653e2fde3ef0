"""One random model at the door: refused by name, or the same function in every form of it."""

import re
import tempfile
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fermatnet.bench.door.models import draw_model
from fermatnet.bench.door.steps import Drawn
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import load, run, save
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import scheme

__all__ = ["Outcome", "check"]

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Outcome:
    """``refused``: why, or "" where it was accepted; ``problem``: "" where all is as it has to be."""

    seed: int
    scheme: str
    extras: str
    refused: str = ""
    problem: str = ""

    @property
    def reason(self) -> str:
        """The refusal without its numbers and names."""
        text = re.sub(r"^.*?reasons: \(1\) ", "", self.refused)
        text = re.sub(r"^(layer|step|module|parameter|buffer) '[^']*': ", "", text)
        return re.split(r"[;,(]| is not understood", text)[0][:60]

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "reason": self.reason}


def _images(drawn: Drawn, count: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(drawn.seed)
    return torch.randint(
        0, 1 << min(drawn.bits, 8), (count, *drawn.shape), generator=generator, dtype=torch.uint8
    )


def _user(drawn: Drawn, images: torch.Tensor) -> torch.Tensor:
    """What the owner meant: the model itself, in float64, in evaluation. (Not a copy: hooks and weight norms
    as they are.)"""
    inputs = images.double() * 2.0**-drawn.bits
    if drawn.normal:
        mean, std = (
            torch.tensor(drawn.normal[key], dtype=torch.float64).view(1, -1, 1, 1) for key in ("mean", "std")
        )
        inputs = (images.double() / ((1 << drawn.bits) - 1) - mean) / std
    model = getattr(drawn.model, "_orig_mod", drawn.model)  # what torch.compile would compile
    with torch.no_grad():
        return model.double().eval()(inputs)


def check(seed: int) -> Outcome:
    """The outcome of one seed. Other exceptions than InputError are problems, with their names."""
    drawn = draw_model(seed)
    told: dict[str, Any] = {"seed": seed, "scheme": drawn.how.describe(), "extras": ", ".join(drawn.extras)}
    try:
        return _outcome(drawn, told)
    except Exception as error:  # the very thing looked for: no other exception may leave convert or export
        return Outcome(**told, problem=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _outcome(drawn: Drawn, told: dict[str, Any]) -> Outcome:
    images = _images(drawn)
    arguments: dict[str, Any] = {"bits": drawn.bits, **drawn.normal}
    try:
        made, report = convert(drawn.model, drawn.how, drawn.shape, images=images, **arguments)
    except InputError as error:
        text = str(error)
        unseen = "another function" in text and "in place" not in drawn.extras
        lines = "\n" in text
        problem = (
            "the table let it pass, the comparison did not"
            if unseen
            else "the refusal has several lines"
            if lines
            else ""
        )
        return Outcome(**told, refused=text, problem=problem)
    padded = any(change.now == "padding with black" for change in report)
    twin, _ = convert(drawn.model, scheme("float"), drawn.shape, **arguments)
    problems = []
    with torch.no_grad():
        got = twin.eval()(images).double()
    if not padded:
        want = _user(drawn, images)
        far = (
            float((want - got).abs().max()) / max(float(want.abs().max()), 1e-12)
            if want.shape == got.shape
            else float("inf")
        )
        if not far <= TOLERANCE and float((want - got).abs().max()) > 1e-9:
            problems.append(f"the twin is another function ({far:.2g} of the largest output)")
    return Outcome(**told, problem="; ".join(problems + _integers(drawn, made, images)))


def _integers(drawn: Drawn, made: torch.nn.Module, images: torch.Tensor) -> list[str]:
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="fermatnet-door-") as folder:
        file = Path(folder) / "net.onnx"
        try:
            save(export(made, drawn.shape, images=images), file)
        except InputError as error:
            return [f"export refused what convert accepted: {error}"]
        net = load(file)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        (other,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        evaluated = deepcopy(made).eval()(images).double().flatten(1).numpy() / float(
            net.meta["output_scale"]
        )
    integers = run(net, images.numpy()).reshape(len(images), -1)
    answers = {
        "onnxruntime": np.asarray(other).reshape(len(images), -1),
        "the model in evaluation": evaluated,
    }
    return [
        f"the reference differs from {name}"
        for name, values in answers.items()
        if not np.array_equal(values, integers)
    ]
