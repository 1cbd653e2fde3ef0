"""Drivers that are written beside a wrapped design: PYNQ's Python, and a LiteX module."""

import json
from typing import Any

from fermatnet.hw.bus.map import IDENTITY, REGISTERS, address

__all__ = ["litex", "pynq"]

_PYNQ = '''\
"""Driver of {name} for PYNQ: images through AXI DMA, the registers over AXI4-Lite.

    overlay = pynq.Overlay("design.bit")
    with Accelerator(overlay.axi_dma_0, overlay.{name}_0.mmio, pynq.allocate) as network:
        results = network.run(images)

Anything with the same methods will do in the place of the three: a model, in a test.
"""

import numpy as np

ADDRESS = {addresses}
IDENTITY, DESIGN = {identity}, {design}
PORT_IN = {image}
PORT_OUT = {result}


class Accelerator:
    """The network behind a DMA and its registers.

    Parameters: ``dma`` with ``sendchannel`` and ``recvchannel`` (``transfer``, ``wait``); ``registers`` with
    ``read(offset)`` and ``write(offset, value)``; ``allocate(shape, dtype)``.
    """

    def __init__(self, dma, registers, allocate):
        self.dma, self.registers, self.allocate = dma, registers, allocate
        if self.read("identity") != IDENTITY:
            raise RuntimeError("there is no fermatnet design at this address: look at the address map")
        design = self.read("design_low") | self.read("design_high") << 32
        if design != DESIGN:
            raise RuntimeError(f"the board holds design {{design:016x}}, this driver is of {{DESIGN:016x}}")

    def read(self, name):
        return self.registers.read(ADDRESS[name])

    def write(self, name, value):
        self.registers.write(ADDRESS[name], int(value))

    def reset(self):
        """Resets the network, the counters and the errors."""
        self.write("control", 3)
        self.write("errors", 3)

    def run(self, images):
        """Outputs, int64 (n, K), of images (n, ...) of the network's input type."""
        images = np.asarray(images)
        channels, height, width = PORT_IN["shape"]
        if images.size == 0 or images[0].size != channels * height * width:
            raise ValueError(f"images must have {{channels * height * width}} values each")
        maps = images.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        field = PORT_IN["element_bits"] // 8
        values = np.ascontiguousarray(maps).astype("<i8").reshape(-1, PORT_IN["lanes"])
        fields = values.view(np.uint8).reshape(len(values), PORT_IN["lanes"], 8)[:, :, :field]
        beats = np.zeros((len(values), PORT_IN["tdata_bits"] // 8), np.uint8)
        beats[:, : PORT_IN["lanes"] * field] = fields.reshape(len(values), -1)
        return self._transfer(beats.reshape(len(images), -1))

    def _transfer(self, beats):
        # one transfer an image: its last beat carries tlast, which the design checks
        size = PORT_OUT["tdata_bits"] // 8 * PORT_OUT["beats_per_image"]
        source = self.allocate(shape=(beats.shape[1],), dtype=np.uint8)
        target = self.allocate(shape=(size,), dtype=np.uint8)
        results = []
        for image in beats:
            source[:] = image
            self.dma.recvchannel.transfer(target)
            self.dma.sendchannel.transfer(source)
            self.dma.sendchannel.wait()
            self.dma.recvchannel.wait()
            if self.read("errors") & 1:
                raise RuntimeError("the design saw an image of a wrong length: reset() and send it again")
            results.append(self._values(np.array(target)))
        return np.stack(results)

    def _values(self, octets):
        field, lanes = PORT_OUT["element_bits"] // 8, PORT_OUT["lanes"]
        used = octets.reshape(PORT_OUT["beats_per_image"], -1)[:, : lanes * field].reshape(-1, field)
        whole = np.zeros((len(used), 8), np.uint8)
        whole[:, :field] = used
        values = whole.view("<i8").reshape(-1)
        if PORT_OUT["element_signed"]:
            values = values << (64 - 8 * field) >> (64 - 8 * field)
        channels, height, width = PORT_OUT["shape"]
        return values.reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)

    def load(self, words):
        """Other weights: the burst of ``fermatnet load``; RuntimeError when the design refuses it."""
        if not self.read("capabilities") & 1:
            raise RuntimeError("the weights of this design cannot be loaded")
        for word in words[:-1]:
            self.write("load_data", word)
        self.write("load_last", words[-1])
        for _ in range(1000000):
            status = self.read("status")
            if status & 4:
                raise RuntimeError("the design refused the load: it is damaged, or of another structure")
            if status & 2:
                return
        raise RuntimeError("the design does not finish the load: an image stands still inside")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None
'''

