"""The arithmetic that a device is good at."""

import torch


def choose_dtype(precision="auto", device="cpu"):
    """Arithmetic for convolutions and matrix products.

    Parameters
    ----------
    precision : {"auto", "bf16", "float32"}
        `auto`: bfloat16 where the device has instructions for it (without them it is slower).
    device : str or torch.device

    Returns
    -------
    torch.dtype

    Raises
    ------
    ValueError
        If `precision` is none of these.
    """
    if precision not in ("auto", "bf16", "float32"):
        raise ValueError(f"precision is {precision!r}: it must be auto, bf16 or float32")
    if precision == "auto":
        if torch.device(device).type == "cuda":
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            processor = torch.cpu.get_capabilities()
            has_bf16 = any(processor.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
        precision = "bf16" if has_bf16 else "float32"
    return torch.bfloat16 if precision == "bf16" else torch.float32
