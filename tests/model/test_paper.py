import numpy as np
import pytest
import torch
from torch.nn import functional

from pix2prof.model.decoders import GRUDecoder, OneShotDecoder, ReinjectingGRUDecoder
from pix2prof.model.nodes import Nodes
from pix2prof.model.paper import Pix2Prof
from pix2prof.model.resnet import ResNet18
from pix2prof.profiles import sma_grid

SMALL = {"latent": 16, "mu_mean": 23.0, "mu_std": 2.0}


pytestmark = pytest.mark.usefixtures("one_thread")


def small_model(seed=0, **kwargs):
    torch.manual_seed(seed)
    return Pix2Prof(**(SMALL | kwargs)).to(memory_format=torch.channels_last).eval()


def images(n, size=48, seed=0):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


def literal_cell(decoder, i, x, state, z):
    """One layer's step; a decoder that reinjects sees z beside the first layer's input."""
    cell = decoder.cells[i]
    if i > 0 or not isinstance(decoder, ReinjectingGRUDecoder):
        return cell(x, state)
    both = torch.cat((cell.weight_ih, decoder.reinject.weight), 1)
    return torch.gru_cell(
        torch.cat((x, z), 1), state, both, cell.weight_hh, cell.bias_ih, cell.bias_hh
    )


def literal_training_unroll(decoder, z, targets, teacher, masks):
    """The released code's loop, image by image and step by step."""
    rows = []
    for b in range(len(z)):
        states, x, outputs = [z[b : b + 1]] * len(decoder.cells), z.new_zeros(1, 1), []
        for t in range(targets.shape[1]):
            for i in range(len(decoder.cells)):
                if i > 0 and masks is not None:
                    x = x * masks[i - 1, t, b]
                states[i] = x = literal_cell(decoder, i, x, states[i], z[b : b + 1])
            outputs.append(decoder.dense(x.relu()))
            x = targets[b : b + 1, t : t + 1] if teacher[b] else outputs[-1].detach()
        rows.append(torch.cat(outputs, 1))
    return torch.cat(rows)


@torch.no_grad()
def literal_generation(decoder, z, max_steps, window, std):
    """The paper's halting rule, one galaxy at a time, in numpy."""
    profiles = []
    for row in z:
        states, x, profile = [row[None]] * len(decoder.cells), z.new_zeros(1, 1), []
        while len(profile) < max_steps:
            for i in range(len(decoder.cells)):
                states[i] = x = literal_cell(decoder, i, x, states[i], row[None])
            x = decoder.dense(x.relu())
            profile.append(x.item())
            if len(profile) >= window and np.std(profile[-window:]) <= std:
                break
        profiles.append(profile)
    return profiles


