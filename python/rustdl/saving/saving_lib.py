"""The `.keras` archive (metadata.json, config.json, model.weights.h5, assets/) and weight files."""

from __future__ import annotations

import datetime
import io
import json
import os
import warnings
import zipfile
from typing import Any

from rustdl.saving.atomic import atomic_write
from rustdl.saving.serialization_lib import ObjectSharingScope, deserialize_keras_object, serialize_keras_object
from rustdl.saving.state import load_state, save_state
from rustdl.saving.stores import AssetStore, H5Store, WeightStore

CONFIG_NAME = "config.json"
METADATA_NAME = "metadata.json"
WEIGHTS_NAME = "model.weights.h5"
ASSETS_NAME = "assets"
# The version of Keras whose format is written.
FORMAT_VERSION = "3.15.1"
# A member of an archive may expand to this many bytes, or to a hundred times its stored size.
MEMBER_FLOOR = 1 << 26
SHARDS_SUFFIX = ".weights.json"


def save_model(model: Any, filepath: Any, zipped: bool = True) -> None:
    """Writes a model to a `.keras` file, a folder, or a binary file object.

    Args:
        model: the model.
        filepath: where to.
        zipped: False writes a folder with the archive's members.

    Raises:
        ValueError: the name does not end as it should.
    """
    if not model.built:
        warnings.warn(
            "You are saving a model that has not yet been built. It might not contain any weights yet. Consider "
            "building the model first by calling it on some data.",
            stacklevel=3,
        )
    if isinstance(filepath, io.IOBase):
        _write_archive(model, filepath)
        return
    path = str(filepath)
    if zipped and not path.endswith(".keras"):
        raise ValueError(f"Invalid `filepath` argument: expected a `.keras` extension. Received: filepath={path}")
    if not zipped and path.endswith(".keras"):
        raise ValueError(
            f"When using `zipped=False`, the `filepath` argument should not end in `.keras`. Received: filepath={path}"
        )
    if not zipped:
        _write_folder(model, path)
        return
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        _write_archive(model, file)


def _model_json(model: Any) -> tuple[str, str]:
    """`config.json` and `metadata.json`."""
    import rustdl

    with ObjectSharingScope():
        config = json.dumps(serialize_keras_object(model))
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {"keras_version": FORMAT_VERSION, "date_saved": now, "rustdl_version": rustdl.__version__}
    return config, json.dumps(metadata)


def _write_archive(model: Any, file: Any) -> None:
    config, metadata = _model_json(model)
    weights = io.BytesIO()
    store = H5Store(weights, "w")
    with AssetStore() as assets:
        try:
            save_state(model, store, assets)
        finally:
            store.close()
        # Stored without compression, as Keras does: weights hardly shrink.
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(METADATA_NAME, metadata)
            archive.writestr(CONFIG_NAME, config)
            with archive.open(WEIGHTS_NAME, "w", force_zip64=True) as member:
                member.write(weights.getbuffer())
            assets.write_to(archive, ASSETS_NAME)


