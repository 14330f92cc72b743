"""What runs on the machines of a cluster: the task runner, started by the jobs of every backend."""

__all__: list = []
