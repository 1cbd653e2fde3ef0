"""The spellings of the few calls that stay calls in a twin, shared by all who read its graph."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

__all__ = ["DIFFERENCES", "JOINS", "PRODUCTS", "RECTIFIERS", "SUMS", "TOP"]

Names = tuple[Callable[..., Any] | str, ...]

SUMS: Names = (torch.add, operator.add, operator.iadd, "add", "add_")
DIFFERENCES: Names = (torch.sub, torch.subtract, operator.sub, operator.isub, "sub", "sub_", "subtract")
PRODUCTS: Names = (torch.mul, torch.multiply, operator.mul, operator.imul, "mul", "mul_", "multiply")
JOINS: Names = (torch.cat, torch.concat, torch.concatenate)
RECTIFIERS: Names = (functional.relu, functional.relu_, torch.relu, torch.relu_, "relu", "relu_")
TOP: Names = (torch.topk, "topk")
