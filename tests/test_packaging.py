"""The package list is written by hand: hold it against the tree, and the arrows against the design."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = SETTINGS["tool"]["setuptools"]["package-dir"]

# which packages each may import (and itself): arrows point one way
ALLOWED = {
    "api": {"front", "boards", "synth", "sim", "hw", "runtime", "model"},
    "cli": {"report", "boards", "search", "synth", "sim", "bench", "hw", "runtime", "model"},
    "report": {"boards", "synth", "sim", "hw", "model"},
    "bench": {"boards", "search", "synth", "sim", "hw", "runtime", "model"},
    "boards": {"synth", "sim", "hw", "model"},
    "search": {"synth", "sim", "hw", "runtime", "model"},
    "synth": {"hw", "model"},
    "sim": {"hw", "model"},
    "hw": {"model"},
    "runtime": {"model"},
    "model": set(),
}


def test_every_package_is_listed():
    found = set()
    for name, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((name, *parts)))
    assert found == set(SETTINGS["tool"]["setuptools"]["packages"])


def test_every_other_file_is_package_data():
    patterns = SETTINGS["tool"]["setuptools"]["package-data"]
    for name, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_dir() or path.suffix == ".py" or "__pycache__" in path.parts:
                continue
            home = next(parent for parent in path.parents if (parent / "__init__.py").exists())
            package = ".".join((name, *home.relative_to(ROOT / folder).parts))
            listed = [*patterns["*"], *patterns.get(package, ())]
            assert any(path.relative_to(home).match(pattern) for pattern in listed), (
                f"{path.relative_to(ROOT)} would not be installed"
            )


def imports(path: Path) -> list[tuple[str, bool]]:
    """Imported names of a module and whether each import runs when the module is imported."""
    found = []

    def walk(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                found.append((child.module, top))
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            checking = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            walk(child, top and not inner and not checking)

    walk(ast.parse(path.read_text()), True)
    return found


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_arrows_point_one_way(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        for name, _ in imports(path):
            if name.startswith("fermatnet."):
                target = name.split(".")[1]
                assert target == package or target in ALLOWED[package], (
                    f"{path.relative_to(ROOT)} imports {name}"
                )


def test_hardware_side_never_imports_torch():
    for package in ("hw", "runtime", "sim", "synth", "model/network", "model/fermat", "model/piecewise"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for name, top in imports(path):
                # the torch operators, imported only when asked for
                on_demand = path.name in ("torch_ops.py", "autograd.py")
                assert name.split(".")[0] != "torch" or not top or on_demand, (
                    f"{path.relative_to(ROOT)} imports torch"
                )


def test_nothing_names_this_or_any_machine():
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        if relative.parts[0] in {*FOLDERS.values(), "tests", "docs"} and path.suffix in (
            ".py",
            ".md",
            ".v",
            ".html",
            ".toml",
        ):
            text = path.read_text()
            for word in ("/root" + "/", "/work" + "/", "pypi" + ".org"):
                assert word not in text, f"{relative} holds {word}"
