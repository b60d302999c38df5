"""The loop of each framework: `make_loop(framework, case)` gives a function that runs n units and waits for them.

A unit is a pass over the data set (training) or one call (predict). Each framework gets the loop its users would
write when they care for speed.
"""

import os
from collections.abc import Callable

import numpy as np
from case import Case, make_data
from models import build_keras, build_torch
from rust_peers import PEERS, RustPeer

Loop = Callable[[int], object]


def keras_fit(framework: str, case: Case) -> Loop:
    """`fit` over arrays in memory, or `predict_on_batch` of one row, of Keras' API."""
    if framework == "rustdl":
        import rustdl as keras
    else:
        import keras
    model = build_keras(keras, case)
    x, y = make_data(case)
    if case.unit == "call":

        def predict(calls: int) -> None:
            for _ in range(calls):
                model.predict_on_batch(x)

        return predict

    def fit(passes: int) -> None:
        model.fit(x, y, batch_size=case.batch_size, epochs=passes, verbose=0)

    return fit


def jax_step(case: Case) -> Loop:
    """A step of the Keras model compiled by `jax.jit`, state donated, batches already on the device."""
    import jax
    import keras

    model = build_keras(keras, case)
    x, y = make_data(case)
    weights = [[v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables)]
    if case.unit == "call":
        forward = jax.jit(lambda w, batch: model.stateless_call(*w, batch, training=False)[0])

        def predict(calls: int) -> None:
            for _ in range(calls):
                np.asarray(forward(weights, x))

        return predict

    model.optimizer.build(model.trainable_variables)

    def loss_of(trainable, others, batch, labels):
        logits, others = model.stateless_call(trainable, others, batch, training=True)
        return model.loss(labels, logits), others

    def step(state, batch, labels):
        trainable, others, slots = state
        (loss, others), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable, others, batch, labels)
        trainable, slots = model.optimizer.stateless_apply(slots, gradients, trainable)
        return loss, (trainable, others, slots)

    compiled = jax.jit(step, donate_argnums=0)
    n = case.batch_size
    batches = [
        (jax.device_put(x[i * n : (i + 1) * n]), jax.device_put(y[i * n : (i + 1) * n])) for i in range(case.batches)
    ]
    state = (*weights, [v.value for v in model.optimizer.variables])

    def train(passes: int) -> None:
        nonlocal state
        loss = None
        for _ in range(passes):
            for batch, labels in batches:
                loss, state = compiled(state, batch, labels)
        jax.block_until_ready((loss, state))

    return train


def torch_loop(case: Case, style: str) -> Loop:
    """The usual training loop of PyTorch over tensors in memory; `style`: eager, channels_last or compile."""
    import torch

    torch.set_num_threads(int(os.environ.get("PEER_THREADS", os.cpu_count() or 1)))
    model, optimizer = build_torch(torch, case)
    x, y = make_data(case)
    image = x.ndim == 4
    if style == "channels_last" and not image:
        raise ImportError("no images: the same as eager")
    # PyTorch has channels before pixels; tokens and features stay as they are.
    inputs = torch.from_numpy(np.moveaxis(x, -1, -3).copy() if x.ndim >= 4 else x)
    labels = torch.from_numpy(y).long()
    if style == "channels_last":
        model, inputs = model.to(memory_format=torch.channels_last), inputs.to(memory_format=torch.channels_last)
    if style == "compile":
        model = torch.compile(model)
    if case.unit == "call":
        model.eval()

        def predict(calls: int) -> None:
            with torch.inference_mode():
                for _ in range(calls):
                    model(inputs).numpy()

        return predict

    loss_of = torch.nn.CrossEntropyLoss()
    model.train()
    batches = list(zip(inputs.split(case.batch_size), labels.split(case.batch_size), strict=True))
    if case.vocabulary:  # logits of all tokens in one list
        batches = [(batch, target.flatten()) for batch, target in batches]

    def train(passes: int) -> None:
        for _ in range(passes):
            for batch, target in batches:
                optimizer.zero_grad(set_to_none=True)
                loss_of(model(batch), target).backward()
                optimizer.step()

    return train


def make_loop(framework: str, case: Case) -> Loop:
    """The loop of a framework; raises ImportError where it is not installed."""
    if framework in PEERS:
        return RustPeer(framework, case).run
    if framework.startswith("torch"):
        return torch_loop(case, framework.partition("-")[2] or "eager")
    if framework == "jax":
        return jax_step(case)
    return keras_fit(framework, case)
