"""Makes boxes.npz: affine transformations and overlaps of bounding boxes by Keras.

Run as `KERAS_BACKEND=jax python tests/golden/make_boxes.py`.
"""

from pathlib import Path

import keras
import numpy as np

utils = keras.utils.bounding_boxes
random = np.random.default_rng(2)
corners = np.sort(random.random((3, 6, 2, 2)) * 50, axis=2).reshape(3, 6, 4).astype("float32")
other = np.sort(random.random((3, 4, 2, 2)) * 50, axis=2).reshape(3, 4, 4).astype("float32")
parameters = random.uniform(-0.4, 0.4, (6, 3)).astype("float32") * np.array(
    [[90], [1], [1], [1], [40], [40]], "float32"
)
parameters[3] += 1
found = {"corners": corners, "other": other, "parameters": parameters}
found["affine"] = np.asarray(utils.affine_transform(corners, *parameters, height=40, width=50))
found["affine_centre"] = np.asarray(
    utils.affine_transform(corners, *parameters, height=40, width=50, center_x=0.2, center_y=0.7)
)
found["iou"] = np.asarray(utils.compute_iou(corners, other, "xyxy"))
masked = np.where(np.arange(6)[None, :, None] == 2, -1.0, corners).astype("float32")
found["iou_masked"] = np.asarray(utils.compute_iou(masked, other, "yxyx", use_masking=True, mask_val=-7))
found["ciou"] = np.asarray(utils.compute_ciou(corners[:, :4], other, "center_xywh"))
for encoding in ("center_xywh", "center_yxhw"):
    found[f"deltas/{encoding}"] = np.asarray(
        utils.encode_box_to_deltas(corners[0, :4], other, "xyxy", "xyxy", encoding, [0.1, 0.1, 0.2, 0.2])
    )
np.savez_compressed(Path(__file__).parent / "boxes.npz", **found)
