"""Published QONNX networks: Brevitas' own examples as its default exporter writes them, and the files of the
QONNX model zoo.

``python -m fermatnet.bench.exchange.qonnx_models --zoo DIR --rtl 4``. Brevitas' models (TFC, SFC, LFC, CNV,
ResNet18 4W4A of ``brevitas_examples.bnn_pynq``) get random weights, and norms from a few random images; the
imported network is compared with the file's executor in float64, and with Brevitas' own forward pass in
float64 as far as the file's float32 scales go. ``--rtl N`` also simulates those in `RTL` on N images under
random stalls.
"""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.compare import images
from fermatnet.model.exchange.executor import Executor
from fermatnet.model.exchange.qonnx.importer import Translation, translated
from fermatnet.model.exchange.source_file import Source, read
from fermatnet.model.network import run
from fermatnet.sim.network import simulate

__all__ = ["BREVITAS", "RTL", "ZOO", "brevitas_model", "brevitas_row", "zoo_row"]

BREVITAS = (
    *("tfc_1w1a", "tfc_1w2a", "tfc_2w2a", "sfc_1w1a", "sfc_1w2a", "sfc_2w2a", "lfc_1w1a", "lfc_1w2a"),
    *("cnv_1w1a", "cnv_1w2a", "cnv_2w2a", "resnet18_4w4a"),
)
ZOO: dict[str, dict[str, Any]] = {
    "TFC_1W1A": {"input_scale": 1 / 255},
    "TFC_1W2A": {"input_scale": 1 / 255},
    "TFC_2W2A": {"input_scale": 1 / 255},
    "kwsmlp_w3a3": {"input_scale": 1.0, "value_range": (-128, 127)},
    "qkeras_jettagging": {"input_scale": 1 / 1024, "value_range": (-32768, 32767)},
    "unsw_nb15-mlp-w2a2": {},
}
"""Options of the import, by file."""
RTL = ("tfc_1w1a", "TFC_1W1A", "TFC_2W2A", "kwsmlp_w3a3")
_NEAR = 1e-3  # how near a whole number of units the source's reals must be,
_SINGLE = 2.0**-22  # or relatively: Brevitas works out in float64 the scales that the file holds in float32


def brevitas_model(name: str) -> tuple[torch.nn.Module, torch.Tensor, float]:
    """(model in evaluation, uint8 images (8, C, H, W), factor that makes pixels the model's input)."""
    from brevitas_examples.bnn_pynq.models import model_with_cfg, resnet

    # Brevitas' default exporter passes plain tensors through the model, which its own ResNet18 forbids in two
    # assertions: they accept both here.
    resnet.QuantTensor = (resnet.QuantTensor, torch.Tensor)
    torch.manual_seed(0)
    net, _ = model_with_cfg(name, False)
    shape = (1, 28, 28) if "fc" in name else (3, 32, 32)
    pixels = torch.randint(0, 256, (8, *shape), generator=torch.Generator().manual_seed(1))
    scale = 1.0 if name.startswith("resnet") else 1 / 255
    net.train()
    with torch.no_grad():
        for _ in range(3):  # the norms see some statistics
            net((pixels * scale).float())
    return net.eval(), pixels, scale


def _different(real: np.ndarray, made: Translation, own: np.ndarray) -> int:
    """How many integers ``own`` (n, K) are not the real outputs in the network's unit."""
    exact = real.reshape(len(real), -1) / made.output.scale - made.output.remainder
    return int((np.abs(exact - own) > np.maximum(_NEAR, _SINGLE * np.abs(exact))).sum())


def _file(source: Source, made: Translation, pixels: np.ndarray) -> np.ndarray:
    """Real outputs (n, K) of the file's own operators in float64."""
    executor, sizes = Executor(source.model, made.tensor), source.dims[1:]
    x = pixels.astype(np.float64) * made.scale
    return np.concatenate([executor(part.reshape(1, *sizes)).reshape(1, -1) for part in x])