class TestEncoder:
    def test_has_the_parameters_of_the_published_network(self):
        published, one_channel, classes, latent = 11_689_512, 2 * 64 * 49, 513 * 1000, 513 * 512
        count = sum(p.numel() for p in ResNet18().parameters())
        assert count == published - one_channel - classes + latent

    @pytest.mark.parametrize(("stem", "reduction"), [("standard", 32), ("small", 8)])
    @pytest.mark.parametrize(("height", "width"), [(32, 32), (70, 41)])
    def test_any_image_size(self, stem, reduction, height, width):
        encoder = ResNet18(latent=24, stem=stem).eval()
        x = torch.rand(2, 1, height, width)
        expected = (2, 512, -(-height // reduction), -(-width // reduction))
        assert encoder.features(x).shape == expected
        assert encoder(x).shape == (2, 24)

    def test_unknown_stem(self):
        with pytest.raises(ValueError, match=r"model\.stem is 'tiny'"):
            ResNet18(stem="tiny")

    def test_bfloat16_agrees_and_keeps_the_sky_level_apart(self):
        torch.manual_seed(1)
        encoder = ResNet18(latent=24).eval()
        x = images(2) * 1e-3
        full, low = encoder(x), encoder(x, torch.bfloat16)
        assert low.dtype == torch.float32
        assert (full - low).abs().max() < 0.05 * full.abs().max()
        assert (full - low).abs().max() > 0

    def test_a_faint_signal_on_a_sky_level_survives_bfloat16(self):
        torch.manual_seed(1)
        encoder = ResNet18(latent=24).train()
        x = 0.5 + images(4, size=64) * 1e-2
        with torch.no_grad():
            full, low = encoder.features(x), encoder.features(x, torch.bfloat16)
            with torch.autocast("cpu", torch.bfloat16):
                stem_too = encoder.blocks(encoder.pool(encoder.stem(x)))
        full, low, stem_too = (
            (f.float() - f.float().mean(0)).ravel() for f in (full, low, stem_too)
        )
        assert functional.cosine_similarity(full, low, dim=0) > 0.92
        assert functional.cosine_similarity(full, stem_too, dim=0) < 0.8


@pytest.mark.parametrize("kind", [GRUDecoder, ReinjectingGRUDecoder])
class TestBothDecoders:
    @pytest.mark.parametrize("dropout", [0.0, 0.3])
    @pytest.mark.parametrize("layers", [1, 3])
    def test_gradient_is_that_of_the_literal_loop(self, kind, layers, dropout):
        torch.manual_seed(2)
        decoder = kind(12, layers, dropout).double()
        z = torch.randn(5, 12, dtype=torch.float64, requires_grad=True)
        targets = torch.randn(5, 9, dtype=torch.float64)
        counted = torch.arange(9) < torch.tensor([9, 4, 7, 1, 9])[:, None]
        teacher = torch.tensor([True, False, False, True, False])
        masks = decoder.draw_masks(9, 5, torch.Generator().manual_seed(3))
        assert (masks is None) == (layers == 1 or dropout == 0)
        outputs = decoder(z, targets, teacher, torch.Generator().manual_seed(3), torch.float64)
        expected = literal_training_unroll(decoder, z, targets, teacher, masks)
        torch.testing.assert_close(outputs, expected, rtol=1e-12, atol=1e-12)
        inputs = [z, *decoder.parameters()]
        ours = torch.autograd.grad(((outputs - targets)[counted] ** 2).mean(), inputs)
        theirs = torch.autograd.grad(((expected - targets)[counted] ** 2).mean(), inputs)
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)

    @pytest.mark.parametrize("std", [0.003, 0.0003, -1.0])
    def test_halts_as_the_literal_loop_does(self, kind, std):
        torch.manual_seed(5)
        decoder = kind(16).eval()
        z = 3 * torch.randn(9, 16)
        outputs, n_outputs, halted = decoder.generate(z, 60, 8, std)
        expected = literal_generation(decoder, z, 60, 8, std)
        assert n_outputs.tolist() == [len(profile) for profile in expected]
        assert halted.tolist() == [len(profile) < 60 for profile in expected]
        if std > 0:
            assert len(set(n_outputs.tolist())) > 3
        for row, profile in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(row[: len(profile)], profile, atol=1e-6)
            assert row[len(profile) :].isnan().all()


class TestOneShotDecoder:
    def test_writes_what_the_dense_layer_says_until_it_is_quiet(self):
        torch.manual_seed(5)
        decoder, std = OneShotDecoder(16, 40), 0.2
        z = torch.randn(30, 16)
        written = decoder(z, torch.zeros(30, 25))
        assert written.shape == (30, 25)
        outputs, n_outputs, halted = decoder.generate(z, 40, 4, std)
        assert torch.equal(written, decoder.dense(z)[:, :25])
        said = decoder.dense(z).detach()
        for row, n, stopped, profile in zip(outputs, n_outputs, halted, said, strict=True):
            quiet = [t for t in range(4, 41) if profile[t - 4 : t].std(correction=0) <= std]
            assert stopped == bool(quiet) and n == (quiet[0] if quiet else 40)
            assert torch.equal(row[:n], profile[:n]) and row[n:].isnan().all()
        assert 0 < halted.sum() < 30
        outputs, n_outputs, halted = decoder.generate(z, 40, 41, std)
        assert n_outputs.tolist() == 30 * [40] and not halted.any() and outputs.isfinite().all()


class TestDecoder:
    def test_bfloat16_gradient_points_the_same_way(self):
        torch.manual_seed(2)
        decoder = GRUDecoder(64, dropout=0.0)
        targets, teacher = torch.randn(4, 30), torch.ones(4, dtype=torch.bool)
        z = torch.randn(4, 64)
        gradients = []
        for dtype in (torch.float32, torch.bfloat16):
            loss = (decoder(z, targets, teacher, dtype=dtype) - targets).square().mean()
            of_weights = torch.autograd.grad(loss, list(decoder.parameters()))
            assert all(g.dtype == torch.float32 for g in of_weights)
            gradients.append(torch.cat([g.ravel() for g in of_weights]))
        assert functional.cosine_similarity(*gradients, dim=0) > 0.995

    def test_teacher_forcing_changes_only_what_is_fed_back(self):
        torch.manual_seed(4)
        decoder = GRUDecoder(16).eval()
        z, targets = torch.randn(2, 16), torch.randn(2, 6)
        forced = decoder(z, targets, torch.tensor([True, False]))
        free = decoder(z, targets, torch.tensor([False, False]))
        assert torch.equal(forced[1], free[1])
        assert torch.equal(forced[0, 0], free[0, 0])
        assert not torch.isclose(forced[0, 1:], free[0, 1:]).any()
        fed_itself = decoder(z, free, torch.tensor([True, True]))
        torch.testing.assert_close(fed_itself, free)

    def test_dropout_is_drawn_from_the_generator(self):
        decoder = GRUDecoder(200, dropout=0.2)
        masks = decoder.draw_masks(20, 10, torch.Generator().manual_seed(1))
        again = decoder.draw_masks(20, 10, torch.Generator().manual_seed(1))
        assert torch.equal(masks, again)
        assert masks.unique().tolist() == [0.0, 1.25]
        assert abs((masks == 0).float().mean() - 0.2) < 0.01
        assert decoder.eval().draw_masks(20, 10) is None

    def test_stops_computing_for_what_has_halted(self, monkeypatch):
        from pix2prof.model import decoders

        torch.manual_seed(5)
        decoder, rows, cell = GRUDecoder(16).eval(), [], decoders.gru_cell
        monkeypatch.setattr(
            decoders, "gru_cell", lambda x, s, h: rows.append(len(h)) or cell(x, s, h)
        )
        n_outputs = decoder.generate(3 * torch.randn(9, 16), 60, 8, 0.003)[1]
        assert sum(rows) == 3 * n_outputs.sum()


class TestNodes:
    @pytest.mark.parametrize(("step", "count"), [(0.2, 1024), (1.0, 206), (2.0, 104)])
    def test_cover_the_grid(self, step, count):
        nodes = Nodes(step=step)
        assert nodes.count == count
        assert (nodes.count - 1) * nodes.stride >= 1023
        assert nodes.window == round(20 / step)

    @pytest.mark.parametrize("step", [0.2, 1.0])
    def test_a_straight_profile_comes_back(self, step):
        nodes = Nodes(step=step, mu_mean=22.0, mu_std=1.7)
        straight = (18 + 0.03 * sma_grid())[None].repeat(3, 0).astype(np.float32)
        targets, counted, n_nodes = nodes.targets(straight)
        assert targets.shape == counted.shape == (3, nodes.count)
        assert counted.all()
        mu, n_valid = nodes.to_grid(targets, n_nodes)
        assert n_valid.tolist() == [1024] * 3
        inside = (nodes.count - 1) * nodes.stride + 1 - nodes.stride
        np.testing.assert_allclose(mu[:, :inside], straight[:, :inside], atol=1e-5)
        np.testing.assert_allclose(mu, straight, atol=0.03)

    @pytest.mark.parametrize("step", [0.2, 1.0])
    def test_the_end_is_held_for_the_window_and_found_again(self, step):
        nodes = Nodes(step=step, mu_mean=22.0, mu_std=1.7)
        lengths = np.array([1, 2, 3, 61, 63, 64, 1000, 1024])
        mu = np.where(sma_grid() <= 0.2 * lengths[:, None] + 0.01, 18 + 0.1 * sma_grid(), np.nan)
        targets, counted, n_nodes = nodes.targets(mu)
        assert counted.sum(1).tolist() == (n_nodes + nodes.window).clamp(max=nodes.count).tolist()
        for row, n, last in zip(targets, n_nodes, 18 + 0.02 * lengths, strict=True):
            np.testing.assert_allclose(row[n:] * 1.7 + 22, last, atol=1e-5)
        n_valid = nodes.to_grid(targets, n_nodes)[1].numpy()
        assert np.abs(n_valid - lengths).max() <= nodes.stride // 2

    def test_gaps_are_bridged_and_not_counted(self):
        nodes = Nodes(step=0.2)
        mu = (20 + sma_grid())[None].copy()
        mu[0, 100:] = np.nan
        whole = nodes.targets(mu)[0]
        mu[0, 40:50] = np.nan
        targets, counted, n_nodes = nodes.targets(mu)
        torch.testing.assert_close(targets, whole)
        assert n_nodes.item() == 100
        assert (~counted[0]).nonzero().ravel().tolist() == list(range(40, 50))

    def test_an_empty_profile_is_named(self):
        with pytest.raises(ValueError, match="profile 1 of 2 has no finite"):
            Nodes().targets(np.array([[20.0, 21.0], [np.nan, np.nan]]))

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"step": 0.3}, r"model\.step is 0\.3"),
            ({"halt_window": 1.0}, r"model\.halt_window is 1\.0"),
            ({"mu_std": 0.0}, "mu_mean, mu_std are"),
        ],
    )
    def test_refuses(self, kwargs, message):
        with pytest.raises(ValueError, match=message):
            Nodes(**kwargs)


