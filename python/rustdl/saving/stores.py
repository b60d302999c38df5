"""Where variables' values go and come from: HDF5 files, safetensors files, and folders of assets.

A weight store maps an inner path, such as `layers/dense`, to a mapping from `"0"`, `"1"`, ... to arrays. Reading trusts
nothing: links that leave the file are refused, and declared sizes are compared with stored ones before memory is asked
for.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, KeysView
from typing import Any

import numpy as np

from rustdl import backend

# A dataset may expand this much when decompressed; below the floor nothing is checked but its own declaration.
_MAX_EXPANSION = 1000
_EXPANSION_FLOOR = 1 << 24


class WeightStore:
    """A mapping of inner paths to mappings of names to arrays, in memory; `H5Store` keeps them in a file."""

    def __init__(self, arrays: dict[str, Any] | None = None) -> None:
        self.arrays: dict[str, Any] = arrays if arrays is not None else {}

    def make(self, path: str, metadata: dict[str, str] | None = None) -> Any:
        """A mapping to write the values of one object to.

        Args:
            path: inner path of the object.
            metadata: kept beside the values where the format can.
        """
        del metadata
        return _Entry(self.arrays, _join(path, "vars"))

    def get(self, path: str) -> Any:
        """The values stored under an inner path: a mapping, empty when there are none."""
        return _Entry(self.arrays, _join(path, "vars"))

    def has_path(self, path: str) -> bool:
        """Whether anything is stored below an inner path."""
        return any(key.startswith(path + "/") for key in self.arrays)

    def close(self) -> None:
        """Frees what the store holds."""


class _Entry:
    """The part of a flat dict that lies under a prefix."""

    def __init__(self, arrays: dict[str, Any], prefix: str) -> None:
        self._arrays = arrays
        self._prefix = prefix + "/"

    def keys(self) -> list[str]:
        """Names of the values."""
        names = (k[len(self._prefix) :] for k in self._arrays if k.startswith(self._prefix))
        return [n for n in names if "/" not in n]

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __getitem__(self, key: str) -> Any:
        return self._arrays[self._prefix + key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._arrays[self._prefix + key] = np.asarray(backend.convert_to_numpy(value))

    def __delitem__(self, key: str) -> None:
        del self._arrays[self._prefix + key]


class H5Store(WeightStore):
    """A weight store in an HDF5 file, laid out as Keras 3 does.

    Args:
        file: path or binary file object.
        mode: `"r"` or `"w"`.

    Raises:
        ImportError: h5py is missing.
        ValueError: the file is not HDF5, or is damaged.
    """

    def __init__(self, file: Any, mode: str = "r") -> None:
        super().__init__()
        try:
            import h5py
        except ImportError as error:
            raise ImportError("Reading and writing HDF5 weights needs h5py: pip install h5py") from error
        self._h5py = h5py
        try:
            self.file = h5py.File(file, mode)
        except OSError as error:
            if mode == "r" and not isinstance(error, FileNotFoundError):
                raise ValueError(f"Not an HDF5 file, or a damaged one: {_describe(file)} ({error})") from error
            raise

    def make(self, path: str, metadata: dict[str, str] | None = None) -> Any:
        group = self.file.require_group(_join(path, "vars"))
        for key, value in (metadata or {}).items():
            group.attrs[key] = value
        return _H5Writer(group)

    def get(self, path: str) -> Any:
        group = safe_group(self._h5py, self.file, _join(path, "vars"))
        return _H5Reader(self._h5py, group)

    def has_path(self, path: str) -> bool:
        return path in self.file

    def close(self) -> None:
        self.file.close()


class _H5Writer:
    """Writes arrays into one group."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def __setitem__(self, key: str, value: Any) -> None:
        array = np.asarray(backend.convert_to_numpy(value))
        if str(array.dtype) == "bfloat16":
            # HDF5 has no such type: the bits are stored, and an attribute says what they are.
            self._group.create_dataset(key, data=array).attrs["dtype"] = "bfloat16"
        else:
            self._group.create_dataset(key, data=array)

    def keys(self) -> KeysView[str]:
        """Names of the values written so far."""
        return self._group.keys()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self._group)

    def __contains__(self, key: object) -> bool:
        return key in self._group

    def __getitem__(self, key: str) -> Any:
        return np.asarray(self._group[key])

    def __delitem__(self, key: str) -> None:
        del self._group[key]


