"""Data-parallel runs: the processes that torchrun has started, and the device."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from fermatnet.model.errors import InputError

__all__ = ["need_device", "parallel", "process_group", "world_size"]


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


def process_group(world: int, device: str) -> Any:
    """A context in which the processes of a run can talk to each other."""
    if world == 1:
        return nullcontext()

    class Group:
        def __enter__(self) -> None:
            torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")

        def __exit__(self, *_: Any) -> None:
            torch.distributed.destroy_process_group()

    return Group()


def parallel(processes: int) -> Callable[[nn.Module], nn.Module] | None:
    """What a network is wrapped in, so that the gradients of all processes are averaged; None for one."""
    return nn.parallel.DistributedDataParallel if processes > 1 else None
