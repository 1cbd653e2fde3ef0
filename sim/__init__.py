"""Simulation: cocotb test benches, stream drivers and monitors, and the runner for Verilator and Icarus."""
