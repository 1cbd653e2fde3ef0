"""The baselines under their names."""

from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.baselines.bases import AbcActivation, AbcWeight
from fermatnet.model.nn.baselines.bits import DorefaActivation, DorefaWeight
from fermatnet.model.nn.baselines.learned import LearnedActivation, LearnedWeight
from fermatnet.model.nn.baselines.lsq import LsqActivation, LsqWeight
from fermatnet.model.nn.baselines.mmse import MmseActivation, MmseWeight
from fermatnet.model.nn.baselines.pact import PactActivation, SawbWeight
from fermatnet.model.nn.baselines.signs import SignActivation, SignWeight
from fermatnet.model.nn.baselines.ternary import TernaryWeight, TrainedTernaryWeight
from fermatnet.model.nn.method import Method

__all__ = ["BASELINES", "DUAL"]

DUAL = 0.01
"""Relative squared error above which scheme ``mmse-dual`` takes two tensors."""


def _one(count: int, name: str) -> None:
    if count != 1:
        raise InputError(f"{name} has binary weights: 1, not {count}")


def _sign(count: int, shape: tuple[int, ...]) -> nn.Module:
    _one(count, "a single-binary method")
    return SignWeight()


def _abc(count: int, _: tuple[int, ...]) -> nn.Module:
    return AbcWeight(count)


def _ternary(kind: type[nn.Module]):  # type: ignore[no-untyped-def]
    def make(count: int, _: tuple[int, ...]) -> nn.Module:
        if count != 2:
            raise InputError(f"ternary weights take 2 bits, not {count}")
        return kind()

    return make


BASELINES = (
    Method("bwn", "binary weights, full-precision activations", _sign, lambda n: None, 1, 0),
    Method("xnor", "XNOR-Net: binary weights and activations", _sign, SignActivation, 1, 1),
    Method(
        "bireal",
        "Bi-Real Net: binary with the polynomial gradient",
        _sign,
        lambda n: SignActivation(n, polynomial=True),
        1,
        1,
    ),
    Method("abc", "ABC-Net: M weight and N activation bases of +-1", _abc, AbcActivation, 5, 5),
    Method(
        "groupnet",
        "Group-Net: K binary branches in place of each residual branch",
        lambda count, shape: SignWeight(),
        lambda n: SignActivation(1, polynomial=True),
        5,
        5,
        branches=True,
    ),
    Method(
        "twn", "ternary weights, full-precision activations", _ternary(TernaryWeight), lambda n: None, 2, 0
    ),
    Method(
        "ttq",
        "trained ternary weights, full-precision activations",
        _ternary(TrainedTernaryWeight),
        lambda n: None,
        2,
        0,
    ),
    Method(
        "dorefa",
        "DoReFa-Net: k-bit weights and activations",
        lambda bits, shape: DorefaWeight(bits),
        DorefaActivation,
        2,
        2,
    ),
    Method(
        "pact",
        "PACT activations with SAWB weights",
        lambda bits, shape: SawbWeight(bits),
        PactActivation,
        2,
        2,
        exportable=True,
    ),
    Method(
        "lsq",
        "LSQ: weights and activations of k bits with learned steps",
        lambda bits, shape: LsqWeight(bits),
        LsqActivation,
        4,
        4,
        exportable=True,
    ),
    Method(
        "mmse",
        "k bits with steps of least squared error, for post-training quantization",
        lambda bits, shape: MmseWeight(bits, channels=shape[0]),
        MmseActivation,
        4,
        4,
        exportable=True,
    ),
    Method(
        "mmse-dual",
        "the same with two tensors where one is too coarse",
        lambda bits, shape: MmseWeight(bits, channels=shape[0], dual=DUAL),
        lambda bits: MmseActivation(bits, dual=DUAL),
        4,
        4,
        exportable=True,
    ),
    Method(
        "minmax",
        "k bits with steps that the largest value fills",
        lambda bits, shape: MmseWeight(bits, channels=shape[0], largest=True),
        lambda bits: MmseActivation(bits, largest=True),
        4,
        4,
        exportable=True,
    ),
    Method(
        "minmax-tensor",
        "as minmax, one step a tensor of weights",
        lambda bits, shape: MmseWeight(bits, largest=True),
        lambda bits: MmseActivation(bits, largest=True),
        4,
        4,
        exportable=True,
    ),
    Method("lq", "LQ-Nets: learned bases", lambda bits, shape: LearnedWeight(bits), LearnedActivation, 2, 2),
)
