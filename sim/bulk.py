"""cocotb test that runs harness.v: sets it up from ``settings.json``, starts it, waits for its end, leaves
``outcome.json``.

Python works only at the start and at the end, so a run goes at the simulator's own speed however many images
it streams.
"""

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

__all__ = ["SETTINGS", "VISIBLE"]

SETTINGS = (
    "seed_s",
    "seed_m",
    "beats_in",
    "beats_out",
    "image_in",
    "idle_limit",
    "drain",
    "light_s",
    "heavy_s",
    "closed_s",
    "light_m",
    "heavy_m",
    "closed_m",
    "phase",
)
OUTCOMES = ("status", "cycle", "accepted", "received", "first_accepted", "first_offered", "blocked")
VISIBLE = ("go", "finished", *SETTINGS, *OUTCOMES)

STALLED = 1
BROKEN_RULES = {
    2: "an unknown (X) on m_axis or s_axis_tready",
    3: "m_axis_tvalid fell before the beat was taken",
    4: "m_axis_tdata or m_axis_tlast changed while the beat waited",
    5: "an output beat too many",
    6: "stimulus.hex has too few beats",
    7: "error or m_axis_tuser rose: the design took an image of the right length for a wrong one",
}


@cocotb.test()
async def stream(dut: Any) -> None:
    """Every input beat goes in, every output beat comes out, and no rule of the protocol is broken."""
    settings = json.loads(Path("settings.json").read_text())
    for name in SETTINGS:
        getattr(dut, name).value = settings[name]
    dut.go.value = 1
    await RisingEdge(dut.finished)
    await ReadOnly()
    outcome = {name: int(getattr(dut, name).value) for name in OUTCOMES}
    Path("outcome.json").write_text(json.dumps(outcome))
    message = verdict(settings, outcome)
    assert not message, message


def verdict(settings: dict[str, int], outcome: dict[str, int]) -> str:
    """What went wrong, in one line; "" when all is well."""
    if outcome["status"] == 0:
        return ""
    place = (
        f"cycle {outcome['cycle']}, image {outcome['received'] // settings['image_out']}, output beat "
        f"{outcome['received']}"
    )
    if outcome["status"] in BROKEN_RULES:
        return f"{BROKEN_RULES[outcome['status']]} ({place})"
    waits_in, waits_out = bool(outcome["blocked"] & 2), bool(outcome["blocked"] & 1)
    if waits_in:
        side = (
            "it refuses input (s_axis_tready low) and offers no output (m_axis_tvalid low): a deadlock "
            "inside the design"
        )
    elif waits_out:
        side = "it offers output that is not taken: the output side is stalled"
    else:
        side = "all input was accepted and no more output comes"
    return (
        f"no transfer for {settings['idle_limit']} cycles: {side}; {outcome['accepted']} of "
        f"{settings['beats_in']} input beats "
        f"accepted, {outcome['received']} of {settings['beats_out']} output beats received ({place})"
    )
