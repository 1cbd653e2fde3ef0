"""A generated design as an IP block: aclk, aresetn, its streams, registers, an interrupt; attributes that
Vivado reads."""

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.bus.axi_lite import BUS, Registers
from fermatnet.model.errors import InputError

__all__ = ["Accelerator", "bus_ports", "check_wrappable"]

_STREAM = ("tdata", "tvalid", "tready", "tlast", "tkeep", "tuser")


def check_wrappable(interface: dict[str, Any]) -> None:
    """InputError for a design that has more than one stream a side, or weight ports."""
    if "inputs" in interface:
        raise InputError("the design has several streams in or out: its wrapper would have one of each")
    if interface["external"]:
        raise InputError("the design takes weights from outside, which the wrapper has no port for")


def bus_ports(interface: dict[str, Any]) -> dict[str, Any]:
    """Ports of the wrapper: name and direction with width, in order."""
    into, out = interface["input"]["tdata_bits"], interface["output"]["tdata_bits"]
    tkeep = interface["stream"]["tkeep"]
    ports = {"aclk": In(1), "aresetn": In(1)}
    ports |= {
        "s_axis_tdata": In(into),
        "s_axis_tvalid": In(1),
        "s_axis_tready": Out(1),
        "s_axis_tlast": In(1),
    }
    ports |= {"s_axis_tkeep": In(into // 8)} if tkeep else {}
    ports |= {
        "m_axis_tdata": Out(out),
        "m_axis_tvalid": Out(1),
        "m_axis_tready": In(1),
        "m_axis_tlast": Out(1),
    }
    ports |= {"m_axis_tkeep": Out(out // 8)} if tkeep else {}
    ports |= {"m_axis_tuser": Out(1)} if interface["stream"]["tlast"] == "check" else {}
    return ports | {f"s_axi_{name}": member for name, member in BUS.items()} | {"irq": Out(1)}


class Accelerator(wiring.Component):
    """The wrapper around the design that ``interface`` describes.

    ``aresetn`` is synchronous to ``aclk`` and active low; the streams behave as the design's own do.
    Latency: that of the design.

    Parameters
    ----------
    interface : dict
        Of the design.
    digest : int
        64 bits that tell this design from others.

    Members: see `bus_ports`.
    """

    def __init__(self, interface: dict[str, Any], digest: int):
        check_wrappable(interface)
        self.interface, self.digest = interface, digest
        super().__init__(bus_ports(interface))
        self._annotate()

    def _annotate(self) -> None:
        """What Vivado's block designs need to see interfaces in the place of wires."""
        clock = "xilinx.com:signal:clock:1.0 aclk CLK"
        self.aclk.attrs["X_INTERFACE_INFO"] = clock
        self.aclk.attrs["X_INTERFACE_PARAMETER"] = (
            "ASSOCIATED_BUSIF s_axis:m_axis:s_axi, ASSOCIATED_RESET aresetn"
        )
        self.aresetn.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:reset:1.0 aresetn RST"
        self.aresetn.attrs["X_INTERFACE_PARAMETER"] = "POLARITY ACTIVE_LOW"
        self.irq.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:interrupt:1.0 irq INTERRUPT"
        self.irq.attrs["X_INTERFACE_PARAMETER"] = "SENSITIVITY LEVEL_HIGH"
        for side in ("s_axis", "m_axis"):
            for part in _STREAM:
                if hasattr(self, f"{side}_{part}"):
                    info = f"xilinx.com:interface:axis:1.0 {side} {part.upper()}"
                    getattr(self, f"{side}_{part}").attrs["X_INTERFACE_INFO"] = info
        for part in BUS:
            info = f"xilinx.com:interface:aximm:1.0 s_axi {part.upper()}"
            getattr(self, f"s_axi_{part}").attrs["X_INTERFACE_INFO"] = info

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        interface, image, result = self.interface, self.interface["input"], self.interface["output"]
        checked = interface["stream"]["tlast"] == "check"
        m.submodules.registers = registers = Registers(
            {
                "capabilities": ("reload" in interface) | checked << 1,
                "input_bytes": image["tdata_bits"] // 8 * image["beats_per_image"],
                "output_bytes": result["tdata_bits"] // 8 * result["beats_per_image"],
                "cycles_per_image": interface["cycles_per_image"],
                "design_low": self.digest & 0xFFFFFFFF,
                "design_high": self.digest >> 32,
            }
        )
        for name, member in BUS.items():
            outer, inner = getattr(self, f"s_axi_{name}"), getattr(registers, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        m.d.comb += [
            self.irq.eq(registers.interrupt),
            registers.entered.eq(self.s_axis_tvalid & self.s_axis_tready & self.s_axis_tlast),
            registers.left.eq(self.m_axis_tvalid & self.m_axis_tready & self.m_axis_tlast),
        ]
        m.submodules.core = Instance(interface["top"], **self._connections(registers, checked))
        return m

    def _connections(self, registers, checked):
        names = [f"{side}_{part}" for side in ("s_axis", "m_axis") for part in _STREAM]
        names = [name for name in names if hasattr(self, name)]
        ports = {
            f"{'i' if self.signature.members[name].flow is In else 'o'}_{name}": getattr(self, name)
            for name in names
        }
        ports |= {"i_clk": ClockSignal(), "i_rst": ResetSignal() | registers.restart}
        if checked:
            ports |= {"o_error": registers.wrong, "o_error_count": registers.wrong_count}
        if "reload" in self.interface:
            ports |= {
                "i_s_load_tdata": registers.load_data,
                "i_s_load_tvalid": registers.load_valid,
                "i_s_load_tlast": registers.load_last,
                "o_s_load_tready": registers.load_ready,
                "o_load_ok": registers.load_ok,
                "o_load_error": registers.load_error,
            }
        return ports
