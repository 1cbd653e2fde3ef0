"""``fermatnet bench``."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import click

from fermatnet.cli.console import line
from fermatnet.cli.failure import Interrupted
from fermatnet.cli.kinds import OutputFile
from fermatnet.model.errors import InputError
from fermatnet.model.outputs import apart, check_file

# name: modules of fermatnet.bench with run(json_path=...), and one line of help
BENCHES: dict[str, tuple[tuple[str, ...], str]] = {
    "fermat": (
        ("fermat.arithmetic", "fermat.convolver"),
        "Fermat blocks and the convolution engine: area, Fmax, DSP against direct engines",
    ),
    "array": (
        ("compiler.array",),
        "AND-popcount: LUTs an AND, AND against XNOR, the array against its rivals",
    ),
    "clock": (
        ("compiler.clock",),
        "Whole networks placed and routed at several folds: Fmax, beside its goal",
    ),
    "topologies": (
        ("compiler.topologies",),
        "Published topologies at published speeds, mapped for a Zynq-7020: LUT and block RAM beside others'",
    ),
    "netlist": (
        ("compiler.netlist",),
        "Netlists of whole networks simulated against the reference, and with faults put in",
    ),
    "gates": (
        ("gates.table",),
        "Cell libraries: area, delay and power of popcounts, arrays, butterflies, convolutions, TFC",
    ),
    "compile": (("compiler.overview",), "Compiler: elaboration time, random networks, simulation speed"),
    "resources": (("compiler.prediction",), "LUT, FF, BRAM and DSP by layer: predicted against yosys"),
    "vendors": (
        ("compiler.vendors",),
        "One plain Verilog folder through seven families' mappers: cells by layer, Fmax where placed",
    ),
    "explore": (
        ("compiler.explored",),
        "Fronts of designs for three devices: time, prediction against yosys, order of points",
    ),
    "rivals": (("compiler.rivals",), "Constant matrices beside da4ml: the same integers, the same synthesis"),
    "software": (
        ("software.overview",),
        "Exact convolution in software: tables 2.1-2.3, figures 2.1-2.5, rivals",
    ),
    "runtime": (
        ("runtime.packed", "runtime.generated_c"),
        "Packed CPU engine and generated C: speed beside torch, onnxruntime and larq, sizes, equality",
    ),
    "accuracy": (("training.accuracy",), "Accuracy of piecewise approximation and its rivals"),
    "quantizers": (
        ("training.quantizers",),
        "The digits network with each exportable quantizer: accuracy, ACE, predicted LUT, 100 images in RTL",
    ),
    "published": (
        ("training.published",),
        "Networks of published accuracy: all test images in the reference, 1,000 in RTL, synthesised",
    ),
    "boolnet": (
        ("training.boolnet",),
        "BoolNet's logic joins beside fixed-point shortcuts: accuracy, LUT and FF by yosys, images in RTL",
    ),
    "memory": (
        ("training.memory",),
        "Training of one-bit networks that keeps bits: peak memory of a step and accuracy, beside plain",
    ),
    "training": (("training.step",), "Cost of a training step"),
    "post-training": (
        ("training.post_training",),
        "Post-training int8 beside onnxruntime's quantize_static, three trained networks",
    ),
    "int4": (
        ("training.int4",),
        "Post-training INT4: least squared error beside min-max and onnxruntime, two trained networks",
    ),
    "boards": (
        ("boards.table",),
        "Bitstreams of the boards: resources, clock, images a second, same bytes twice",
    ),
    "link": (
        ("boards.link", "boards.netlist"),
        "A simulated board under thousands of faults of its line: no wrong result, always back",
    ),
    "zoo": (("zoo.tables",), "Comparisons of chapters 4 to 8"),
}

OPTIONS = {
    "quick": "--quick",
    "data": "--data",
    "models": "--models",
    "seeds": "--seeds",
    "count": "--count",
    "only": "--only",
    "libraries": "--liberty",
    "liberty_file": "--liberty",
    "results": "--results",
    "larq": "--larq",
}
"""Keywords of a benchmark's ``run`` with the options that give them."""


