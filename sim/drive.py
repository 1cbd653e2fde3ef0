"""cocotb test that drives a network beat by beat from Python: slower than harness.v, and independent of
it."""

import json
from pathlib import Path
from typing import Any

import cocotb

from fermatnet.sim.streams import Sink, Source, start, within

__all__: list[str] = []


@cocotb.test()
async def stream(dut: Any) -> None:
    """The images of ``stimulus.hex`` in, ``response.txt`` out, as harness.v would write it."""
    settings = json.loads(Path("settings.json").read_text())
    words = [int(line, 16) for line in Path("stimulus.hex").read_text().split()]
    seed = settings["seed_s"] or None
    source = Source(
        dut.clk, dut.s_axis_tvalid, dut.s_axis_tready, dut.s_axis_tdata, last=dut.s_axis_tlast, stalls=seed
    )
    sink = Sink(
        dut.clk, dut.m_axis_tvalid, dut.m_axis_tready, dut.m_axis_tdata, last=dut.m_axis_tlast, stalls=seed
    )
    await start(dut)

    images = settings["beats_in"] // settings["image_in"]

    def stuck() -> str:
        return (
            f"{source.sent} of {len(words)} input beats accepted, {len(sink.cycles)} of "
            f"{settings['beats_out']} output beats received"
        )

    _, got = await within(
        settings["idle_limit"] * (images + 1),
        source.send(words, packet=settings["image_in"]),
        sink.receive(settings["beats_out"]),
        describe=stuck,
    )
    if hasattr(dut, "error"):
        assert not int(dut.error.value), (
            "the design's error rose: it took an image of the right length for a wrong one"
        )
    digits = len(dut.m_axis_tdata) // 4
    rows = zip(got, sink.lasts, sink.cycles, strict=True)
    Path("response.txt").write_text(
        "".join(f"{word:0{digits}x} {last:d} {at:016x}\n" for word, last, at in rows)
    )
    Path("outcome.json").write_text(
        json.dumps({"first_accepted": source.first_cycle, "first_offered": sink.first_cycle})
    )
