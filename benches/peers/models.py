"""The models of the comparison, once in Keras' API (rustdl and Keras run the same lines) and once in PyTorch."""

from collections.abc import Callable
from typing import Any

import sequence_models
from case import CLASSES, Case

RESNET_STAGES = ((16, 3), (32, 3), (64, 3))
SEPARABLE_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
UNET_WIDTHS = (16, 32, 64, 128)


def _row(name: str, model: str, shape: tuple[int, ...], dense_labels: bool = False) -> Case:
    return Case(f"{name}, one row through predict", model, shape, 1, 1, "sgd", 0.01, "call", dense_labels)


CASES = {
    "mlp_small": Case("MLP 784-128-10, SGD, batch 32", "mlp_small", (784,), 32, 400, "sgd", 0.01),
    "mlp_large": Case("MLP 784-512-512-10, dropout, Adam, batch 128", "mlp_large", (784,), 128, 40, "adam", 0.001),
    "convnet": Case("MNIST convnet, Adam, batch 128", "convnet", (28, 28, 1), 128, 6, "adam", 0.001),
    "resnet": Case("CIFAR ResNet-20 with batch norm, Adam, batch 64", "resnet", (32, 32, 3), 64, 3, "adam", 0.001),
    "separable": Case(
        "Depthwise-separable net, 32x32, batch norm, Adam, batch 64", "separable", (32, 32, 3), 64, 4, "adam", 0.001
    ),
    "unet": Case("U-Net, 64x64, Adam, batch 8", "unet", (64, 64, 3), 8, 3, "adam", 0.001, dense_labels=True),
    **sequence_models.CASES,
    "predict_row": _row("MLP 784-128-10", "mlp_small", (784,)),
    "predict_mlp_large": _row("MLP 784-512-512-10", "mlp_large", (784,)),
    "predict_convnet": _row("MNIST convnet", "convnet", (28, 28, 1)),
    "predict_resnet": _row("CIFAR ResNet-20", "resnet", (32, 32, 3)),
    "predict_separable": _row("Depthwise-separable net", "separable", (32, 32, 3)),
    "predict_unet": _row("U-Net", "unet", (64, 64, 3), dense_labels=True),
}


def _keras_mlp(keras: Any, case: Case) -> Any:
    layers = keras.layers
    if case.model == "mlp_small":
        return keras.Sequential([keras.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(CLASSES)])
    stack = [keras.Input((784,))]
    for _ in range(2):
        stack += [layers.Dense(512, activation="relu"), layers.Dropout(0.2)]
    return keras.Sequential([*stack, layers.Dense(CLASSES)])


def _keras_convnet(keras: Any, case: Case) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(case.shape),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES),
        ]
    )


def _keras_norm_relu(keras: Any, x: Any) -> Any:
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def _keras_resnet(keras: Any, case: Case) -> Any:
    """ResNet-20 for CIFAR (He et al., 2016, section 4.2), with projections where the shape changes."""
    layers = keras.layers

    def conv(x: Any, filters: int, size: int, strides: int) -> Any:
        return layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)

    inputs = keras.Input(case.shape)
    x = _keras_norm_relu(keras, conv(inputs, 16, 3, 1))
    for stage, (filters, blocks) in enumerate(RESNET_STAGES):
        for block in range(blocks):
            strides = 2 if stage > 0 and block == 0 else 1
            shortcut = x
            if strides == 2:
                shortcut = layers.BatchNormalization()(conv(x, filters, 1, strides))
            x = _keras_norm_relu(keras, conv(x, filters, 3, strides))
            x = layers.BatchNormalization()(conv(x, filters, 3, 1))
            x = layers.ReLU()(layers.Add()([x, shortcut]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def _keras_separable(keras: Any, case: Case) -> Any:
    """The blocks of MobileNet (Howard et al., 2017), fewer of them."""
    layers = keras.layers
    inputs = keras.Input(case.shape)
    x = _keras_norm_relu(keras, layers.Conv2D(32, 3, padding="same", use_bias=False)(inputs))
    for filters, strides in SEPARABLE_BLOCKS:
        x = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(x)
        x = _keras_norm_relu(keras, x)
        x = _keras_norm_relu(keras, layers.Conv2D(filters, 1, use_bias=False)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def _keras_unet(keras: Any, case: Case) -> Any:
    """U-Net (Ronneberger et al., 2015) with padded convolutions."""
    layers = keras.layers

    def double(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    inputs = keras.Input(case.shape)
    x, skips = inputs, []
    for filters in UNET_WIDTHS[:-1]:
        x = double(x, filters)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = double(x, UNET_WIDTHS[-1])
    for filters, skip in zip(UNET_WIDTHS[-2::-1], reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 2, strides=2)(x)
        x = double(layers.Concatenate()([skip, x]), filters)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1)(x))


_KERAS: dict[str, Callable[[Any, Case], Any]] = {
    "mlp_small": _keras_mlp,
    "mlp_large": _keras_mlp,
    "convnet": _keras_convnet,
    "resnet": _keras_resnet,
    "separable": _keras_separable,
    "unet": _keras_unet,
    **sequence_models.KERAS,
}


def build_keras(keras: Any, case: Case) -> Any:
    """The compiled model in Keras' API; `keras` is the module keras or rustdl."""
    model = _KERAS[case.model](keras, case)
    kind = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}[case.optimizer]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=getattr(keras.optimizers, kind)(case.learning_rate), loss=loss)
    return model