@click.command(name="bench")
@click.argument("name", required=False)
@click.option("--json", "target", type=OutputFile(), metavar="FILE", help="Write the figures as JSON too.")
@click.option("--quick", is_flag=True, help="A part of the measurements, where the benchmark can do that.")
@click.option(
    "--data",
    metavar="DIR",
    help="Folder of data sets (mnist/, fashion-mnist/, cifar10/), where the benchmark needs them.",
)
@click.option(
    "--models",
    metavar="DIR",
    help="Folder of trained networks, where the benchmark trains: those that it lacks are trained into it.",
)
@click.option("--seeds", type=click.IntRange(1), help="How many seeds, where the benchmark draws.")
@click.option(
    "--count", type=click.IntRange(1), help="How many random networks, where the benchmark draws them."
)
@click.option("--only", metavar="NAME", help="A part of the benchmark by name, where it has such.")
@click.option(
    "--liberty",
    "libraries",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Cell library (.lib or .lib.gz), where the benchmark counts gates; bench gates takes several.",
)
@click.option(
    "--results",
    "results_file",
    type=OutputFile(),
    metavar="FILE",
    help="JSONL file for the rows of long benchmarks: the next run goes on where one stopped.",
)
@click.option(
    "--larq", metavar="PYTHON", help="A Python with larq-compute-engine, to measure beside (bench runtime)."
)
def command(
    name: str | None,
    target: str | None,
    results_file: str | None,
    **options: Any,
) -> None:
    """Run the benchmark NAME; without a name, list them.

    Ratios are measured side by side in one run, the losing cases are in the tables.
    """
    apart([], [target, results_file])
    if name is None:
        if target or results_file:
            raise click.UsageError("--json and --results need the NAME of a benchmark")
        for key, (_, help_line) in BENCHES.items():
            line(f"{key:13} {help_line}")
        return
    if name not in BENCHES:
        raise InputError(f"no benchmark is called {name!r}; there are {', '.join(BENCHES)}")
    modules, _ = BENCHES[name]
    paths = {module: _path(target, module, len(modules)) for module in modules}
    for path in paths.values():
        if path is not None:
            check_file(path)
    try:
        libraries = options["libraries"] or None
        options |= {"libraries": libraries, "liberty_file": libraries[0] if libraries else None}
        _run(paths, {**options, "quick": options["quick"] or None, "results": results_file})
    except KeyboardInterrupt:
        if results_file is not None and Path(results_file).exists():
            raise Interrupted("the same command goes on with the rows that are in --results") from None
        raise


def _path(target: str | None, module: str, modules: int) -> Path | None:
    """Where a module's JSON goes: a benchmark of several has a file for each."""
    if target is None or modules == 1:
        return None if target is None else Path(target)
    return Path(target).with_stem(f"{Path(target).stem}-{module.replace('.', '_')}")


def _run(paths: dict[str, Path | None], wanted: dict[str, Any]) -> None:
    given = {key: value for key, value in wanted.items() if value is not None}
    runs = {module: importlib.import_module(f"fermatnet.bench.{module}").run for module in paths}
    takes = {module: set(inspect.signature(run).parameters) for module, run in runs.items()}
    _check_taken(given, set().union(*takes.values()))
    for module, run in runs.items():
        run(json_path=paths[module], **{key: given[key] for key in given if key in takes[module]})


def _check_taken(given: dict[str, Any], taken: set[str]) -> None:
    """InputError for an option that no part of the benchmark looks at."""
    asked = {OPTIONS[key] for key in given}
    known = {option for key, option in OPTIONS.items() if key in taken}
    if asked - known:
        raise InputError(
            f"this benchmark takes no {' and no '.join(sorted(asked - known))}; it takes "
            f"{', '.join(sorted(known | {'--json'}))}"
        )
