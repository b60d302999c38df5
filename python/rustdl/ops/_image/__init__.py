"""The functions of `rustdl.ops.image`, one family a file."""
