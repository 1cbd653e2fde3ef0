"""Between torch, files of others and the network file."""
