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
from fermatnet.model.nn.door.compare import named_outputs, output_scales
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.samples import Samples
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
        """As a line of the results."""
        return {**asdict(self), "reason": self.reason}


def _images(drawn: Drawn, count: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(drawn.seed)
    bits = min(drawn.bits, 16)
    low = -(1 << bits - 1) if drawn.signed else 0
    kind = torch.uint8 if bits <= 8 and not drawn.signed else torch.int32
    return torch.randint(low, low + (1 << bits), (count, *drawn.shape), generator=generator, dtype=kind)


def _user(drawn: Drawn, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the owner meant: the model itself, in float64, in evaluation. (Not a copy: hooks and weight norms
    as they are.)"""
    inputs = images.double() * 2.0**-drawn.bits
    if drawn.normal:
        mean, std = (
            torch.tensor(drawn.normal[key], dtype=torch.float64).view(1, -1, *[1] * (images.dim() - 2))
            for key in ("mean", "std")
        )
        inputs = (images.double() / ((1 << drawn.bits) - 1) - mean) / std
    model = getattr(drawn.model, "_orig_mod", drawn.model)  # what torch.compile would compile
    with torch.no_grad():
        return named_outputs(drawn.called(model.double().eval(), inputs))


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
    arguments: dict[str, Any] = {"bits": drawn.bits, "signed": drawn.signed, **drawn.means}
    given = drawn.given(images)
    try:
        made, report = convert(drawn.model, drawn.how, drawn.dims, images=given, **arguments)
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
    twin, _ = convert(drawn.model, scheme("float"), drawn.dims, **arguments)
    problems = []
    with torch.no_grad():
        got = named_outputs(drawn.called(twin.eval(), images))
    if not padded:
        wanted = _user(drawn, images)
        far = max(_far(want, got[name]) for name, want in wanted.items())
        if not far <= TOLERANCE:
            problems.append(f"the twin is another function ({far:.2g} of the largest output)")
    return Outcome(**told, problem="; ".join(problems + _integers(drawn, made, images)))


def _far(want: torch.Tensor, got: torch.Tensor) -> float:
    """Largest difference in units of the largest value; positions differ where two values are one but for
    rounding, which float32 does."""
    if want.shape != got.shape:
        return float("inf")
    if not want.is_floating_point():
        return 0.0 if float((want != got).double().mean()) < 0.3 else float("inf")
    apart = float((want - got.double()).abs().max())
    return 0.0 if apart <= 1e-9 else apart / max(float(want.abs().max()), 1e-12)


def _integers(drawn: Drawn, made: torch.nn.Module, images: torch.Tensor) -> list[str]:
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="fermatnet-door-") as folder:
        file = Path(folder) / "net.onnx"
        try:
            save(export(made, drawn.dims, images=drawn.given(images)), file)
        except InputError as error:
            return [f"export refused what convert accepted: {error}"]
        net = load(file)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        samples = drawn.given(images.numpy().astype(net.input_dtype))
        parts = samples if drawn.first else {net.input_name: samples}
        maps = {one.name: parts[one.name].reshape(-1, *one.shape) for one in net.inputs}
        others = session.run(None, maps)
    with torch.no_grad():
        found = named_outputs(drawn.called(deepcopy(made).eval(), images)).values()
    result = run(net, samples)
    results = list(result.values()) if isinstance(result, dict) else [result]
    integers = _side_by_side(results, len(images))
    scaled = [one.double().numpy() / scale for one, scale in zip(found, output_scales(net), strict=True)]
    answers = {
        "onnxruntime": _side_by_side(others, len(images)),
        "integer mode": integer_logits(made, Samples(drawn.given(images)) if drawn.first else images).numpy(),
        "the model in evaluation": _side_by_side(scaled, len(images)),
    }
    return [
        f"the reference differs from {name}"
        for name, values in answers.items()
        if not np.array_equal(values, integers)
    ]


def _side_by_side(parts: list[np.ndarray], count: int) -> np.ndarray:
    """All outputs as one array (n, K)."""
    return np.concatenate([np.asarray(one).reshape(count, -1) for one in parts], axis=1)
