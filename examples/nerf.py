"""NeRF: a net learns a scene from pictures alone and shows it from where it was never seen (Mildenhall et al. 2020).

The scene is made here: coloured solids on a chequered plate with a lamp and hard shadows, drawn by a small ray caster.
The net maps a place to colour and density; a pixel is the light that reaches the camera along its ray. Prints the
PSNR of held-out views; draws some of them beside the truth, with the depth that the net has found.

    python examples/nerf.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np

import rustdl as keras
from rustdl import layers, ops

mpl.use("Agg")
import matplotlib.pyplot as plt

# Solids inside of the cube [-1, 1]^3: (centre, radius, colour) and (low corner, high corner, colour).
SPHERES = [((-0.4, -0.3, -0.25), 0.35, (0.9, 0.25, 0.2)), ((0.15, 0.5, -0.38), 0.22, (0.2, 0.45, 0.95))]
BOXES = [
    ((0.2, -0.5, -0.6), (0.65, -0.05, 0.1), (0.95, 0.75, 0.15)),
    ((-0.75, 0.3, -0.6), (-0.35, 0.65, -0.3), (0.25, 0.75, 0.35)),
    ((-0.9, -0.9, -0.7), (0.9, 0.9, -0.6), None),  # the chequered plate
]
LAMP = np.array([0.4, -0.5, 0.8]) / np.linalg.norm([0.4, -0.5, 0.8])


def box_span(origins, directions, low, high):
    """Where rays enter and leave a box, as multiples of their directions; they miss it if they leave it first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - origins) / directions, (high - origins) / directions
    return np.minimum(one, other).max(axis=-1), np.maximum(one, other).min(axis=-1)


def first_hits(origins, directions):
    """Distance (infinite without a hit), normal and colour of the first surface on each ray."""
    nearest = np.full(len(origins), np.inf)
    normals, colours = np.zeros_like(origins), np.ones_like(origins)

    def keep(distance, hit, normal, colour):
        closer = hit & (distance > 1e-6) & (distance < nearest)
        nearest[closer], normals[closer], colours[closer] = distance[closer], normal[closer], colour[closer]

    for centre, radius, colour in SPHERES:
        away = origins - centre
        half = np.sum(away * directions, axis=-1)
        inside = half**2 - np.sum(away**2, axis=-1) + radius**2
        distance = -half - np.sqrt(np.maximum(inside, 0))
        normal = (away + distance[:, None] * directions) / radius
        keep(distance, inside > 0, normal, np.broadcast_to(colour, origins.shape))
    for low, high, colour in BOXES:
        enter, leave = box_span(origins, directions, np.array(low), np.array(high))
        place = origins + np.where(np.isfinite(enter), enter, 0)[:, None] * directions
        middle, half = (np.array(high) + low) / 2, (np.array(high) - low) / 2
        side = (place - middle) / half
        normal = np.where(np.abs(side) >= np.abs(side).max(axis=-1, keepdims=True), np.sign(side), 0.0)
        if colour is None:
            dark = np.floor(place[:, :2] / 0.3).sum(axis=-1) % 2
            colour = np.where(dark[:, None] == 1, 0.25, 0.85) * np.ones(3)
        keep(enter, enter < leave, normal, np.broadcast_to(colour, origins.shape))
    return nearest, normals, colours


