"""rustdl: deep learning on the CPU."""
