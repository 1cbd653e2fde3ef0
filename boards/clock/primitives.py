"""The families' PLLs as instances, and models of them for simulators."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Instance, Signal

from fermatnet.boards.clock.settings import Setting

__all__ = ["MODELS", "PLLE2", "PLLE2_NAME", "pll"]


def _ecp5(
    setting: Setting, source: Signal, clock: Signal, locked: Signal, mhz: float, device: str
) -> Instance:
    phase = setting["divider"] - 1  # half of the output divider, as Lattice's tools set it
    return Instance(
        "EHXPLLL",
        a_FREQUENCY_PIN_CLKI=f"{mhz:g}",
        a_FREQUENCY_PIN_CLKOP=f"{setting.mhz:.6g}",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKI_DIV=setting["refer"],
        p_CLKFB_DIV=setting["feedback"],
        p_CLKOP_DIV=setting["divider"],
        p_CLKOP_CPHASE=phase // 2,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=source,
        i_CLKFB=clock,
        i_RST=0,
        i_STDBY=0,
        i_PHASESEL0=0,
        i_PHASESEL1=0,
        i_PHASEDIR=1,
        i_PHASESTEP=1,
        i_PHASELOADREG=1,
        i_PLLWAKESYNC=0,
        i_ENCLKOP=0,
        o_CLKOP=clock,
        o_LOCK=locked,
    )


def _ice40(
    setting: Setting, source: Signal, clock: Signal, locked: Signal, mhz: float, device: str
) -> Instance:
    return Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=setting["divr"],
        p_DIVF=setting["divf"],
        p_DIVQ=setting["divq"],
        p_FILTER_RANGE=setting["filter"],
        i_PACKAGEPIN=source,
        i_RESETB=1,
        i_BYPASS=0,
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )


_GOWIN_NAMES = {"gw1nr-9": "GW1NR-9C", "gw2ar-18": "GW2AR-18C"}


def _gowin(
    setting: Setting, source: Signal, clock: Signal, locked: Signal, mhz: float, device: str
) -> Instance:
    return Instance(
        "rPLL",
        p_DEVICE=_GOWIN_NAMES[device],
        p_FCLKIN=f"{mhz:g}",
        p_IDIV_SEL=setting["idiv"],
        p_FBDIV_SEL=setting["fbdiv"],
        p_ODIV_SEL=setting["odiv"],
        p_DYN_IDIV_SEL="false",
        p_DYN_FBDIV_SEL="false",
        p_DYN_ODIV_SEL="false",
        p_DYN_DA_EN="false",
        p_PSDA_SEL="0000",
        p_DUTYDA_SEL="1000",
        p_CLKFB_SEL="internal",
        p_CLKOUT_BYPASS="false",
        p_CLKOUTP_BYPASS="false",
        p_CLKOUTD_BYPASS="false",
        i_CLKIN=source,
        i_CLKFB=0,
        i_RESET=0,
        i_RESET_P=0,
        i_FBDSEL=Signal(6, name="fbdsel"),
        i_IDSEL=Signal(6, name="idsel"),
        i_ODSEL=Signal(6, name="odsel"),
        i_PSDA=Signal(4, name="psda"),
        i_DUTYDA=Signal(4, name="dutyda"),
        i_FDLY=Signal(4, name="fdly"),
        o_CLKOUT=clock,
        o_LOCK=locked,
    )


def _xc7(
    setting: Setting, source: Signal, clock: Signal, locked: Signal, mhz: float, module: str
) -> Instance:
    return Instance(
        module,
        p_PERIOD_PS=round(1e6 / mhz),
        p_MULTIPLY=setting["feedback"],
        p_REFER=setting["refer"],
        p_DIVIDE=setting["divider"],
        i_source=source,
        o_clock=clock,
        o_locked=locked,
    )


PLLE2_NAME = "fermatnet_plle2"
_PLLS: dict[str, Callable[..., Instance]] = {"ecp5": _ecp5, "ice40": _ice40, "gowin": _gowin, "xc7": _xc7}

# The wrapper divides a period in picoseconds: CLKIN1_PERIOD is a real number, which no Amaranth parameter is.
PLLE2 = """\
module fermatnet_plle2 #(
    parameter PERIOD_PS = 10000, parameter MULTIPLY = 8, parameter REFER = 1, parameter DIVIDE = 16
) (input wire source, output wire clock, output wire locked);
    wire feedback, made;
    PLLE2_BASE #(
        .CLKIN1_PERIOD(PERIOD_PS / 1000.0), .CLKFBOUT_MULT(MULTIPLY), .DIVCLK_DIVIDE(REFER),
        .CLKOUT0_DIVIDE(DIVIDE)
    ) pll (
        .CLKIN1(source), .CLKFBIN(feedback), .CLKFBOUT(feedback), .CLKOUT0(made), .LOCKED(locked),
        .PWRDWN(1'b0), .RST(1'b0)
    );
    BUFG buffer (.I(made), .O(clock));
