"""Post-training quantization: the steps of an integer network from calibration images, without training.

What happens, in this order (each in its module):

1. `observe`: the model runs in real arithmetic on all images, in batches; every activation quantizer keeps a
   sample of what it would round.
2. `scales`: hardware steps are powers of two. The factor between the best real step and a power of two moves
   into the layers around the tensor (norms, biases, weights), where it costs nothing; tensors that meet in a
   sum share one factor.
3. `weights`: each output channel of a layer that a fixed-point layer follows is scaled so that it fills the
   integers of one step; the fixed-point layer's multiplier takes the factor back. So weights have a real step
   a channel, the file one power of two.
4. `ranges`: every step is the one with the least mean square error on the sample, clipping included.

Nothing of it changes the real function of the model, and all of it is expressed by the layers' own numbers:
export, the reference and the hardware see multipliers, offsets and shifts as ever.
"""

from fermatnet.model.nn.post_training.calibrate import Calibration, calibrate_integers

__all__ = ["Calibration", "calibrate_integers"]
