"""How unlike the training set an image is, from numbers that say what it is like."""

import torch
from torch import nn

SHRINKAGE = 0.1
SHARE = 0.99


class Familiarity(nn.Module):
    """Mahalanobis distance from the training set in the space of a vector.

    Before it has learnt, and where the weights that are loaded learnt from another vector, all
    distances are NaN: not known.

    Parameters
    ----------
    width : int
        Length of the vector.
    """

    def __init__(self, width):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("whitening", torch.eye(width))
        self.register_buffer("limit", torch.tensor(torch.nan))

    @torch.no_grad()
    def learn(self, train, validation):
        """Take the measure of the training set.

        Parameters
        ----------
        train, validation : torch.Tensor, shape (N, width) and (M, width)
            Mean and covariance, shrunk towards its diagonal, are those of the first; the limit is
            the distance within which 99 per cent of the second lie.
        """
        self.mean.copy_(train.mean(0))
        covariance = torch.cov(train.T)
        diagonal = covariance.diagonal().clamp(min=1e-8).diag()
        covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal
        self.whitening.copy_(torch.linalg.cholesky(torch.linalg.inv(covariance.double())).float())
        self.limit.fill_(1.0)
        self.limit.copy_(torch.quantile(self(validation), SHARE).clamp(min=1e-6))

    def forward(self, vectors):
        """Distances of vectors (B, width), in units of the limit, shape (B,)."""
        return ((vectors - self.mean) @ self.whitening).norm(dim=1) / self.limit

    def _load_from_state_dict(self, state_dict, prefix, *args):
        """Take what was learnt, unless it was learnt from a vector of another length."""
        stored = state_dict.get(f"{prefix}mean")
        if stored is not None and stored.shape != self.mean.shape:
            for name, value in Familiarity(len(self.mean)).named_buffers():
                state_dict[prefix + name] = value
        super()._load_from_state_dict(state_dict, prefix, *args)
