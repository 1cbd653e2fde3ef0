"""Larq Compute Engine on the binary networks of the runtime bench, run by a Python that has it and TensorFlow
2.

    TF_USE_LEGACY_KERAS=1 PYTHON bench/runtime/larq.py THREADS     prints JSON: seconds an image by network
    and batch

It stands alone, because TensorFlow and this project's numpy do not live in one environment. Topologies are
those of the zoo, as that engine wants them: first and last layers in float, +-1 weights and
activations by ste_sign, batch norm between.
"""

import json
import sys
import time


def models():
    import larq
    import tensorflow as tf

    layers = tf.keras.layers

    def binary_dense(units):
        return larq.layers.QuantDense(
            units,
            input_quantizer="ste_sign",
            kernel_quantizer="ste_sign",
            kernel_constraint="weight_clip",
            use_bias=False,
        )

    def binary_conv(filters):
        return larq.layers.QuantConv2D(
            filters,
            3,
            padding="valid",
            input_quantizer="ste_sign",
            kernel_quantizer="ste_sign",
            kernel_constraint="weight_clip",
            use_bias=False,
        )

    tfc = tf.keras.Sequential([tf.keras.Input((28, 28, 1)), layers.Flatten()])
    for _ in range(3):
        tfc.add(binary_dense(64))
        tfc.add(layers.BatchNormalization())
    tfc.add(layers.Dense(10))
    cnv = tf.keras.Sequential(
        [tf.keras.Input((32, 32, 3)), layers.Conv2D(64, 3, use_bias=False), layers.BatchNormalization()]
    )
    for number, filters in enumerate((64, 128, 128, 256, 256), start=1):
        cnv.add(binary_conv(filters))
        if number in (1, 3):
            cnv.add(layers.MaxPool2D(2))
        cnv.add(layers.BatchNormalization())
    cnv.add(layers.Flatten())
    for _ in range(2):
        cnv.add(binary_dense(512))
        cnv.add(layers.BatchNormalization())
    cnv.add(layers.Dense(10))
    return {"tfc": tfc, "cnv": cnv}


def seconds(model, batch, threads, rounds=5):
    """Least processor seconds (elapsed with several threads) an image."""
    import larq_compute_engine as lce
    import numpy as np
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    interpreter = Interpreter(lce.convert_keras_model(model), num_threads=threads)
    x = np.random.default_rng(0).standard_normal((batch, *model.input_shape[1:])).astype(np.float32)
    clock = time.thread_time if threads == 1 else time.perf_counter
    best = float("inf")
    interpreter.predict(x)
    until = time.monotonic() + 1.0
    while rounds > 0 or time.monotonic() < until:
        start = clock()
        interpreter.predict(x)
        best, rounds = min(best, clock() - start), rounds - 1
    return best / batch


def main():
    threads = int(sys.argv[1])
    times = {}
    for name, model in models().items():
        for batch in (1, 64):
            times[f"{name} {batch}"] = seconds(model, batch, threads)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
