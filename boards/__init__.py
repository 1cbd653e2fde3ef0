"""From a network to a board: definitions of boards, the link to a host, the top level, the bitstream, and the
host's side of the link."""
