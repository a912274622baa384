"""Sizes of models beside the tiny ones: what differs from the defaults.

Nearly all weights stand over patches.
"""

SIZES: dict[str, dict[str, dict]] = {
    "small": {
        "shell": {"width": 256, "target_length": 8192},
        "backbone": {"layers": 8, "hidden": 704},
    },
    "small_32x": {
        "shell": {"local_width": 96, "decoder_layers": 2, "width": 384, "target_length": 32768},
        "backbone": {"layers": 8, "hidden": 704, "heads": 6},
    },
    "base": {
        "shell": {"local_width": 128, "width": 768, "target_length": 65536},
        "backbone": {"layers": 15, "hidden": 2112, "heads": 12},
    },
    "large": {
        "shell": {"local_width": 256, "local_heads": 8, "width": 1024, "target_length": 131072},
        "backbone": {"layers": 24, "hidden": 3200, "heads": 16},
    },
}
"""Name of a size of Hyena-GLT and the transformer (configs/models/hyena_glt_NAME.yaml) -> its sections."""

GRYPHON_SIZES: dict[str, dict[str, dict]] = {
    "small": {
        "shell": {"width": 256, "target_length": 8192},
        "backbone": {"layers": 4, "state": 256, "block": 64, "hidden": 768},
    },
    "base": {
        "shell": {"local_width": 128, "width": 768, "target_length": 65536},
        "backbone": {"layers": 12, "state": 768, "heads": 12, "block": 64, "hidden": 1056},
    },
    "large": {
        "shell": {"local_width": 256, "local_heads": 8, "width": 1024, "target_length": 131072},
        "backbone": {"layers": 24, "state": 1024, "heads": 16, "block": 64, "hidden": 1088},
    },
}
"""Name of a model file of configs/models (gryphon_NAME.yaml) -> its sections."""
