"""A small kit for text: tokenizers, batches by length, and generation with any decoder model."""

from rustdl._lazy import attach

_EXPORTS = {
    "BPETokenizer": "rustdl.text.tokenizers",
    "BucketedDataset": "rustdl.text.batching",
    "CharTokenizer": "rustdl.text.tokenizers",
    "filter_logits": "rustdl.text.sampling",
    "generate": "rustdl.text.generation",
    "sample": "rustdl.text.sampling",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
