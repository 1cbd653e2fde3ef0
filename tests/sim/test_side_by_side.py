"""Two accelerators in one Verilog project, side by side on Verilator, wrong images and stalls included."""

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fermatnet.bench.samples.wrong_lengths import packets
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Conv, Dense
from fermatnet.sim import cache, tools, verilator
from fermatnet.sim.packing import pack

WRONG = ("short", "long", "split", "one")
PLAYED = """
    wire [{s_bits}-1:0] sd{k};
    wire [{m_bits}-1:0] md{k};
    wire sv{k}, sl{k}, sr{k}, mv{k}, ml{k}, mu{k}, mr{k}, e{k};
    wire [15:0] c{k};
    player #(.S_BITS({s_bits}), .M_BITS({m_bits}), .SEED({k} + 77),
             .STIMULUS("in{k}.txt"), .RESPONSE("out{k}.txt")) p{k} (
        .clk(clk), .rst(rst), .s_tdata(sd{k}), .s_tvalid(sv{k}), .s_tlast(sl{k}), .s_tready(sr{k}),
        .m_tdata(md{k}), .m_tvalid(mv{k}), .m_tlast(ml{k}), .m_tuser(mu{k}), .m_tready(mr{k}),
        .error(e{k}), .error_count(c{k}), .done(done[{k}]));
    {top} dut{k} (.clk(clk), .rst(rst),
        .s_axis_tdata(sd{k}), .s_axis_tvalid(sv{k}), .s_axis_tlast(sl{k}), .s_axis_tready(sr{k}),
        .m_axis_tdata(md{k}), .m_axis_tvalid(mv{k}), .m_axis_tlast(ml{k}), .m_axis_tuser(mu{k}),
        .m_axis_tready(mr{k}),
        .error(e{k}), .error_count(c{k}));
"""
BENCH = """`timescale 1ns/1ps
module bench;
    reg clk = 0, rst = 1;
    wire [1:0] done;
    always #5 clk = ~clk;
    initial begin repeat (3) @(posedge clk); #1 rst = 0; end
    always @(posedge clk) if (&done) $finish;
{parts}
endmodule
"""


def network(seed):
    """A map comes out of the first, a vector of the second; memories of one name and other contents."""
    rng = np.random.default_rng(seed)
    conv = Conv("conv", ("image",), rng.integers(-9, 9, (4, 2, 2, 2)), engine="direct")
    dense = Dense("fc", ("conv",), rng.integers(-9, 9, (3, 64)))
    return Network([conv] if seed == 0 else [conv, dense], (2, 5, 5))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    return folder, [
        generate(network(k), folder / f"net{k}", name=f"net{k}", cycles=600, tdata_width="padded")
        for k in range(2)
    ]


def test_no_module_and_no_file_has_the_same_name(both):
    folder, _ = both
    files = [{path.name for path in (folder / f"net{k}").iterdir()} for k in range(2)]
    assert files[0] & files[1] == {"interface.json"} and len(files[0]) > 4
    for k in range(2):
        text = (folder / f"net{k}" / f"net{k}.v").read_text()
        modules = [line.split()[1].lstrip("\\") for line in text.splitlines() if line.startswith("module ")]
        assert len(modules) > 5 and all(name.startswith(f"net{k}") for name in modules)
        assert "fermatnet" not in text


def simulator(sources, scratch):
    """The compiled bench, from the cache where the same text was compiled before."""
    tool = tools.find("verilator")

    def make(directory):
        for name, text in sources.items():
            (directory / name).write_text(text)
        command = [
            "verilator",
            "--binary",
            "-Wno-fatal",
            "--timing",
            "-O1",
            "-CFLAGS",
            "-std=c++20 -O1",
            "--top-module",
            "bench",
            "--Mdir",
            str(directory / "obj"),
            *sources,
        ]
        done = subprocess.run(command, cwd=directory, env=tool.environ(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]

    return (
        cache.stored(cache.key([tool.version, *verilator.ARGUMENTS, *sources, *sources.values()]), make)
        / "obj"
        / "Vbench"
    )


def test_both_run_side_by_side(both, tmp_path):
    folder, interfaces = both
    parts, sources, rng = "", {"player.v": (Path(__file__).parent / "player.v").read_text()}, random.Random(4)
    expected, bad = [], []
    for k, interface in enumerate(interfaces):
        port, images = (
            interface["input"],
            np.random.default_rng(k).integers(0, 256, (40, 2, 5, 5)).astype(np.uint8),
        )
        words = [
            int.from_bytes(row.tobytes(), "little")
            for row in pack(images, port["lanes"], port["element_bits"])
        ]
        beats = port["beats_per_image"]
        sent = packets([words[n * beats : (n + 1) * beats] for n in range(len(images))], WRONG, rng)
        (tmp_path / f"in{k}.txt").write_text(
            "".join(f"{word:x} {last:d}\n" for packet, _ in sent for word, last in packet)
        )
        expected.append(run(network(k), images))
        bad.append(sum(not good for _, good in sent))
        for name in interface["files"]["memories"]:
            shutil.copyfile(folder / f"net{k}" / name, tmp_path / name)
        sources[f"net{k}.v"] = (folder / f"net{k}" / f"net{k}.v").read_text()
        parts += PLAYED.format(
            k=k, top=interface["top"], s_bits=port["tdata_bits"], m_bits=interface["output"]["tdata_bits"]
        )
    program = simulator(sources | {"bench.v": BENCH.format(parts=parts)}, tmp_path)
    subprocess.run([program], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    for k, interface in enumerate(interfaces):
        values, marked, flags = response(tmp_path / f"out{k}.txt", interface["output"])
        np.testing.assert_array_equal(values, expected[k])
        assert flags == ["1", str(bad[k])] and bad[k] == len(WRONG) + 1
        assert (marked > 0) == (interface["stream"]["early_beats"] > 0) == (k == 0)


def response(path, port):
    """int64 (n, K) of the images without a mark, how many are marked, the last line."""
    *rows, flags = [line.split() for line in path.read_text().splitlines()]
    beats, bits = port["beats_per_image"], port["element_bits"]
    channels, height, width = port["shape"]
    assert len(rows) % beats == 0 and all(
        (row[1] == "1") == (at % beats == beats - 1) for at, row in enumerate(rows)
    )
    images, marked = [], 0
    for start in range(0, len(rows), beats):
        image = rows[start : start + beats]
        marked += image[-1][2] == "1"
        if image[-1][2] == "0":
            assert all(row[2] == "0" for row in image)
            fields = [
                int(row[0], 16) >> (bits * lane) & ((1 << bits) - 1)
                for row in image
                for lane in range(port["lanes"])
            ]
            values = np.array([value - (value >> (bits - 1) << bits) for value in fields], np.int64)
            images.append(values.reshape(height, width, channels).transpose(2, 0, 1).reshape(-1))
    return np.array(images), marked, flags
