import pytest
import torch
from torch import nn

from pix2prof.training import batch_norm


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3))


def test_statistics_anew_weigh_all_batches_alike_and_forget_what_was():
    model = network()
    norm = model[1]
    for _ in range(3):
        model(100 + torch.randn(4, 1, 8, 8))
    batches = [torch.randn(4, 1, 8, 8) * scale for scale in (1.0, 2.0, 30.0)]
    with torch.no_grad(), batch_norm.statistics_anew(model):
        for batch in batches:
            model(batch)
    maps = [model[0](batch) for batch in batches]
    mean = torch.stack([x.mean((0, 2, 3)) for x in maps]).mean(0)
    variance = torch.stack([x.var((0, 2, 3)) for x in maps]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_momentum_are_put_back_after_an_error(training):
    model = network().train(training)
    with pytest.raises(RuntimeError, match="stop"), batch_norm.statistics_anew(model):
        assert model.training
        raise RuntimeError("stop")
    assert model.training is training
    assert model[1].momentum == 0.1


def test_held_statistics_do_not_depend_on_the_batch_and_gradients_still_flow():
    model = network()
    model(torch.randn(8, 1, 8, 8))
    model.train()
    batch_norm.hold_statistics(model)
    before = model[1].running_mean.clone()
    images = torch.randn(6, 1, 8, 8)
    together = model(images)
    torch.testing.assert_close(together[:1], model(images[:1]))
    torch.testing.assert_close(model[1].running_mean, before)
    together.square().sum().backward()
    assert model[1].weight.grad.abs().sum() > 0
    model.train()
    model(images)
    assert not torch.equal(model[1].running_mean, before)
