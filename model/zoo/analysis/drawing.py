"""Pictures of architectures, cells and gradient paths, as SVG or PNG by the file's name; drawn from the real
modules.

Boxes are layers in the order of the data flow (left to right in cells and paths, top to bottom in
architectures).
"""

from pathlib import Path as File
from typing import Any

from torch import fx, nn

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.zoo.analysis.complexity import assemble, summarise
from fermatnet.model.zoo.analysis.measure import measure
from fermatnet.model.zoo.analysis.paths import Path, gradient_paths
from fermatnet.model.zoo.binary import BinaryConv2d, Concat, Join, Sum
from fermatnet.model.zoo.nasb.space import OPERATIONS, CellGenotype

__all__ = ["draw_architecture", "draw_block", "draw_cell", "draw_paths"]

COLOURS = {
    "real": "#cfe3f5",
    "binary": "#f9d9b5",
    "piecewise": "#f6c8c8",
    "norm": "#e8e8e8",
    "join": "#d5ecd0",
    "node": "#ffffff",
}


def _figure(width: float, height: float) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("pictures need matplotlib: pip install 'fermatnet[train]'") from error
    figure = Figure(figsize=(max(3.0, width), max(1.5, height)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    return figure, axes


def _save(figure: Any, file: str | File) -> None:
    path = File(file)
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise InputError(f"a picture is .svg, .png or .pdf, not {path.name!r}")
    kind = path.suffix.lower()
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=kind[1:], metadata={"Date": None} if kind == ".svg" else None)


def _box(axes: Any, x: float, y: float, text: str, colour: str, size: float = 7) -> None:
    axes.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        fontsize=size,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": colour, "edgecolor": "#555555"},
    )


def _arrow(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    bend: float = 0.0,
    label: str = "",
    colour: str = "#555555",
) -> None:
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={
            "arrowstyle": "->",
            "color": colour,
            "shrinkA": 14,
            "shrinkB": 14,
            "connectionstyle": f"arc3,rad={bend}",
        },
    )
    if label:
        axes.text(
            (start[0] + end[0]) / 2,
            (start[1] + end[1]) / 2 - bend * (end[0] - start[0]) / 2,
            label,
            ha="center",
            va="center",
            fontsize=6,
            color=colour,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )


def draw_architecture(
    name: str,
    file: str | File,
    input_shape: tuple[int, int, int] = (3, 224, 224),
    classes: int = 1000,
    **options: Any,
) -> None:
    """One line a layer with weights: name, kind, shapes, multiply-accumulates beside the largest layer's; the
    totals below."""
    network = assemble(name, input_shape, classes, **options)
    layers = [layer for layer in measure(network, input_shape).layers if layer.kind != "norm"]
    figures = summarise(network, input_shape)
    largest = max((layer.macs for layer in layers), default=0) or 1
    shown = layers if len(layers) <= 70 else layers[:34] + layers[-34:]
    figure, axes = _figure(9, 0.24 * len(shown) + 1.2)
    for row, layer in enumerate(shown):
        y = -row
        kernel = f"{layer.weights:,} weights"
        _box(axes, 0.0, y, layer.kind, COLOURS.get(layer.kind, "#ffffff"))
        out = "x".join(map(str, layer.output_shape))
        axes.text(0.12, y, f"{layer.name}", va="center", fontsize=7)
        axes.text(0.55, y, f"{out}    {kernel}", va="center", fontsize=7)
        axes.barh(
            y,
            0.25 * layer.macs / largest,
            left=0.86,
            height=0.6,
            color=COLOURS.get(layer.kind, "#ffffff"),
            edgecolor="#999999",
        )
    if len(shown) < len(layers):
        axes.text(
            0.12, -33.5, f"... {len(layers) - len(shown)} layers ...", va="center", fontsize=7, style="italic"
        )
    axes.text(
        0.0,
        -len(shown) - 0.5,
        f"{name}, {'x'.join(map(str, input_shape))}: {figures['parameters']:,} parameters, "
        f"{figures['storage_mbit']:.2f} Mbit, {figures['flops']:.3g} Flops, {figures['memory_mb']:.2f} MB",
        fontsize=8,
    )
    axes.set(xlim=(-0.06, 1.12), ylim=(-len(shown) - 1.2, 1))
    _save(figure, file)


