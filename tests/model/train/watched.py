"""A training that writes down the loss of each step, in this process or in one of several.

As a program, ``python -m tests.model.train.watched JOBS``, it does one training after the other; JOBS is
JSON, a list of the arguments of `watched`, with each a ``port`` for its processes.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.run import train

ROOT = Path(__file__).parents[3]


@contextmanager
def noted(out, copy_at):
    """Before step ``copy_at`` the run folder, as a kill would leave it, is copied to ``out``-cut."""
    step, rank = Phase._step, os.environ.get("RANK", "0")

    def told(self, *given):
        at, before = self.epoch * len(self.batches) + self.step, dict(self.sums)
        if at == copy_at and rank == "0":
            shutil.copytree(out, f"{out}-cut")
        step(self, *given)
        line = {"step": at, "lr": self.optimizer.param_groups[0]["lr"]}
        line |= {key: self.sums[key] - before[key] for key in ("loss", "seen")}
        with open(f"{out}.steps.{rank}", "a") as kept:
            kept.write(json.dumps(line) + "\n")

    Phase._step = told
    try:
        yield
    finally:
        Phase._step = step


def watched(out, *, copy_at=-1, **given):
    """The summary of a training into ``out``, without curves: drawing them takes longer than training."""
    with noted(out, copy_at), mock.patch.object(RunFolder, "draw_curves", lambda folder: None):
        return train(out=out, progress=False, **given)


def losses(out):
    """{step: (loss, rate)}, the loss of the whole batch whoever computed its share."""
    sums, rates = defaultdict(lambda: [0.0, 0.0]), {}
    for path in sorted(Path(out).parent.glob(f"{Path(out).name}.steps.*")):
        for line in map(json.loads, path.read_text().splitlines()):
            rates[line["step"]] = line["lr"]
            sums[line["step"]][0] += line["loss"]
            sums[line["step"]][1] += line["seen"]
    return {step: (loss / seen, rates[step]) for step, (loss, seen) in sums.items()}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def in_two_processes(jobs):
    """Each of the jobs, arguments of `watched`, one after the other in the same two processes."""
    jobs = [{**job, "port": free_port()} for job in jobs]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.model.train.watched", json.dumps(jobs)]
    running = [
        subprocess.Popen(command, env={**os.environ, **shared, "RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in (0, 1)
    ]
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()[-2000:]


if __name__ == "__main__":
    for task in json.loads(sys.argv[1]):
        os.environ["MASTER_PORT"] = str(task.pop("port"))
        watched(**task)
