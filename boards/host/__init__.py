"""The host's side of the link: `fermatnet.boards.host.board.Board`."""
