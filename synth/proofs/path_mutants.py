"""Moduli of the convolver with one thing wrong each, whose claims must be refuted."""

from fermatnet.hw.fermat.modulus_path import ModulusPath

__all__ = ["AlwaysFresh", "HastySums", "NoReturn", "OneBank"]


class NoReturn(ModulusPath):
    """Reads on into the next tile where a job should begin anew at the first word of its tile."""

    def _spectra(self, m, read_step):
        data = super()._spectra(m, read_step)
        get_at = self.keeping["get_at"]
        with m.If(self.keeping["read"]):
            m.d.sync += get_at.eq(get_at + 1)
        return data


class OneBank(ModulusPath):
    """Writes every tile's spectrum into the first bank."""

    def _spectra(self, m, read_step):
        data = super()._spectra(m, read_step)
        put = self.keeping["put"]
        with m.If(self.keeping["written"] & put.wrapped(1)):
            m.d.sync += self.keeping["put_at"].eq(0)
        return data


class HastySums(ModulusPath):
    """Drains at the address that accumulation reads."""

    def _drain(self, m, ports):
        super()._drain(m, ports)
        for port in ports:
            m.d.comb += port.addr.eq(self.summing["reading"].values[2])


class AlwaysFresh(ModulusPath):
    """Begins a new sum with every channel."""

    def _accumulate(self, m, started, product):
        ports = super()._accumulate(m, started, product)
        m.d.sync += self.summing["fresh"].eq(1)
        return ports
