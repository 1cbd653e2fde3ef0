"""A script for Vivado, for boards that no open tool places on."""

from fermatnet.boards.constraints import constraints
from fermatnet.boards.definitions.board import Board
from fermatnet.boards.project import Project
from fermatnet.boards.top import TOP

__all__ = ["vivado_script"]

_PARTS = {"xc7a35t": "xc7a35ticsg324-1L"}


def vivado_script(board: Board, project: Project) -> str:
    """Tcl that builds the bitstream: ``vivado -mode batch -source vivado.tcl`` in the folder that holds
    it."""
    name, _ = constraints(board)
    lines = [
        f"# {board.title}: vivado -mode batch -source vivado.tcl",
        "set here [file dirname [file normalize [info script]]]",
        f"create_project -force -part {_PARTS[board.device]} fermatnet_board $here/vivado",
    ]
    lines += [f"add_files $here/verilog/{source}" for source in project.sources]
    for memory in project.memories:
        lines += [
            f"add_files $here/verilog/{memory}",
            f"set_property file_type {{Memory Initialization Files}} [get_files {memory}]",
        ]
    lines += [
        f"add_files -fileset constrs_1 $here/verilog/{name}",
        f"set_property top {TOP} [current_fileset]",
        "launch_runs impl_1 -to_step write_bitstream -jobs 2",
        "wait_on_run impl_1",
        "open_run impl_1",
        "report_timing_summary -file $here/timing.txt",
        "report_utilization -file $here/utilization.txt",
        f"file copy -force $here/vivado/fermatnet_board.runs/impl_1/{TOP}.bit $here/bitstream.bit",
    ]
    return "\n".join(lines) + "\n"
