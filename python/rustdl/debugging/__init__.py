"""Looking into functions while they run: printing, times, graphs, NaN."""

from rustdl._lazy import attach

_EXPORTS = {
    "GraphPicture": "rustdl.debugging.graph_picture",
    "Profile": "rustdl.debugging.profile",
    "debug_nans": "rustdl.debugging.nans",
    "debug_print": "rustdl.debugging.printing",
    "draw_graph": "rustdl.debugging.graph_picture",
    "profile": "rustdl.debugging.profile:profile",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
