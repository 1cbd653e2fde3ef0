"""Data-parallel runs: the processes that torchrun has started, and the device of each."""

import gc
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError

__all__ = [
    "add_up",
    "agree",
    "gathered",
    "local_device",
    "need_device",
    "parallel",
    "process_group",
    "share",
    "share_buffers",
    "table",
    "world_size",
]


def need_device(name: str) -> None:
    """InputError unless tensors can be made on that device."""
    try:
        torch.empty(1, device=name)
    except (AssertionError, RuntimeError) as error:  # which of them depends on the kind of device
        reason = str(error).splitlines()[0].strip().rstrip(".")
        raise InputError(f"device {name!r} cannot be used here: {reason}") from error


def world_size() -> tuple[int, int]:
    """(rank, processes), as torchrun says."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def local_device(name: str, world: int) -> str:
    """The device of this process: ``cuda`` under torchrun is the GPU of its LOCAL_RANK, made the current one.

    A device with a number is refused for several processes: they would all crowd on it.
    """
    kind, _, number = name.partition(":")
    if world == 1 or kind not in ("cuda", "xpu"):
        return name
    if number:
        raise InputError(f"{world} processes cannot share device {name}: give --device {kind}")
    own = int(os.environ.get("LOCAL_RANK", 0))
    module = getattr(torch, kind)
    if own >= module.device_count():
        raise InputError(f"process {own} of this machine finds only {module.device_count()} {kind} devices")
    module.set_device(own)
    return f"{kind}:{own}"


def process_group(world: int, device: str) -> Any:
    """A context in which the processes of a run can talk to each other."""
    if world == 1:
        return nullcontext()

    class Group:
        def __enter__(self) -> None:
            torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")

        def __exit__(self, kind: Any, *_: Any) -> None:
            # wrapped networks hold the group, in circles: left to the end of the interpreter they now and
            # then abort it ("terminate called without an active exception")
            gc.collect()
            if kind is None:
                torch.distributed.barrier()  # none leaves, and is missed, while another still writes
            torch.distributed.destroy_process_group()

    return Group()


def parallel(processes: int, device: str = "cpu") -> Callable[[nn.Module], nn.Module] | None:
    """What a network is wrapped in, so that the gradients of all processes are averaged; None for one."""
    if processes == 1:
        return None
    devices = [torch.device(device)] if device.startswith(("cuda", "xpu")) else None
    return lambda module: nn.parallel.DistributedDataParallel(module, device_ids=devices)


def agree(decided: bool, world: int, device: str) -> bool:
    """What the first process has decided, in all of them."""
    if world == 1:
        return decided
    flag = torch.tensor([int(decided)], device=device)
    torch.distributed.broadcast(flag, 0)
    return bool(flag.item())


def gathered(found: dict[str, str], world: int, device: str) -> dict[str, str]:
    """Entries of the dictionaries of all processes, in all of them; sent as text: nothing is unpickled."""
    if world == 1:
        return found
    text = torch.tensor(list(json.dumps(found).encode()), dtype=torch.uint8, device=device)
    sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(world)]
    torch.distributed.all_gather(sizes, torch.tensor([len(text)], device=device))
    longest = max(int(size) for size in sizes)
    parts = [torch.zeros(longest, dtype=torch.uint8, device=device) for _ in range(world)]
    torch.distributed.all_gather(parts, nn.functional.pad(text, (0, longest - len(text))))
    both: dict[str, str] = {}
    for part, size in zip(parts, sizes, strict=True):
        both |= json.loads(bytes(part[: int(size)].tolist()))
    return both


def add_up(counts: Tensor, world: int, device: torch.device) -> Tensor:
    """The sum of ``counts`` over the processes, on the CPU."""
    if world == 1:
        return counts
    total = counts.to(device)
    torch.distributed.all_reduce(total)
    return total.cpu()


def table(row: list[float], rank: int, world: int, device: torch.device) -> list[list[float]]:
    """The rows of all processes, as many numbers in each, in all of them."""
    rows = torch.zeros(world, len(row), dtype=torch.float64)
    rows[rank] = torch.tensor(row, dtype=torch.float64)
    return add_up(rows, world, device).tolist()


def share(module: nn.Module, world: int) -> None:
    """The first process's parameters and buffers in all processes: each has had running statistics of its
    own."""
    if world > 1:
        for tensor in module.state_dict().values():
            torch.distributed.broadcast(tensor, 0)


def share_buffers(module: nn.Module, world: int) -> None:
    """The first process's buffers in all processes."""
    if world > 1:
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, 0)
