"""A board that is simulated: its whole top level in Verilator, from UART pins to UART pins, behind a
pseudo-terminal, so that a host drives it as it would drive the real one."""
