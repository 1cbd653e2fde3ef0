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


def _trained(twin: nn.Module, images: Batch) -> None:
    """A few steps towards zero: steps, levels and norms move."""
    optimizer = torch.optim.SGD(twin.parameters(), lr=1e-3)
    twin.train()
    for _ in range(STEPS):
        optimizer.zero_grad()
        sum(
            output.double().square().mean() for output in named_outputs(called(twin, images)).values()
        ).backward()  # type: ignore
        optimizer.step()
    twin.eval()


def check(name: str, how: str) -> Row:
    """The row of a network of `NETWORKS` under a scheme."""
    import onnxruntime

    torch.manual_seed(0)
    user, images, started = NETWORKS[name], _images(name), time.perf_counter()
    model = user.make()
    scaled = Samples({key: x * 2.0**-user.bits for key, x in each(input_names(model), images).items()})
    called(model.train(), scaled)  # norms with statistics
    calibration = images if isinstance(images, Tensor) else images.parts
    try:
        twin, report = convert(
            model.eval(), scheme(how), user.shape, bits=user.bits, signed=user.signed, images=calibration
        )
        _trained(twin, images)
        net = export(twin, user.shape, name=name)
    except InputError as error:
        return Row(name, how, problem=f"refused: {error}")
    samples = arrays(images, {net_input.name: net_input.dtype for net_input in net.inputs})
    fed = samples if isinstance(samples, dict) else {net.input_name: samples}
    with tempfile.TemporaryDirectory(prefix="fermatnet-user-") as folder:
        save(net, Path(folder) / "net.onnx")
        outputs = run(load(Path(folder) / "net.onnx"), samples)
        session = onnxruntime.InferenceSession(Path(folder) / "net.onnx", providers=["CPUExecutionProvider"])
        other = session.run(
            None,
            {net_input.name: fed[net_input.name].reshape(-1, *net_input.shape) for net_input in net.inputs},
        )
    wanted = _joined(list(outputs.values()) if isinstance(outputs, dict) else [outputs])
    problems = [] if np.array_equal(_joined(other), wanted) else ["onnxruntime differs from the reference"]
    if not np.array_equal(integer_logits(twin, images).numpy(), wanted):
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
    return np.concatenate([np.asarray(part).reshape(len(part), -1) for part in parts], axis=1)
