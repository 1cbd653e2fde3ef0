"""Every public name says what it is; what users call says what it takes, gives and refuses."""

import ast
import importlib
import inspect
import itertools
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

import fermatnet as fn

ROOT = Path(__file__).parent.parent.parent
FOLDERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]

# the front door, and the names that are kept for those who use them: parameters that the docstring may leave
# out because the name says all
CALLED = {
    "fermatnet.Engine": {"kernel"},  # a kernel is forced by the tests only
    "fermatnet.Board": set(),
    "fermatnet.quantize": {"self"},
    "fermatnet.scheme": set(),
    "fermatnet.export": set(),
    "fermatnet.load": set(),
    "fermatnet.generate": set(),
    "fermatnet.simulate": set(),
    "fermatnet.synthesize": set(),
    "fermatnet.front.network.Network.run": {"self"},
    "fermatnet.front.network.Network.save": {"self"},
    "fermatnet.model.nn.convert.convert": set(),
    "fermatnet.model.nn.scheme.scheme": set(),
    "fermatnet.model.export.export": set(),
    "fermatnet.model.network.run": set(),
    "fermatnet.model.network.load": set(),
    "fermatnet.model.network.save": set(),
    "fermatnet.hw.network.generate": set(),
}


def undocumented(path: Path) -> list[str]:
    """Names of ``__all__`` that this file defines without a docstring, and the module if it has none."""
    tree = ast.parse(path.read_text())
    public = next(
        (
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ),
        [],
    )
    found = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name in public
        and not ast.get_docstring(node)
    ]
    return found + ([] if ast.get_docstring(tree) or not tree.body else ["the module"])


def modules() -> list[Path]:
    paths = [path for folder in set(FOLDERS.values()) for path in (ROOT / folder).rglob("*.py")]
    return [path for path in paths if path.stat().st_size]


def test_every_public_name_has_a_docstring():
    missing = {
        str(path.relative_to(ROOT)): names for path in sorted(modules()) if (names := undocumented(path))
    }
    assert not missing, missing


def test_a_missing_docstring_is_noticed(tmp_path):
    path = tmp_path / "one.py"
    path.write_text('"""A module."""\n__all__ = ["f", "g"]\ndef f(): "Says."\ndef g(): pass\ndef h(): pass\n')
    assert undocumented(path) == ["g"]


# what torch, Amaranth and a walk over a network call; the class says what comes of it
PROTOCOL = {"elaborate", "forward", "backward", "extra_repr"}
VISITOR = ROOT / "model/nn/walk.py"


def classes(paths: list[Path]) -> dict[str, list[ast.ClassDef]]:
    """Classes of these files by their names, of which several modules may have the same."""
    found: dict[str, list[ast.ClassDef]] = defaultdict(list)
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(node)
    return found


def says(known: dict[str, list[ast.ClassDef]], node: ast.ClassDef, method: str) -> bool:
    """Whether a class, or one that it is made from, says what a method does."""
    own = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == method]
    if any(map(ast.get_docstring, own)):
        return True
    names = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
    above = [known[name] for name in names if name != node.name]
    return any(says(known, one, method) for one in itertools.chain(*above))


def silent_methods(paths: list[Path], known: dict[str, list[ast.ClassDef]]) -> list[str]:
    """Public methods of public classes that neither say what they do nor do what a base class says."""
    visits = {one.name for one in classes([VISITOR])["Visitor"][0].body if isinstance(one, ast.FunctionDef)}
    called = PROTOCOL | visits
    found = []
    for path in paths:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                methods = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
                public = [name for name in methods if not name.startswith("_") and name not in called]
                found += [f"{node.name}.{name}" for name in public if not says(known, node, name)]
    return found


def test_every_public_method_says_what_it_does():
    paths = sorted(modules())
    silent = silent_methods(paths, classes(paths))
    assert not silent, silent


def test_a_visitor_says_what_each_step_is():
    visitor = classes([VISITOR])["Visitor"][0]
    assert all(ast.get_docstring(one) for one in visitor.body if isinstance(one, ast.FunctionDef))


def test_a_silent_method_is_noticed(tmp_path):
    path = tmp_path / "one.py"
    path.write_text(
        "class A:\n    def f(self):\n        'Says.'\n    def g(self): pass\n"
        "class B(A):\n    def f(self): pass\n    def h(self): pass\n    def forward(self): pass\n"
    )
    assert silent_methods([path], classes([path])) == ["A.g", "B.h"]


TIMING = ("latency", "cycle", "combinational", "beat")


def untimed(path: Path) -> list[str]:
    """Public components of this file of which neither they nor the module say when results come."""
    tree = ast.parse(path.read_text())
    about = ast.get_docstring(tree) or ""
    components = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any(isinstance(one, ast.FunctionDef) and one.name == "elaborate" for one in node.body)
    ]
    texts = {node.name: f"{about} {ast.get_docstring(node) or ''}".lower() for node in components}
    return [name for name, text in texts.items() if not any(word in text for word in TIMING)]


def test_every_component_says_when_results_come():
    hardware = [path for path in modules() if path.is_relative_to(ROOT / "hw")]
    silent = {str(path.relative_to(ROOT)): names for path in hardware if (names := untimed(path))}
    assert not silent, silent


def test_a_component_without_timing_is_noticed(tmp_path):
    path = tmp_path / "one.py"
    path.write_text('"""Sums."""\nclass Sum:\n    """x + y."""\n    def elaborate(self, platform): ...\n')
    assert untimed(path) == ["Sum"]


def named(name: str) -> object:
    """The object of a dotted name."""
    module, rest = name, []
    while True:
        try:
            found = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
    for part in rest:
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", CALLED)
def test_what_users_call_says_parameters_and_errors(name):
    thing = named(name)
    text = inspect.getdoc(thing) or ""
    parameters = set(inspect.signature(thing).parameters) - CALLED[name]
    assert "InputError" in text, f"{name}: which errors does it raise?"
    assert "Parameters\n----------\n" in text, f"{name}: what does it take?"
    listed = text.partition("Parameters\n----------\n")[2]
    silent = {one for one in parameters if one not in listed.replace("*", "")}
    assert not silent, f"{name}: nothing is said of {', '.join(sorted(silent))}"


def test_the_front_door_is_whole():
    assert {f"fermatnet.{name}" for name in fn.__all__} - set(CALLED) == {
        "fermatnet.InputError",
        "fermatnet.Network",
    }


def referenced() -> list[str]:
    """Dotted names of all that the pages of the reference show."""
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    return [name for page in pages for name in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)]


@pytest.mark.parametrize("name", referenced())
def test_functions_of_the_reference_say_their_errors(name):
    thing = named(name)
    text = inspect.getdoc(thing) or ""
    assert text and (inspect.isclass(thing) or "InputError" in text), f"{name}: which errors does it raise?"
