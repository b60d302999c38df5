import numpy as np
import pytest

import rustdl
from rustdl import backend, ops
from rustdl.layers import Dense, Dropout, Layer

ONES = np.ones((2, 3), "float32")


class Scale(Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="w")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x):
        self.count.assign_add(1.0)
        return x * self.w * self.factor


@pytest.fixture(autouse=True)
def _fresh():
    rustdl.utils.clear_session()
    yield
    rustdl.config.set_dtype_policy("float32")


def test_names_paths_and_state():
    a, b = Scale(), Scale()
    assert (a.name, b.name) == ("scale", "scale_1")
    assert not a.built
    assert a(ONES).tolist() == (ONES * 2).tolist()
    assert [v.path for v in a.weights] == ["scale/w", "scale/count"]
    assert len(a.trainable_weights) == len(a.non_trainable_weights) == 1
    assert float(a.count) == 1.0
    assert a.count_params() == 4
    with pytest.raises(ValueError, match="isn't built"):
        b.count_params()


def test_state_is_locked_after_build():
    layer = Scale()
    layer(ONES)
    with pytest.raises(ValueError, match="already built"):
        layer.extra = rustdl.Variable(1.0)
    with pytest.raises(ValueError, match="already built"):
        layer.add_weight(shape=())


def test_super_init_is_needed():
    class Bad(Layer):
        def __init__(self):
            self.x = 1

    with pytest.raises(RuntimeError, match=r"super\(\)"):
        Bad()(ONES)


def test_unknown_arguments_and_names():
    with pytest.raises(ValueError, match="Unrecognized keyword"):
        Scale(color="red")
    with pytest.raises(ValueError, match="name"):
        Scale(name="a/b")


def test_nested_state_trainable_and_losses():
    class Block(Layer):
        def __init__(self):
            super().__init__()
            self.parts = [Dense(2, kernel_regularizer="l2"), {"b": Dense(3)}]

        def call(self, x):
            self.add_loss(ops.sum(x))
            return self.parts[1]["b"](self.parts[0](x))

    block = Block()
    assert block(ONES).shape == (2, 3)
    assert block.weights[0].path == "block/dense/kernel"
    assert len(block.weights) == 4
    assert len(block.losses) == 2
    assert float(block.losses[0]) == 6.0
    block(ONES)
    assert len(block.losses) == 2  # of the last call only
    block.trainable = False
    assert block.trainable_weights == []
    assert not block.parts[0].trainable
    block.parts[0].trainable = True
    assert len(block.parts[0].trainable_weights) == 2


def test_activity_regularizer_is_a_mean_over_the_batch():
    layer = Dense(2, activity_regularizer="l2", kernel_initializer="ones")
    layer(np.ones((4, 3), "float32"))
    assert float(layer.losses[0]) == pytest.approx(0.01 * 9 * 8 / 4)


def test_training_argument_resolution():
    seen = []

    class Inner(Layer):
        def call(self, x, training=None):
            seen.append(training)
            return x

    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def call(self, x, training=False):
            self.inner(x, training=True) if training == "explicit" else self.inner(x)
            return self.inner(x)

    outer = Outer()
    outer(ONES)
    outer(ONES, training=True)
    outer(ONES, training="explicit")
    assert seen == [False, False, True, True, True, "explicit"]
    assert Dropout(0.5)(ONES).tolist() == ONES.tolist()


def test_masks_travel():
    class Masked(Layer):
        def compute_mask(self, inputs, previous_mask=None):
            return ops.not_equal(inputs[:, :, 0], 0.0)

        def call(self, x):
            return x

    class Reader(Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x, mask=None):
            self.seen = mask
            return x

    class Destroyer(Layer):
        def call(self, x):
            return x * 1.0

    x = np.array([[[1.0], [0.0]]], "float32")
    reader = Reader()
    y = reader(Masked()(x))
    assert reader.seen.tolist() == [[True, False]]
    assert backend.get_keras_mask(y).tolist() == [[True, False]]
    with pytest.warns(UserWarning, match="does not support masking"):
        z = Destroyer()(y)
    assert backend.get_keras_mask(z) is None

    inputs = rustdl.Input((2, 1))
    model = rustdl.Model(inputs, reader(Masked()(inputs)))
    model(x)
    assert reader.seen.tolist() == [[True, False]]


def test_mixed_precision():
    layer = Dense(2, dtype="mixed_bfloat16")
    y = layer(ONES)
    assert y.dtype == "bfloat16"
    assert layer.kernel.dtype == "float32"
    assert layer(np.ones((2, 3), "float64")).dtype == "bfloat16"
    rustdl.config.set_dtype_policy("mixed_float16")
    assert Dense(2).compute_dtype == "float16"
    with pytest.raises(ValueError, match="Cannot convert"):
        Dense(2, dtype="float31")


