"""Core layers: inputs, dense, embedding, masking, lambda."""
