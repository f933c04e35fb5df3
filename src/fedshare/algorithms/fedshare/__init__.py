"""FedShare: what the server does, and the task that devices run."""
