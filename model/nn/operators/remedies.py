"""What to write instead of the operators that people bring and the hardware lacks."""

import re

__all__ = ["remedy"]

_PLAIN = "docs/supported-operators.md has what there is"
_LOGITS = "take it off the end: the largest logit stays the largest (train with CrossEntropyLoss on the logits)"
_RELU = "use nn.ReLU, nn.ReLU6 or nn.Hardtanh(0, c)"
_NORM = "its factors depend on the image: use nn.BatchNorm2d, whose statistics are fixed after training"
_PIXELS = "give the normalisation to convert(mean=, std=), put a factor into the weights or the norm beside it, a constant into a bias"
_TABLE: tuple[tuple[str, str], ...] = (
    (r"(log_?)?softmax2?d?|softmin", _LOGITS),
    (r"arg(max|min)|topk|sort|max|min|amax|amin", "take it off the end and do it on the outputs; inside, use nn.MaxPool2d"),
    (r"(log)?sigmoid|hardsigmoid|tanh|hardswish|silu|mish|swish|gelu|elu|celu|selu|leaky_?relu|rrelu|prelu|softplus|softsign|hardshrink|"
     r"softshrink|tanhshrink|glu|threshold|log_?sigmoid", f"{_RELU}; at the end of the network take it off and do it on the outputs"),
    (r"conv_?1d|.*pool_?1d", "write it with one row: nn.Conv2d or a 2-d pool with kernel (1, k), images (C, 1, W)"),
    (r"conv_?3d|.*pool_?3d|batch_?norm_?3d", "only images of two directions: use the 2-d layer"),
    (r"conv_?2d|linear|bilinear|batch_?norm|einsum|matmul|bmm|mm|addmm", "weights must belong to a layer: use nn.Conv2d, nn.Linear, "
     "nn.BatchNorm2d as modules"),
    (r"conv_?transpose_?\dd|upsample.*|interpolate|pixel_?(un)?shuffle|fold|unfold", "maps can only shrink: use strides and pools"),
    (r"(group|layer|instance|rms|local_?response)_?norm(_?\dd)?|normalize", _NORM),
    (r"lstm|gru|rnn|.*cell|multihead_?attention|transformer.*|embedding|scaled_dot_product_attention",
     "recurrent layers and attention have no hardware: use convolutions"),
    (r"(alpha|feature_?alpha)_?dropout|dropout_?[13]d", "use nn.Dropout or nn.Dropout2d"),
    (r"mul|truediv|div|sub|rsub|neg|pow|sqrt|exp|log|abs|floordiv|isub|imul|itruediv|mul_|div_|sub_|maximum|minimum", _PIXELS),
    (r"chunk|split|getitem|slice|narrow|index_select|select|transpose|permute|flip|roll|channel_?shuffle|unflatten|unsqueeze|expand|repeat|t",
     "tensors keep their channels and their places: use convolutions with groups, strides or pools"),
    (r"float|double|half|to|type|bfloat16|int|long", "convert gives the network raw uint8 images: take the cast off"),
    (r"detach", "freeze the parameters instead: requires_grad_(False)"),
)


def remedy(name: str) -> str:
    """What to write instead of the operator of that name."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower().rstrip("_")
    for pattern, text in _TABLE:
        if re.fullmatch(pattern, plain) or re.fullmatch(pattern, name.lower()):
            return text
    return _PLAIN
