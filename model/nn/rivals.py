"""The methods piecewise approximation is compared with, behind the same interface. Importing this module registers them.

Each quantizer: forward formula, gradient, source. sign(0) = +1 throughout. Where a paper leaves the last detail to its code, the choice
is said here. Weight scales are one a tensor or one an output channel, as each paper has it.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.rounding import straight_through
from fermatnet.model.nn.scheme import Method, method

__all__ = [
    "AbcActivation",
    "AbcWeight",
    "DorefaActivation",
    "DorefaWeight",
    "LearnedActivation",
    "LearnedWeight",
    "PactActivation",
    "SawbWeight",
    "SignActivation",
    "SignWeight",
    "TernaryWeight",
    "TrainedTernaryWeight",
    "approximate_sign",
    "clipped_sign",
]


def _signs(x: Tensor) -> Tensor:
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


class _ClippedSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _signs(x)

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        return g * (ctx.saved_tensors[0].abs() <= 1)


class _ApproximateSign(_ClippedSign):
    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        return g * (2 - 2 * ctx.saved_tensors[0].abs()).clamp(min=0)


def clipped_sign(x: Tensor) -> Tensor:
    """sign(x), gradient 1 on |x| <= 1 (Courbariaux et al. 2016)."""
    return _ClippedSign.apply(x)


def approximate_sign(x: Tensor) -> Tensor:
    """sign(x), gradient 2 - 2|x| on |x| <= 1: the piecewise polynomial of Bi-Real Net (Liu et al. 2018, eq. 7)."""
    return _ApproximateSign.apply(x)


class SignWeight(nn.Module):
    """alpha sign(W), alpha = mean |W| of the output channel; gradient g * (1/n + alpha on |W| <= 1) (XNOR-Net, Rastegari et al. 2016)."""

    def forward(self, w: Tensor) -> Tensor:
        axes = tuple(range(1, w.dim()))
        return w.abs().mean(axes, keepdim=True) * clipped_sign(w)


class SignActivation(nn.Module):
    """sign(x) with the clipped gradient, or Bi-Real Net's (``polynomial``). The input scale K of XNOR-Net is left out, as in its own code."""

    def __init__(self, count: int = 1, *, polynomial: bool = False):
        super().__init__()
        if count != 1:
            raise InputError(f"a single-binary method has 1 activation base, not {count}")
        self.polynomial = polynomial

    def forward(self, x: Tensor) -> Tensor:
        return approximate_sign(x) if self.polynomial else clipped_sign(x)


