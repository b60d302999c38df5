"""Cases of preprocessing layers: the same code runs on Keras' layers, for the goldens, and on ours, for the test."""

import itertools

import numpy as np

TEXTS = ["The cat SAT, on the mat!", "a  dog\tand\na cat", "", "Éclair über; 日本 x-y", "the the the"]
WORDS = [["a", "b", "", "q"], ["c", "zzz", "a", "a"]]
NUMBERS = [[5, 7, 0, -3], [9, 11, 5, 5]]


def _value(x):
    return np.asarray(x).tolist()


def hashing(layers):
    strings = [["a"], ["bb"], ["a longer string"], ["x" * 20], ["y" * 40], ["z" * 100], ["é日本"]]
    for salt, mask in itertools.product([None, 7, (133, 137)], [None, "bb"]):
        for mode in ("int", "one_hot", "multi_hot", "count"):
            layer = layers.Hashing(5, mask_value=mask, salt=salt, output_mode=mode)
            yield f"strings {salt} {mask} {mode}", _value(layer(np.array(strings)))
    for dtype in ("int32", "int64", "float32"):
        yield f"numbers {dtype}", _value(layers.Hashing(1000)(np.array([[3, -8, 123456]], dtype=dtype)))
    first, second, third = np.array(["a", "b", "c"]), np.array([1, 2, -3]), np.array(["x", "y", "zz"])
    for bins, mode in itertools.product([3, 10**6], ["int", "one_hot"]):
        if bins * (mode == "one_hot") < 1000:
            layer = layers.HashedCrossing(bins, output_mode=mode)
            yield f"crossing {bins} {mode}", _value(layer((first, second, third)))
            yield f"crossing column {bins} {mode}", _value(layer((first[:, None], second[:, None])))


def lookup(layers):
    modes = ("int", "one_hot", "multi_hot", "count", "tf_idf")
    for mode, oov, mask in itertools.product(modes, [1, 3], [False, True]):
        options = {"output_mode": mode, "num_oov_indices": oov}
        weights = {"idf_weights": [0.5, 1.5, 2.5]} if mode == "tf_idf" else {}
        name = f"{mode} oov={oov} mask={mask}"
        layer = layers.StringLookup(vocabulary=["a", "b", "c"], mask_token="" if mask else None, **options, **weights)
        yield f"strings {name}", _value(layer(WORDS))
        yield f"strings vocabulary {name}", [str(t) for t in layer.get_vocabulary() if t is not None]
        layer = layers.IntegerLookup(vocabulary=[5, 7, 9], mask_token=0 if mask else None, **options, **weights)
        yield f"integers {name}", _value(layer(np.array(NUMBERS)))
        layer = layers.StringLookup(mask_token="" if mask else None, **options)
        layer.adapt(np.array([*WORDS, *WORDS[:1]]))
        yield f"adapted strings {name}", _value(layer(WORDS))
        yield f"adapted strings vocabulary {name}", [str(t) for t in layer.get_vocabulary()]
        layer = layers.IntegerLookup(mask_token=0 if mask else None, max_tokens=6, **options)
        layer.adapt(np.array(NUMBERS))
        yield f"adapted integers {name}", _value(layer(np.array(NUMBERS)))
        if mode not in ("int", "one_hot"):
            layer = layers.StringLookup(
                max_tokens=9, pad_to_max_tokens=True, mask_token="" if mask else None, **options
            )
            layer.adapt(np.array(WORDS))
            yield f"padded {name}", _value(layer(WORDS))
    layer = layers.IntegerLookup(vocabulary=[5, 7], num_oov_indices=4, oov_method="farmhash")
    yield "integers farmhash", _value(layer(np.array(NUMBERS)))
    layer = layers.IntegerLookup(vocabulary=[5, 7], num_oov_indices=4, oov_method="farmhash", salt=[1, 2])
    yield "integers siphash", _value(layer(np.array(NUMBERS)))
    layer = layers.StringLookup(vocabulary=["a"], num_oov_indices=4, salt=9)
    yield "strings siphash", _value(layer(WORDS))
    layer = layers.IntegerLookup(vocabulary=[5, 7, 9], invert=True)
    yield "integers inverted", _value(layer(np.array([[0, 1], [2, 3]])))


