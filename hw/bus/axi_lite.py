"""The registers on AXI4-Lite (ARM IHI 0022, chapter B1)."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.bus.map import ADDRESS_BITS, IDENTITY, REGISTERS, VERSION, address

__all__ = ["BUS", "OKAY", "SLVERR", "Registers"]

OKAY, SLVERR = 0, 2

BUS = {
    "awaddr": In(ADDRESS_BITS),
    "awprot": In(3),
    "awvalid": In(1),
    "awready": Out(1),
    "wdata": In(32),
    "wstrb": In(4),
    "wvalid": In(1),
    "wready": Out(1),
    "bresp": Out(2),
    "bvalid": Out(1),
    "bready": In(1),
    "araddr": In(ADDRESS_BITS),
    "arprot": In(3),
    "arvalid": In(1),
    "arready": Out(1),
    "rdata": Out(32),
    "rresp": Out(2),
    "rvalid": Out(1),
    "rready": In(1),
}
"""Signals of the bus, as the slave sees them."""

RESET_CYCLES = 16


class Registers(wiring.Component):
    """The table of `fermatnet.hw.bus.map` on AXI4-Lite.

    A write to a register that is not there or not written, and one of less than four bytes, answers SLVERR
    and changes nothing; so does a read of what is not there. One without any byte does nothing and answers
    OKAY. A word of a load waits, and the bus with it, until the design takes the one before.

    Latency: a read answers in the cycle after its address, a write in the cycle after address and data. One
    of each is under way at a time.

    Parameters
    ----------
    constants : dict of str to int
        Values of registers that never change: capabilities, input_bytes, output_bytes, cycles_per_image,
        design_low, design_high.

    Members
    -------
    bus : as `BUS`
    entered, left : In(1)
        A last beat passes on the way in, on the way out.
    wrong : In(1), wrong_count : In(16)
        The design's error and error_count.
    load_ok, load_error : In(1), load_data : Out(32), load_valid : Out(1), load_ready : In(1), load_last :
    Out(1)
        To and from the design's port ``s_load``.
    restart : Out(1)
        High for 16 cycles: reset the design.
    interrupt : Out(1)
    """

    def __init__(self, constants):
        self.constants = {"identity": IDENTITY, "version": VERSION, **constants}
        super().__init__(
            {
                **BUS,
                "entered": In(1),
                "left": In(1),
                "wrong": In(1),
                "wrong_count": In(16),
                "load_ok": In(1),
                "load_error": In(1),
                "load_data": Out(32),
                "load_valid": Out(1),
                "load_ready": In(1),
                "load_last": Out(1),
                "restart": Out(1),
                "interrupt": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        values = {name: Const(value, 32) for name, value in self.constants.items()}
        written, data = Signal(len(REGISTERS)), Signal(32)
        self._write(m, written, data)

        def hit(name):
            return written[address(name) // 4]

        self._counters(m, values, hit, data)
        self._errors(m, values, hit, data)
        self._loads(m, hit, data)
        self._read(m, values)
        return m

    def _write(self, m, written, data):
        """``written``: a bit a register, for one cycle, with ``data``."""
        at, strobes = Signal(ADDRESS_BITS), Signal(4)
        has_address, has_data = Signal(), Signal()
        m.d.comb += [self.awready.eq(~has_address & ~self.bvalid), self.wready.eq(~has_data & ~self.bvalid)]
        with m.If(self.awvalid & self.awready):
            m.d.sync += [at.eq(self.awaddr), has_address.eq(1)]
        with m.If(self.wvalid & self.wready):
            m.d.sync += [data.eq(self.wdata), strobes.eq(self.wstrb), has_data.eq(1)]
        with m.If(self.bvalid & self.bready):
            m.d.sync += self.bvalid.eq(0)
        loads = [address("load_data"), address("load_last")]
        can_load = "capabilities" in self.constants and self.constants["capabilities"] & 1
        word = at & ~3
        known = [k for k, one in enumerate(REGISTERS) if one.mode != "r" and (can_load or 4 * k not in loads)]
        good = (strobes == 0xF) & Cat(word == 4 * k for k in known).any()
        is_load = (word == loads[0]) | (word == loads[1])
        waits = is_load & self.load_valid & good
        with m.If(has_address & has_data & ~self.bvalid & ~waits):
            m.d.sync += [has_address.eq(0), has_data.eq(0), self.bvalid.eq(1)]
            m.d.sync += self.bresp.eq(Mux(good | (strobes == 0), OKAY, SLVERR))
            # one value for all bits: a bit that nothing drives would be an x to some simulators
            bits = [(word == 4 * k) & (strobes == 0xF) & (k in known) for k in range(len(REGISTERS))]
            m.d.comb += written.eq(Cat(bits))

    def _counters(self, m, values, hit, data):
        images_in, images_out, cycles, high = Signal(32), Signal(32), Signal(64), Signal(32)
        inside, reset = Signal(16), Signal(range(RESET_CYCLES + 1))
        m.d.comb += self.restart.eq(reset != 0)
        m.d.sync += [images_in.eq(images_in + self.entered), images_out.eq(images_out + self.left)]
        m.d.sync += inside.eq(inside + self.entered - self.left)
        with m.If(inside != 0):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(reset != 0):
            m.d.sync += [reset.eq(reset - 1), inside.eq(0)]
        with m.If(hit("control") & data[1]):
            m.d.sync += [images_in.eq(0), images_out.eq(0), cycles.eq(0)]
        with m.If(hit("control") & data[0]):
            m.d.sync += [reset.eq(RESET_CYCLES), inside.eq(0)]
        with m.If(self.arvalid & self.arready & (self.araddr[2:] == address("cycles_low") // 4)):
            m.d.sync += high.eq(cycles[32:])
        status = Cat(inside != 0, self.load_ok, self.load_error)
        values |= {"images_in": images_in, "images_out": images_out, "status": status}
        values |= {"cycles_low": cycles[:32], "cycles_high": high, "error_count": self.wrong_count}

    def _errors(self, m, values, hit, data):
        errors, enable, status = Signal(2), Signal(2), Signal(2)
        before = Signal(2)
        now = Cat(self.wrong, self.load_error)
        rising = now & ~before  # sticky in the design: only the moment counts here
        m.d.sync += before.eq(now)
        m.d.sync += errors.eq((errors & ~Mux(hit("errors"), data[:2], 0)) | rising)
        events = Cat(self.left, rising.any())
        m.d.sync += status.eq((status & ~Mux(hit("interrupt_status"), data[:2], 0)) | events)
        with m.If(hit("interrupt_enable")):
            m.d.sync += enable.eq(data[:2])
        m.d.sync += self.interrupt.eq((status & enable).any())
        values |= {"errors": errors, "interrupt_enable": enable, "interrupt_status": status}

    def _loads(self, m, hit, data):
        with m.If(self.load_valid & self.load_ready):
            m.d.sync += self.load_valid.eq(0)
        with m.If(hit("load_data") | hit("load_last")):
            m.d.sync += [self.load_data.eq(data), self.load_last.eq(hit("load_last")), self.load_valid.eq(1)]

    def _read(self, m, values):
        table = Array([values.get(one.name, Const(0, 32)) for one in REGISTERS])
        readable = [k for k, one in enumerate(REGISTERS) if one.mode != "w"]
        word = self.araddr[2:]
        m.d.comb += self.arready.eq(~self.rvalid)
        with m.If(self.rvalid & self.rready):
            m.d.sync += self.rvalid.eq(0)
        with m.If(self.arvalid & self.arready):
            there = Cat(word == k for k in readable).any()
            m.d.sync += self.rvalid.eq(1)
            m.d.sync += [self.rdata.eq(Mux(there, table[word], 0)), self.rresp.eq(Mux(there, OKAY, SLVERR))]
