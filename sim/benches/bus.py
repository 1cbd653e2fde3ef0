"""cocotb tests of a wrapped design: cocotbext-axi, a bus model of other hands, drives streams and
registers."""

import json
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from fermatnet.hw.bus.map import IDENTITY, VERSION, address


def pauses(seed):
    rng = random.Random(seed)
    while True:
        yield rng.random() < 0.4


class Bench:
    def __init__(self, dut):
        self.dut, self.data = dut, json.loads(Path("vectors.json").read_text())
        cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
        reset = {"reset": dut.aresetn, "reset_active_level": False}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **reset)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **reset)
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **reset)

    async def reset(self):
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 5)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 3)

    async def read(self, name):
        return await self.bus.read_dword(address(name))

    async def write(self, name, value):
        await self.bus.write_dword(address(name), value)

    async def image(self, k):
        await self.source.send(AxiStreamFrame(bytes(self.data["images"][k])))

    async def result(self, k, outputs="outputs"):
        frame = await self.sink.recv()
        assert bytes(frame.tdata) == bytes(self.data[outputs][k]), f"image {k}"
        assert not any(np.atleast_1d(frame.tuser)) if frame.tuser else True


@cocotb.test()
async def streams_and_registers(dut):
    bench = Bench(dut)
    await bench.reset()
    data = bench.data
    assert await bench.read("identity") == IDENTITY and await bench.read("version") == VERSION
    assert await bench.read("capabilities") == 3
    assert await bench.read("input_bytes") == len(data["images"][0])
    assert await bench.read("output_bytes") == len(data["outputs"][0])
    assert await bench.read("cycles_per_image") == data["cycles"]
    design = await bench.read("design_low") | await bench.read("design_high") << 32
    assert f"{design:016x}" == data["design"]
    bench.source.set_pause_generator(pauses(1))
    bench.sink.set_pause_generator(pauses(2))
    await bench.write("interrupt_enable", 1)
    for k in range(len(data["images"])):
        await bench.image(k)
    for k in range(len(data["images"])):
        await bench.result(k)
    await ClockCycles(dut.aclk, 4)
    assert dut.irq.value == 1 and await bench.read("interrupt_status") == 1
    await bench.write("interrupt_status", 1)
    await ClockCycles(dut.aclk, 3)
    assert dut.irq.value == 0 and await bench.read("interrupt_status") == 0
    assert await bench.read("images_in") == await bench.read("images_out") == len(data["images"])
    cycles = await bench.read("cycles_low") | await bench.read("cycles_high") << 32
    assert cycles > data["cycles"] and await bench.read("status") & 1 == 0
    await bench.write("control", 2)
    assert await bench.read("images_out") == 0 and await bench.read("cycles_low") == 0


@cocotb.test()
async def refusals_of_the_bus(dut):
    bench = Bench(dut)
    await bench.reset()
    for offset, data in ((0x00, b"\1\0\0\0"), (0x60, b"\1\0\0\0"), (address("control"), b"\1")):
        answer = await bench.bus.write(offset, data)
        assert answer.resp == AxiResp.SLVERR, hex(offset)
    for offset in (0x60, address("control"), address("load_data")):
        assert (await bench.bus.read(offset, 4)).resp == AxiResp.SLVERR, hex(offset)
    assert (await bench.bus.read(address("identity"), 4)).resp == AxiResp.OKAY
    rng = random.Random(5)
    for _ in range(20):  # any order, any stalls: the register holds what was written last
        value = rng.randrange(4)
        bench.bus.write_if.aw_channel.set_pause_generator(pauses(rng.random()))
        bench.bus.write_if.w_channel.set_pause_generator(pauses(rng.random()))
        bench.bus.read_if.r_channel.set_pause_generator(pauses(rng.random()))
        await bench.write("interrupt_enable", value)
        assert await bench.read("interrupt_enable") == value


@cocotb.test()
async def errors_resets_and_loads(dut):
    bench = Bench(dut)
    await bench.reset()
    await bench.write("interrupt_enable", 2)
    await bench.source.send(AxiStreamFrame(bytes(bench.data["images"][0][:-3])))  # three beats too few
    for _ in range(10000):
        await RisingEdge(dut.aclk)
        if dut.irq.value == 1:
            break
    assert await bench.read("errors") == 1 and await bench.read("error_count") == 1
    await bench.write("errors", 1)
    assert await bench.read("errors") == 0
    await bench.write("control", 1)  # the network is reset in the middle of nothing
    await ClockCycles(dut.aclk, 40)
    assert await bench.read("error_count") == 0
    await bench.image(1)
    await ClockCycles(dut.aclk, 200)
    await bench.reset()  # the whole block, an image inside
    bench.source.clear()
    bench.sink.clear()
    await bench.image(2)
    await bench.result(2)
    for word in bench.data["load"][:-1]:
        await bench.write("load_data", word)
    await bench.write("load_last", bench.data["load"][-1] ^ 1)  # its CRC is wrong
    await ClockCycles(dut.aclk, 10)
    assert await bench.read("status") & 6 == 4 and await bench.read("errors") == 2
    await bench.image(3)
    await bench.result(3)  # the old weights
    for word in bench.data["load"][:-1]:
        await bench.write("load_data", word)
    await bench.write("load_last", bench.data["load"][-1])
    await ClockCycles(dut.aclk, 10)
    assert await bench.read("status") & 6 == 2
    await bench.image(3)
    await bench.result(3, "loaded")


class Channel:
    """One way of a model of the AXI DMA, as PYNQ shows it; the work is done when a coroutine waits for it."""

    def __init__(self):
        self.buffer = None

    def transfer(self, buffer):
        """Takes the buffer that the next wait moves."""
        self.buffer = buffer

    def wait(self):
        """Until the buffer has been moved."""


@cocotb.test()
async def pynq_driver(dut):
    """The driver that is written beside the wrapper, over a model of PYNQ's DMA and registers."""
    import importlib.util

    from cocotb.task import bridge, resume

    spec = importlib.util.spec_from_file_location("driver", bench_file("driver.py"))
    driver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(driver)
    bench = Bench(dut)
    await bench.reset()

    class Registers:
        @staticmethod
        @resume
        async def read(offset):
            return await bench.bus.read_dword(offset)

        @staticmethod
        @resume
        async def write(offset, value):
            await bench.bus.write_dword(offset, value)

    class Send(Channel):
        @resume
        async def wait(self):
            await bench.source.send(AxiStreamFrame(bytes(self.buffer)))

    class Receive(Channel):
        @resume
        async def wait(self):
            self.buffer[:] = np.frombuffer(bytes((await bench.sink.recv()).tdata), np.uint8)

    class Dma:
        sendchannel, recvchannel = Send(), Receive()

    @bridge
    def use():
        images = np.array(bench.data["pixels"], np.uint8)
        with driver.Accelerator(Dma(), Registers(), np.zeros) as network:
            first = network.run(images)
            network.load(bench.data["load"])
            return first, network.run(images)

    first, second = await use()
    np.testing.assert_array_equal(first, bench.data["values"])
    np.testing.assert_array_equal(second, bench.data["loaded_values"])


def bench_file(name):
    return str(Path(name).resolve())