def test_input_spec_and_errors_name_the_layer():
    layer = Dense(2)
    layer(ONES)
    with pytest.raises(ValueError, match=r"layer 'dense' is incompatible.*axis -1.*value 3.*\(2, 4\)"):
        layer(np.ones((2, 4), "float32"))
    with pytest.raises(ValueError, match="min_ndim=2, found ndim=1"):
        Dense(2)(np.ones((3,), "float32"))

    class Broken(Layer):
        def call(self, x, flag=False):
            raise ValueError("inside")

    with pytest.raises(
        ValueError, match=r"(?s)Exception encountered when calling Broken.call\(\).*inside.*shape=\(2, 3\)"
    ):
        Broken()(ONES)


def test_positional_arguments_must_be_tensors():
    class Two(Layer):
        def call(self, x, scale):
            return x * scale

    with pytest.raises(ValueError, match=r"keyword argument: 3\.0"):
        Two()(ONES, 3.0)
    assert Two()(ONES, scale=3.0).tolist() == (ONES * 3).tolist()
    with pytest.raises(TypeError, match="scale"):
        Two()(ONES)


def test_build_with_several_shapes():
    class Two(Layer):
        def build(self, a_shape, b_shape):
            self.shapes = (a_shape, b_shape)

        def call(self, a, b):
            return a + b

    layer = Two()
    layer(ONES, b=np.ones((3,), "float32"))
    assert layer.shapes == ((2, 3), (3,))
    assert layer.get_build_config() == {"shapes_dict": {"a_shape": (2, 3), "b_shape": (3,)}}
    again = Two()
    again.build_from_config(layer.get_build_config())
    assert again.built


def test_config_is_recorded():
    layer = Scale(3.0, name="s")
    config = layer.get_config()
    assert config["factor"] == 3.0
    assert config["name"] == "s"
    again = Scale.from_config(config)
    assert (again.factor, again.name) == (3.0, "s")

    class NoConfig(Layer):
        def __init__(self, thing):
            super().__init__()
            self.thing = thing

    with pytest.raises(NotImplementedError, match="get_config"):
        NoConfig(object()).get_config()


def test_stateless_call_changes_nothing():
    layer = Scale()
    layer(ONES)
    y, state = layer.stateless_call([[2.0, 2.0, 2.0]], [5.0], ONES)
    assert y.tolist() == (ONES * 4).tolist()
    assert float(state[0]) == 6.0
    assert float(layer.count) == 1.0
    with pytest.raises(ValueError, match="length 0"):
        layer.stateless_call([], [5.0], ONES)


def test_shape_inference():
    assert Dense(4).compute_output_shape((None, 3)) == (None, 4)

    class Fold(Layer):
        def call(self, x):
            return ops.reshape(x, (-1, 4))

    assert Fold().compute_output_shape((None, 6)) == (None, 4)
    assert Fold()(rustdl.KerasTensor((None, 6))).shape == (None, 4)
    assert Fold()(rustdl.KerasTensor((2, 6))).shape == (3, 4)


def test_symbolic_calls_do_not_change_state():
    layer = Scale()
    layer(rustdl.KerasTensor((None, 3)))
    assert float(layer.count) == 0.0
    assert layer.w.shape == (3,)


def test_weights_in_and_out():
    layer = Dense(2)
    layer(ONES)
    weights = layer.get_weights()
    layer.set_weights([w + 1 for w in weights])
    assert np.allclose(layer.kernel.numpy(), weights[0] + 1)
    with pytest.raises(ValueError, match="length 1"):
        layer.set_weights(weights[:1])
    with pytest.raises(ValueError, match="shape"):
        layer.set_weights([weights[0].T, weights[1]])
    store = {}
    layer.save_own_variables(store)
    assert set(store) == {"0", "1"}
    with pytest.raises(ValueError, match="never built"):
        Dense(2).load_own_variables(store)


def test_quantize_is_refused():
    with pytest.raises(NotImplementedError, match="quantize"):
        Dropout(0.5).quantize("int8")


def test_add_weight_with_the_name_first_says_what_to_write():
    layer = Layer()
    with pytest.raises(ValueError, match=r"name as a keyword argument.*name='matrix'"):
        layer.add_weight("matrix", shape=(3, 4))
    with pytest.raises(ValueError, match="both positionally and as a keyword"):
        layer.add_weight((3, 4), shape=(3, 4))
    assert layer.add_weight((3, 4), "ones").shape == (3, 4)
    with pytest.raises(TypeError, match="at most 3 positional"):
        layer.add_weight((3, 4), "zeros", "float32", "name")
