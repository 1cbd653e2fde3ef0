"""``python -m fermatnet.cli``."""

from fermatnet.cli.main import entry

entry()
