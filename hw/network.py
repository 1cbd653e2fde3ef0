"""A name that is kept for those who import it: the module is `fermatnet.hw.compiler.generate`."""

from fermatnet.hw.compiler.generate import build, generate, load_burst, weight_words

__all__ = ["build", "generate", "load_burst", "weight_words"]
