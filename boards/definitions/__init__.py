"""What a board is: its chip, and the few pins that a link to a host needs."""
