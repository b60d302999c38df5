"""The section of docs/keras-compatibility.md on Keras' own tests: the score, and a reason for each group that fails."""

# ruff: noqa: E501  (the table of reasons)
from __future__ import annotations

import collections
import gzip
import json
import re
from pathlib import Path

# A pattern of "file::class::test outcome message", and the reason; the first that fits counts.
NO_SPARSE = "No sparse and ragged tensors: they are dense, and padded with zeros. Sparse matrices of scipy are taken as data, batch by batch."
REASONS: tuple[tuple[str, str], ...] = (
    # These are made for backends with sparse tensors only.
    (r"category_encoding.*_sparse not run $|discretization.*_true not run $", NO_SPARSE),
    (r" not run $", "Not run."),
    # What is refused.
    (
        r"complex64|complex128|complex_dtype|test_view_as_complex_invalid",
        "No complex dtype: complex numbers are pairs (real, imaginary), as in `ops.fft`.",
    ),
    (
        r"einsum_dense.*test_legacy_load_own_variables",
        "Files of `EinsumDense` quantized with GPTQ or AWQ: inputs and outputs of a kernel follow from the equation, where Keras guesses them from the sizes.",
    ),
    (
        r"test_quantize_float8 ",
        "Runs on the backends that the test knows by name only.",
    ),
    (
        r"test_cast_float8|test_standardize_dtype_float8",
        "No tensors of 8-bit floats: `quantize('float8')` rounds wider ones to the values of 8-bit floats.",
    ),
    (
        r"[Oo]rbax",
        "Orbax writes checkpoints of JAX arrays: `ModelCheckpoint` and `BackupAndRestore` write `.keras` files.",
    ),
    (
        r"sparse.*(False is not true|dense tensors only|must be False)|_sparse skipped|_sparse_|dense tensors only|[Ss]parse tensors|must be False or None|must be False$",
        NO_SPARSE,
    ),
    (
        r"DataParallel|distribution",
        "One process on one machine, which uses all cores by itself: no `distribution`.",
    ),
    (
        r"callbacks/tensorboard_test|[Tt]ensorboardX",
        "Reads TensorFlow's event files, or needs tensorboardX, through which `TensorBoard` writes; both are optional packages that were not installed.",
    ),
    (
        r"[Ff]lash attention",
        "Skipped by Keras: flash attention is asked for of the backends jax and torch only; here attention never keeps the whole matrix.",
    ),
    (
        r"quantizers_test.*doesn't support `custom_gradient`",
        "Skipped by Keras for backends that it doesn't know by name, as having no `custom_gradient` (which `ops.custom_gradient` is).",
    ),
    (
        r"jax_layer_test",
        "No JAX inside: `JaxLayer` and `FlaxLayer` are refused; write the layer with `ops`.",
    ),
    (
        r" skipped ",
        "Skipped by Keras: about one of its backends.",
    ),
    (
        r"RandomCropTest::test_dict_input",
        "`RandomCrop` crops at inference too, as documented; Keras leaves images and masks as they are unless it trains.",
    ),
    (
        r"test_rematerialized_call|_basics_quantize|_int4_block_size|_float8_call|test_quantize_int_int4|test_int4_kernel_returns|test_int4_multi_reduced|_int4_block_size|quantized_call|_orig_output_dim|_is_quantized|inputs_quantizer",
        "Looks into quantized layers: names of private attributes, and methods that Keras calls from `call`.",
    ),
    (
        r"rematerial|remat",
        "Counts calls of a function of JAX; `RematScope` recomputes without it.",
    ),
    (
        r"_variant_tensor|tf_data|_tf_|tensorflow|TensorFlow|tf\.|graph_issue|image_dataset_utils|text_dataset_utils|audio_dataset_utils|TimeseriesDataset",
        "Wants a `tf.data.Dataset` or a tensor of TensorFlow: datasets here are iterables of numpy arrays, and layers run eagerly on them.",
    ),
    (
        r"torch|Torch",
        "Wants tensors of PyTorch.",
    ),
    (
        r"Shape(Test|s?Test)::test_(ndim|size)|test_size.*has no attribute 'shape'|test_ndim.*has no attribute 'shape'",
        "`ops.ndim` of a symbolic tensor, and `ops.size` of one with a known size, give a number, not a symbolic tensor.",
    ),
    (
        r"Shape(Test|s?Test)::test_where ",
        "`where` with one argument foretells a tuple of indices, which it gives; Keras foretells the shape of the condition.",
    ),
    (
        r"test_reshape_symbolic_tensor_shape",
        "A shape given as a tensor must be known: not inside a graph.",
    ),
    (
        r"(Dynamic|Static)ShapeTest::test_(get_item|diag|diagonal|corrcoef)",
        "At most so many elements of an axis of unknown size count as so many: the batch is taken to be large enough.",
    ),
    (
        r"multi_hot.*Tuples differ",
        "`multi_hot(axis=1)` puts the classes along axis 1, where Keras takes the maximum over the classes that it has just made.",
    ),
    (
        r"test_searchsorted",
        "Indices are `int32` also where the length is not known; Keras says `int64` then.",
    ),
    (
        r"test_concatenate |test_batch_normalization|test_qr_invalid_mode",
        "The error is raised in other words, or where Keras raises one something sensible is done.",
    ),
    (
        r"test_while_loop ?|test_while_loop_output_spec",
        "Keras takes the shapes of the loop variables without calling condition and body, which do not fit them in these tests.",
    ),
    (
        r"(Dynamic|Static)ShapeTest::|test_slogdet|TestMathErrors::test_segment",
        "Keras works the shape out by a rule of its own that no run of the operation bears out (sizes that do not fit together, arguments that the operation refuses); here shapes come from tracing the operation itself.",
    ),
    (
        r"test_istft",
        "The ends of the result are cut off before the comparison for the backends that the test knows by name; there Keras' backends differ among themselves.",
    ),
    (
        r"test_jvp_symbolic",
        "Mixes symbolic tensors into a function that computes at once; automatic differentiation is that of the engine.",
    ),
    (
        r"normalize_order_validation",
        "Python's own TypeError for the wrong argument, not a ValueError.",
    ),
    (
        r"test_save_model_exception_raised",
        "Where saving fails no file is left; Keras leaves one without weights.",
    ),
    (
        r"test_save_h5_format",
        "No message about the old format is logged when a model is saved as `.h5`.",
    ),
    (
        r"_symbolic_build",
        "Looks at private attributes or methods.",
    ),
    (
        r"variable_mapping_test",
        "Paths of the optimizer's variables, which Keras keeps to itself.",
    ),
    (
        r"losses_test.*test_config",
        "`get_config` holds all arguments (`delta`, `axis`), where Keras leaves them out.",
    ),
    (
        r"dropout_rescaling",
        "Other random numbers, of which the mean misses a narrow limit.",
    ),
    (
        r"test_standardize_dtype|uint64|int64, not int32",
        "Dtypes that JAX without 64 bits narrows.",
    ),
    (
        r"(does not match|not raised) |not raised$|AssertionError: \"",
        "The error is raised in other words, or where Keras raises one something sensible is done.",
    ),
    (
        r"has no attribute '_|has no attribute 'quantized_|symbolic_call|_variables_moving_average|_collect_learning",
        "Looks at private attributes or methods.",
    ),
)


