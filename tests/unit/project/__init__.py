"""The flights project itself: its data and its stages."""
