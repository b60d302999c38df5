"""Training, evaluation and prediction: the `Trainer` that every model is."""
