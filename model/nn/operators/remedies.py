"""What to write instead of the operators that people bring and the hardware lacks."""

__all__ = ["remedy"]

_PLAIN = "docs/supported-operators.md has what there is"
# What to write instead, and the names it is for: of layers and of functions, without underscores, in small
# letters.
_TABLE: tuple[tuple[str, str], ...] = (
    (
        "take it off the end: the largest logit stays the largest (train with CrossEntropyLoss on the "
        "logits)",
        "softmax logsoftmax softmax2d softmin",
    ),
    (
        "take it off the end and do it on the outputs; inside, use nn.MaxPool2d",
        "argmax argmin topk sort max min amax amin",
    ),
    (
        "use nn.ReLU, nn.ReLU6 or nn.Hardtanh(0, c); at the end of the network take it off and do it on the "
        "outputs",
        "sigmoid logsigmoid hardsigmoid tanh hardswish silu mish swish gelu elu celu selu leakyrelu rrelu "
        "prelu "
        "softplus softsign hardshrink softshrink tanhshrink glu threshold",
    ),
    (
        "write it with one row: nn.Conv2d or a 2-d pool with kernel (1, k), images (C, 1, W)",
        "conv1d maxpool1d avgpool1d adaptiveavgpool1d adaptivemaxpool1d lppool1d",
    ),
    (
        "only images of two directions: use the 2-d layer",
        "conv3d maxpool3d avgpool3d batchnorm3d adaptiveavgpool3d",
    ),
    (
        "weights must belong to a layer: use nn.Conv2d, nn.Linear, nn.BatchNorm2d as modules",
        "conv2d linear bilinear batchnorm einsum matmul bmm mm addmm",
    ),
    (
        "maps can only shrink: use strides and pools",
        "convtranspose1d convtranspose2d convtranspose3d upsample upsamplingnearest2d upsamplingbilinear2d "
        "interpolate "
        "pixelshuffle pixelunshuffle fold unfold",
    ),
    (
        "its factors depend on the image: use nn.BatchNorm2d, whose statistics are fixed after training",
        "groupnorm layernorm instancenorm instancenorm1d instancenorm2d instancenorm3d rmsnorm "
        "localresponsenorm normalize",
    ),
    (
        "recurrent layers and attention have no hardware: use convolutions",
        "lstm gru rnn lstmcell grucell rnncell multiheadattention transformer transformerencoder "
        "transformerencoderlayer "
        "embedding scaleddotproductattention",
    ),
    ("use nn.Dropout or nn.Dropout2d", "alphadropout featurealphadropout dropout1d dropout3d"),
    (
        "give the normalisation to convert(mean=, std=), put a factor into the weights or the norm beside "
        "it, a constant "
        "into a bias",
        "mul imul truediv itruediv div floordiv sub isub rsub neg pow sqrt exp log abs maximum minimum "
        "constant",
    ),
    (
        "tensors keep their channels and their places: use convolutions with groups, strides or pools",
        "chunk split getitem slice narrow indexselect select transpose permute flip roll channelshuffle "
        "unflatten "
        "unsqueeze expand repeat t",
    ),
    (
        "convert gives the network raw uint8 images: take the cast off",
        "float double half to type bfloat16 int long",
    ),
    ("freeze the parameters instead: requires_grad_(False)", "detach"),
    (
        "it is one of our layers already: give convert the plain torch model",
        "pixelscale fixednorm fixedbias rescale sumpool",
    ),
)
_BY_NAME = {name: text for text, names in _TABLE for name in names.split()}


def remedy(name: str) -> str:
    """What to write instead of the operator of that name."""
    return _BY_NAME.get(name.replace("_", "").lower(), _PLAIN)
