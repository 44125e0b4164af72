"""The flights project: what runs in the stack's containers, and under DVC without them."""
