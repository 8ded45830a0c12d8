"""What runs without being asked: projectors, process managers, executors, reconcilers."""
