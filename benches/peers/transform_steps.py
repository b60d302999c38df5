"""A GAN step and a physics loss with second derivatives: rustdl's compiled step beside PyTorch run eagerly.

The same nets, batches and optimizers in one process, turn about; the least time of each counts.

    python benches/peers/transform_steps.py
"""

import itertools
import time

import numpy as np
import torch

import rustdl as keras
from rustdl import layers, ops

torch.set_num_threads(keras.num_threads())
ROUNDS, STEPS = 8, 10


def least(runs):
    """Seconds a step of each function, the least of several rounds, turn about."""
    best = [float("inf")] * len(runs)
    for _ in range(ROUNDS):
        for i, run in enumerate(runs):
            begun = time.perf_counter()
            for _ in range(STEPS):
                run()
            best[i] = min(best[i], (time.perf_counter() - begun) / STEPS)
    return best


def gan():
    """784 pixels, dense nets of 256 units, batch 64, Adam."""
    real = np.random.default_rng(0).uniform(size=(64, 784)).astype("float32")

    def net(sizes, last):
        parts = [keras.Input((sizes[0],))]
        parts += [layers.Dense(n, activation="leaky_relu") for n in sizes[1:-1]]
        return keras.Sequential([*parts, layers.Dense(sizes[-1], activation=last)])

    generator, critic = net([64, 256, 256, 784], "sigmoid"), net([784, 256, 256, 1], None)
    adams = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    adams[0].build(generator.trainable_variables)
    adams[1].build(critic.trainable_variables)
    seeds = keras.random.SeedGenerator(0)

    @keras.jit
    def ours(real):
        fake = generator(keras.random.normal((64, 64), seed=seeds))

        def critic_loss():
            return ops.mean(ops.softplus(-critic(real))) + ops.mean(ops.softplus(critic(fake)))

        def generator_loss():
            made = generator(keras.random.normal((64, 64), seed=seeds))
            return ops.mean(ops.softplus(-critic(made)))

        c, g = keras.value_and_grad(critic_loss, variables=critic.trainable_variables)()
        adams[1].apply(g, critic.trainable_variables)
        d, g = keras.value_and_grad(generator_loss, variables=generator.trainable_variables)()
        adams[0].apply(g, generator.trainable_variables)
        return c, d

    def torch_net(sizes, last):
        parts = []
        for a, b in itertools.pairwise(sizes):
            parts += [torch.nn.Linear(a, b), torch.nn.LeakyReLU(0.2)]
        return torch.nn.Sequential(*parts[:-1], *last)

    g_net, c_net = torch_net([64, 256, 256, 784], [torch.nn.Sigmoid()]), torch_net([784, 256, 256, 1], [])
    g_adam = torch.optim.Adam(g_net.parameters(), 2e-4, betas=(0.5, 0.999))
    c_adam = torch.optim.Adam(c_net.parameters(), 2e-4, betas=(0.5, 0.999))
    softplus, pictures = torch.nn.functional.softplus, torch.from_numpy(real)

    def theirs():
        fake = g_net(torch.randn(64, 64)).detach()
        c_adam.zero_grad()
        (softplus(-c_net(pictures)).mean() + softplus(c_net(fake)).mean()).backward()
        c_adam.step()
        g_adam.zero_grad()
        softplus(-c_net(g_net(torch.randn(64, 64)))).mean().backward()
        g_adam.step()

    return (lambda: ours(real)), theirs


def physics():
    """u'' + u = 0 by a net of three hidden layers of 64 units, 256 points, Adam."""
    net = keras.Sequential(
        [keras.Input((1,)), *[layers.Dense(64, activation="tanh") for _ in range(3)], layers.Dense(1)]
    )
    adam = keras.optimizers.Adam(1e-3)
    adam.build(net.trainable_variables)
    t = np.linspace(0, 6, 256, dtype="float32")[:, None]

    @keras.jit
    def ours(t):
        def loss():
            slope = keras.grad(lambda t: ops.sum(net(t)))
            second = keras.grad(lambda t: ops.sum(slope(t)))(t)
            return ops.mean((second + net(t)) ** 2.0)

        value, g = keras.value_and_grad(loss, variables=net.trainable_variables)()
        adam.apply(g, net.trainable_variables)
        return value

    parts = []
    for a, b in ((1, 64), (64, 64), (64, 64)):
        parts += [torch.nn.Linear(a, b), torch.nn.Tanh()]
    other = torch.nn.Sequential(*parts, torch.nn.Linear(64, 1))
    other_adam = torch.optim.Adam(other.parameters(), 1e-3)
    times = torch.from_numpy(t)

    def theirs():
        x = times.clone().requires_grad_()
        u = other(x)
        first = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        second = torch.autograd.grad(first.sum(), x, create_graph=True)[0]
        other_adam.zero_grad()
        ((second + u) ** 2).mean().backward()
        other_adam.step()

    return (lambda: ours(t)), theirs


if __name__ == "__main__":
    for name, runs in (("GAN step", gan()), ("physics loss", physics())):
        ours, theirs = least(runs)
        print(f"{name}: rustdl {1e3 * ours:.3f} ms, PyTorch {1e3 * theirs:.3f} ms, {theirs / ours:.2f} times as fast")
