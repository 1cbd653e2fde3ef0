"""How the house is built: sizes, lines, names, and which package may lean on which.

Each check lists what does not keep it yet. The lists are to get shorter, never longer.
"""

import ast
import re
import statistics
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("api", "bench", "boards", "cli", "hw", "model", "report", "runtime", "search", "sim", "synth")
PRAGMA = re.compile(r"  # (type: ignore|noqa|fmt:).*$")  # for tools, not for readers
COLUMNS, LINES, ELABORATE, LOOPS, SIBLINGS = 110, 300, 40, 2, 3

# A module may import from its own floor and from those below it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("model",),
    ("model.piecewise", "model.fermat"),
    ("model.network",),
    ("model.exchange", "model.nn", "model.train", "model.detect", "model.zoo", "runtime"),
    ("hw.rtl", "hw.compiler.devices"),  # the table of devices leans on nothing
    ("hw.stream",),
    ("hw.timing", "hw.piecewise", "hw.fermat"),
    ("hw.arrays", "hw.resources"),
    ("hw.layers", "hw.ip"),
    ("hw.compiler",),
    ("hw",),
    ("sim", "synth"),
    ("search",),
    ("boards",),
    ("bench", "report"),
    ("api",),
    ("cli",),
)


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name; the folder api/ is the package itself."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join(parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(dotted: str) -> str | None:
    """The module of this project that an import names, without the package's own name."""
    if dotted != "fermatnet" and not dotted.startswith("fermatnet."):
        return None
    inner = dotted.removeprefix("fermatnet").removeprefix(".")
    for candidate in (inner, f"api.{inner}" if inner else "api"):
        if candidate in modules():
            return candidate
    return None


