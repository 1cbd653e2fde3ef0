"""Forms of one small network with a place to write something else."""

from torch import nn
from torch.nn import functional

SHAPE = (3, 12, 12)


HEAD = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]


class Around(nn.Module):
    """A function between a norm and a convolution; ``head`` after it."""

    def __init__(self, function, channels=4, before=None):
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.b, self.head = nn.Conv2d(channels, 4, 3, padding=1), nn.Sequential(*HEAD)
        self.function, self.before = function, before

    def forward(self, x):
        x = x if self.before is None else self.before(x)
        return self.head(functional.relu(self.b(self.function(self.norm(self.a(x))))))


def conv(**options):
    return nn.Sequential(nn.Conv2d(3, 4, 3, **options), nn.ReLU(), *HEAD)


def twice(function):
    return Around(lambda x: function(functional.relu(x), x))


class Step(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)
