"""flows/wide.R for Metaflow of Python."""

from metaflow import FlowSpec, Parameter, step


class WideFlow(FlowSpec):
    n = Parameter("n", default=200)

    @step
    def start(self):
        self.xs = list(range(1, self.n + 1))
        self.next(self.task, foreach="xs")

    @step
    def task(self):
        self.y = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(task.y for task in inputs)
        self.next(self.end)

    @step
    def end(self):
        assert self.total == self.n * (self.n + 1)


if __name__ == "__main__":
    WideFlow()