class _H5Reader:
    """Reads arrays out of one group (None: an empty one)."""

    def __init__(self, h5py: Any, group: Any) -> None:
        self._h5py = h5py
        self._group = group

    def keys(self) -> list[str]:
        """Names of the values."""
        return [] if self._group is None else list(self._group.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __getitem__(self, key: str) -> Any:
        if self._group is None:
            raise KeyError(key)
        return read_dataset(self._h5py, self._group, key)


def safe_group(h5py: Any, parent: Any, path: str) -> Any:
    """The group at a path, or None; every step must be a hard link to a group.

    Args:
        h5py: the module.
        parent: file or group to start from.
        path: names joined by `/`.

    Raises:
        ValueError: a link that leads elsewhere, or something that is not a group.
    """
    group = parent
    for name in path.split("/"):
        if not name:
            continue
        if name not in group:
            return None
        check_link(h5py, group, name)
        group = group[name]
        if not isinstance(group, h5py.Group):
            raise ValueError(f"Damaged HDF5 file: expected a group at {path!r}, found {type(group).__name__}")
    return group


def read_dataset(h5py: Any, group: Any, name: str) -> np.ndarray[Any, Any]:
    """The array of a dataset, after checks of where it lies and how large it says it is.

    Args:
        h5py: the module.
        group: the group that holds it.
        name: its name.

    Raises:
        KeyError: there is none.
        ValueError: external, virtual or soft-linked data, or a size that its stored bytes cannot fill.
    """
    if name not in group:
        raise KeyError(name)
    check_link(h5py, group, name)
    data = group[name]
    where = f"{group.name}/{name}"
    if not isinstance(data, h5py.Dataset):
        raise ValueError(f"Damaged HDF5 file: expected a dataset at {where!r}, found {type(data).__name__}")
    if data.external or data.is_virtual:
        raise ValueError(
            f"Not allowed: the HDF5 dataset {where!r} is external or virtual: it takes its values from another file"
        )
    if data.dtype.hasobject or data.dtype.kind not in "biufcV?":
        raise ValueError(f"The HDF5 dataset {where!r} has dtype {data.dtype}, which is not a tensor's")
    declared, stored = data.nbytes, data.id.get_storage_size()
    filtered = data.compression is not None or data.id.get_create_plist().get_nfilters() > 0
    too_large = declared > max(_MAX_EXPANSION * stored, _EXPANSION_FLOOR) if filtered else declared > stored
    if too_large:
        raise ValueError(
            f"The HDF5 dataset {where!r} declares {declared} bytes (shape {data.shape}, {data.dtype}), but only "
            f"{stored} are stored: the file is damaged or hostile"
        )
    try:
        array = np.asarray(data[()])
    except (OSError, RuntimeError) as error:
        raise ValueError(f"The HDF5 dataset {where!r} cannot be read: {error}") from error
    if data.attrs.get("dtype") == "bfloat16":
        import ml_dtypes

        array = array.view(ml_dtypes.bfloat16) if array.dtype.itemsize == 2 else array.astype(ml_dtypes.bfloat16)
    return array


def check_link(h5py: Any, group: Any, name: str) -> None:
    """Refuses a member of a group that is a link to somewhere else.

    Raises:
        ValueError: A soft link, or one to another file.
    """
    kind = group.get(name, getclass=True, getlink=True)
    if kind in (h5py.ExternalLink, h5py.SoftLink):
        raise ValueError(f"Not allowed: H5 file with {kind.__name__} at {group.name}/{name}")


def _describe(file: Any) -> str:
    return str(file) if isinstance(file, str | os.PathLike) else "the weights in the archive"


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


class AssetStore:
    """A temporary folder with one sub-folder for each object that has assets, such as vocabularies.

    Use it as a context manager; the folder disappears at the end.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rustdl-assets-")
        self.root = self._folder.name

    def _full(self, path: str) -> str:
        full = os.path.realpath(os.path.join(self.root, path))
        root = os.path.realpath(self.root)
        if full != root and not full.startswith(root + os.sep):
            raise ValueError(f"Invalid asset path: '{path}' escapes the asset directory.")
        return full

    def make(self, path: str) -> str:
        """A folder for an object to write to."""
        full = self._full(path) if path else self.root
        os.makedirs(full, exist_ok=True)
        return full

    def get(self, path: str) -> str | None:
        """The folder of an object's assets, or None."""
        full = self._full(path) if path else self.root
        return full if os.path.isdir(full) else None

    def write_to(self, archive: Any, name: str) -> None:
        """Copies all files into a zip archive below `name`."""
        for folder, _, files in os.walk(self.root):
            for file in sorted(files):
                full = os.path.join(folder, file)
                inner = os.path.relpath(full, self.root).replace(os.sep, "/")
                archive.write(full, f"{name}/{inner}")

    def read_from(self, archive: Any, name: str, limit: int) -> None:
        """Copies the files below `name` out of a zip archive; names never lead out of the folder.

        Args:
            archive: the `ZipFile`.
            name: the folder inside.
            limit: most bytes that a member may expand to beyond a hundred times its stored size.
        """
        for info in archive.infolist():
            if not info.filename.startswith(name + "/") or info.is_dir():
                continue
            if info.file_size > max(100 * info.compress_size, limit):
                raise ValueError(f"Not allowed: {info.filename!r} declares {info.file_size} bytes, stores few")
            full = self._full(info.filename[len(name) + 1 :])
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as out:
                out.write(archive.read(info))

    def close(self) -> None:
        """Removes the folder."""
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def __enter__(self) -> AssetStore:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()