class TestPix2Prof:
    def test_predicts_profiles_that_end_where_it_halts(self):
        model = small_model(halt_std=0.02)
        mu, n_valid = model.predict(images(5))
        assert mu.shape == (5, 1024)
        assert mu.dtype == torch.float32
        assert torch.isfinite(mu).sum(1).tolist() == n_valid.tolist()
        z = model.encode(images(5))
        literal = literal_generation(model.decoder, z, 206, 20, 0.01)
        ends = [len(p) - 19 if len(p) < 206 else 206 for p in literal]
        assert n_valid.tolist() == [min(5 * (end - 1) + 1, 1024) for end in ends]
        for row, profile, end in zip(mu, literal, ends, strict=True):
            np.testing.assert_allclose(
                row[0 : 5 * end : 5][:end], 23 + 2 * np.array(profile[:end]), atol=1e-4
            )

    def test_is_the_same_alone_in_a_batch_and_in_any_order(self):
        model, x = small_model(), images(6)
        mu = model.predict(x)[0]
        order = torch.tensor([3, 1, 5, 0, 4, 2])
        shuffled = model.predict(x[order])[0]
        torch.testing.assert_close(shuffled, mu[order], rtol=0, atol=1e-4, equal_nan=True)
        for i in range(6):
            alone = model.predict(x[i : i + 1])[0]
            torch.testing.assert_close(alone, mu[i : i + 1], rtol=0, atol=1e-4, equal_nan=True)

    def test_predict_refuses_training_mode(self):
        with pytest.raises(RuntimeError, match=r"model\.eval\(\)"):
            small_model().train().predict(images(1))

    def test_unknown_decoder(self):
        with pytest.raises(ValueError, match=r"model\.decoder is 'lstm'.*gru"):
            Pix2Prof(decoder="lstm")


def test_binning_averages_squares_before_the_encoder():
    model, fine = small_model(binning=2).eval(), images(3, 64)
    coarse = fine.unflatten(2, (32, 2)).unflatten(4, (32, 2)).mean((3, 5))
    twin = small_model(binning=1).eval()
    torch.testing.assert_close(model.encode(fine), twin.encode(coarse))
    assert model.encode(images(2, 65)).shape == model.encode(images(2, 64)).shape
