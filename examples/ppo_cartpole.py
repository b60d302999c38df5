"""PPO balances a pole: proximal policy optimization (Schulman et al. 2017) with generalized advantages.

Eight poles are played side by side with a policy that gives the odds of the actions; then the policy learns from what
happened, for some epochs, with steps that are clipped where it would move too far from the one that played. Advantages
are those of Schulman et al. 2016, found by a `scan` backwards through time inside of the compiled code. Prints the mean
return of 100 new episodes, of which at least 475 counts as solved; draws the learning curve.

    python examples/ppo_cartpole.py
"""

import argparse
import time
from pathlib import Path

import numpy as np
from cartpole import ACTIONS, OBSERVATIONS, SOLVED, evaluate, make, plot_returns

import rustdl as keras
from rustdl import layers, ops

DISCOUNT, MEMORY, CLIP = 0.99, 0.95, 0.2
POLES, LENGTH, EPOCHS, BATCH = 8, 128, 6, 256


def build(outputs: int, scale: float, name: str) -> keras.Model:
    """Two hidden layers; orthogonal weights, as is usual for PPO."""
    start = keras.initializers.Orthogonal
    return keras.Sequential(
        [
            keras.Input((OBSERVATIONS,)),
            layers.Dense(64, activation="tanh", kernel_initializer=start(2**0.5, seed=1)),
            layers.Dense(64, activation="tanh", kernel_initializer=start(2**0.5, seed=2)),
            layers.Dense(outputs, kernel_initializer=start(scale, seed=3)),
        ],
        name=name,
    )


def log_chance(logits, actions):
    """The log of the odds of these actions."""
    return ops.take_along_axis(ops.log_softmax(logits), actions[:, None], axis=1)[:, 0]


class Agent:
    """Policy and critic, and the step that learns."""

    def __init__(self, steps: int) -> None:
        self.policy, self.critic = build(ACTIONS, 0.01, "policy"), build(1, 1.0, "critic")
        self.variables = self.policy.trainable_variables + self.critic.trainable_variables
        rate = keras.optimizers.schedules.PolynomialDecay(1e-3, steps, 0.0)
        self.optimizer = keras.optimizers.Adam(rate, global_clipnorm=0.5, epsilon=1e-5)
        self.optimizer.build(self.variables)
        self.seeds = keras.random.SeedGenerator(0)

    def act(self, seen):
        """Actions drawn by their odds, the logs of these, and the values of the states."""
        logits = self.policy(seen)
        actions = keras.random.categorical(logits, 1, dtype="int32", seed=self.seeds)[:, 0]
        return actions, log_chance(logits, actions), self.critic(seen)[:, 0]

    def best(self, seen):
        """The likeliest actions."""
        return ops.argmax(self.policy(seen), axis=-1)

    def advantages(self, reward, value, then, ended):
        """How much better than expected it went, all (time, pole): sum of (discount * memory)^k surprises."""
        surprise = reward + DISCOUNT * then - value

        def back(later, now):
            surprise, ended = now
            found = surprise + DISCOUNT * MEMORY * (1.0 - ended) * later
            return found, found

        _, found = ops.scan(back, ops.zeros_like(surprise[0]), (surprise, ended), reverse=True)
        return found

    def step(self, seen, action, before, advantage, wanted):
        """One clipped step on a batch."""
        advantage = (advantage - ops.mean(advantage)) / (ops.std(advantage) + 1e-8)

        def loss():
            logits = self.policy(seen)
            ratio = ops.exp(log_chance(logits, action) - before)
            gain = ops.minimum(ratio * advantage, ops.clip(ratio, 1.0 - CLIP, 1.0 + CLIP) * advantage)
            entropy = -ops.sum(ops.softmax(logits) * ops.log_softmax(logits), axis=-1)
            error = (self.critic(seen)[:, 0] - wanted) ** 2.0
            return ops.mean(0.25 * error - gain - 0.01 * entropy)

        value, gradients = keras.value_and_grad(loss, variables=self.variables)()
        self.optimizer.apply(gradients, self.variables)
        return value


class Player:
    """Plays all poles for some steps and keeps what happened."""

    def __init__(self, seed: int) -> None:
        self.poles = [make() for _ in range(POLES)]
        self.seen = np.stack([pole.reset(seed=seed + i)[0] for i, pole in enumerate(self.poles)])
        self.totals, self.steps = np.zeros(POLES), 0
        self.ends: list[int] = []
        self.returns: list[float] = []

    def play(self, act, value) -> dict[str, np.ndarray]:
        """Arrays (time, pole); `then` is the value of the state that followed, zero where the pole fell."""
        shape = (LENGTH, POLES)
        found = {name: np.zeros(shape, "float32") for name in ("chance", "value", "reward", "then", "ended")}
        found |= {"seen": np.zeros((*shape, OBSERVATIONS), "float32"), "action": np.zeros(shape, "int32")}
        for t in range(LENGTH):
            found["seen"][t] = self.seen
            found["action"][t], found["chance"][t], found["value"][t] = act(self.seen)
            after = np.empty_like(self.seen)
            fallen = np.zeros(POLES, bool)
            for i, pole in enumerate(self.poles):
                after[i], found["reward"][t, i], fell, over, _ = pole.step(int(found["action"][t, i]))
                self.seen[i], fallen[i] = after[i], fell
                self.totals[i] += found["reward"][t, i]
                if fell or over:
                    found["ended"][t, i] = 1.0
                    self.ends.append(self.steps)
                    self.returns.append(self.totals[i])
                    self.totals[i], self.seen[i] = 0.0, pole.reset()[0]
            self.steps += POLES
            found["then"][t] = np.where(fallen, 0.0, value(after))
        return found


def main() -> None:
    """Plays and learns, evaluates, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    agent = Agent(args.rounds * EPOCHS * POLES * LENGTH // BATCH)
    player = Player(args.seed)
    act, learn, advantages = keras.jit(agent.act), keras.jit(agent.step), keras.jit(agent.advantages)
    value = keras.jit(lambda seen: agent.critic(seen)[:, 0])
    begun = time.perf_counter()
    for i in range(1, args.rounds + 1):
        found = player.play(act, value)
        advantage = np.asarray(advantages(found["reward"], found["value"], found["then"], found["ended"]))
        columns = [found["seen"], found["action"], found["chance"], advantage, advantage + found["value"]]
        columns = [column.reshape(LENGTH * POLES, *column.shape[2:]) for column in columns]
        for _ in range(EPOCHS):
            for rows in np.split(rng.permutation(LENGTH * POLES), LENGTH * POLES // BATCH):
                learn(*(column[rows] for column in columns))
        if i % 15 == 0:
            print(
                f"{player.steps} steps: return {np.mean(player.returns[-20:]):.0f} in training "
                f"({time.perf_counter() - begun:.0f} s)",
                flush=True,
            )
    seconds = time.perf_counter() - begun

    played = evaluate(keras.jit(agent.best), 100, seed=20_000)
    plot_returns(player.ends, player.returns, args.out / "ppo_cartpole.png", "PPO on CartPole-v1")
    print(f"{player.steps} steps in {seconds:.0f} s")
    print(
        f"mean return of 100 new episodes {played.mean():.1f} (lowest {played.min():.0f}): "
        f"{'solved' if played.mean() >= SOLVED else 'not solved'}"
    )
    print(f"picture: {args.out / 'ppo_cartpole.png'}")


if __name__ == "__main__":
    main()
