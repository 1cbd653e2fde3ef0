"""Every command that takes a device knows the same ones."""

import pytest
from click.testing import CliRunner

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.cli.main import cli
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.devices import DEVICES
from fermatnet.hw.resources import family_of, is_predicted
from fermatnet.model.errors import InputError
from fermatnet.synth.mapping import COMMANDS


@pytest.mark.parametrize("command", ["verilog", "synth", "info", "demo"])
def test_help_lists_them(command):
    shown = CliRunner().invoke(cli, [command, "--help"], env={"COLUMNS": "100"}).output
    assert all(name in "".join(shown.split()) for name in DEVICES)


def test_what_is_known_of_each():
    for name, device in DEVICES.items():
        assert (
            device.name == name
            and min(device.luts, device.ffs, device.brams, device.bram_bits, device.lut_inputs) > 0
        )
        assert device.family in (*COMMANDS, "asic") and (device.source or name == "asic")
        assert (
            bool(device.place)
            == (device.family in ("ecp5", "ice40", "gowin", "gatemate", "nexus"))
            == bool(device.pins and device.package)
        )
        assert is_predicted(name) == (device.family in ("ecp5", "xc7"))


def test_the_compiler_plans_for_each():
    net = pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)
    targets = {
        name: {layer.target for layer in plan(net, device=name, cycles=2000).layers.values()}
        for name in DEVICES
    }
    wanted = {"ecp5": "ecp5", "xc7": "lut6", "asic": "asic"}
    assert targets == {name: {wanted.get(device.family, "generic")} for name, device in DEVICES.items()}
    with pytest.raises(InputError, match="families xc7, ecp5, ice40, not for 'gw1nr-9'"):
        family_of("gw1nr-9")
