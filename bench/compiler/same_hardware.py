"""Two checkouts of this project generate the same hardware: a proof that a restructuring changed nothing.

    python -m fermatnet.bench.compiler.same_hardware OLD NEW [--networks 60] [--rename 'OLD=NEW' ...]

OLD and NEW are folders of checkouts, each with its own environment in ``.venv`` (or name the two interpreters
with ``--old-python`` and ``--new-python``). Each checkout runs in a process of its own and writes, all from
seeds: the digits and the TFC network of the zoo, PA-ResNet8, every IP block with its default options, and
random networks; of each network the network file, the reference's outputs, the generated folder (Verilog,
memories, interface.json with cycles, latency and resources as predicted), a third of the random ones with
streamed and a third with reloadable weights, some with predicted resources. ``--parts`` takes only some of
these (zoo, ip, random). The two folders are then compared byte for byte.

``--rename`` is for names that were changed on purpose: a regular expression and its replacement, applied to
the text of OLD's files where the bytes differ. A file that only then is equal is counted apart. The exit
status is 1 if anything differs, with the first line that does.
"""

import argparse
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["compare", "main", "trained", "write_all"]

SEED, IMAGES = 0, 4
PARTS = ("zoo", "ip", "random")
# where a function lives: the module of now, then those of older revisions
HOMES = {
    "generate": ("fermatnet.hw.compiler.generate", "fermatnet.hw." + "network"),
    "random_network": ("fermatnet.bench.samples.networks", "fermatnet.bench." + "random_networks"),
    "pa_resnet": ("fermatnet.bench.samples.shapes", "fermatnet.bench." + "shapes"),
    "export": ("fermatnet.model.exchange.export", "fermatnet.model." + "export"),
    "blocks": ("fermatnet.hw.ip.registry", "fermatnet.hw." + "ip"),
    "layer_of": ("fermatnet.hw.layers",),
    "calibrate": ("fermatnet.model.nn.measure",),
    "build": ("fermatnet.model.zoo",),
    "save": ("fermatnet.model.network",),
    "run": ("fermatnet.model.network",),
}
ZOO = {  # name of the zoo: cycles an image that are asked for
    "digits": 4_000,
    "tfc": 20_000,
}


def _home(name: str) -> Any:
    """The module that holds function ``name`` in this checkout."""
    for module in HOMES[name]:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        if hasattr(found, name):
            return found
    raise SystemExit(f"no module of this checkout holds {name}: looked in {', '.join(HOMES[name])}")


def _find(name: str) -> Any:
    return getattr(_home(name), name)


def trained(name: str) -> Any:
    """A network of the zoo with seeded weights, calibrated on seeded images and exported."""
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    model = _find("build")(name)
    shape, bits = ((1, 8, 8), 5) if name == "digits" else ((1, 28, 28), 8)
    images = torch.randint(0, 1 << bits, (64, *shape), dtype=torch.uint8)
    model.train()
    for _ in range(3):  # norms find their statistics, activations their steps
        model(images)
    _find("calibrate")(model, images)
    return _find("export")(model.eval(), shape, (0, (1 << bits) - 1), name=name)


def _write_network(net: Any, folder: Path, **goals: Any) -> None:
    """Network file, outputs of the reference and generated folder."""
    import numpy as np

    folder.mkdir(parents=True)
    _find("save")(net, folder / "net.onnx")
    tensor = net.types["image"]
    rng = np.random.default_rng(SEED)
    images = rng.integers(tensor.lo, tensor.hi + 1, (IMAGES, *tensor.shape)).astype(np.uint8)
    outputs = np.asarray(_find("run")(net, images))
    (folder / "outputs.txt").write_text("\n".join(map(str, outputs.reshape(len(images), -1).tolist())) + "\n")
    _find("generate")(net, folder / "hw", **goals)


def _streamable(net: Any, node: Any) -> bool:
    """Whether a layer's weights can come from a stream: a matrix product, whatever its class is called."""
    kinds = type(_find("layer_of")(net, node)).__mro__
    return any(kind.__name__ in ("MatrixVectorLayer", "Matrix") for kind in kinds)


def _write_random(seed: int, folder: Path) -> None:
    net = _find("random_network")(seed)
    goals: dict[str, Any] = {"cycles": 20_000 * (1 + seed % 4)}
    if seed % 3 == 1:
        goals["external"] = [node.name for node in net.nodes if _streamable(net, node)]
    elif seed % 3 == 2:
        goals |= {"reloadable": True, "external": "none"}
    elif seed % 12 == 0:
        goals["resources"] = True
    try:
        _write_network(net, folder, **goals)
    except Exception as error:  # a refusal is an answer too: it has to be the same one
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "refused.txt").write_text(f"{type(error).__name__}: {error}\n")