def _row(
    name: str, made: Translation, pixels: np.ndarray, reals: dict[str, np.ndarray], rtl: int
) -> dict[str, Any]:
    """``reals``: outputs (n, K) in float64 by whose they are; "different" counts for all of them."""
    own = run(made.network, pixels)
    assert isinstance(own, np.ndarray), "these networks have one output"
    row: dict[str, Any] = {"model": name, "images": len(pixels), "outputs": own.size}
    row |= {f"different_{whose}": _different(real, made, own) for whose, real in reals.items()}
    row |= {"different": sum(row[f"different_{whose}"] for whose in reals), "layers": len(made.network.nodes)}
    if rtl and name in RTL:
        with tempfile.TemporaryDirectory(prefix="fermatnet-qonnx-") as scratch:
            folder = Path(scratch) / "design"
            described = generate(made.network, folder, cycles=4096)
            stalled = simulate(folder, pixels[:rtl], stalls=1).outputs
        row["rtl_different"] = int((stalled != own[:rtl]).sum())
        row["cycles"] = described["cycles_per_image"]
    return row


def brevitas_row(name: str, rtl: int = 0, **options: Any) -> dict[str, Any]:
    """One of Brevitas' models, written by ``export_qonnx`` with ``options`` (none: its default exporter)."""
    from brevitas.export import export_qonnx

    net, pixels, scale = brevitas_model(name)
    with tempfile.TemporaryDirectory(prefix="fermatnet-qonnx-") as scratch:
        path = Path(scratch) / f"{name}.onnx"
        export_qonnx(net, args=(pixels[:1] * scale).float(), export_path=str(path), **options)
        file = read(path)
        made = translated(file, input_scale=scale)
        given = pixels.numpy().astype(np.uint8)
        reals = {"file": _file(file, made, given)}
    net.double()
    with torch.no_grad():
        real = net(pixels.double() * scale)
    reals["brevitas"] = np.asarray(getattr(real, "value", real))
    return _row(name, made, given, reals, rtl)


def zoo_row(folder: Path, name: str, rtl: int = 0, count: int = 24) -> dict[str, Any]:
    """One file of the model zoo."""
    source = read(folder / f"{name}.onnx")
    made = translated(source, **ZOO[name])
    (one,) = made.network.inputs
    pixels = images(one.shape, one.lo, one.hi, count, 1, one.dtype)
    return _row(name, made, pixels.reshape(count, *one.dims), {"file": _file(source, made, pixels)}, rtl)


def _rows(zoo: Path | None, only: str, rtl: int) -> Iterator[dict[str, Any]]:
    makers = {name: partial(brevitas_row, name, rtl) for name in BREVITAS}
    if zoo is not None:
        makers |= {name: partial(zoo_row, zoo, name, rtl) for name in ZOO}
    for name, make in makers.items():
        if only in name:
            try:
                yield make()
            except InputError as error:
                yield {"model": name, "refused": str(error)}


@click.command()
@click.option("--zoo", type=click.Path(exists=True, file_okay=False, path_type=Path), help="the zoo's folder")
@click.option("--only", default="", help="models whose name holds this")
@click.option("--rtl", default=0, help="images of the models that are simulated; 0: none")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="write the rows here")
def main(zoo: Path | None, only: str, rtl: int, target: Path | None) -> None:
    """Brevitas' models and the QONNX zoo beside their own arithmetic in float64."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    found = []
    for row in _rows(zoo, only, rtl):
        found.append(row)
        print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
        if target is not None:
            with atomic_file(target) as temporary:
                temporary.write_text(json.dumps(found, indent=1) + "\n")
    wrong = sum("refused" in row or row["different"] + row.get("rtl_different", 0) > 0 for row in found)
    print(f"{len(found)} models, {wrong} refused or with a wrong integer")
    raise SystemExit(1 if wrong or not found else 0)


if __name__ == "__main__":
    main()
