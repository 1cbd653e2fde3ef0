"""Between blocks whose streams have as many lanes, but values of other widths."""

__all__ = ["link"]


def link(m, source, sink) -> None:
    """Connects two streams of as many lanes; each value is cut or extended to the sink's shape (its range is
    proven to fit)."""
    for k in range(sink.payload.shape().length):
        m.d.comb += sink.payload[k].eq(source.payload[k])
    m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready)]