def draw_cell(cell: CellGenotype, file: str | File, title: str = "") -> None:
    """A NASB cell (figures 4.2 and 4.4): backbone convolutions on the line, found operations as arcs."""
    nodes = len(cell) + 1
    figure, axes = _figure(2.2 * nodes, 0.88 * nodes + 0.6)
    for node in range(nodes):
        _box(axes, node, 0, str(node), COLOURS["node"], 9)
        if node:
            _arrow(axes, (node - 1, 0), (node, 0), label="bconv 3x3")
    for node, pairs in enumerate(cell, start=1):
        for number, (source, operation) in enumerate(pairs):
            side = 1 if number % 2 == 0 else -1
            bend = -side * (0.35 + 0.15 * (number // 2))
            _arrow(
                axes,
                (source, 0),
                (node, 0),
                bend=bend,
                label=OPERATIONS[operation].name,
                colour="#b05a00" if OPERATIONS[operation].kernel else "#2f6f9f",
            )
    axes.set(xlim=(-0.4, nodes - 0.6), ylim=(-0.2 * nodes, 0.2 * nodes), title=title, aspect="equal")
    _save(figure, file)


class _Blocks(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, BinaryConv2d | Sum | Join | Concat) or super().is_leaf_module(
            module, qualified_name
        )


def draw_block(block: nn.Module, file: str | File, title: str = "") -> None:
    """The data flow of a block (figure 5.1): its binary convolutions and joins, norms left out."""
    graph = _Blocks().trace(block)
    modules = dict(block.named_modules())
    shown: dict[fx.Node, tuple[fx.Node, ...]] = {}
    origin: dict[fx.Node, list[fx.Node]] = {}
    for node in graph.nodes:
        before = list(
            dict.fromkeys(source for argument in node.all_input_nodes for source in origin[argument])
        )
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        kept = node.op in ("placeholder", "output") or isinstance(module, BinaryConv2d | Sum | Join | Concat)
        if kept:
            shown[node] = tuple(before)
        origin[node] = [node] if kept else before
    depth: dict[fx.Node, int] = {}
    for node, sources in shown.items():
        depth[node] = 1 + max((depth[source] for source in sources), default=-1)
    lanes: dict[int, int] = {}
    place: dict[fx.Node, tuple[float, float]] = {}
    for node in shown:
        lane = lanes.get(depth[node], 0)
        lanes[depth[node]] = lane + 1
        place[node] = (depth[node], lane)
    for node, (x, y) in list(place.items()):
        place[node] = (x, y - (lanes[int(x)] - 1) / 2)
    figure, axes = _figure(1.3 * (max(depth.values()) + 1), 0.9 * max(lanes.values()) + 1)
    for node, sources in shown.items():
        for source in sources:
            straight = place[source][1] == place[node][1] and depth[node] - depth[source] > 1
            _arrow(axes, place[source], place[node], bend=-0.3 if straight else 0.0)
    for node, (x, y) in place.items():
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, BinaryConv2d):
            _box(
                axes,
                x,
                y,
                f"{module.kernel_size[0]}x{module.kernel_size[1]}\n"
                f"{module.in_channels}-{module.out_channels}",
                COLOURS["binary"],
            )
        else:
            label = (
                "in"
                if node.op == "placeholder"
                else "out"
                if node.op == "output"
                else {Sum: "+", Join: "join", Concat: "concat"}[type(module)]
            )  # type: ignore[index]
            _box(axes, x, y, label, COLOURS["node"] if module is None else COLOURS["join"])
    axes.set(
        xlim=(-0.6, max(depth.values()) + 0.6),
        ylim=(-max(lanes.values()) / 2 - 0.6, max(lanes.values()) / 2 + 0.6),
        title=title,
    )
    _save(figure, file)


def draw_paths(blocks: dict[str, nn.Module] | nn.Module, file: str | File, limit: int = 40) -> None:
    """Gradient paths (figures 5.2 and 5.3): a line a path, a box a binary convolution with its parameters."""
    named = {"block": blocks} if isinstance(blocks, nn.Module) else blocks
    rows: list[tuple[str, Path | None]] = []
    for title, block in named.items():
        paths = gradient_paths(block)
        rows.append((f"{title}: {len(paths)} paths", None))
        rows += [("", path) for path in paths[:limit]]
    longest = max((path.length for _, path in rows if path is not None), default=1)
    sizes = {title: dict(block.named_modules()) for title, block in named.items()}
    figure, axes = _figure(2.0 + 1.6 * longest, 0.33 * len(rows) + 0.4)
    current = ""
    for row, (title, path) in enumerate(rows):
        if path is None:
            current = title.rpartition(":")[0]
            axes.text(0, -row, title, fontsize=9, weight="bold", va="center")
            continue
        axes.text(
            0.0,
            -row,
            f"{path.length} layer{'s' if path.length != 1 else ''}, {path.parameters:,}",
            fontsize=7,
            va="center",
        )
        for place, convolution in enumerate(path.convolutions):
            module = sizes[current][convolution]
            _box(
                axes,
                1.5 + 1.2 * place,
                -row,
                f"{convolution.removesuffix('.conv')}: {module.in_channels}-{module.out_channels}",
                COLOURS["binary"],
                6,
            )
    axes.set(xlim=(-0.1, 1.6 + 1.2 * longest), ylim=(-len(rows), 0.8))
    _save(figure, file)
