"""Proofs of a modulus of the convolver: each spectrum word and each sum is written once, read in its turn,
and never replaced before.

The design is `ModulusPath` as it stands. An arbitrary word of the spectra and an arbitrary sum are followed
by ghosts. Of the control is assumed what `fermatnet.synth.proofs.control` proves: jobs begin only where a
bank of sums is free, sums are drained only when complete; and of spectra what follows from its claims because
tiles and jobs are runs without a gap and the latencies between are constant: a tile begins to be written only
behind the last job that reads the one it replaces, so each word is written after that job's reading of it
(the latency of the points is at least that of the steps, `released_after`); and a job begins only behind the
first writing of its tile, so it reads each word after it was written.
"""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib.wiring import In

from fermatnet.hw.fermat.modulus_path import ModulusPath
from fermatnet.synth.proofs.invariants import Harness, all_bits, follows, implies, in_range, length, linear
from fermatnet.synth.proofs.probes import around, history, inputs, probe, turns_after

__all__ = ["Spectra", "Sums"]


class Spectra(Harness):
    """The memory of spectra and an arbitrary word of it."""

    rigid = ("bank", "place")
    claims: tuple[tuple[str, str, int], ...] = (
        ("spectrum words are written once and in order", "order_in", 1),
        ("spectrum words are read in order, a group's part once a job", "order_out", 1),
        ("a tile begins with the writing of its first word", "begins", 0),
        ("each step meets its own word of its own tile", "meets", 1),
    )

    covers = (
        ("a step meets the followed word", "meeting", 1),
        ("a word is written behind the last job while that reads", "loaded", 0),
    )

    def __init__(self, design: ModulusPath) -> None:
        self.design = design
        entry = ("points enter the forward transform in order", "enters", design.encoder_latency)
        self.claims = (*type(self).claims, entry)
        super().__init__(
            inputs(design) | {"bank": In(range(design.spectra_banks)), "place": In(range(design.frame))}
        )

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design, banks, frame = self.design, self.design.spectra_banks, self.design.frame
        m.submodules.path = design.elaborate(platform)
        around(m, self, design)
        state = design.keeping
        put, get, written, read = state["put"], state["get"], state["written"], state["read"]
        # ghosts: tiles written whole and not yet read for the last time; the bank of the first one; numbers
        # of the tiles being written and read; the followed word and its tile's number
        held, first, word = (
            Signal(range(banks + 1), name="held"),
            Signal(range(banks), name="first"),
            Signal(design.b + 1, name="followed"),
        )
        done = read & (linear(get) == length(get) - 1)
        full = written & (put.values[1] == frame - 1)
        last = linear(get) >= length(get) - design.job  # the last job on the tile
        count = banks + 1
        writing, reading, tag = (Signal(range(count), name=n) for n in ("writing", "reading", "tag"))
        m.d.sync += [
            held.eq(held + full - done),
            writing.eq((writing + full) % count),
            reading.eq((reading + done) % count),
        ]
        with m.If(done):
            m.d.sync += first.eq(Mux(first == banks - 1, 0, first + 1))
        with m.If(written & (put.values[0] == self.bank) & (put.values[1] == self.place)):
            m.d.sync += [word.eq(Value.cast(state["word"])), tag.eq(writing)]
        stored, turn = (
            probe(m, state["memory"], self.bank * frame + self.place),
            turns_after(self.bank, first, banks),
        )
        at = get.values[0] * design.job + get.values[2]
        over = (turn == held % banks) & (self.place < put.values[1])
        invariant = all_bits(
            held <= banks,
            first < banks,
            in_range(put),
            in_range(get),
            put.values[0] == (first + held) % banks,
            state["put_at"] == put.values[0] * frame + put.values[1],
            state["get_at"] == first * frame + at,
            # the next tile replaces the first one behind its last reading
            implies((held == banks) & (put.values[1] != 0), last & (put.values[1] <= at)),
            reading < count,
            writing == (reading + held) % count,
            implies(
                (turn < held) | over,
                (stored == word) & (tag == Mux(over, writing, (reading + turn) % count)),
            ),
        )
        mine, right = Signal(name="mine", reset_less=True), Signal(name="right", reset_less=True)
        kept = Signal.like(word, name="kept", reset_less=True)
        m.d.sync += [
            mine.eq(read & (first == self.bank) & (at == self.place)),
            right.eq(tag == reading),
            kept.eq(word),
        ]
        assumed = all_bits(
            self.bank < banks,
            self.place < frame,
            implies(written & (held == banks), last & (put.values[1] < at)),
            implies(read, (held != 0) | (at < put.values[1])),
        )  # fmt: skip
        return {
            "invariant": invariant,
            "assumed": assumed,
            "order_in": follows(linear(put), written, banks * frame, "put", m),
            "order_out": follows(linear(get), read, length(get), "get", m),
            "begins": design.spectra_begun == (written & (put.values[1] == 0)),
            "meets": implies(mine, right & (Value.cast(state["data"]) == kept)),
            "meeting": mine,
            "loaded": written & (held == banks) & read,
            "enters": state["entering"] == history(m, self.valid, design.encoder_latency, "points"),
        }


