"""ResNet8 on CIFAR-10: full precision once, then PA from its weights, resumable at any kill.

    python -m fermatnet.bench.training.cifar --data cifar10:DIR --work DIR --results cifar.jsonl
    python -m fermatnet.bench.training.cifar --data cifar10:DIR --work DIR --results cifar.jsonl --part pa-4-5

A finished part is one line of the results, with its accuracy on all test images by training's own
evaluation, and its exported network file, ``DIR/SEED/PART.onnx``. ``--precision bfloat16`` trains the part in
full precision so, which pays on processors with matrix units for it; the quantized parts stay in float32,
where they are faster.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from fermatnet.model.result_log import ResultLog, digest
from fermatnet.model.train.ranges import CHOICES

__all__ = ["PARTS", "run"]

COMMON: dict[str, Any] = {
    "batch": 128,
    "schedule": "cosine",
    "warmup": 0.05,
    "pad": 4,
    "flip": True,
    "validation": 0.0,
    "channels_last": True,
}
TWIN: dict[str, Any] = {
    **COMMON,
    "scheme": "float",
    "epochs": 0,
    "float_epochs": 100,
    "optimizer": "sgd",
    "float_lr": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
}
QUANTIZED: dict[str, Any] = {
    **COMMON,
    "scheme": "pa",
    "epochs": 60,
    "optimizer": "adamw",
    "lr": 2e-3,
    "distill": 0.5,
}
# part: scheme, weight pieces M, activation pieces N
PARTS = {"pa-4-5": ("pa", 4, 5), "pa-2-1": ("pa", 2, 1), "pa-short-4-5": ("pa-short", 4, 5)}


def options_of(part: str, epochs: tuple[int, int] = (100, 60), precision: str = "float32") -> dict[str, Any]:
    """The options of `train` for ``"float"`` or a name of `PARTS`; ``epochs`` of full precision and of a
    quantized part."""
    if part == "float":
        return {**TWIN, "float_epochs": epochs[0], "precision": precision}
    name, weights, activations = PARTS[part]
    return {**QUANTIZED, "scheme": name, "epochs": epochs[1], "weights": weights, "activations": activations}


def run(
    data: str,
    work: Path,
    results: Path | None,
    parts: list[str],
    seed: int = 0,
    threads: int = 2,
    *,
    epochs: tuple[int, int] = (100, 60),
    precision: str = "float32",
) -> None:
    """Train what ``results`` lacks, in order. ``data`` as ``fermatnet train`` takes it."""
    log, twin = ResultLog(results), options_of("float", epochs, precision)
    for part in ["float", *parts]:
        options = options_of(part, epochs, precision)
        # a quantized part starts from the weights of full precision: those options are in its key, too
        key = f"{part}/{seed}/{digest(json.dumps([options, twin], sort_keys=True))}"
        log.row(key, partial(_perform, part, options, data, work / str(seed), seed, threads))


def _perform(
    part: str, options: dict[str, Any], data: str, work: Path, seed: int, threads: int
) -> dict[str, Any]:
    from fermatnet.model.network import save
    from fermatnet.model.train.finished import export_run
    from fermatnet.model.train.run import train

    twin = None if part == "float" else work / "float"
    summary = train(
        "resnet8",
        data,
        work / part,
        resume=True,
        seed=seed,
        threads=threads,
        progress=False,
        twin=twin,
        **options,
    )
    if twin is not None:
        save(export_run(work / part), work / f"{part}.onnx")
    return {
        "test_accuracy": summary["test_accuracy"],
        "seconds": summary["seconds"]["total"],
        "options": options,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True, help="cifar10:DIR")
    parser.add_argument("--work", required=True, type=Path, help="run folders and network files")
    parser.add_argument("--results", required=True, type=Path, help="one JSON line a finished part")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="may be repeated [all]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=(100, 60), metavar=("FULL", "QUANTIZED"), help="[100 60]"
    )
    parser.add_argument("--precision", choices=CHOICES["precision"], default="float32", help="[float32]")
    args = parser.parse_args()
    run(
        args.data,
        args.work,
        args.results,
        args.part or list(PARTS),
        args.seed,
        args.threads,
        epochs=tuple(args.epochs),
        precision=args.precision,
    )


if __name__ == "__main__":
    main()