def reason_of(text: str) -> str:
    """The reason that fits a failing test, else the beginning of its message."""
    for pattern, reason in REASONS:
        if re.search(pattern, text):
            return reason
    # Paths are those of the machine that ran the suite.
    message = re.sub(r"(?:/[\w.+-]+){2,}/", "", text.split(" ", 1)[-1])
    return "NO REASON: " + re.sub(r"\s+", " ", message)[:110].replace("|", "/")


def score(suite: Path, logs: list[Path]) -> tuple[str, dict[str, list[int]], dict[str, dict[tuple[str, str], int]]]:
    """What of the frozen list passed.

    Args:
        suite: The frozen list: tests by file, each with what it needs.
        logs: Lines of JSON, one or more for each test that ran; the last one counts.

    Returns:
        Keras' version; passed and all tests by what they need; for each reason, failed tests by need and file.
    """
    with gzip.open(suite, "rt") as stream:
        frozen = json.load(stream)
    rows = {}
    for log in logs:
        for line in log.read_text().splitlines():
            row = json.loads(line)
            if "outcome" in row:
                rows[row["id"]] = row
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    groups: dict[str, dict[tuple[str, str], int]] = collections.defaultdict(collections.Counter)
    for file, tests in frozen["tests"].items():
        for test, need in tests.items():
            row = rows.get(f"{file}::{test}", {"outcome": "not run", "why": ""})
            passed = row["outcome"] == "passed"
            for key in ("all", need):
                counts[key][0] += passed
                counts[key][1] += 1
            if not passed:
                name = file.removeprefix("keras/src/")
                groups[reason_of(f"{name}::{test} {row['outcome']} {row['why'] or ''}")][need, name] += 1
    return frozen["keras"], counts, groups


def section(suite: Path, logs: list[Path], day: str) -> list[str]:
    """The lines of the section."""
    version, counts, groups = score(suite, logs)
    lines = [
        "## Keras' own tests",
        "",
        f"Keras {version}, run on {day} against a frozen list of tests that Keras itself passes under the same",
        "conditions. They need public behaviour only, or JAX as a reference, or objects of TensorFlow or PyTorch, or look",
        "inside Keras.",
        "",
        "| needs | passed | of | |",
        "|---|---:|---:|---:|",
    ]
    for need in ("all", "public", "jax", "third", "inside"):
        passed, total = counts[need]
        lines.append(f"| {need} | {passed} | {total} | {100 * passed / max(total, 1):.1f} % |")
    lines += [
        "",
        f"Why the other {counts['all'][1] - counts['all'][0]} do not pass:",
        "",
        "| tests | public | jax | third | inside | why | where |",
        "|---:|---:|---:|---:|---:|---|---|",
    ]
    for reason, found in sorted(groups.items(), key=lambda item: (-sum(item[1].values()), item[0])):
        needs = [sum(n for (need, _), n in found.items() if need == k) for k in ("public", "jax", "third", "inside")]
        files: dict[str, int] = collections.Counter()
        for (_, file), n in found.items():
            files[file.removesuffix("_test.py")] += n
        where = ", ".join(f"{file} {n}" for file, n in sorted(files.items(), key=lambda item: (-item[1], item[0])))
        lines.append(f"| {sum(needs)} | {' | '.join(str(n or '') for n in needs)} | {reason} | {where} |")
    return lines