class Sums(Harness):
    """The memories of sums and an arbitrary sum."""

    rigid = ("bank", "place")
    claims: tuple[tuple[str, str, int], ...] = (
        ("products meet the running sum of their own point", "meets", 1),
        ("sums are written once for each step, in order", "order_in", 1),
        ("a job is complete with its last sum", "ends", 0),
        ("inverse transforms take each sum complete, in order", "order_out", 1),
        ("inverse transforms take each sum as it was written last", "takes", 1),
        ("a drained point enters the inverse transform two edges later", "enters", 2),
    )

    covers = (
        ("a product meets the followed sum", "meeting", 1),
        ("the followed sum is drained", "taking", 1),
        ("sums are read, written and drained at once", "loaded", 0),
    )

    def __init__(self, design: ModulusPath) -> None:
        self.design = design
        self.lag = 1 + design.sum_latency
        self.depth = self.lag + 1
        self.claims = (
            *type(self).claims,
            ("steps reach the sums in order after the product's latency", "arrives", design.product_latency),
        )
        super().__init__(
            inputs(design) | {"bank": In(range(design.sums_banks)), "place": In(range(design.points))}
        )

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design, banks, points = self.design, self.design.sums_banks, self.design.points
        m.submodules.path = design.elaborate(platform)
        around(m, self, design)
        state, out = design.summing, design.draining["counters"]
        reading, writing, read, written = state["reading"], state["writing"], state["read"], state["written"]
        channels = reading.sizes[1]
        # ghosts: jobs all of whose sums were read, or written, and not yet drained; words read and not yet
        # written
        begun, ready, line = (
            Signal(range(banks + 2), name="begun"),
            Signal(range(banks + 2), name="ready"),
            Signal(self.lag, name="line"),
        )
        ended = design.drain & (linear(out, 1) == length(out, 1) - 1)
        m.d.sync += [
            begun.eq(begun + (read & (linear(reading, 1) == channels * points - 1)) - ended),
            ready.eq(ready + (written & (linear(writing, 1) == channels * points - 1)) - ended),
            line.eq((line << 1) | read),
        ]
        word, tag, stored = self._follow(m, state)
        total = banks * channels * points
        turn, at = turns_after(self.bank, out.values[0], banks), writing.values
        last = Mux(self.place < at[2], at[1], at[1] - 1)
        invariant = all_bits(
            in_range(reading),
            in_range(writing),
            in_range(out),
            begun <= banks,
            begun == ready + (linear(writing, 1) + sum(line) >= channels * points),
            linear(reading) == (linear(writing) + sum(line)) % total,
            reading.values[0] == (out.values[0] + begun) % banks,
            at[0] == (out.values[0] + ready) % banks,
            implies(linear(out, 1) != 0, ready != 0),
            implies(linear(reading, 1) != 0, begun < banks),
            implies(turn < ready, (stored == word) & (tag == channels - 1)),
            implies(
                (turn == ready) & ((self.place < at[2]) | (at[1] != 0)), (stored == word) & (tag == last)
            ),
        )
        assumed = all_bits(
            self.bank < banks,
            self.place < points,
            implies(read, begun < banks),
            implies(design.drain, ready != 0),
        )
        reads = self._reads(m, state, word, tag, channels)
        return {
            "invariant": invariant,
            "assumed": assumed,
            **reads,
            "loaded": read & written & design.drain,
            "arrives": read == history(m, state["started"], design.product_latency, "started"),
            "enters": design.draining["entering"] == history(m, design.drain, 2, "drained"),
            "order_in": follows(linear(writing), written, total, "writing", m),
            "ends": self._ends(written, writing, channels * points),
            "order_out": follows(linear(out), design.drain, length(out), "draining", m),
        }

    def _ends(self, written: Any, writing: Any, steps: int) -> Any:
        return self.design.sums_full == (written & (linear(writing, 1) == steps - 1))

    def _follow(self, m: Module, state: Any) -> tuple[Any, ...]:
        """The followed sum: value and channel of its last writing, and what its memory holds."""
        design, writing = self.design, state["writing"]
        probes = [probe(m, store, self.place) for store in state["memories"]]
        width = len(probes[0])
        word, tag = Signal(width, name="followed"), Signal(range(max(2, writing.sizes[1])), name="tag")
        data = Array(Value.cast(port.data) for port in design.summing["writes"])[self.bank]
        with m.If(state["written"] & (writing.values[0] == self.bank) & (writing.values[2] == self.place)):
            m.d.sync += [word.eq(data), tag.eq(writing.values[1])]
        return word, tag, Array(probes)[self.bank]

    def _reads(self, m: Module, state: Any, word: Any, tag: Any, channels: int) -> dict[str, Any]:
        """An edge after a read, for accumulation or for the inverse transform: whether the followed sum was
        met."""
        reading, out = state["reading"].values, self.design.draining["counters"].values
        names = ("adds", "drains", "fresh", "follows", "complete")
        adds, drains, fresh, continues, complete = (
            Signal(name=f"{name}_before", reset_less=True) for name in names
        )
        kept = Signal.like(word, name="kept", reset_less=True)
        m.d.sync += [
            adds.eq(state["read"] & (reading[0] == self.bank) & (reading[2] == self.place)),
            fresh.eq(reading[1] == 0),
            continues.eq(tag + 1 == reading[1]),
            kept.eq(word),
            complete.eq(tag == channels - 1),
            drains.eq(self.design.drain & (out[0] == self.bank) & (out[2] == self.place)),
        ]
        meets = implies(
            adds, (state["fresh"] == fresh) & (fresh | (continues & (Value.cast(state["old"]) == kept)))
        )
        takes = implies(drains, complete & (Value.cast(self.design.draining["word"]) == kept))
        return {"meets": meets, "takes": takes, "meeting": adds, "taking": drains}
