"""Networks quantized by torchao's PT2E flow and written by torch's own ONNX exporter, beside onnxruntime.

``python -m fermatnet.bench.exchange.pt2e --count 200``. Small networks of random weights go through
``torch.export``, ``prepare_pt2e``, calibration, ``convert_pt2e`` and ``torch.onnx.export``; what comes out is
ONNX of QuantizeLinear and DequantizeLinear with float biases.
"""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import onnx_quantized

__all__ = ["NETS", "QUANTIZERS", "row", "written"]


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.main, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 12, 3, stride=2)
        self.classes = nn.Linear(12, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(self.last(torch.relu(self.main(x) + x)))
        return self.classes(x.mean((2, 3)))


def _plain() -> nn.Module:
    features = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3)]
    return nn.Sequential(*features, nn.ReLU(), nn.Flatten(), nn.Linear(108, 16), nn.ReLU(), nn.Linear(16, 10))


def _one_d() -> nn.Module:
    features = [nn.Conv1d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 3), nn.ReLU()]
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(64, 6))


NETS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "plain": (_plain, (3, 12, 12)),
    "residual": (_Residual, (3, 12, 12)),
    "one_d": (_one_d, (3, 20)),
    "mlp": (lambda: nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 5)), (24,)),
}
"""What makes a network, and the shape of a sample."""
QUANTIZERS = ("xnnpack", "xnnpack per channel", "x86")


def _quantizer(name: str) -> Any:
    """torchao's; its XNNPACK quantizer moved to ExecuTorch and is kept there for tests."""
    if name == "x86":
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        return x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    from torchao.testing.pt2e import _xnnpack_quantizer as xnnpack

    settings = xnnpack.get_symmetric_quantization_config(is_per_channel=name.endswith("channel"))
    return xnnpack.XNNPACKQuantizer().set_global(settings)


def written(path: Path, net: str, quantizer: str, seed: int = 0) -> Path:
    """The ONNX file of a network of random weights; needs ``torchao``."""
    from torchao.quantization.pt2e import allow_exported_model_train_eval
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    make, shape = NETS[net]
    torch.manual_seed(seed)
    samples = torch.randn(8, *shape)
    traced = torch.export.export(make().eval(), (samples[:1],)).module()
    prepared = prepare_pt2e(traced, _quantizer(quantizer))
    for k in range(len(samples)):
        prepared(samples[k : k + 1])
    quantized = allow_exported_model_train_eval(convert_pt2e(prepared))  # the exporter calls eval()
    torch.onnx.export(quantized, (samples[:1],), str(path), verbose=False)
    return path


def row(net: str, quantizer: str, count: int, seed: int = 0) -> dict[str, Any]:
    """One file: what was compared with onnxruntime, or the refusal."""
    found: dict[str, Any] = {"net": net, "quantizer": quantizer}
    with tempfile.TemporaryDirectory(prefix="fermatnet-pt2e-") as scratch:
        path = written(Path(scratch) / "m.onnx", net, quantizer, seed)
        try:
            return found | {"compared": onnx_quantized.compared(onnx_quantized.read(path), count)}
        except InputError as error:
            return found | {"refused": str(error).replace(str(path), "it")}


def _rows(only: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
    for net in NETS:
        for quantizer in QUANTIZERS:
            if only in f"{net} {quantizer}":
                yield row(net, quantizer, count, seed)


@click.command()
@click.option("--only", default="", help="files whose 'net quantizer' holds this")
@click.option("--count", default=200, show_default=True, help="samples a file")
@click.option("--seed", default=0, show_default=True, help="of the weights")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="write the rows here")
def main(only: str, count: int, seed: int, target: Path | None) -> None:
    """PT2E's files beside onnxruntime."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    found = []
    for one in _rows(only, count, seed):
        found.append(one)
        print(" | ".join(str(value) for value in one.values()), flush=True)
        if target is not None:
            with atomic_file(target) as temporary:
                temporary.write_text(json.dumps(found, indent=1) + "\n")
    wrong = sum("differs" in one.get("refused", "") for one in found)
    print(f"{len(found)} files: {sum('refused' in one for one in found)} refused, {wrong} wrong")
    raise SystemExit(1 if wrong or not found else 0)


if __name__ == "__main__":
    main()
