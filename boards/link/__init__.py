"""The link between a host and a board: frames over a UART, checked, answered and repeated until they are
right.

`fermatnet.boards.link.protocol` states the frames; `fermatnet.boards.link.link` is the board's side in
hardware, `fermatnet.boards.host` the other side in Python.
"""
