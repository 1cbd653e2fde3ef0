"""Stand-alone blocks that ``fermatnet ip`` generates."""
