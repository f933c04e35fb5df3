"""What the private tensors of each task are, and the rows that a server sends to each person alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from fedshare.federation.tasks import ClientTask
from fedshare.storage.layouts import table_layout
from fedshare.storage.tensor_files import Array, Layout

__all__ = ["personal_layout", "private_layout"]


def private_layout(task: ClientTask, values: Mapping[str, Any], n_users: int, n_items: int) -> Layout:
    """The private state of everybody's devices.

    Args:
        task: What devices run.
        values: Its values.
        n_users: People.
        n_items: Catalogue.
    """
    dim = values.get("embedding_size", 0)
    if task.name == "fedshare":
        return table_layout("vector", n_users, dim)
    if task.name == "pfedrec":
        own = {"items": Array((n_users, n_items, dim))} if values["keep_items"] else {}
        return Layout({"weight": Array((n_users, dim)), "bias": Array((n_users, 1)), **own})
    return Layout({"user": Array((n_users, dim))} if task.name == "fedncf" else {})


def personal_layout(task: ClientTask, n_users: int, dim: int | None, *, published: bool) -> Layout:
    """What was sent to each person alone.

    Args:
        task: What devices run.
        n_users: People.
        dim: Length of a published vector; None where there is none.
        published: Whether anything is published yet.
    """
    if task.name != "own-vector" or not published:
        return Layout()
    return Layout({"view": Array((n_users, dim)), "recipients": Array((n_users,), (torch.bool,))})
