"""A real Slurm on this machine: slurmctld and several emulated nodes, in a folder, on free ports, without systemd.

Everything is started by hand and stopped by its pid; `kill -9` of each part is a method. Needs Debian's packages
slurmctld slurmd slurm-client munge slurm-wlm-basic-plugins; with accounts also slurmdbd, slurm-wlm-mysql-plugin and
mariadb-server (tools/test.sh slow installs them).
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

__all__ = ["SlurmCluster"]

_CONF = """\
ClusterName=metaflow
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/run/munge.sock,cred_expire=6
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=0,bf_interval=5
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
MessageTimeout=10
KillWait=3
MinJobAge={min_job_age}
Waittime=0
MaxArraySize={max_array_size}
MaxJobCount=20000
EnforcePartLimits=ALL
DefMemPerCPU=256
{accounting}
JobCompType=jobcomp/none
DebugFlags=NO_CONF_HASH
GresTypes=gpu
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 DefaultTime=10 State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=1-0 DefaultTime=10 State=UP PriorityTier=9
"""

_DBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


class SlurmCluster:
    """`accounting`: with slurmdbd and MariaDB. `environment` is what a process needs to use the cluster. Each node has
    two GPUs, of a kind, and the feature "is_<its name>"."""

    def __init__(
        self, folder: Path, nodes: int = 2, cpus: int = 4, memory_mb: int = 4000, accounting: bool = False,
        min_job_age: int = 300, max_array_size: int = 1001,
    ) -> None:
        self.folder = Path(folder)
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self._pids: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen] = {}
        try:
            self._start_all(nodes, cpus, memory_mb, accounting, min_job_age, max_array_size)
        except BaseException:
            self.close()
            raise

    def _start_all(
        self, nodes: int, cpus: int, memory_mb: int, accounting: bool, min_job_age: int, max_array_size: int
    ) -> None:
        for name in ("state", "spool", "log", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._start_munge()
        ports = _free_ports(2 + nodes)
        accounts = "AccountingStorageType=accounting_storage/none"
        if accounting:
            accounts = (
                "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
                # The controller proves who it is by this munge, not by that of the machine.
                f"AccountingStoragePass={self.folder}/run/munge.sock\nAccountingStoragePort={self._start_accounts()}"
            )
        host = socket.gethostname().split(".")[0]
        lines = [
            f"NodeName={name} NodeAddr=127.0.0.1 NodeHostname={host} Port={port} CPUs={cpus} RealMemory={memory_mb} "
            f"Gres=gpu:2 Features=is_{name}"
            for name, port in zip(self.nodes, ports[2:])
        ]
        conf = _CONF.format(
            host=host, ports=ports, user=getpass.getuser(), folder=self.folder, accounting=accounts,
            nodes="\n".join(lines), min_job_age=min_job_age, max_array_size=max_array_size,
        )
        (self.folder / "slurm.conf").write_text(conf)
        # A GPU is a file to Slurm; these are on every machine.
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        self.wait_idle()

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *words: str) -> str:
        environment = {**os.environ, **self.environment}
        return subprocess.run(words, capture_output=True, text=True, check=True, env=environment, timeout=60).stdout

    def jobs(self) -> list[dict[str, str]]:
        """Every job, or element of an array, that the controller knows."""
        fields = "JobID", "ArrayJobID", "State", "Name", "Comment", "UserName", "NodeList"
        lines = self.ask(
            "squeue", "-h", "-r", "-t", "all", "-O", ",".join(f"{field}:|" for field in fields[:-1]) + ",NodeList"
        )
        return [dict(zip(fields, (part.strip() for part in line.split("|")))) for line in lines.splitlines()]

    # -- its parts

    def start_controller(self) -> None:
        self._start("slurmctld", ["slurmctld", "-D", "-f", str(self.folder / "slurm.conf")])
        _wait(lambda: "UP" in self._quiet("scontrol", "ping"), "the controller does not answer")

    def kill_controller(self) -> None:
        self._kill("slurmctld")

    def remember_state(self):
        """What the controller has saved by now. The function that is returned brings that back, while the controller is
        down: as if it had been killed before it saved anything since."""
        saved = self.folder / "state-saved"
        shutil.rmtree(saved, ignore_errors=True)
        time.sleep(3)  # it saves about once a second
        shutil.copytree(self.folder / "state", saved)

        def forget() -> None:
            shutil.rmtree(self.folder / "state")
            shutil.copytree(saved, self.folder / "state")

        return forget

    def start_node(self, name: str) -> None:
        (self.folder / "spool" / name).mkdir(exist_ok=True)
        self._start(name, ["slurmd", "-D", "-N", name, "-f", str(self.folder / "slurm.conf")])

    def kill_node(self, name: str) -> None:
        """As if the power failed: the daemon and all that it started are gone."""
        everything = [self._pids[name], *_below(self._pids[name]), *self._steps_of(name)]
        for pid in everything:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._kill(name)

    def wait_idle(self) -> None:
        _wait(
            lambda: self._quiet("sinfo", "-h", "-N", "-o", "%N %t").split().count("idle") >= len(self.nodes),
            "nodes are not idle",
        )

    def mend(self) -> None:
        """After a test that failed half way: the controller is there and the nodes take jobs."""
        if "slurmctld" not in self._pids:
            self.start_controller()
        for name in self.nodes:
            if name not in self._pids:
                self.start_node(name)
        self.resume_nodes()

    def resume_nodes(self) -> None:
        """Nodes take jobs again. A controller that was just started first waits for each to respond."""

        def resumed() -> bool:
            states = self._quiet("sinfo", "-h", "-N", "-p", "main", "-o", "%t").split()
            if len(states) == len(self.nodes) and set(states) <= {"idle", "mix", "alloc", "comp"}:
                return True
            self._quiet("scontrol", "update", "nodename=ALL", "state=resume")
            return False

        _wait(resumed, "nodes are not up")

    def close(self) -> None:
        if "slurmctld" in self._pids:
            with contextlib.suppress(subprocess.SubprocessError, OSError):
                self.ask("scancel", "--quiet", "--user", getpass.getuser())
        for name in [*self.nodes, "slurmctld", "slurmdbd", "mariadb", "munged"]:
            if name in self._pids:
                for pid in [*_below(self._pids[name]), *self._steps_of(name)]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self._kill(name)

    # -- starting and stopping

    def _start(self, name: str, command: list[str], **environment: str) -> None:
        with open(self.folder / "log" / f"{name}.out", "ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env={**os.environ, **environment},
            )  # fmt: skip
        self._pids[name], self._processes[name] = process.pid, process

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name)
        del self._pids[name]
        process.kill()
        process.wait()

    def _steps_of(self, name: str) -> list[int]:
        """slurmstepd of a node leaves the family of its slurmd; its command line does not say whose it is, but its
        environment or its open files do: the spool folder of the node."""
        spool = str(self.folder / "spool" / name)
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"slurmstepd" in command and any(
                    os.readlink(link).startswith(spool) for link in _links(f"/proc/{pid}")
                ):
                    found += [int(pid), *_below(int(pid))]
        return found

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.folder.chmod(0o755)
        run = self.folder / "run"
        self._start(
            "munged",
            [
                "munged",
                "--foreground",
                "--force",
                f"--key-file={key}",
                f"--socket={run}/munge.sock",
                f"--pid-file={run}/munged.pid",
                f"--log-file={self.folder}/log/munged.log",
                f"--seed-file={run}/munged.seed",
            ],
        )
        _wait((run / "munge.sock").exists, "munged does not start")

    def _start_accounts(self) -> int:
        sql_port, port = _free_ports(2)
        data = self.folder / "mariadb"
        user = getpass.getuser()
        install = [
            "mariadb-install-db",
            f"--datadir={data}",
            f"--user={user}",
            "--auth-root-authentication-method=normal",
        ]
        subprocess.run(install, check=True, capture_output=True)
        sock = self.folder / "run" / "mariadb.sock"
        self._start(
            "mariadb",
            [
                shutil.which("mariadbd") or "/usr/sbin/mariadbd",
                "--no-defaults",
                f"--datadir={data}",
                f"--user={user}",
                f"--socket={sock}",
                f"--port={sql_port}",
                "--bind-address=127.0.0.1",
                "--innodb-flush-log-at-trx-commit=0",
                f"--pid-file={self.folder}/run/mariadb.pid",
                "--innodb-buffer-pool-size=64M",
                "--innodb-lock-wait-timeout=900",
            ],
        )
        create = "CREATE DATABASE slurm; CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm'; GRANT ALL ON slurm.* TO slurm@'127.0.0.1';"
        sql = ["mariadb", "--no-defaults", f"--socket={sock}", "-u", "root", "-e"]
        _wait(
            lambda: subprocess.run([*sql, "SELECT 1"], capture_output=True, check=False).returncode == 0,
            "MariaDB does not start",
        )
        subprocess.run([*sql, create], check=True, capture_output=True)
        conf = self.folder / "slurmdbd.conf"
        conf.write_text(
            _DBD_CONF.format(
                host=socket.gethostname().partition(".")[0], folder=self.folder, port=port, user=user, sql_port=sql_port
            )
        )
        conf.chmod(0o600)
        # slurmdbd looks for its file beside slurm.conf.
        (self.folder / "slurm.conf").touch()
        self._start("slurmdbd", ["slurmdbd", "-D"], **self.environment)
        _wait(lambda: _listens(port), "slurmdbd does not start")
        return port

    def _quiet(self, *words: str) -> str:
        with contextlib.suppress(subprocess.SubprocessError):
            return self.ask(*words)
        return ""


def _links(folder: str) -> list[str]:
    return [f"{folder}/cwd", *(f"{folder}/fd/{name}" for name in os.listdir(f"{folder}/fd"))]


def _below(pid: int) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{name}/stat").read_text()
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found += [int(name), *_below(int(name))]
    return found


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _wait(condition, problem: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(problem)
        time.sleep(0.1)
