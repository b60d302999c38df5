"""Callbacks: what shall be done at certain moments of training, evaluation and prediction."""

from rustdl._lazy import attach

_EXPORTS = {
    "BackupAndRestore": "rustdl.callbacks.backup_and_restore",
    "CSVLogger": "rustdl.callbacks.csv_logger",
    "Callback": "rustdl.callbacks.callback",
    "CallbackList": "rustdl.callbacks.callback_list",
    "EarlyStopping": "rustdl.callbacks.early_stopping",
    "History": "rustdl.callbacks.history",
    "LambdaCallback": "rustdl.callbacks.lambda_callback",
    "LearningRateScheduler": "rustdl.callbacks.learning_rate_scheduler",
    "ModelCheckpoint": "rustdl.callbacks.model_checkpoint",
    "OrbaxCheckpoint": "rustdl.callbacks.orbax_checkpoint",
    "ProgbarLogger": "rustdl.callbacks.progbar_logger",
    "ReduceLROnPlateau": "rustdl.callbacks.reduce_lr_on_plateau",
    "RemoteMonitor": "rustdl.callbacks.remote_monitor",
    "SwapEMAWeights": "rustdl.callbacks.swap_ema_weights",
    "TensorBoard": "rustdl.callbacks.tensorboard",
    "TerminateOnNaN": "rustdl.callbacks.terminate_on_nan",
}

__getattr__, __dir__, __all__ = attach(__name__, _EXPORTS)
