"""Options of benchmarks: what none of a benchmark's parts looks at is refused."""

import importlib
import inspect

import pytest
from click.testing import CliRunner

from fermatnet.cli.bench import BENCHES, OPTIONS, command
from fermatnet.model.errors import InputError


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (("resources", "--quick"), "takes no --quick; it takes --json$"),
        (("quantizers", "--data", "nosuch"), "takes no --data; it takes --json, --models, "),
        (("zoo", "--only", "x", "--seeds", "2"), "takes no --only and no --seeds;"),
    ],
)
def test_what_a_benchmark_does_not_take(words, say):
    with pytest.raises(InputError, match=say):
        CliRunner().invoke(command, words, catch_exceptions=False)


def test_every_option_is_taken_by_some_benchmark():
    taken = set()
    for modules, _ in BENCHES.values():
        for name in modules:
            taken |= set(inspect.signature(importlib.import_module(f"fermatnet.bench.{name}").run).parameters)
    given = {parameter.opts[0] for parameter in command.params if parameter.param_type_name == "option"}
    assert set(OPTIONS) <= taken and {*OPTIONS.values(), "--json"} == given
