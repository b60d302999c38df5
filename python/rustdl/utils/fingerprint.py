"""Stable 64-bit fingerprints of byte strings: FarmHash64 (Pike, 2014) and SipHash-2-4 (Aumasson and Bernstein, 2012).

They decide the bins of the hashing layers, so they never change. Strings of one length are hashed together, each step
of the hash being one numpy operation on all of them; all arithmetic is modulo 2^64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

_U64 = np.uint64
_Words: TypeAlias = Any  # arrays of uint64, one word for each string
_K0 = _U64(0xC3A5C85C97CB3127)
_K1 = _U64(0xB492B66FBE98F273)
_K2 = _U64(0x9AE16A3B2F90404F)
_CAT = _U64(0xC6A4A7935BD1E995)


def fingerprint64(texts: Sequence[bytes]) -> _Words:
    """FarmHash64 of each byte string.

    Args:
        texts: the byte strings.

    Returns:
        `[len(texts)]` unsigned 64-bit integers.

    Example:
        >>> hex(int(fingerprint64([b""])[0]))
        '0x9ae16a3b2f90404f'
    """
    return _by_length(texts, _farmhash)


def siphash64(texts: Sequence[bytes], key: Sequence[int]) -> _Words:
    """SipHash-2-4 of each byte string under a 128-bit key.

    Args:
        texts: the byte strings.
        key: two integers, the lower and the upper half of the key.

    Returns:
        `[len(texts)]` unsigned 64-bit integers.

    Example:
        >>> hex(int(siphash64([bytes(range(15))], [0x0706050403020100, 0x0F0E0D0C0B0A0908])[0]))
        '0xa129ca6149be45e5'
    """
    low, high = (_U64(k % 2**64) for k in key)
    return _by_length(texts, lambda rows, length: _siphash(rows, length, low, high))


def fingerprint_cat64(first: _Words, second: _Words) -> _Words:
    """One fingerprint for two, in order (a step of MurmurHash2, Appleby, 2008)."""
    with np.errstate(over="ignore"):
        result = (first ^ _CAT) ^ (_shift_mix(second * _CAT) * _CAT)
        result = _shift_mix(result * _CAT) * _CAT
        return _shift_mix(result)


def _by_length(texts: Sequence[bytes], hash_rows: Callable[[Any, int], _Words]) -> _Words:
    """Hashes strings of equal length as the rows `[count, length]` of one byte array."""
    lengths = np.fromiter((len(t) for t in texts), dtype=np.int64, count=len(texts))
    result = np.empty(len(texts), dtype=np.uint64)
    for length in np.unique(lengths).tolist():
        where = np.flatnonzero(lengths == length)
        joined = b"".join(texts[i] for i in where.tolist())
        rows = np.frombuffer(joined, dtype=np.uint8).reshape(len(where), length)
        with np.errstate(over="ignore"):
            result[where] = hash_rows(rows, length)
    return result


def _fetch(rows: Any, start: int, size: int = 8) -> _Words:
    """The little-endian word of `size` bytes that starts at a column."""
    block = np.ascontiguousarray(rows[:, start : start + size])
    words: _Words = block.view("<u8" if size == 8 else "<u4")[:, 0].astype(np.uint64)
    return words


def _rotate_right(x: _Words, bits: int) -> _Words:
    return (x >> _U64(bits)) | (x << _U64(64 - bits))


def _shift_mix(x: _Words) -> _Words:
    return x ^ (x >> _U64(47))


# --- FarmHash64 ---


def _hash_pair(u: _Words, v: _Words, multiplier: Any) -> _Words:
    a = _shift_mix((u ^ v) * multiplier)
    return _shift_mix((v ^ a) * multiplier) * multiplier


def _farmhash(rows: Any, length: int) -> _Words:
    if length <= 16:
        return _farmhash_to_16(rows, length)
    if length <= 32:
        return _farmhash_to_32(rows, length)
    if length <= 64:
        return _farmhash_to_64(rows, length)
    return _farmhash_long(rows, length)


def _farmhash_to_16(rows: Any, length: int) -> _Words:
    multiplier = _K2 + _U64(2 * length)
    if length >= 8:
        a, b = _fetch(rows, 0) + _K2, _fetch(rows, length - 8)
        c = _rotate_right(b, 37) * multiplier + a
        d = (_rotate_right(a, 25) + b) * multiplier
        return _hash_pair(c, d, multiplier)
    if length >= 4:
        first, last = _fetch(rows, 0, 4), _fetch(rows, length - 4, 4)
        return _hash_pair(_U64(length) + (first << _U64(3)), last, multiplier)
    if length > 0:
        a, b, c = (rows[:, i].astype(np.uint64) for i in (0, length >> 1, length - 1))
        y = a + (b << _U64(8))
        z = _U64(length) + (c << _U64(2))
        return _shift_mix((y * _K2) ^ (z * _K0)) * _K2
    return np.full(len(rows), _K2)


def _farmhash_to_32(rows: Any, length: int) -> _Words:
    multiplier = _K2 + _U64(2 * length)
    a, b = _fetch(rows, 0) * _K1, _fetch(rows, 8)
    c, d = _fetch(rows, length - 8) * multiplier, _fetch(rows, length - 16) * _K2
    u = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    return _hash_pair(u, a + _rotate_right(b + _K2, 18) + c, multiplier)


def _farmhash_to_64(rows: Any, length: int) -> _Words:
    multiplier = _K2 + _U64(2 * length)
    a, b = _fetch(rows, 0) * _K2, _fetch(rows, 8)
    c, d = _fetch(rows, length - 8) * multiplier, _fetch(rows, length - 16) * _K2
    y = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    z = _hash_pair(y, a + _rotate_right(b + _K2, 18) + c, multiplier)
    e, f = _fetch(rows, 16) * multiplier, _fetch(rows, 24)
    g = (y + _fetch(rows, length - 32)) * multiplier
    h = (z + _fetch(rows, length - 24)) * multiplier
    u = _rotate_right(e + f, 43) + _rotate_right(g, 30) + h
    return _hash_pair(u, e + _rotate_right(f + a, 18) + g, multiplier)


def _weak_hash(rows: Any, start: int, a: _Words, b: _Words) -> tuple[_Words, _Words]:
    """32 bytes and two seeds as two words."""
    w, x, y, z = (_fetch(rows, start + 8 * i) for i in range(4))
    a = a + w
    b = _rotate_right(b + a + z, 21)
    inner = a + x + y
    return inner + z, b + _rotate_right(inner, 44) + a


def _farmhash_long(rows: Any, length: int) -> _Words:
    """More than 64 bytes: a state of seven words takes in 64 bytes a round, the last round overlapping."""
    seed = np.full(len(rows), 81, dtype=np.uint64)
    y = seed * _K1 + _U64(113)
    z = _shift_mix(y * _K2 + _U64(113)) * _K2
    v = w = (np.zeros_like(seed), np.zeros_like(seed))
    x = seed * _K2 + _fetch(rows, 0)
    rounds = (length - 1) // 64
    for i in range(rounds):
        x, y, z, v, w = _farmhash_round(rows, 64 * i, (x, y, z, v, w), _K1, _U64(1))
    rest = (length - 1) & 63
    multiplier = _K1 + ((z & _U64(0xFF)) << _U64(1))
    w0 = w[0] + _U64(rest)
    v0 = v[0] + w0
    state = (x, y, z, (v0, v[1]), (w0 + v0, w[1]))
    x, y, z, v, w = _farmhash_round(rows, length - 64, state, multiplier, _U64(9))
    return _hash_pair(
        _hash_pair(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z,
        _hash_pair(v[1], w[1], multiplier) + x,
        multiplier,
    )


def _farmhash_round(rows: Any, s: int, state: Any, multiplier: Any, weight: Any) -> Any:
    x, y, z, v, w = state
    x = _rotate_right(x + y + v[0] + _fetch(rows, s + 8), 37) * multiplier
    y = _rotate_right(y + v[1] + _fetch(rows, s + 48), 42) * multiplier
    x = x ^ (w[1] * weight)
    y = y + v[0] * weight + _fetch(rows, s + 40)
    z = _rotate_right(z + w[0], 33) * multiplier
    v = _weak_hash(rows, s, v[1] * multiplier, x + w[0])
    w = _weak_hash(rows, s + 32, z + w[1], y + _fetch(rows, s + 16))
    return z, y, x, v, w


# --- SipHash-2-4 ---


def _sip_round(v: list[_Words]) -> None:
    def left(x: _Words, bits: int) -> _Words:
        return _rotate_right(x, 64 - bits)

    v[0] = v[0] + v[1]
    v[1] = left(v[1], 13) ^ v[0]
    v[0] = left(v[0], 32)
    v[2] = v[2] + v[3]
    v[3] = left(v[3], 16) ^ v[2]
    v[0] = v[0] + v[3]
    v[3] = left(v[3], 21) ^ v[0]
    v[2] = v[2] + v[1]
    v[1] = left(v[1], 17) ^ v[2]
    v[2] = left(v[2], 32)


def _siphash(rows: Any, length: int, low: Any, high: Any) -> _Words:
    # The initial words spell "somepseudorandomlygeneratedbytes".
    start = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    v = [np.full(len(rows), _U64(s) ^ k) for s, k in zip(start, (low, high, low, high), strict=True)]
    # Zeros fill the last block; its last byte is the length modulo 256.
    padded = np.zeros((len(rows), length // 8 * 8 + 8), dtype=np.uint8)
    padded[:, :length] = rows
    padded[:, -1] = length & 0xFF
    for i in range(0, padded.shape[1], 8):
        word = _fetch(padded, i)
        v[3] = v[3] ^ word
        _sip_round(v)
        _sip_round(v)
        v[0] = v[0] ^ word
    v[2] = v[2] ^ _U64(0xFF)
    for _ in range(4):
        _sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
