"""Taking a request out of a trained model: contrastive unlearning, the reference, and controls."""