def imports(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it but for type checkers."""
    found: set[str] = set()
    skipped = {
        id(inside)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inside in ast.walk(node)
    }
    for node in ast.walk(tree(path)):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {name for alias in node.names if (name := name_of(alias.name))}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                name = name_of(f"{node.module}.{alias.name}") or name_of(node.module)
                found |= {name} if name else set()
    return found


@cache
def graph() -> dict[str, set[str]]:
    return {name: imports(path) - {name} for name, path in modules().items()}


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Sets of nodes that reach each other, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(edges.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(set(stack[at:]))
            del stack[at:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def floor_of(module: str) -> int:
    """Floor of the longest package that holds a module."""
    fitting = [
        (len(package), level)
        for level, packages in enumerate(FLOORS)
        for package in packages
        if module == package or module.startswith(package + ".")
    ]
    assert fitting, f"{module} stands on no floor: add its package to FLOORS"
    return max(fitting)[1]


def only(found: set[str], known: set[str], what: str) -> None:
    assert not found - known, f"{what}: {sorted(found - known)}"


# Circles that are there today, each as its modules.
KNOWN_CIRCLES = {
    "runtime.c.generate runtime.c.web",
    "model.nn.baselines model.nn.baselines.catalogue model.nn.scheme model.nn.sign",
}


def test_no_circles():
    only({" ".join(sorted(one)) for one in circles(graph())}, KNOWN_CIRCLES, "modules import each other")


KNOWN_ARROWS = {
    "model.export -> model.exchange.export",  # an old name that users have
}


def test_no_arrow_back():
    back = {
        f"{module} -> {target}"
        for module, targets in graph().items()
        for target in targets
        if floor_of(target) > floor_of(module)
    }
    only(back, KNOWN_ARROWS, "imports from a floor above")


def test_hardware_needs_no_torch():
    """hw and what lies below it run where only numpy, onnx and amaranth are installed."""
    below = [m for m in modules() if m == "hw" or m.startswith(("hw.", "model.network", "model.fermat."))]
    for module in below:
        if module.startswith("model.fermat.software"):
            continue
        for node in ast.walk(tree(modules()[module])):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "torch" for name in names), module


KNOWN_LONG = {
    "bench.compiler.array",
    "bench.compiler.prediction_layers",
    "bench.fermat.arithmetic",
    "bench.fermat.convolver",
    "bench.fermat.parts",
    "bench.fermat.vectors",
    "bench.mutants",
    "bench.samples.models",
    "bench.samples.networks",
    "model.exchange.export",
    "model.exchange.tflite.layers",
    "model.fermat.plan",
    "model.fermat.software.convolution",
    "model.fermat.software.plan",
    "model.fermat.software.torch_ops",
    "model.nn.converter",
    "model.nn.layers",
    "model.nn.piecewise",
    "model.train.run",
    "model.zoo.hardware.networks",
}


def test_module_lengths():
    long = {m for m, path in modules().items() if len(path.read_text().splitlines()) > LINES}
    only(long, KNOWN_LONG, f"over {LINES} lines")


def test_line_lengths():
    long = [
        f"{module}:{number}"
        for module, path in modules().items()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(PRAGMA.sub("", line)) > COLUMNS
    ]
    assert not long, f"over {COLUMNS} columns: {long[:10]}"


KNOWN_DENSE = {
    "bench.door.__main__",
    "model.nn.convert_steps",
    "model.nn.post_training.graph",
    "runtime.buffers",
    "bench.compiler.prediction",
    "bench.fermat.arithmetic",
    "bench.fermat.parts",
    "bench.zoo.nasb",
    "model.network.graph",
    "model.piecewise.planes",
    "model.train.files",
    "model.zoo.nasb.network",
    "model.zoo.nasb.supernet",
    "model.zoo.reaf",
    "report.page",
    "sim.benches.array",
}


def loops(node: ast.AST) -> int:
    """``for`` and ``if`` of a comprehension, those of comprehensions in it not counted."""
    generators = getattr(node, "generators", ())
    return sum(1 + len(generator.ifs) for generator in generators)


def test_comprehensions():
    dense = {
        module
        for module, path in modules().items()
        if any(loops(node) > LOOPS for node in ast.walk(tree(path)))
    }
    only(dense, KNOWN_DENSE, f"more than {LOOPS} for and if in one comprehension")


KNOWN_PREFIXES = {"model/network/onnx_*"}


def test_no_prefix_in_place_of_a_folder():
    found = set()
    by_folder = defaultdict(list)
    for path in modules().values():
        by_folder[path.parent.relative_to(ROOT)].append(path.stem)
    for folder, stems in by_folder.items():
        heads = Counter(stem.split("_")[0] for stem in stems if not stem.startswith("_"))
        found |= {f"{folder}/{head}_*" for head, count in heads.items() if count > SIBLINGS}
    only(found, KNOWN_PREFIXES, f"more than {SIBLINGS} modules of a folder begin alike")


def test_elaborate_is_short():
    """Half of all ``elaborate`` methods have at most 40 lines."""
    lengths = [
        node.end_lineno - node.lineno + 1
        for module, path in modules().items()
        if module.split(".")[0] in ("hw", "synth")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and node.name == "elaborate"
    ]
    assert len(lengths) > 30 and statistics.median(lengths) <= ELABORATE


def test_no_module_called_utils():
    assert not {m for m in modules() if m.split(".")[-1] in ("util", "utils", "helpers", "misc", "common")}


def test_no_silenced_hardware():
    """Nobody reaches into Amaranth to silence blocks that were made only to be asked."""
    assert not [m for m, path in modules().items() if "_MustUse" in path.read_text()]


def test_the_checks_can_fail():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert floor_of("hw.rtl.rom") < floor_of("hw.layers.kinds") < floor_of("cli.main")
    crowded = ast.parse("[x for row in rows if row for x in row]").body[0]
    assert max(loops(node) for node in ast.walk(crowded)) == 3
    with pytest.raises(AssertionError, match="over"):
        only({"new"}, set(), "over")
