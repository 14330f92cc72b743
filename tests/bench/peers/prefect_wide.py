"""flows/wide.R for Prefect, whose tasks are threads or calls of one process: no task has a process of its own."""

from prefect import flow, task


@task(persist_result=True)
def double(x):
    return 2 * x


@flow
def wide(n=200):
    total = sum(double.map(range(1, n + 1)).result())
    assert total == n * (n + 1)


if __name__ == "__main__":
    wide()