def camera_rays(angle: float, height: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rays through the pixels of a camera on a circle around the scene that looks at its middle."""
    eye = 3.2 * np.array([np.cos(angle) * np.cos(height), np.sin(angle) * np.cos(height), np.sin(height)])
    forward = (np.array([0, 0, -0.25]) - eye) / np.linalg.norm(np.array([0, 0, -0.25]) - eye)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    line = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(line, -line)
    directions = forward + 0.38 * (x[..., None] * right + y[..., None] * np.cross(right, forward))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return np.broadcast_to(eye, directions.shape).reshape(-1, 3), directions.reshape(-1, 3)


def photograph(angle: float, height: float, size: int) -> np.ndarray:
    """The scene as (size * size, 3) before white: each pixel is the mean of four rays."""
    origins, directions = camera_rays(angle, height, 2 * size)
    distance, normals, colours = first_hits(origins, directions)
    hit = np.isfinite(distance)
    place = origins + np.where(hit, distance, 0)[:, None] * directions + 1e-4 * normals
    lit = ~np.isfinite(first_hits(place, np.broadcast_to(LAMP, place.shape))[0])
    light = 0.35 + 0.65 * lit * np.maximum(normals @ LAMP, 0)
    fine = np.where(hit[:, None], colours * light[:, None], 1.0)
    return fine.reshape(size, 2, size, 2, 3).mean(axis=(1, 3)).reshape(-1, 3).astype("float32")


def bounded_rays(angle: float, height: float, size: int) -> np.ndarray:
    """Rays as rows of origin, direction, and where they enter and leave the cube that holds the scene."""
    origins, directions = camera_rays(angle, height, size)
    enter, leave = box_span(origins, directions, -np.ones(3), np.ones(3))
    # A ray beside the cube gets a span without length: it sees white.
    span = np.stack([enter, np.maximum(enter, leave)], axis=-1)
    return np.concatenate([origins, directions, span], axis=-1).astype("float32")


class Field(keras.Model):
    """Place to colour and density, after an encoding of the place by waves."""

    def __init__(self, width: int = 64, depth: int = 4, octaves: int = 6) -> None:
        super().__init__(name="field")
        self.waves = (np.pi * 2.0 ** np.arange(octaves)).astype("float32")
        self.hidden = [layers.Dense(width, activation="relu") for _ in range(depth)]
        self.out = layers.Dense(4)
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, places):
        """Colours and densities (..., 4)."""
        angles = ops.reshape(places[..., None] * self.waves, (*places.shape[:-1], -1))
        h = ops.concatenate([places, ops.sin(angles), ops.cos(angles)], axis=-1)
        for layer in self.hidden:
            h = layer(h)
        h = self.out(h)
        return ops.concatenate([ops.sigmoid(h[..., :3]), 10.0 * ops.softplus(h[..., 3:] - 1.0)], axis=-1)

    def render(self, rays, samples: int, jitter: bool = False):
        """Colour and depth of rays by quadrature of the volume rendering integral (equation 3 of the paper)."""
        origins, directions, enter, leave = ops.split(rays, [3, 6, 7], axis=-1)
        part = (np.arange(samples, dtype="float32") + (0.0 if jitter else 0.5)) / samples
        if jitter:
            part = part + keras.random.uniform((rays.shape[0], samples), seed=self.seeds) / samples
        distance = enter + (leave - enter) * part
        found = self(origins[:, None] + directions[:, None] * distance[..., None])
        thickness = found[..., 3] * (leave - enter) / samples
        # Light passes what lies in front and is stopped here.
        weights = ops.exp(ops.minimum(thickness - ops.cumsum(thickness, axis=-1), 0.0)) * (1.0 - ops.exp(-thickness))
        seen = ops.sum(weights, axis=-1, keepdims=True)
        colour = ops.sum(weights[..., None] * found[..., :3], axis=1) + (1.0 - seen)
        return colour, ops.sum(weights * distance, axis=-1) + (1.0 - seen[:, 0]) * leave[:, 0]


class Fit:
    """A field, its optimizer, and the training step."""

    def __init__(self, field: Field, steps: int, samples: int) -> None:
        self.field, self.samples = field, samples
        field.build((None, 3))
        self.optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, steps, alpha=0.02))
        self.optimizer.build(field.trainable_variables)

    def step(self, rays, colours):
        """Lowers the squared error of pixels."""

        def loss():
            return ops.mean((self.field.render(rays, self.samples, jitter=True)[0] - colours) ** 2.0)

        value, gradients = keras.value_and_grad(loss, variables=self.field.trainable_variables)()
        self.optimizer.apply(gradients, self.field.trainable_variables)
        return value


def main() -> None:
    """Makes the pictures, trains, shows held-out views."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="pixels along a side")
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rays", type=int, default=512, help="rays in a step")
    parser.add_argument("--samples", type=int, default=48, help="places on a ray")
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    train = list(zip(rng.uniform(0, 2 * np.pi, args.views), rng.uniform(0.15, 1.1, args.views), strict=True))
    held_out = [(angle, height) for angle in (0.5, 2.6, 4.7) for height in (0.3, 0.8)]
    rays = np.concatenate([bounded_rays(*view, args.size) for view in train])
    colours = np.concatenate([photograph(*view, args.size) for view in train])
    # Most rays beside the cube say nothing.
    useful = rays[:, 7] > rays[:, 6]
    rays, colours = rays[useful], colours[useful]
    print(f"{args.views} pictures of {args.size} x {args.size}: {len(rays):,} rays through the cube")

    fit = Fit(Field(), args.steps, args.samples)
    step = keras.jit(fit.step)
    begun = time.perf_counter()
    mean = 0.0
    for i in range(args.steps):
        rows = rng.integers(0, len(rays), args.rays)
        mean += float(step(rays[rows], colours[rows])) / (args.steps // 10)
        if (i + 1) % (args.steps // 10) == 0:
            print(f"step {i + 1}: PSNR of training rays {-10 * np.log10(mean):.1f} dB", flush=True)
            mean = 0.0
    print(f"{args.steps} steps in {time.perf_counter() - begun:.0f} s")

    render = keras.jit(lambda rays: fit.field.render(rays, 2 * args.samples))
    figure, axes = plt.subplots(3, len(held_out), figsize=(2 * len(held_out), 6), layout="constrained")
    errors = []
    for column, view in zip(axes.T, held_out, strict=True):
        true = photograph(*view, args.size)
        chunks = np.split(bounded_rays(*view, args.size), args.size)
        found, depth = (np.concatenate(parts) for parts in zip(*(render(chunk) for chunk in chunks), strict=True))
        errors.append(np.mean((np.clip(found, 0, 1) - true) ** 2))
        # Single rays that only touch a corner of the box would spoil the scale of colours.
        depth = np.clip(depth, *np.percentile(depth, [2, 98]))
        for axis, picture in zip(column, (true, np.clip(found, 0, 1), depth), strict=True):
            axis.imshow(picture.reshape(args.size, args.size, *picture.shape[1:]), cmap="viridis_r")
            axis.axis("off")
        column[1].set_title(f"{-10 * np.log10(errors[-1]):.1f} dB", fontsize=9)
    for axis, name in zip(axes[:, 0], ("truth", "net", "depth"), strict=True):
        axis.text(-0.05, 0.5, name, rotation=90, va="center", ha="right", transform=axis.transAxes)
    figure.savefig(args.out / "nerf.png", dpi=120)
    psnr = -10 * np.log10(errors)
    print(f"PSNR of {len(held_out)} held-out views: mean {psnr.mean():.1f} dB, lowest {psnr.min():.1f} dB")
    print(f"picture: {args.out / 'nerf.png'}")


if __name__ == "__main__":
    main()