def _write_zoo(out: Path, say: Callable[[str], None]) -> None:
    for name, cycles in ZOO.items():
        say(name)
        _write_network(trained(name), out / name, cycles=cycles, resources=True)
    say("PA-ResNet8")
    _write_network(_find("pa_resnet")(), out / "pa-resnet8", cycles=40_000, resources=True)


def _write_blocks(out: Path, say: Callable[[str], None]) -> None:
    registry = _home("blocks")
    for name in sorted(registry.blocks()):
        say(f"block {name}")
        (out / name).mkdir(parents=True)
        registry.generate(name, out / name, **_weights(name, out))


def _weights(block: str, out: Path) -> dict[str, str]:
    """Of the block that stands for a matrix, which has no default, a small one from the seed."""
    import numpy as np

    if block != "matrix":
        return {}
    path = out / "weights.npy"
    np.save(path, np.random.default_rng(SEED).integers(-8, 8, (6, 10)))
    return {"weights": str(path)}


def write_all(out: Path, networks: int, parts: Sequence[str] = PARTS) -> None:
    """What ``parts`` names of this checkout into an empty folder, with progress on the error stream."""

    def say(text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    if "zoo" in parts:
        _write_zoo(out / "zoo", say)
    if "ip" in parts:
        _write_blocks(out / "ip", say)
    for seed in range(networks if "random" in parts else 0):
        if seed % 10 == 0:
            say(f"random networks {seed} to {min(seed + 9, networks - 1)}")
        _write_random(seed, out / "random" / str(seed))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _first_difference(old: bytes, new: bytes) -> str:
    before, after = (text.decode(errors="replace").splitlines() for text in (old, new))
    for number, (one, other) in enumerate(zip(before, after, strict=False), 1):
        if one != other:
            return f"line {number}: {one.strip()[:80]!r} is now {other.strip()[:80]!r}"
    return f"{len(before)} lines are now {len(after)}"


def compare(old: Path, new: Path, renames: list[tuple[str, str]]) -> dict[str, Any]:
    """Counts of equal and of renamed files, the differences by file, and a digest of all that NEW holds."""
    before, after = _files(old), _files(new)
    found: dict[str, Any] = {"files": len(after), "equal": 0, "equal_after_renaming": 0, "different": {}}
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            found["different"][name] = "only in " + ("NEW" if name in after else "OLD")
        elif before[name] == after[name]:
            found["equal"] += 1
        else:
            text = before[name].decode(errors="replace")
            for pattern, replacement in renames:
                text = re.sub(pattern, replacement, text)
            if text.encode(errors="replace") == after[name]:
                found["equal_after_renaming"] += 1
            else:
                found["different"][name] = _first_difference(before[name], after[name])
    digest = hashlib.sha256()
    for name, data in sorted(after.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return {**found, "sha256": digest.hexdigest()}


def _child(python: Path, checkout: Path, out: Path, options: argparse.Namespace) -> None:
    """Runs this very file in the environment of a checkout; the older one need not know of it."""
    words = [str(python), "-P", __file__, "--child", str(out), "--networks", str(options.networks)]
    words += ["--parts", *options.parts]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run(words, cwd=checkout, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{checkout}: the run failed with status {done.returncode}")


def main(argv: list[str] | None = None) -> int:
    """The command; 0 if everything is equal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", nargs="?", type=Path)
    parser.add_argument("new", nargs="?", type=Path)
    parser.add_argument("--old-python", type=Path)
    parser.add_argument("--new-python", type=Path)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rename", action="append", default=[], metavar="PATTERN=REPLACEMENT")
    parser.add_argument("--keep", type=Path, help="empty folder that keeps both results")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        write_all(options.child, options.networks, options.parts)
        return 0
    if options.old is None or options.new is None:
        parser.error("name two checkouts, OLD and NEW")
    renames = [tuple(text.split("=", 1)) for text in options.rename]
    with tempfile.TemporaryDirectory(prefix="fermatnet-same-") as scratch:
        base = options.keep or Path(scratch)
        for side in ("old", "new"):
            checkout = getattr(options, side).resolve()
            python = getattr(options, f"{side}_python") or checkout / ".venv" / "bin" / "python"
            print(f"{side}: {checkout}", file=sys.stderr, flush=True)
            if not (base / side).exists():
                (base / side).mkdir(parents=True)
                _child(python, checkout, base / side, options)
        found = compare(base / "old", base / "new", renames)
    print(json.dumps(found, indent=2))
    return 1 if found["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
