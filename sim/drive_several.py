"""cocotb test that drives a network of several streams beat by beat: every input and output by itself."""

import json
from pathlib import Path
from typing import Any

import cocotb

from fermatnet.sim.streams import Sink, Source, start, within

__all__: list[str] = []


def _stream(dut: Any, kind: type, port: str, seed: int | None) -> Any:
    parts = ("tvalid", "tready", "tdata", "tlast")
    valid, ready, data, last = (getattr(dut, f"{port}_{part}") for part in parts)
    # a seed of its own for each stream, or all would stall together
    return kind(dut.clk, valid, ready, data, last=last, stalls=None if seed is None else f"{seed} {port}")


@cocotb.test()
async def streams(dut: Any) -> None:
    """The words of ``PORT.hex`` into each input, ``response.json`` from the outputs: words, tlast and cycles
    by port."""
    settings = json.loads(Path("settings.json").read_text())
    seed = settings["seed"]
    sources = {port: _stream(dut, Source, port, seed) for port in settings["inputs"]}
    sinks = {port: _stream(dut, Sink, port, seed) for port in settings["outputs"]}
    await start(dut)

    def stuck() -> str:
        ways = [f"{port}: {source.sent} beats accepted" for port, source in sources.items()]
        return ", ".join([*ways, *(f"{port}: {len(sink.cycles)} received" for port, sink in sinks.items())])

    parts = []
    for port, source in sources.items():
        words = [int(line, 16) for line in Path(f"{port}.hex").read_text().split()]
        parts.append(source.send(words, packet=settings["inputs"][port]))
    parts += [sink.receive(settings["outputs"][port]) for port, sink in sinks.items()]
    results = await within(settings["limit"], *parts, describe=stuck)
    if hasattr(dut, "error"):
        assert not int(dut.error.value), "the design's error rose: it took a right image for a wrong one"
    ports = {
        port: {"words": [f"{word:x}" for word in words], "lasts": sink.lasts, "cycles": sink.cycles}
        for (port, sink), words in zip(sinks.items(), results[len(sources) :], strict=True)
    }
    first = min(source.first_cycle for source in sources.values() if source.first_cycle is not None)
    Path("response.json").write_text(json.dumps({"first_accepted": first, "ports": ports}))
