"""How unlike the training set an image is, from numbers that say what it is like."""

import torch
from torch import nn

SHRINKAGE = 0.1
SHARE = 0.99


class Familiarity(nn.Module):
    """Mahalanobis distance from the training set in the space of a vector.

    Some of its numbers can be looked at alone as well: one that hardly varies in the training set
    says little among many that do. Before it has learnt, and where the weights that are loaded
    learnt from another vector, all distances are NaN: not known.

    Parameters
    ----------
    width : int
        Length of the vector.
    parts : sequence of sequence of int
        Indices into the vector that are looked at alone, too.
    """

    def __init__(self, width, parts=()):
        super().__init__()
        self.columns = [list(part) for part in parts]
        self.parts = nn.ModuleList(Familiarity(len(part)) for part in self.columns)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("whitening", torch.eye(width))
        self.register_buffer("limit", torch.tensor(torch.nan))

    @torch.no_grad()
    def learn(self, train, validation, share=SHARE):
        """Take the measure of the training set.

        Parameters
        ----------
        train, validation : torch.Tensor, shape (N, width) and (M, width)
            Mean and covariance, shrunk towards its diagonal, are those of the first; the limits
            are the distances within which a share of the second lies.
        share : float
            What is left over is shared out evenly between the whole and the parts.
        """
        share = 1 - (1 - share) / (1 + len(self.parts))
        for part, columns in zip(self.parts, self.columns, strict=True):
            part.learn(train[:, columns], validation[:, columns], share)
        self.mean.copy_(train.mean(0))
        covariance = torch.cov(train.T).reshape(2 * [len(self.mean)])
        diagonal = covariance.diagonal().clamp(min=1e-8).diag()
        covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal
        self.whitening.copy_(torch.linalg.cholesky(torch.linalg.inv(covariance.double())).float())
        self.limit.fill_(1.0)
        self.limit.copy_(torch.quantile(self._distance(validation), share).clamp(min=1e-6))

    def _distance(self, vectors):
        return ((vectors - self.mean) @ self.whitening).norm(dim=1) / self.limit

    def forward(self, vectors):
        """Distances of vectors (B, width), in units of the limit, shape (B,)."""
        far = [self._distance(vectors)]
        far += [part(vectors[:, c]) for part, c in zip(self.parts, self.columns, strict=True)]
        return torch.stack(far).amax(0)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        """Take what was learnt, unless it was learnt from another vector."""
        stored = state_dict.get(f"{prefix}mean")
        parts = {name.split(".")[1] for name in self.state_dict() if name.startswith("parts.")}
        there = all(f"{prefix}parts.{number}.mean" in state_dict for number in parts)
        if stored is not None and (stored.shape != self.mean.shape or not there):
            unknown = Familiarity(len(self.mean), self.columns).state_dict()
            for name, value in unknown.items():
                state_dict[prefix + name] = value
        super()._load_from_state_dict(state_dict, prefix, *args)
