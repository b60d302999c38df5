"""Files from the network, kept in the cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
import tempfile
import urllib.parse
import warnings
import zipfile
from typing import Any

from rustdl.backend import config
from rustdl.utils import io_utils


def get_file(
    fname: Any = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: str | None = None,
    force_download: bool = False,
) -> str:
    """Downloads a file once and returns where it lies.

    Args:
        fname: name in the cache, default the last part of the address.
        origin: address of the file.
        untar: old form of `extract`, for tar archives.
        md5_hash: old form of `file_hash`.
        file_hash: expected hash, hexadecimal; a file with another hash is downloaded again.
        cache_subdir: folder below the cache folder.
        hash_algorithm: `"md5"`, `"sha256"`, or `"auto"` (by the hash's length).
        extract: whether the file is an archive to be unpacked; the folder is returned.
        archive_format: `"tar"`, `"zip"`, `"auto"`, or a list of them.
        cache_dir: the cache folder, default `~/.keras` or `$KERAS_HOME`.
        force_download: download in any case.

    Returns:
        Path of the file, or of the folder with the archive's contents.

    Raises:
        ValueError: no address, a name with folders in it, or a file whose hash is wrong.
        OSError: the download failed.
    """
    if origin is None:
        raise ValueError('Please specify the "origin" argument (URL of the file to download).')
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = _cache_folder(cache_dir, cache_subdir)
    given = os.fspath(fname) if fname else ""
    name = given or os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name:
        raise ValueError(f"Can't parse the file name from the origin: {origin!r}. Please specify the `fname` argument.")
    if os.sep in name:
        raise ValueError(
            "Paths are no longer accepted as the `fname` argument. To specify the file's parent directory, use the "
            f"`cache_dir` argument. Received: fname={name}"
        )
    target, unpacked = os.path.join(folder, name), None
    if extract or untar:
        if given and "." in name:
            unpacked = os.path.join(folder, name[: name.find(".")] + "_extracted")
        else:
            unpacked, target = target, target + "_archive"
    if _needs_download(target, file_hash, hash_algorithm, force_download):
        _download(origin, target)
        if file_hash is not None and not validate_file(target, file_hash, hash_algorithm):
            raise ValueError(
                f"Incomplete or corrupted file detected. The {hash_algorithm} file hash does not match the provided "
                f"value of {file_hash}."
            )
    if unpacked is None:
        return target
    if not extract_archive(target, unpacked, "tar" if untar else archive_format):
        warnings.warn("Could not extract archive.", stacklevel=2)
    return unpacked


def _cache_folder(cache_dir: str | None, sub_folder: str) -> str:
    base = os.path.expanduser(cache_dir or config.keras_home())
    with contextlib.suppress(OSError):
        os.makedirs(base, exist_ok=True)
    if not os.access(base, os.W_OK):
        base = os.path.join(tempfile.gettempdir(), ".keras")
    folder = os.path.join(base, sub_folder)
    os.makedirs(folder, exist_ok=True)
    return folder


def _needs_download(target: str, file_hash: str | None, algorithm: str, force: bool) -> bool:
    if force or not os.path.exists(target):
        return True
    if file_hash is None or validate_file(target, file_hash, algorithm):
        return False
    io_utils.print_msg(
        "A local file was found, but it seems to be incomplete or outdated because the "
        f"{algorithm} file hash does not match the original value of {file_hash} so we will re-download the data."
    )
    return True


def _download(origin: str, target: str) -> None:
    """Into a temporary name first: a broken download leaves nothing behind."""
    from urllib.error import HTTPError, URLError
    from urllib.request import urlretrieve

    from rustdl.utils.progbar import Progbar

    io_utils.print_msg(f"Downloading data from {origin}")
    bar: list[Any] = []

    def show(block: int, size: int, total: int) -> None:
        known = total if total > 0 else None
        if not bar:
            bar.append(Progbar(known))
        done = block * size
        bar[0].update(done if known is None else min(done, known))

    temporary = f"{target}.{os.getpid()}.part"
    try:
        urlretrieve(origin, temporary, show)
        os.replace(temporary, target)
    except HTTPError as error:
        raise OSError(f"URL fetch failure on {origin}: {error.code} -- {error.msg}") from error
    except URLError as error:
        raise OSError(
            f"URL fetch failure on {origin}: {error.reason}. Without a network, put the file at {target}."
        ) from error
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def hash_file(fpath: str, algorithm: str = "sha256", chunk_size: int = 65535) -> str:
    """Hash of a file's contents, hexadecimal.

    Args:
        fpath: the file.
        algorithm: `"md5"` or `"sha256"` (also `"auto"`).
        chunk_size: bytes read at a time.
    """
    digest = hashlib.md5(usedforsecurity=False) if algorithm == "md5" else hashlib.sha256()
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def validate_file(fpath: str, file_hash: str, algorithm: str = "auto") -> bool:
    """Whether a file has a hash; with `"auto"` 64 digits mean sha256, fewer md5."""
    if algorithm == "auto":
        algorithm = "sha256" if len(file_hash) == 64 else "md5"
    return hash_file(fpath, algorithm) == file_hash


def extract_archive(file_path: str, path: str = ".", archive_format: Any = "auto") -> bool:
    """Unpacks a tar or zip archive; members that lead out of the folder are refused.

    Args:
        file_path: the archive.
        path: the folder.
        archive_format: `"tar"`, `"zip"`, `"auto"`, a list, or None.

    Returns:
        Whether the file was an archive of that kind.
    """
    if archive_format is None:
        return False
    kinds = ["tar", "zip"] if archive_format == "auto" else archive_format
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "tar" and tarfile.is_tarfile(file_path):
            with tarfile.open(file_path) as archive:
                archive.extractall(path, filter="data")
            return True
        if kind == "zip" and zipfile.is_zipfile(file_path):
            with zipfile.ZipFile(file_path) as archive:
                _check_names(archive, path)
                archive.extractall(path)
            return True
    return False


def _check_names(archive: zipfile.ZipFile, path: str) -> None:
    root = os.path.realpath(path)
    for name in archive.namelist():
        full = os.path.realpath(os.path.join(root, name))
        if full != root and not full.startswith(root + os.sep):
            raise ValueError(f"Archive member {name!r} leads out of the folder")
