"""What is done with a finished detection run: loaded, scored, exported."""

from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.detect.boxes.suppression import Rule
from fermatnet.model.detect.data.source import KINDS, open_boxes
from fermatnet.model.detect.host.plan import Plan, plan_of
from fermatnet.model.detect.networks.detector import Detector, Joined
from fermatnet.model.detect.scoring.measure import found_in, images_a_second, scores
from fermatnet.model.detect.training.build import plain_detector, quantized, standardised
from fermatnet.model.detect.training.config import read_config
from fermatnet.model.detect.training.settings import Settings
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import Network
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.folder import RunFolder

__all__ = ["evaluate_run", "export_run", "load_run", "outputs_of"]


def load_run(
    path: str | Path, phase: str | None = None, size: tuple[int, int] | None = None
) -> tuple[Joined, Detector, dict[str, Any]]:
    """(network on raw pixels in evaluation, its plain detector, config) of a finished run; ``phase`` "float"
    or "quantized", None for the last that it has; ``size``: (height, width) of the images that it is built
    for, None for those of its training."""
    folder = RunFolder(path)
    config = read_config(folder)
    there = [name for name in ("quantized", "float") if folder.has(f"{name}.pt")]
    if not there:
        raise InputError(f"{path} has no finished network yet: go on with --resume")
    wanted = phase or there[0]
    if wanted not in there:
        raise InputError(f"{path} has no phase {wanted!r}; it has {', '.join(there)}")
    mine, given = Settings(**config["settings"]), config["options"]
    image = (3, *(size or (mine.height, mine.width)))
    detector = plain_detector(config["net"], image, len(config["classes"]), config["network"])
    if wanted == "float":
        model = standardised(detector)
    else:
        how = scheme(
            given["scheme"],
            weights=given["weights"],
            activations=given["activations"],
            edge_bits=given["edge_bits"],
        )
        model = quantized(detector, how)
    try:
        model.load_state_dict(folder.load(f"{wanted}.pt")["model"])
    except RuntimeError as error:
        line = str(error).splitlines()[-1].strip()
        raise InputError(f"{path}/{wanted}.pt is of another network: {line}") from error
    return model.eval(), detector, config


def evaluate_run(
    path: str | Path,
    *,
    phase: str | None = None,
    data: str | None = None,
    split: str | None = None,
    rule: Rule | None = None,
) -> dict[str, Any]:
    """The scores of a run on a split, VOC's and COCO's, and images a second on this machine, one at a time:
    of its network, and of the network with its boxes and their suppression.

    data, split : other ones than the run's own; the classes are the run's.
    """
    model, detector, config = load_run(path, phase)
    name = data or config["data"]
    source = open_boxes(name, tuple(config["classes"]), config["settings"]["boxes"])
    part = source.part(split or config["settings"]["test"] or KINDS[source.kind][1])
    image = (detector.image[1], detector.image[2])
    found = scores(found_in(model, part, image, detector.priors, rule), part, coco=True)
    shape: tuple[int, int, int] = (3, *image)
    speed = images_a_second(model, shape), images_a_second(model, shape, priors=detector.priors)
    facts = {"run": str(path), "data": name, "images": len(part), "objects": part.objects}
    rates = {"images_per_second": round(speed[0], 1), "with_boxes_per_second": round(speed[1], 1)}
    return {**facts, **found, **rates}


def export_run(
    path: str | Path, *, rule: Rule | None = None, size: tuple[int, int] | None = None
) -> tuple[Network, Plan]:
    """(network file with a map for each head, description of the boxes) of a finished quantized run.

    size : (height, width) of its images, None for those of its training; with others its priors go with the
    shorter side, and the run's score is left out of the file.
    """
    model, detector, config = load_run(path, size=size)
    if config["scheme"] == "full precision":
        raise InputError(f"{path} is a full-precision run: only a quantized network can be exported")
    summary = RunFolder(path).read_json("summary.json", {"map": float})
    meta = {
        "run": Path(path).name,
        "data": config["data"].partition(":")[0],
        "scheme": config["scheme"],
        "seed": config["options"]["seed"],
        "classes": config["classes"],
    }
    if size is None or size == (config["settings"]["height"], config["settings"]["width"]):
        meta |= {"test_images": config["test_images"], "test_map": repr(summary["map"])}
    net = export(model.network, tuple(detector.image), (0, 255), name=config["net"], meta=meta)
    return net, plan_of(detector, net, config["classes"], rule)


def outputs_of(net: Network, images: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Of each image of (n, C, H, W) the reference's integers (C H W,) by the outputs' names."""
    from fermatnet.model.network import run

    found = run(net, images)
    assert isinstance(found, dict)
    return [{name: values[image] for name, values in found.items()} for image in range(len(images))]