endmodule
"""

_MODEL = """\
// {name}: the clock goes through as it is, lock comes after 16 cycles.
module {name} #({parameters}) ({ports});
    reg [4:0] passed = 0;
    assign {clocks} = {{{count}{{{source}}}}};
    assign {locked} = passed[4];
    always @(posedge {source}) if (!passed[4]) passed <= passed + 5'd1;
endmodule
"""


def _model(name: str, parameters: str, inputs: str, source: str, clocks: str, locked: str) -> str:
    made = clocks.split()
    ports = [f"input wire {one}" for one in (source, *inputs.split())]
    ports += [f"output wire {one}" for one in (*made, locked)]
    return _MODEL.format(
        name=name,
        parameters=", ".join(f"parameter {one} = 0" for one in parameters.split()),
        ports=", ".join(ports),
        source=source,
        clocks="{" + ", ".join(made) + "}",
        count=len(made),
        locked=locked,
    )


MODELS = {
    "ecp5": _model(
        "EHXPLLL",
        "PLLRST_ENA INTFB_WAKE STDBY_ENABLE DPHASE_SOURCE OUTDIVIDER_MUXA CLKOP_ENABLE CLKI_DIV CLKFB_DIV "
        "CLKOP_DIV CLKOP_CPHASE CLKOP_FPHASE FEEDBK_PATH",
        "CLKFB RST STDBY PHASESEL0 PHASESEL1 PHASEDIR PHASESTEP PHASELOADREG PLLWAKESYNC ENCLKOP",
        "CLKI",
        "CLKOP",
        "LOCK",
    ),
    "ice40": _model(
        "SB_PLL40_PAD",
        "FEEDBACK_PATH DIVR DIVF DIVQ FILTER_RANGE",
        "RESETB BYPASS",
        "PACKAGEPIN",
        "PLLOUTGLOBAL",
        "LOCK",
    ),
    "gowin": _model(
        "rPLL",
        "DEVICE FCLKIN IDIV_SEL FBDIV_SEL ODIV_SEL DYN_IDIV_SEL DYN_FBDIV_SEL DYN_ODIV_SEL DYN_DA_EN "
        "PSDA_SEL DUTYDA_SEL CLKFB_SEL CLKOUT_BYPASS CLKOUTP_BYPASS CLKOUTD_BYPASS",
        "CLKFB RESET RESET_P [5:0]FBDSEL [5:0]IDSEL [5:0]ODSEL [3:0]PSDA [3:0]DUTYDA [3:0]FDLY",
        "CLKIN",
        "CLKOUT",
        "LOCK",
    ),
    "xc7": _model(
        "PLLE2_BASE",
        "CLKIN1_PERIOD CLKFBOUT_MULT DIVCLK_DIVIDE CLKOUT0_DIVIDE",
        "CLKFBIN PWRDWN RST",
        "CLKIN1",
        "CLKOUT0 CLKFBOUT",
        "LOCKED",
    )
    + "module BUFG (input wire I, output wire O);\n    assign O = I;\nendmodule\n",
}
"""Verilog by family that stands for the PLL in simulation."""


def pll(
    family: str, setting: Setting, *, source: Signal, clock: Signal, locked: Signal, **about: Any
) -> Instance:
    """The PLL of ``family`` from ``source`` to ``clock``; ``about``: ``mhz`` of the source, ``device``, which
    for Xilinx 7 is the name that the module `PLLE2` goes by."""
    return _PLLS[family](setting, source, clock, locked, about["mhz"], about["device"])