_LITEX = '''\
"""{name} as a LiteX module: stream.Endpoint in and out, the registers as a Wishbone-reachable AXI4-Lite
slave.

    self.network = Fermatnet(self.platform)
    self.bus.add_slave("network", self.network.bus, SoCRegion(size=0x{size:x}, cached=False))
"""

import os

from litex.gen import LiteXModule
from litex.soc.interconnect import stream
from litex.soc.interconnect.axi import AXILiteInterface
from migen import ClockSignal, Instance, ResetSignal, Signal

FILES = {files}


class Fermatnet(LiteXModule):
    """``sink`` takes images, ``source`` gives results (``last`` on an image's last beat); ``bus`` has the
    registers; ``irq`` is the interrupt."""

    def __init__(self, platform=None):
        self.sink = stream.Endpoint([("data", {image_bits})])
        self.source = stream.Endpoint([("data", {result_bits})])
        self.bus = AXILiteInterface(data_width=32, address_width=32)
        self.irq = Signal()
        bus = self.bus
        self.specials += Instance(
            "{name}",
            i_aclk=ClockSignal("sys"),
            i_aresetn=~ResetSignal("sys"),
            i_s_axis_tdata=self.sink.data,
            i_s_axis_tvalid=self.sink.valid,
            o_s_axis_tready=self.sink.ready,
            i_s_axis_tlast=self.sink.last,
            o_m_axis_tdata=self.source.data,
            o_m_axis_tvalid=self.source.valid,
            i_m_axis_tready=self.source.ready,
            o_m_axis_tlast=self.source.last,
            i_s_axi_awaddr=bus.aw.addr[:8], i_s_axi_awprot=0, i_s_axi_awvalid=bus.aw.valid,
            o_s_axi_awready=bus.aw.ready,
            i_s_axi_wdata=bus.w.data, i_s_axi_wstrb=bus.w.strb, i_s_axi_wvalid=bus.w.valid,
            o_s_axi_wready=bus.w.ready,
            o_s_axi_bresp=bus.b.resp, o_s_axi_bvalid=bus.b.valid, i_s_axi_bready=bus.b.ready,
            i_s_axi_araddr=bus.ar.addr[:8], i_s_axi_arprot=0, i_s_axi_arvalid=bus.ar.valid,
            o_s_axi_arready=bus.ar.ready,
            o_s_axi_rdata=bus.r.data, o_s_axi_rresp=bus.r.resp, o_s_axi_rvalid=bus.r.valid,
            i_s_axi_rready=bus.r.ready,
            o_irq=self.irq,
        )
        if platform is not None:
            here = os.path.dirname(os.path.abspath(__file__))
            for file in FILES:
                platform.add_source(os.path.join(here, file))
'''

_KEYS = ("shape", "lanes", "element_bits", "element_signed", "tdata_bits", "beats_per_image")


def _port(port: dict[str, Any]) -> str:
    return json.dumps({key: port[key] for key in _KEYS}).replace("true", "True").replace("false", "False")


def pynq(name: str, interface: dict[str, Any], digest: int) -> str:
    """A Python module that drives the design on a Zynq; it needs numpy and nothing of fermatnet."""
    return _PYNQ.format(
        name=name,
        addresses={register.name: address(register.name) for register in REGISTERS},
        identity=hex(IDENTITY),
        design=hex(digest),
        image=_port(interface["input"]),
        result=_port(interface["output"]),
    )


def litex(name: str, interface: dict[str, Any], files: list[str]) -> str:
    """A LiteX module around the wrapped design."""
    return _LITEX.format(
        name=name,
        size=256,
        files=files,
        image_bits=interface["input"]["tdata_bits"],
        result_bits=interface["output"]["tdata_bits"],
    )