def _torch_mlp(nn: Any, case: Case) -> Any:
    if case.model == "mlp_small":
        return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, CLASSES))
    stack = [nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2)]
    stack += [nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, CLASSES)]
    return nn.Sequential(*stack)


def _torch_convnet(nn: Any, _case: Case) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(1600, CLASSES),
    )


def _torch_resnet(nn: Any, _case: Case) -> Any:
    class Block(nn.Module):
        def __init__(self, inputs: int, filters: int, strides: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(inputs, filters, 3, strides, 1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(inplace=True),
                nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
                nn.BatchNorm2d(filters),
            )
            self.shortcut = nn.Identity()
            if strides == 2:
                projection = nn.Conv2d(inputs, filters, 1, strides, bias=False)
                self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(filters))

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.body(x) + self.shortcut(x), inplace=True)

    stack = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    inputs = 16
    for stage, (filters, blocks) in enumerate(RESNET_STAGES):
        for block in range(blocks):
            stack.append(Block(inputs, filters, 2 if stage > 0 and block == 0 else 1))
            inputs = filters
    return nn.Sequential(*stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


def _torch_separable(nn: Any, _case: Case) -> Any:
    stack = [nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True)]
    inputs = 32
    for filters, strides in SEPARABLE_BLOCKS:
        stack += [nn.Conv2d(inputs, inputs, 3, strides, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs)]
        stack += [nn.ReLU(inplace=True), nn.Conv2d(inputs, filters, 1, bias=False), nn.BatchNorm2d(filters)]
        stack += [nn.ReLU(inplace=True)]
        inputs = filters
    return nn.Sequential(*stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


def _torch_unet(nn: Any, _case: Case) -> Any:
    def double(inputs: int, filters: int) -> Any:
        first, second = nn.Conv2d(inputs, filters, 3, 1, 1), nn.Conv2d(filters, filters, 3, 1, 1)
        return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = UNET_WIDTHS
            self.down = nn.ModuleList(double(a, b) for a, b in zip((3, *widths[:-1]), widths, strict=True))
            pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
            self.grow = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in pairs)
            self.up = nn.ModuleList(double(2 * b, b) for _, b in pairs)
            self.head = nn.Conv2d(widths[0], CLASSES, 1)

        def forward(self, x: Any) -> Any:
            import torch

            skips = []
            for level in self.down[:-1]:
                skips.append(level(x))
                x = nn.functional.max_pool2d(skips[-1], 2)
            x = self.down[-1](x)
            for grow, up, skip in zip(self.grow, self.up, reversed(skips), strict=True):
                x = up(torch.cat([skip, grow(x)], 1))
            return self.head(x)

    return UNet()


_TORCH: dict[str, Callable[[Any, Case], Any]] = {
    "mlp_small": _torch_mlp,
    "mlp_large": _torch_mlp,
    "convnet": _torch_convnet,
    "resnet": _torch_resnet,
    "separable": _torch_separable,
    "unet": _torch_unet,
    **sequence_models.TORCH,
}


def build_torch(torch: Any, case: Case) -> tuple[Any, Any]:
    """The same model and optimizer in PyTorch; Adam in its fused form, which is the faster one."""
    model = _TORCH[case.model](torch.nn, case)
    if case.optimizer == "sgd":
        return model, torch.optim.SGD(model.parameters(), lr=case.learning_rate)
    kind = torch.optim.Adam if case.optimizer == "adam" else torch.optim.AdamW
    return model, kind(model.parameters(), lr=case.learning_rate, fused=True)
