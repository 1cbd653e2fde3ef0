"""Cocotb benches of single blocks, one module a block."""
