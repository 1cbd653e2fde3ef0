"""The top level of a board: oscillator, reset, the link, the network, and lights."""

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from fermatnet.boards.clock.primitives import PLLE2, PLLE2_NAME, pll
from fermatnet.boards.clock.settings import Setting
from fermatnet.boards.definitions.board import Board
from fermatnet.boards.link.link import Link, LinkPlan
from fermatnet.hw.rtl.platform import platform_of

__all__ = ["TOP", "BoardTop", "link_plan"]

TOP = "fermatnet_board"
RESET_BITS = 10
"""Bits of the counter that ends the reset: block RAM of an iCE40 is not readable in its first
microseconds."""
BLINK_BITS = 24


def link_plan(
    interface: dict[str, Any], *, divisor: int, design: int, weights: int = 0, images: int = 2
) -> LinkPlan:
    """The link that fits a generated design; see `fermatnet.boards.link.link.LinkPlan`."""
    image, result = interface["input"], interface["output"]
    return LinkPlan(
        divisor=divisor,
        image_beat_bytes=image["tdata_bits"] // 8,
        image_beats=image["beats_per_image"],
        result_beat_bytes=result["tdata_bits"] // 8,
        result_beats=result["beats_per_image"],
        design=design,
        weights=weights,
        reloadable="reload" in interface,
        images=images,
        error_bits=interface["stream"].get("error_count_bits", 0),
    )


class BoardTop(wiring.Component):
    """What goes onto a board.

    Parameters
    ----------
    board : Board
    setting : Setting
        Of the PLL.
    plan : LinkPlan
    core : str
        Module of the generated network.

    Members
    -------
    osc : In(1)
        The board's oscillator.
    rx : In(1), tx : Out(1)
        The UART, as the chip sees it.
    reset : In(1)
        The button, where there is one, as it comes from the pin.
    led_0, led_1, ... : Out(1)
        Alive (blinks), busy, bad frame since the last reset, weights lost; as they go to the pins.
    """

    def __init__(self, board: Board, setting: Setting, plan: LinkPlan, core: str):
        self.board, self.setting, self.plan, self.core = board, setting, plan, core
        flow = {"osc": In(1), "rx": In(1), "tx": Out(1), "reset": In(1)}
        super().__init__({name: flow.get(name, Out(1)) for name, _ in board.ports()})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        link = Link(self.plan)
        self._clock(m, platform)
        self._reset(m, link)
        m.submodules.link = link
        rx, tx = self.board.rx, self.board.tx
        m.d.comb += [link.rx.eq(self.rx ^ rx.inverted), self.tx.eq(link.tx ^ tx.inverted)]
        m.submodules.core = self._core(link)
        self._lights(m, link)
        return m

    def _clock(self, m, platform):
        self.locked = Signal(init=1)
        if not self.setting.numbers:
            m.d.comb += ClockSignal().eq(self.osc)
            return
        locked, device = Signal(), self.board.device
        if self.board.family == "xc7":
            device = platform_of(platform).verilog_module(PLLE2_NAME, PLLE2)
        m.submodules.pll = pll(
            self.board.family,
            self.setting,
            source=self.osc,
            clock=ClockSignal(),
            locked=locked,
            mhz=self.board.clock_mhz,
            device=device,
        )
        m.submodules.locked = FFSynchronizer(locked, self.locked, o_domain="start", init=0)
        m.domains.start = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal("start").eq(ClockSignal())

    def _reset(self, m, link):
        """Held while the PLL is not locked, the button is pressed or a host asks, and a while after."""
        if not self.setting.numbers:
            m.domains.start = ClockDomain(reset_less=True)
            m.d.comb += ClockSignal("start").eq(ClockSignal())
        count, pressed, held = Signal(RESET_BITS), Signal(), Signal(init=1)
        if self.board.reset is not None:
            button = self.reset ^ self.board.reset.inverted
            m.submodules.button = FFSynchronizer(button, pressed, o_domain="start")
        with m.If(~self.locked | pressed | link.restart):
            m.d.start += [count.eq(0), held.eq(1)]
        with m.Elif(~count.all()):
            m.d.start += count.eq(count + 1)
        with m.Else():
            m.d.start += held.eq(0)
        m.d.comb += ResetSignal().eq(held)

    def _core(self, link):
        plan = self.plan
        ports = {
            "i_clk": ClockSignal(),
            "i_rst": ResetSignal(),
            "i_s_axis_tdata": link.image.payload,
            "i_s_axis_tvalid": link.image.valid,
            "o_s_axis_tready": link.image.ready,
            "i_s_axis_tlast": link.image_last,
            "o_m_axis_tdata": link.result.payload,
            "o_m_axis_tvalid": link.result.valid,
            "i_m_axis_tready": link.result.ready,
            "o_m_axis_tlast": Signal(name="result_last"),
        }
        if plan.error_bits:
            ports |= {
                "o_m_axis_tuser": link.user,
                "o_error": Signal(name="core_error"),
                "o_error_count": link.errors[: plan.error_bits],
            }
        if plan.reloadable:
            ports |= {
                "i_s_load_tdata": link.load.payload,
                "i_s_load_tvalid": link.load.valid,
                "o_s_load_tready": link.load.ready,
                "i_s_load_tlast": link.load_last,
                "o_load_ok": link.load_ok,
                "o_load_error": link.load_error,
            }
        return Instance(self.core, **ports)

    def _lights(self, m, link):
        blink = Signal(BLINK_BITS)
        if self.board.leds:
            m.d.sync += blink.eq(blink + 1)
        shown = (blink[-1], link.busy, link.failed, link.lost)
        for k, (pin, light) in enumerate(zip(self.board.leds, shown, strict=False)):
            m.d.comb += getattr(self, f"led_{k}").eq(light ^ pin.inverted)
