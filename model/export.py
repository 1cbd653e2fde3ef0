"""A name that is kept for those who import it: the module is `fermatnet.model.exchange.export`."""

from fermatnet.model.exchange.export import export

__all__ = ["export"]
