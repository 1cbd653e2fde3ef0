"""Boards: what a bitstream takes and how fast it is, and what the link withstands."""
