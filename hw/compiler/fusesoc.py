"""What lies beside the Verilog: the FuseSoC core file and the lint waivers."""

from typing import Any

__all__ = ["WAIVERS", "core_file", "waivers"]

WAIVERS = {
    "CASEINCOMPLETE": "tables of N+1 levels are read by indices that never pass N",
    "DECLFILENAME": "all modules lie in one file",
    "PROCASSINIT": "registers power up with the value that reset gives them",
    "UNUSEDSIGNAL": "upper bits of sums that a proven range leaves unused, "
    "and enables of the back end's own making",
    'UNOPTFLAT -match "*_tdata\'*"': "upper bits of a stream's data repeat its sign: bits of one port",
    "WIDTHEXPAND": "the back end leaves constants and sums to Verilog's own extension, "
    "signed where they are declared so",
    "WIDTHTRUNC": "sums are cut to their proven range",
}
"""Verilator warnings that are switched off for generated code, with the reason."""


def waivers() -> str:
    """A Verilator configuration file: ``verilator --lint-only -Wall NAME.vlt NAME.v``."""
    lines = ["`verilator_config"]
    for rule, reason in sorted(WAIVERS.items()):
        rule, _, match = rule.partition(" ")
        lines += [f"// {reason}", f'lint_off -rule {rule} -file "*" {match}'.rstrip()]
    return "\n".join(lines) + "\n"


def core_file(interface: dict[str, Any]) -> str:
    """FuseSoC core description (CAPI2) of a generated design."""
    files = interface["files"]
    lines = [
        "CAPI=2:",
        f"name: fermatnet:generated:{interface['top']}:0.1.0",
        "description: Streaming CNN accelerator with AXI4-Stream ports",
        "",
        "filesets:",
        "  rtl:",
        "    files:",
    ]
    lines += [f"      - {name}: {{file_type: verilogSource}}" for name in files["verilog"]]
    lines += [f"      - {name}: {{file_type: user, copyto: {name}}}" for name in files["memories"]]
    lines += [
        "  lint:",
        "    files:",
        f"      - {files['waivers']}: {{file_type: vlt}}",
        "",
        "targets:",
        "  default: &default",
        "    filesets: [rtl]",
        f"    toplevel: {interface['top']}",
        "  lint:",
        "    <<: *default",
        "    filesets: [lint, rtl]",
        "    default_tool: verilator",
        "    tools:",
        "      verilator: {mode: lint-only, verilator_options: [-Wall]}",
    ]
    return "\n".join(lines) + "\n"
