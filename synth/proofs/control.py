"""Proofs of the convolver's control: memories are handed over whole, jobs come once and in order. Whatever
the latencies of the parts.

The design is `Convolver._control` as it stands; the parts that it drives are free inputs. Of them is assumed
only that a tile starts where ``go`` allows it, and that the parts answer no more often than they were asked:
a tile whose first spectrum is written for each started, a job's sums complete for each job done.
Nothing is assumed of how long they take.
"""

from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.synth.proofs.invariants import Harness, all_bits, follows, implies, in_range, length, linear

__all__ = ["Control", "GappyJobs"]


class Control(Harness):
    """The control between free parts. ``surplus``: banks of spectra, sums that the control believes in beyond
    those there are."""

    claims = (
        ("a tile starts only where the last job on the tile in its bank has begun", "tile_fits", 0),
        ("products read only a tile whose spectra are being written or there", "tile_there", 0),
        ("a job begins only where a bank of sums is free", "job_fits", 0),
        ("inverse transforms read only sums that are complete", "sums_there", 0),
        ("each band is reserved once, with its first point, where there is room", "reserves", 0),
        ("a job's steps have no gap", "job_whole", 0),
        ("an inverse job's points have no gap", "inverse_whole", 0),
        ("steps of all jobs come once and in order", "job_order", 1),
        ("points of all inverse jobs come once and in order", "inverse_order", 1),
    )

    covers = (
        ("a tile starts while another is read and sums are drained", "busy", 0),
        ("a band is reserved", "reserving", 0),
        ("every memory is in use", "loaded", 0),
    )

    def __init__(self, engine: Convolver, surplus: tuple[int, int] = (0, 0)) -> None:
        self.engine, self.surplus = engine, surplus
        super().__init__(
            {name: In(1) for name in ("start", "begun", "sums", "room")} | {"step": Out(1), "drain": Out(1)}
        )

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        engine = self.engine
        spectra_banks, sums_banks = engine.spectra_banks, engine.sums_banks
        go, reserve = Signal(), Signal()
        images = SimpleNamespace(go=go, start=self.start)
        raster = SimpleNamespace(room=self.room, reserve=reserve)
        real = engine.paths[0]
        path = SimpleNamespace(
            job=real.job,
            kept=real.kept,
            points=real.points,
            begun_after=0,
            sums_after=0,
            spectra_begun=self.begun,
            sums_full=self.sums,
            step=self.step,
            drain=self.drain,
        )
        control = self._control(spectra_banks + self.surplus[0], sums_banks + self.surplus[1], path)
        control._control(m, images, raster)
        product, inverse = control.state["product"], control.state["inverse"]
        (running, draining), place, drained = control.running, product.values[1], inverse.values[1]
        # ghosts: tiles started whose first spectrum is not yet written; whose last job has not begun; jobs
        # begun whose sums are not yet complete
        waiting, opened, working = (Signal(4, name=name) for name in ("waiting", "opened", "working"))
        first = self.step & ~running
        last = product.values[0] == engine.jobs - 1
        m.d.sync += [
            waiting.eq(waiting + self.start - self.begun),
            opened.eq(opened + self.start - (first & last)),
            working.eq(working + first - self.sums),
        ]
        (spectra_taken, spectra_ready), (sums_taken, sums_ready) = (
            control.state["spectra"],
            control.state["sums"],
        )
        invariant = all_bits(
            spectra_taken == opened,
            opened + (last & (linear(product, 1) != 0)) == waiting + spectra_ready,
            spectra_taken <= spectra_banks,
            sums_taken == working + sums_ready,
            sums_taken <= sums_banks,
            running == (place != 0),
            draining == (drained != 0),
            in_range(product),
            in_range(inverse),
            implies(running, working != 0),
            implies(linear(product) != 0, spectra_ready != 0),
            implies(draining, sums_ready != 0),
        )
        assumed = all_bits(
            implies(self.start, go),
            implies(self.begun, waiting != 0),
            implies(self.sums, working > running),
        )
        band_begins = self.drain & (linear(inverse) == 0)
        return {
            "invariant": invariant,
            "assumed": assumed,
            "tile_fits": implies(self.start, opened < spectra_banks),
            "tile_there": implies(self.step, spectra_ready != 0),
            "job_fits": implies(first, working + sums_ready < sums_banks),
            "sums_there": implies(self.drain, sums_ready != 0),
            "busy": self.start & self.step & self.drain,
            "reserving": reserve,
            "loaded": all_bits(
                spectra_taken == spectra_banks, sums_taken == sums_banks, waiting, self.step, self.drain
            ),
            "reserves": (reserve == band_begins) & implies(reserve, self.room),
            "job_whole": implies(place != 0, self.step),
            "inverse_whole": implies(drained != 0, self.drain),
            "job_order": follows(linear(product), self.step, length(product), "product", m),
            "inverse_order": follows(linear(inverse), self.drain, length(inverse), "inverse", m),
        }

    def _control(self, spectra_banks: int, sums_banks: int, path: Any) -> Any:
        """The engine's control code on a stand-in that has its sizes."""
        engine = self.engine
        stand_in: Any = object.__new__(type(engine))
        stand_in.plan, stand_in.jobs, stand_in.reader, stand_in.paths = engine.plan, engine.jobs, None, [path]
        stand_in.released_after = 0
        stand_in.spectra_banks, stand_in.sums_banks = spectra_banks, sums_banks
        return stand_in


class GappyJobs(Convolver):
    """Stops inside a job when what the job waited for is no longer there."""

    def _job(self, m, may_start, counters):
        step, first = super()._job(m, may_start, counters)
        m.d.comb += step.eq(may_start)
        return step, first
