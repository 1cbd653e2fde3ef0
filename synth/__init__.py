"""Synthesis: yosys and nextpnr flows, devices, mapping to cell libraries, reports."""
