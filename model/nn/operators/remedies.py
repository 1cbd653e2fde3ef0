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
        "use an activation of torch.nn that has no random part, nn.LeakyReLU or nn.SiLU for instance; at the "
        "end of the network take it off and do it on the outputs",
        "rrelu glu prelu sin cos erf expm1 sinc",
    ),
    (
        "its powers are no average and no maximum: use nn.AvgPool1d, nn.AvgPool2d or a maximum",
        "lppool1d lppool2d fractionalmaxpool2d maxunpool1d maxunpool2d",
    ),
    (
        "only images of two directions: use the 2-d layer",
        "conv3d maxpool3d avgpool3d batchnorm3d adaptiveavgpool3d",
    ),
    (
        "weights must belong to a layer: use nn.Conv2d, nn.Linear, nn.BatchNorm2d as modules",
        "conv1d conv2d convtranspose1d convtranspose2d linear bilinear batchnorm einsum matmul bmm mm addmm",
    ),
    (
        "use nn.Upsample or F.interpolate with whole factors, mode='nearest', or mode='bilinear' and "
        "align_corners=False; or nn.ConvTranspose2d",
        "upsamplingbilinear2d fold unfold gridsample affinegrid",
    ),
    ("only maps of two directions: use nn.ConvTranspose2d", "convtranspose3d"),
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
    ("use nn.Dropout or nn.Dropout2d", "alphadropout featurealphadropout dropout3d"),
    (
        "give the normalisation to convert(mean=, std=), put a factor into the weights or the norm beside "
        "it, a constant "
        "into a bias",
        "mul floordiv rsub pow sqrt exp log abs maximum minimum mod fmod remainder sum prod constant",
    ),
    (
        "tensors keep their channels, rows and columns: use slices, torch.flip, nn.ChannelShuffle or strides",
        "indexselect gather scatter t rot90 diagonal tril triu stack",
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
