import pytest
import torch

from pix2prof.model.precision import choose_dtype


def test_auto_follows_the_processor(monkeypatch):
    for flags, dtype in (
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "avx512_f": True}, torch.float32),
        ({}, torch.float32),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert choose_dtype("auto") == dtype


def test_explicit_and_wrong():
    assert choose_dtype("bf16") == torch.bfloat16
    assert choose_dtype("float32") == torch.float32
    with pytest.raises(ValueError, match=r"^precision is 'fp16'"):
        choose_dtype("fp16")