def text(layers):
    steps = itertools.product(
        ["lower_and_strip_punctuation", "lower", "strip_punctuation", None],
        ["whitespace", "character"],
        [None, 2, (1, 3)],
    )
    for standardize, split, ngrams in steps:
        for mode in ("int", "multi_hot", "count", "tf_idf"):
            layer = layers.TextVectorization(standardize=standardize, split=split, ngrams=ngrams, output_mode=mode)
            layer.adapt(TEXTS)
            name = f"{standardize} {split} {ngrams} {mode}"
            if mode == "int":
                yield f"vocabulary {name}", [str(t) for t in layer.get_vocabulary()]
            yield name, _value(layer(TEXTS))
            if mode != "tf_idf":
                yield f"one {name}", _value(layer("the cat's mat"))
    for length, ngrams in itertools.product([None, 2, 9], [None, 2]):
        layer = layers.TextVectorization(output_sequence_length=length, ngrams=ngrams, max_tokens=6)
        layer.adapt(TEXTS)
        yield f"length {length} {ngrams}", _value(layer(TEXTS))
        yield f"column {length} {ngrams}", _value(layer([[t] for t in TEXTS]))
        layer = layers.TextVectorization(
            split=None, output_sequence_length=length, vocabulary=["a", "b"], ngrams=ngrams
        )
        yield f"no split {length} {ngrams}", _value(layer(WORDS))


def numbers(layers):
    rng = np.random.default_rng(0)
    data = rng.normal(2, 3, (200, 4)).astype("float32")
    for bins, epsilon in itertools.product([2, 5, 10], [0.01, 0.1]):
        layer = layers.Discretization(num_bins=bins, epsilon=epsilon)
        layer.adapt(data)
        yield f"quantiles {bins} {epsilon}", _value(layer.bin_boundaries)
        layer.adapt(np.split(data, 4))
        yield f"quantiles of batches {bins} {epsilon}", _value(layer.bin_boundaries)
    for mode in ("int", "one_hot", "multi_hot", "count"):
        layer = layers.Discretization(bin_boundaries=[-1.0, 0.0, 2.5], output_mode=mode)
        for shape in ((4,), (4, 1), (2, 3), (2, 2, 3)):
            yield f"bins {mode} {shape}", _value(layer(data.ravel()[: int(np.prod(shape))].reshape(shape)))
        if mode != "int":
            layer = layers.CategoryEncoding(5, output_mode=mode)
            for shape in ((), (4,), (4, 1), (2, 3), (2, 2, 3)):
                values = (np.arange(int(np.prod(shape))) % 5).reshape(shape)
                yield f"categories {mode} {shape}", _value(layer(values))
    few = data[:6]
    for axis, invert in itertools.product([None, -1, 0, (0, 1)], [False, True]):
        layer = layers.Normalization(axis=axis, invert=invert)
        layer.adapt(few)
        yield f"normalized {axis} {invert}", _value(layer(few))
        layer = layers.Normalization(axis=axis, invert=invert, mean=2.0, variance=4.0)
        yield f"normalized by given {axis} {invert}", _value(layer(few))
    layer = layers.Normalization(axis=(1, 2), mean=[1.0, 2.0], variance=[1.0, 4.0])
    yield "normalized by two", _value(layer(data[:6].reshape(4, 3, 2)))


def text_model(keras):
    """A model of all layers with vocabularies, learnt and given."""
    layers = keras.layers
    words = keras.Input((4,), dtype="string", name="words")
    texts = keras.Input((), dtype="string", name="texts")
    numbers = keras.Input((4,), dtype="int64", name="numbers")
    learnt = layers.StringLookup(name="learnt", mask_token="")
    learnt.adapt(np.array(WORDS))
    weighted = layers.TextVectorization(output_mode="tf_idf", ngrams=2, name="weighted")
    weighted.adapt(TEXTS)
    counted = layers.IntegerLookup(output_mode="count", name="counted")
    counted.adapt(np.array(NUMBERS))
    outputs = {
        "learnt": learnt(words),
        "given": layers.StringLookup(vocabulary=["c", "a"], name="given", output_mode="multi_hot")(words),
        "weighted": weighted(texts),
        "letters": layers.TextVectorization(vocabulary=list("the"), split="character", name="letters")(texts),
        "counted": counted(numbers),
        "hashed": layers.Hashing(7, salt=3, name="hashed")(words),
    }
    return keras.Model({"words": words, "texts": texts, "numbers": numbers}, outputs)


FAMILIES = {"hashing": hashing, "lookup": lookup, "text": text, "numbers": numbers}
