#!/usr/bin/env python3
"""Makes the SavedModels of this folder: small networks, trained on scikit-learn's handwritten digits (UCI, CC BY 4.0).

usage: make_models.py [NAME ...]

Needs: pip install tensorflow==2.19.1 tf_keras==2.19.0 scikit-learn

Beside each model NAME/ it writes NAME.npz: inputs and TensorFlow's outputs by their name in the signature, each with a leading axis of samples.
The models are saved without the optimizer, and without what only Keras or a debugger reads.
"""
import os, shutil, sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np
import tensorflow as tf
import tf_keras as keras2
import keras as keras3
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

FOLDER = os.path.dirname(os.path.abspath(__file__))
SAMPLES = 16


def dense(k):
    x = k.Input((8, 8, 1), name="image")
    y = k.layers.Flatten()(x)
    y = k.layers.Dense(96, activation="relu")(y)
    y = k.layers.Dense(48, activation="relu")(y)
    return k.Model(x, k.layers.Dense(10, activation="softmax", name="digit")(y))


def cnn(k):
    x = y = k.Input((8, 8, 1), name="image")
    for channels, stride in ((16, 1), (32, 2), (48, 1)):
        y = k.layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False)(y)
        y = k.layers.BatchNormalization()(y)
        y = k.layers.ReLU()(y)
    y = k.layers.GlobalAveragePooling2D()(y)
    return k.Model(x, k.layers.Dense(10, activation="softmax", name="digit")(y))


def separable(k):
    x = k.Input((8, 8, 1), name="image")
    y = k.layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    for channels, stride in ((32, 1), (64, 2), (64, 1)):
        y = k.layers.ZeroPadding2D(1)(y)
        y = k.layers.DepthwiseConv2D(3, strides=stride, use_bias=False)(y)
        y = k.layers.BatchNormalization()(y)
        y = k.layers.ReLU(6.0)(y)
        y = k.layers.Conv2D(channels, 1, use_bias=False)(y)
        y = k.layers.BatchNormalization()(y)
        y = k.layers.ReLU(6.0)(y)
    y = k.layers.Flatten()(k.layers.AveragePooling2D(4)(y))
    return k.Model(x, k.layers.Dense(10, name="logits")(y))


def recurrent(layer):
    def build(k):
        x = k.Input((8, 8), name="rows")
        return k.Model(x, k.layers.Dense(10, activation="softmax", name="digit")(layer(k)(k.layers.Dense(32)(x))))
    return build


def attention(k):
    x = k.Input((8, 8), name="rows")
    y = k.layers.Dense(32)(x)
    y = k.layers.Embedding(8, 32)(tf.range(8)) + y if k is keras2 else k.layers.Add()([y, k.layers.Dense(32)(k.ops.cumsum(x, axis=1))])
    z = k.layers.LayerNormalization(epsilon=1e-6)(y)
    y = k.layers.Add()([y, k.layers.MultiHeadAttention(2, 16)(z, z)])
    z = k.layers.LayerNormalization(epsilon=1e-6)(y)
    y = k.layers.Add()([y, k.layers.Dense(32)(k.layers.Dense(64, activation="gelu")(z))])
    y = k.layers.GlobalAveragePooling1D()(y)
    return k.Model(x, k.layers.Dense(10, activation="softmax", name="digit")(y))


MODELS = {
    "digits_dense": (keras3, dense, 20),
    "digits_cnn": (keras2, cnn, 20),
    "digits_separable": (keras2, separable, 20),
    "digits_lstm": (keras2, recurrent(lambda k: k.layers.LSTM(32)), 30),
    "digits_gru": (keras3, recurrent(lambda k: k.layers.GRU(32)), 30),
    "digits_bidirectional": (keras3, recurrent(lambda k: k.layers.Bidirectional(k.layers.LSTM(32))), 30),
    "digits_attention": (keras3, attention, 30),
}


def make(name, x, labels, x_test, labels_test):
    k, build, epochs = MODELS[name]
    keras2.utils.set_random_seed(1)
    keras3.utils.set_random_seed(1)
    model = build(k)
    shape = model.input_shape[1:]
    x, x_test = x.reshape(-1, *shape), x_test.reshape(-1, *shape)
    logits = model.layers[-1].name == "logits"
    model.compile("adam", k.losses.SparseCategoricalCrossentropy(from_logits=logits), metrics=["accuracy"])
    model.fit(x, labels, batch_size=32, epochs=epochs, verbose=0)
    accuracy = model.evaluate(x_test, labels_test, verbose=0)[1]
    out = os.path.join(FOLDER, name)
    shutil.rmtree(out, ignore_errors=True)
    if k is keras2:
        model.save(out, include_optimizer=False)
    else:
        model.export(out, verbose=False)
    for extra in ("keras_metadata.pb", "fingerprint.pb", "assets"):
        path = os.path.join(out, extra)
        shutil.rmtree(path) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)
    serve = tf.saved_model.load(out).signatures["serving_default"]
    (key,) = serve.structured_input_signature[1]
    calls = [serve(**{key: tf.constant(v[None])}) for v in x_test[:SAMPLES]]
    arrays = {o: np.stack([c[o].numpy() for c in calls]) for o in calls[0]}
    arrays[key] = x_test[:SAMPLES, None]
    np.savez_compressed(os.path.join(FOLDER, name + ".npz"), **arrays)
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(out) for f in files)
    print(f"{name:22} accuracy {accuracy:.3f}  {size} bytes")


def main():
    digits = load_digits()
    split = train_test_split((digits.images / 16).astype("float32"), digits.target, test_size=0.25, random_state=0)
    for name in sys.argv[1:] or MODELS:
        make(name, split[0], split[2], split[1], split[3])


if __name__ == "__main__":
    main()