class AbcWeight(nn.Module):
    """sum_i alpha_i B_i, B_i = sign(W - mean + u_i std), u_i = -1 + 2(i-1)/(M-1), alpha by least squares; dW = g sum alpha_i
    (ABC-Net, Lin et al. 2017, eq. 2-5)."""

    def __init__(self, bases: int):
        super().__init__()
        self.u: Tensor
        self.register_buffer("u", torch.linspace(-1, 1, bases) if bases > 1 else torch.zeros(1))

    @torch.no_grad()
    def bases(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(B (M, size) of +-1, alpha (M,))."""
        flat = w.detach().flatten()
        std, mean = torch.std_mean(flat, correction=0)
        b = _signs(flat - mean + self.u[:, None] * std)
        gram = b @ b.T + 1e-4 * flat.numel() * torch.eye(len(b), device=w.device)
        return b, torch.linalg.solve(gram, b @ flat)

    def forward(self, w: Tensor) -> Tensor:
        b, alpha = self.bases(w)
        return straight_through(w * alpha.sum(), (alpha @ b).view_as(w))


class _AbcActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, v: Tensor, beta: Tensor) -> Tensor:
        ctx.save_for_backward(x, v, beta)
        out = torch.zeros_like(x)
        for n in range(v.numel()):
            out.add_(torch.where(x + v[n] >= 0.5, beta[n], -beta[n]))
        return out

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        x, v, beta = ctx.saved_tensors
        gx, gv, gbeta = torch.zeros_like(x), torch.zeros_like(v), torch.zeros_like(beta)
        for n in range(v.numel()):
            shifted = x + v[n]
            through = g * ((shifted >= 0) & (shifted <= 1)) * beta[n]
            gx.add_(through)
            gv[n] = through.sum()
            gbeta[n] = (g * _signs(shifted - 0.5)).sum()
        return gx, gv, gbeta


class AbcActivation(nn.Module):
    """sum_n beta_n H(x + v_n), H(r) = sign(clip(r, 0, 1) - 1/2), v and beta learned; gradient beta_n on 0 <= x + v_n <= 1 (ABC-Net, eq. 8-11).

    Initial switching points spread over [-1, 1] of the normalised input, beta = 1.5/N.
    """

    def __init__(self, bases: int):
        super().__init__()
        self.v = nn.Parameter(0.5 + (torch.linspace(-1, 1, bases) if bases > 1 else torch.zeros(1)))
        self.beta = nn.Parameter(torch.full((bases,), 1.5 / bases))

    def forward(self, x: Tensor) -> Tensor:
        return _AbcActivation.apply(x.float(), self.v, self.beta)


class TernaryWeight(nn.Module):
    """alpha {-1, 0, 1}: threshold 0.7 mean |W|, alpha the mean of what is above; straight through (TWN, Li & Liu 2016; thesis 3.3)."""

    def forward(self, w: Tensor) -> Tensor:
        size = w.detach().abs()
        kept = size > 0.7 * size.mean()
        alpha = (size * kept).sum() / kept.sum().clamp(min=1)
        return straight_through(w, alpha * kept * w.detach().sign())


class TrainedTernaryWeight(nn.Module):
    """{-n, 0, p} with both levels learned, threshold 0.05 max |W|; dp = sum of g above, dn = -sum of g below,
    dW = g scaled by p, 1, n on the three pieces (TTQ, Zhu et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((2,), float("nan")))

    def forward(self, w: Tensor) -> Tensor:
        limit = 0.05 * w.detach().abs().max()
        up, down = w.detach() > limit, w.detach() < -limit
        if bool(torch.isnan(self.alpha[0])):
            with torch.no_grad():
                self.alpha.copy_(torch.stack([w[up].mean(), -w[down].mean()]))
        p, n = self.alpha
        with torch.no_grad():
            slope = torch.where(up, p, torch.where(down, n, torch.ones_like(n)))
        levels = torch.where(up, p, torch.where(down, -n, torch.zeros_like(n)))
        return levels + straight_through(w * slope, torch.zeros_like(w))


def _steps(x: Tensor, bits: int) -> Tensor:
    """Round [0, 1] to 2^bits levels, straight through."""
    top = (1 << bits) - 1
    return straight_through(x, torch.round(x * top) / top)


def _bits(count: int, what: str) -> int:
    if not 1 <= count <= 16:
        raise InputError(f"{what} takes 1 to 16 bits, not {count}")
    return count


class DorefaWeight(nn.Module):
    """2 Q(tanh W / (2 max |tanh W|) + 1/2) - 1 with k bits; 1 bit: sign(W) mean |W|; straight through Q (DoReFa, Zhou et al. 2016)."""

    def __init__(self, bits: int):
        super().__init__()
        self.bits = _bits(bits, "DoReFa")

    def forward(self, w: Tensor) -> Tensor:
        if self.bits == 1:
            return straight_through(w, _signs(w.detach()) * w.detach().abs().mean())
        t = torch.tanh(w)
        return 2 * _steps(t / (2 * t.detach().abs().max()) + 0.5, self.bits) - 1


class DorefaActivation(nn.Module):
    """Q(clip(x, 0, 1)) with k bits (DoReFa)."""

    def __init__(self, bits: int):
        super().__init__()
        self.bits = _bits(bits, "DoReFa")

    def forward(self, x: Tensor) -> Tensor:
        return _steps(x.float().clamp(0, 1), self.bits)


class PactActivation(nn.Module):
    """clip(x, 0, a) in k bits, a learned: da = sum of g where x >= a (PACT, Choi et al. 2018)."""

    def __init__(self, bits: int, start: float = 3.0):
        super().__init__()
        self.bits = _bits(bits, "PACT")
        self.clip = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        top = self.clip.abs().clamp(min=1e-3)
        return _steps(torch.minimum(x.float().clamp(min=0), top) / top, self.bits) * top


class SawbWeight(nn.Module):
    """Uniform in [-a, a] with 2^k levels (no zero at k = 2), a = c1 sqrt(E W^2) + c2 E |W|; straight through inside (SAWB, Choi et al. 2019)."""

    COEFFICIENTS: ClassVar = {2: (3.12, -2.064), 3: (7.509, -6.892), 4: (12.68, -12.80)}

    def __init__(self, bits: int):
        super().__init__()
        if bits not in self.COEFFICIENTS:
            raise InputError(f"SAWB has coefficients for 2, 3 and 4 bits, not {bits}")
        self.bits = bits

    def forward(self, w: Tensor) -> Tensor:
        c1, c2 = self.COEFFICIENTS[self.bits]
        data = w.detach()
        a = (c1 * data.pow(2).mean().sqrt() + c2 * data.abs().mean()).clamp(min=1e-8)
        inside = torch.minimum(torch.maximum(w, -a), a)
        return (2 * _steps(inside / (2 * a) + 0.5, self.bits) - 1) * a


class _Learned(nn.Module):
    """Levels sum_k e_k v_k over binary codes e, the basis v fitted to the data by least squares as training goes on (LQ-Nets,
    Zhang et al. 2018): v <- 0.9 v + 0.1 argmin |x - B v|^2 in every training pass; straight through between the outer levels."""

    def __init__(self, bits: int, signed: bool):
        super().__init__()
        self.bits, self.signed = _bits(bits, "LQ"), signed
        if bits > 4:
            raise InputError(f"learned bases are made for up to 4 bits, not {bits}")
        codes = torch.tensor([[(code >> k) & 1 for k in range(bits)] for code in range(1 << bits)], dtype=torch.float32)
        self.codes: Tensor
        self.basis: Tensor
        self.register_buffer("codes", codes * 2 - 1 if signed else codes)
        self.register_buffer("basis", torch.full((bits,), float("nan")))

    @torch.no_grad()
    def _levels(self) -> tuple[Tensor, Tensor]:
        values = self.codes @ self.basis
        order = values.argsort()
        return values[order], self.codes[order]

    @torch.no_grad()
    def _fit(self, x: Tensor) -> None:
        flat = x.detach().flatten()
        flat = flat[:: max(1, flat.numel() // 50_000)]
        if bool(torch.isnan(self.basis[0])):
            spread = flat.pow(2).mean().sqrt().clamp(min=1e-6) * 2.5
            self.basis.copy_(spread * 2.0 ** torch.arange(self.bits) / ((1 << self.bits) - 1) * (0.5 if self.signed else 1.0))
        if not self.training:
            return
        levels, codes = self._levels()
        b = codes[torch.bucketize(flat.contiguous(), (levels[1:] + levels[:-1]) / 2)]
        gram = b.T @ b + 1e-3 * flat.numel() * torch.eye(self.bits, device=flat.device)
        self.basis.mul_(0.9).add_(torch.linalg.solve(gram, b.T @ flat + 1e-3 * flat.numel() * self.basis), alpha=0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        self._fit(x)
        levels, _ = self._levels()
        value = levels[torch.bucketize(x.detach(), (levels[1:] + levels[:-1]) / 2)]
        return straight_through(x.clamp(float(levels[0]), float(levels[-1])), value)


class LearnedWeight(_Learned):
    """k-bit weights with a learned basis, codes of +-1."""

    def __init__(self, bits: int):
        super().__init__(bits, True)


class LearnedActivation(_Learned):
    """k-bit activations with a learned basis, codes of 0 and 1 (non-negative where the basis is)."""

    def __init__(self, bits: int):
        super().__init__(bits, False)


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


method(Method("bwn", "binary weights, full-precision activations", _sign, lambda n: None, 1, 0))
method(Method("xnor", "XNOR-Net: binary weights and activations", _sign, SignActivation, 1, 1))
method(Method("bireal", "Bi-Real Net: binary with the polynomial gradient", _sign, lambda n: SignActivation(n, polynomial=True), 1, 1))
method(Method("abc", "ABC-Net: M weight and N activation bases of +-1", _abc, AbcActivation, 5, 5))
method(Method("groupnet", "Group-Net: K binary branches in place of each residual branch",
              lambda count, shape: SignWeight(), lambda n: SignActivation(1, polynomial=True), 5, 5, branches=True))
method(Method("twn", "ternary weights, full-precision activations", _ternary(TernaryWeight), lambda n: None, 2, 0))
method(Method("ttq", "trained ternary weights, full-precision activations", _ternary(TrainedTernaryWeight), lambda n: None, 2, 0))
method(Method("dorefa", "DoReFa-Net: k-bit weights and activations", lambda bits, shape: DorefaWeight(bits), DorefaActivation, 2, 2))
method(Method("pact", "PACT activations with SAWB weights", lambda bits, shape: SawbWeight(bits), PactActivation, 2, 2))
method(Method("lq", "LQ-Nets: learned bases", lambda bits, shape: LearnedWeight(bits), LearnedActivation, 2, 2))
