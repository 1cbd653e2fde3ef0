"""When beats move: exact cycle times of each block's beats, forwards (as soon as possible) and backwards (as
late as possible).

Times are cycle numbers in int64 arrays, one per beat, in stream order. Forward functions take the times at
which beats are *offered* and return the times at which the block takes them and offers its own; they work on
any number of images one after another. Backward functions take, for one image of a periodic schedule, the
latest times by which the outputs are wanted, and return the latest times by which inputs must be taken.

Every block here is *monotone*: offered earlier or taken earlier, nothing leaves later. That is what carries
the proof in `fermatnet.hw.compiler.schedule`.
"""

from fermatnet.hw.timing.beats import Chain, Collect, Repack, Runs, Select, Serialise
from fermatnet.hw.timing.frames import Frames, Repeats
from fermatnet.hw.timing.joins import Broadcast, Gather, Join
from fermatnet.hw.timing.spacing import FAR, drifts, earliest, latest
from fermatnet.hw.timing.tiles import Tiles
from fermatnet.hw.timing.windows import Windows

__all__ = [
    "FAR",
    "Broadcast",
    "Chain",
    "Collect",
    "Frames",
    "Gather",
    "Join",
    "Repack",
    "Repeats",
    "Runs",
    "Select",
    "Serialise",
    "Tiles",
    "Windows",
    "drifts",
    "earliest",
    "latest",
]
