import torch

from pix2prof.isophote_network.familiarity import Familiarity


def test_distance_knows_the_spread_of_each_direction():
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 10.0, 0.1])
    train = torch.randn(4000, 3, generator=generator) * scale + 5
    validation = torch.randn(2000, 3, generator=generator) * scale + 5
    familiar = Familiarity(3)
    familiar.learn(train, validation)
    inside = familiar(torch.randn(5000, 3, generator=generator) * scale + 5) < 1
    assert 0.985 < inside.float().mean() < 0.995
    off = torch.full((3, 3), 5.0) + torch.diag(8 * scale)
    assert (familiar(off) > 1.5).all()
    torch.testing.assert_close(familiar(off)[0], familiar(off)[1], rtol=0.1, atol=0)


def test_directions_that_never_vary_do_no_harm():
    generator = torch.Generator().manual_seed(1)
    train = torch.randn(500, 4, generator=generator)
    train[:, 2] = 3.0
    familiar = Familiarity(4)
    familiar.learn(train, train[:100])
    assert torch.isfinite(familiar(train)).all()
    strange = train[:1].clone()
    strange[0, 2] = 4.0
    assert familiar(strange) > 1


def test_what_was_learnt_from_another_vector_is_not_known():
    learnt, other = Familiarity(4), Familiarity(3)
    assert torch.isnan(learnt(torch.zeros(2, 4))).all()
    train = torch.randn(100, 4, generator=torch.Generator().manual_seed(1))
    learnt.learn(train, train)
    other.load_state_dict(learnt.state_dict())
    assert torch.isnan(other(torch.zeros(2, 3))).all()
    same = Familiarity(4)
    same.load_state_dict(learnt.state_dict())
    assert torch.equal(same(train), learnt(train))


def test_a_number_that_hardly_varies_is_heard_among_many():
    generator = torch.Generator().manual_seed(2)
    train, validation, usual = torch.randn(3, 4000, 20, generator=generator).unbind()
    whole, alone = Familiarity(20), Familiarity(20, [[3], [5, 6]])
    for familiar in (whole, alone):
        familiar.learn(train, validation)
        assert 0.98 < (familiar(usual) < 1).float().mean() < 0.998
    strange = usual.clone()
    strange[:, 3] += 5
    found = [(familiar(strange) > 1).float().mean() for familiar in (whole, alone)]
    assert found[1] > 0.95 > found[0]


def test_parts_that_the_weights_do_not_have_are_not_known():
    whole, alone = Familiarity(4), Familiarity(4, [[1]])
    train = torch.randn(100, 4, generator=torch.Generator().manual_seed(1))
    whole.learn(train, train)
    alone.load_state_dict(whole.state_dict())
    assert torch.isnan(alone(train)).all()
