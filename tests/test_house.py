"""How the house is built: sizes, lines, names, and which package may lean on which."""

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
    ("hw.rtl", "hw.devices"),  # the table of devices leans on nothing
    ("hw.stream",),
    ("hw.timing", "hw.piecewise", "hw.fermat"),
    ("hw.arrays", "hw.constant", "hw.resources"),
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
def files() -> dict[str, Path]:
    """Every module and every file of the tests, by its place."""
    paths = [*modules().values(), *sorted((ROOT / "tests").rglob("*.py"))]
    return {str(path.relative_to(ROOT)): path for path in paths}


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
    branches = [node for node in ast.walk(tree(path)) if isinstance(node, ast.If)]
    branches = [node for node in branches if "TYPE_CHECKING" in ast.unparse(node.test)]
    skipped = {id(inside) for node in branches for inside in ast.walk(node)}
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
    packages = [(package, level) for level, on_it in enumerate(FLOORS) for package in on_it]
    fitting = [
        (len(package), level)
        for package, level in packages
        if module == package or module.startswith(package + ".")
    ]
    assert fitting, f"{module} stands on no floor: add its package to FLOORS"
    return max(fitting)[1]


def only(found: set[str], known: set[str], what: str) -> None:
    assert not found - known, f"{what}: {sorted(found - known)}"


def test_no_circles():
    only({" ".join(sorted(one)) for one in circles(graph())}, set(), "modules import each other")


KNOWN_ARROWS = {
    "model.export -> model.exchange.export",  # an old name that users have
}


def test_no_arrow_back():
    arrows = [(module, target) for module, targets in graph().items() for target in targets]
    back = {f"{module} -> {target}" for module, target in arrows if floor_of(target) > floor_of(module)}
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


def test_module_lengths():
    long = {name for name, path in files().items() if len(path.read_text().splitlines()) > LINES}
    only(long, set(), f"over {LINES} lines")


def test_line_lengths():
    long = []
    for name, path in files().items():
        lines = [PRAGMA.sub("", line) for line in path.read_text().splitlines()]
        long += [f"{name}:{number}" for number, line in enumerate(lines, 1) if len(line) > COLUMNS]
    assert not long, f"over {COLUMNS} columns: {long[:10]}"


def loops(node: ast.AST) -> int:
    """``for`` and ``if`` of a comprehension, those of comprehensions in it not counted."""
    generators = getattr(node, "generators", ())
    return sum(1 + len(generator.ifs) for generator in generators)


def test_comprehensions():
    dense = set()
    for name, path in files().items():
        lines = [getattr(node, "lineno", 0) for node in ast.walk(tree(path)) if loops(node) > LOOPS]
        dense |= {f"{name}:{line}" for line in lines}
    only(dense, set(), f"more than {LOOPS} for and if in one comprehension")


def head_of(stem: str) -> str:
    """The word a module's name begins with; of a test, the one after test_."""
    return stem.removeprefix("test_").split("_")[0]


def test_no_prefix_in_place_of_a_folder():
    found = set()
    by_folder = defaultdict(list)
    for path in files().values():
        by_folder[path.parent.relative_to(ROOT)].append(path.stem)
    for folder, stems in by_folder.items():
        heads = Counter(head_of(stem) for stem in stems if not stem.startswith("_"))
        found |= {f"{folder}/{head}_*" for head, count in heads.items() if count > SIBLINGS}
    only(found, set(), f"more than {SIBLINGS} modules of a folder begin alike")


def test_elaborate_is_short():
    """Half of all ``elaborate`` methods have at most 40 lines."""
    hardware = [path for module, path in modules().items() if module.startswith(("hw.", "synth."))]
    nodes = [node for path in hardware for node in ast.walk(tree(path))]
    methods = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == "elaborate"]
    lengths = [method.end_lineno - method.lineno + 1 for method in methods]
    assert len(lengths) > 30 and statistics.median(lengths) <= ELABORATE


def test_no_module_called_utils():
    assert not {m for m in modules() if m.split(".")[-1] in ("util", "utils", "helpers", "misc", "common")}


def test_no_silenced_hardware():
    """Nobody reaches into Amaranth to silence blocks that were made only to be asked."""
    assert not [m for m, path in modules().items() if "_MustUse" in path.read_text()]


# What Amaranth does not promise to keep stands in two adapters: one reads its netlist, one writes Verilog.
PRIVATE_AMARANTH = {"hw.resources.netlist", "hw.rtl.verilog"}


def private(node: ast.AST) -> bool:
    """Whether an import takes a module of Amaranth's that begins with an underscore."""
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return any(name.startswith("amaranth.") and "._" in name for name in names)


def test_private_parts_of_amaranth_have_two_adapters():
    using = {m for m, path in modules().items() if any(map(private, ast.walk(tree(path))))}
    assert using == PRIVATE_AMARANTH


def test_the_checks_can_fail():
    assert private(ast.parse("from amaranth.hdl import _nir as nir").body[0])
    assert not private(ast.parse("from amaranth.hdl import Value").body[0])
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert floor_of("hw.rtl.rom") < floor_of("hw.layers.kinds") < floor_of("cli.main")
    crowded = ast.parse("[x for row in rows if row for x in row]").body[0]
    assert max(loops(node) for node in ast.walk(crowded)) == 3
    assert head_of("test_resources_graph") == head_of("resources")
    with pytest.raises(AssertionError, match="over"):
        only({"new"}, set(), "over")