def _write_folder(model: Any, folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    config, metadata = _model_json(model)
    for name, text in ((METADATA_NAME, metadata), (CONFIG_NAME, config)):
        with atomic_write(os.path.join(folder, name)) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
    assets = os.path.join(folder, ASSETS_NAME)
    with AssetStore() as store, atomic_write(os.path.join(folder, WEIGHTS_NAME)) as temporary:
        weights = H5Store(temporary, "w")
        try:
            save_state(model, weights, store)
        finally:
            weights.close()
        if os.listdir(store.root):
            import shutil

            shutil.copytree(store.root, assets, dirs_exist_ok=True)


def load_model(filepath: Any, custom_objects: Any = None, compile: bool = True, safe_mode: bool = True) -> Any:
    """Reads what `save_model` wrote.

    Args:
        filepath: `.keras` file, folder, or binary file object.
        custom_objects: names of your own classes and functions.
        compile: whether to compile the model as it was.
        safe_mode: refuse Python code in the file.

    Raises:
        ValueError: the file is not an archive, or is damaged, or does not fit.
    """
    if isinstance(filepath, io.IOBase):
        return _read_archive(filepath, custom_objects, compile, safe_mode)
    path = str(filepath)
    if os.path.isdir(path):
        return _read_folder(path, custom_objects, compile, safe_mode)
    if not path.endswith(".keras"):
        raise ValueError(f"Invalid filename: expected a `.keras` extension. Received: filepath={path}")
    with open(path, "rb") as file:
        return _read_archive(file, custom_objects, compile, safe_mode)


def _read_archive(file: Any, custom_objects: Any, compile: bool, safe_mode: bool) -> Any:
    try:
        archive = zipfile.ZipFile(file, "r")
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(f"Not a `.keras` file, or a damaged one: {error}") from error
    with archive:
        text = read_member(archive, CONFIG_NAME)
        weights = io.BytesIO(read_member(archive, WEIGHTS_NAME))
        model = model_from_json_text(text, custom_objects, compile, safe_mode)
        store = H5Store(weights, "r")
        try:
            with AssetStore() as assets:
                assets.read_from(archive, ASSETS_NAME, MEMBER_FLOOR)
                load_state(model, store, assets)
        finally:
            store.close()
    return model


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member of an archive, its declared size checked first.

    Args:
        archive: the archive.
        name: the member.

    Raises:
        ValueError: there is no such member, or it is damaged, or declares far more than it stores.
    """
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"Not a `.keras` file: it has no member {name!r}. Found: {archive.namelist()[:20]}") from None
    if info.file_size > max(100 * info.compress_size, MEMBER_FLOOR):
        raise ValueError(
            f"Not allowed: archive member {name!r} declares {info.file_size} bytes but only {info.compress_size} are "
            "stored; refusing to load a potential decompression bomb."
        )
    try:
        return archive.read(info)
    except Exception as error:  # zlib, struct and zip errors of all kinds
        raise ValueError(f"The archive member {name!r} is damaged: {error}") from error


def model_from_json_text(text: Any, custom_objects: Any, compile: bool, safe_mode: bool) -> Any:
    """The model, without its weights, that a `config.json` describes.

    Args:
        text: the JSON.
        custom_objects: names of your own classes and functions.
        compile: whether to compile it.
        safe_mode: refuse Python code.
    """
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{CONFIG_NAME} is damaged: {error}") from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError(f"{CONFIG_NAME} does not describe a model: expected a dict with `class_name`")
    if not compile:
        config["compile_config"] = None
    try:
        with ObjectSharingScope():
            model = deserialize_keras_object(config, custom_objects, safe_mode=safe_mode)
    except RecursionError as error:
        raise ValueError(f"{CONFIG_NAME} is nested too deeply") from error
    except (LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(
            f"{CONFIG_NAME} is damaged, or a custom class does not fit it: {type(error).__name__}: {error}"
        ) from error
    from rustdl.layers.layer import Layer

    if not isinstance(model, Layer):
        raise ValueError(f"{CONFIG_NAME} describes {type(model).__name__}, not a model")
    return model


def _read_folder(folder: str, custom_objects: Any, compile: bool, safe_mode: bool) -> Any:
    with open(os.path.join(folder, CONFIG_NAME), encoding="utf-8") as file:
        model = model_from_json_text(file.read(), custom_objects, compile, safe_mode)
    store = H5Store(os.path.join(folder, WEIGHTS_NAME), "r")
    try:
        with AssetStore() as assets:
            source = os.path.join(folder, ASSETS_NAME)
            if os.path.isdir(source):
                import shutil

                shutil.copytree(source, assets.root, dirs_exist_ok=True)
            load_state(model, store, assets)
    finally:
        store.close()
    return model


def save_weights_only(
    model: Any, filepath: Any, max_shard_size: float | None = None, objects_to_skip: Any = None
) -> None:
    """Writes the weights (and the optimizer's state) to a `.weights.h5` or `.safetensors` file, or to several.

    Args:
        model: a built model.
        filepath: where to.
        max_shard_size: most GiB of values in one file; `filepath` is then that of their index.
        objects_to_skip: objects whose values are left out.

    Raises:
        ValueError: the model is not built, or the name does not end as it should.
    """
    if not model.built:
        raise ValueError(
            "You are saving a model that has not yet been built. Try building the model first by calling it on some "
            "data or by using `build()`."
        )
    path = str(filepath)
    if max_shard_size is not None:
        from rustdl.saving import shards

        shards.save_shards(model, path, max_shard_size, objects_to_skip or ())
        return
    if path.endswith(".safetensors"):
        from rustdl._rustdl import save_safetensors

        memory = WeightStore()
        save_state(model, memory, skip=objects_to_skip or ())
        with atomic_write(path) as temporary:
            save_safetensors(temporary, memory.arrays)
        return
    if not path.endswith(".weights.h5"):
        raise ValueError(f"The filename must end in `.weights.h5` or `.safetensors`. Received: filepath={path}")
    with atomic_write(path) as temporary:
        store = H5Store(temporary, "w")
        try:
            save_state(model, store, skip=objects_to_skip or ())
        finally:
            store.close()


def load_weights_only(model: Any, filepath: Any, skip_mismatch: bool = False, objects_to_skip: Any = None) -> None:
    """Reads weights from a `.weights.h5`, `.safetensors` or `.keras` file, or those that a `.weights.json` lists.

    Args:
        model: a built model of the same structure.
        filepath: the file.
        skip_mismatch: warn about layers whose values do not fit, and load the others.
        objects_to_skip: objects whose values are left alone.

    Raises:
        ValueError: the model is not built, or values do not fit; the weights are then as before.
    """
    if not model.built:
        raise ValueError(
            "You are loading weights into a model that has not yet been built. Try building the model first by calling "
            "it on some data or by using `build()`."
        )
    store = _open_weights(str(filepath))
    try:
        load_state(model, store, skip_mismatch=skip_mismatch, skip=objects_to_skip or ())
    finally:
        store.close()


def _open_weights(path: str) -> WeightStore:
    if path.endswith(".safetensors"):
        from rustdl._rustdl import load_safetensors

        return WeightStore(dict(load_safetensors(path)))
    if path.endswith(".keras"):
        with open(path, "rb") as file:
            try:
                archive = zipfile.ZipFile(file, "r")
            except (zipfile.BadZipFile, OSError) as error:
                raise ValueError(f"Not a `.keras` file, or a damaged one: {path} ({error})") from error
            with archive:
                return H5Store(io.BytesIO(read_member(archive, WEIGHTS_NAME)), "r")
    if path.endswith(".weights.h5"):
        return H5Store(path, "r")
    if path.endswith(SHARDS_SUFFIX):
        from rustdl.saving import shards

        return shards.ShardedStore(path)
    raise ValueError(
        f"File format not supported: filepath={path}. Expected `.weights.h5`, `.weights.json`, `.safetensors` or "
        "`.keras`."
    )
