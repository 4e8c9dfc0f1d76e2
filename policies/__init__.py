"""Pure functions over frozen views: numbers in, a decision with its reason out."""
