"""One user's network through the door: converted, three training steps, exported; every way to compute it
beside the others."""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fermatnet.bench.users.networks import NETWORKS
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import load, run, save
from fermatnet.model.network.nodes import Conv, Dense, Lookup, PiecewiseConv
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.door.compare import named_outputs
from fermatnet.model.nn.door.entries import arrays
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.samples import Batch, Samples, called, each
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.nn.walk import input_names

__all__ = ["Row", "check"]

STEPS, IMAGES = 3, 8


@dataclass(frozen=True)
class Row:
    """Figures of one network: layers of the file by engine, how far the twin is from the model in full
    precision, and ``problem``, "" where all are equal."""

    network: str
    scheme: str
    layers: int = 0
    piecewise: int = 0
    integer: int = 0
    tables: int = 0
    outputs: int = 0
    compared: str = ""
    seconds: float = 0.0
    problem: str = ""

    def plain(self) -> dict[str, Any]:
        """As a line of the results."""
        return asdict(self)


def _images(name: str) -> Batch:
    user = NETWORKS[name]
    low = -(1 << user.bits - 1) if user.signed else 0
    generator = torch.Generator().manual_seed(0)

    def drawn(shape: tuple[int, ...]) -> Tensor:
        return torch.randint(low, low + (1 << user.bits), (IMAGES, *shape), generator=generator)

    if not isinstance(user.shape, dict):
        return drawn(user.shape)
    return Samples({key: drawn(shape) for key, shape in user.shape.items()})


def _trained(made: nn.Module, images: Batch) -> None:
    """A few steps towards zero: steps, levels and norms move."""
    optimizer = torch.optim.SGD(made.parameters(), lr=1e-3)
    made.train()
    for _ in range(STEPS):
        optimizer.zero_grad()
        sum(one.double().square().mean() for one in named_outputs(called(made, images)).values()).backward()  # type: ignore
        optimizer.step()
    made.eval()


def check(name: str, how: str) -> Row:
    """The row of a network of `NETWORKS` under a scheme."""
    import onnxruntime

    torch.manual_seed(0)
    user, images, started = NETWORKS[name], _images(name), time.perf_counter()
    model = user.make()
    scaled = Samples({key: x * 2.0**-user.bits for key, x in each(input_names(model), images).items()})
    called(model.train(), scaled)  # norms with statistics
    given = images if isinstance(images, Tensor) else images.parts
    try:
        made, report = convert(
            model.eval(), scheme(how), user.shape, bits=user.bits, signed=user.signed, images=given
        )
        _trained(made, images)
        net = export(made, user.shape, name=name)
    except InputError as error:
        return Row(name, how, problem=f"refused: {error}")
    samples = arrays(images, {one.name: one.dtype for one in net.inputs})
    fed = samples if isinstance(samples, dict) else {net.input_name: samples}
    with tempfile.TemporaryDirectory(prefix="fermatnet-user-") as folder:
        save(net, Path(folder) / "net.onnx")
        result = run(load(Path(folder) / "net.onnx"), samples)
        session = onnxruntime.InferenceSession(Path(folder) / "net.onnx", providers=["CPUExecutionProvider"])
        other = session.run(None, {one.name: fed[one.name].reshape(-1, *one.shape) for one in net.inputs})
    wanted = _joined(list(result.values()) if isinstance(result, dict) else [result])
    problems = [] if np.array_equal(_joined(other), wanted) else ["onnxruntime differs from the reference"]
    if not np.array_equal(integer_logits(made, images).numpy(), wanted):
        problems.append("integer mode differs from the reference")
    kinds = [type(node) for node in net.nodes]
    return Row(
        name,
        how,
        len(kinds),
        kinds.count(PiecewiseConv),
        kinds.count(Conv) + kinds.count(Dense),
        kinds.count(Lookup),
        len(net.outputs),
        report.compared[0].rpartition(": ")[2],
        round(time.perf_counter() - started, 1),
        "; ".join(problems),
    )


def _joined(parts: list[Any]) -> np.ndarray:
    return np.concatenate([np.asarray(one).reshape(len(one), -1) for one in parts], axis=1)
