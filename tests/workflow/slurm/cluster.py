"""A private Slurm on this machine, for tests: munge, MariaDB, slurmdbd, slurmctld and slurmd, without systemd.

    python tests/workflow/slurm/cluster.py start FOLDER
    python tests/workflow/slurm/cluster.py stop FOLDER

It needs root, and the packages slurm-wlm, slurmdbd, munge and mariadb-server. All that it writes lies in FOLDER, but
for two links in /etc/slurm: the job step of Snakemake takes SLURM_CONF out of the environment, so that Slurm's commands
look at their default path. A configuration that is there already is never replaced.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

HERE = Path(__file__).parent
SYSTEM = Path("/etc/slurm")
LINKED = ("slurm.conf", "gres.conf")
PROGRAMS = ("munged", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacct")
NODES = ("n1", "n2")
CPUS, MEMORY = 2, 32000  # what a node says it has, in megabytes; its jobs use little of it
DAEMONS = (*(f"slurmd.{node}" for node in NODES), "slurmctld", "slurmdbd", "mariadbd", "munged")
"""Names of the pid files; the part before the point is the program's."""


def start(folder: Path) -> None:
    """Start a cluster of two nodes with two pretend GPUs each; the first account is `lab`."""
    os.environ["PATH"] += f"{os.pathsep}/usr/sbin{os.pathsep}/sbin"  # where the daemons lie
    if absent := [program for program in PROGRAMS if shutil.which(program) is None]:
        raise SystemExit(f"missing: {', '.join(absent)}; install slurm-wlm, slurmdbd, munge and mariadb-server")
    for name in ("etc", "run", "log", "state", "mysql", *(f"spool/{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    configure(folder)
    link(folder)
    start_munge(folder)
    start_accounting(folder)
    run("slurmctld", "-f", folder / "etc/slurm.conf")
    for node in NODES:
        run("slurmd", "-N", node, "-f", folder / "etc/slurm.conf")
    wait("the nodes", lambda: output("sinfo", "--noheader", "--Node", "--format=%T").split() == ["idle"] * len(NODES))


def stop(folder: Path) -> None:
    """End what `start` started, by the process ids in FOLDER/run, and take the links away; nothing is to be kept."""
    daemons = [process for name in DAEMONS if (process := daemon(folder, name)) is not None]
    if any(process.name() == "slurmctld" for process in daemons):
        run("scancel", "--user=root")
        wait("the end of all jobs", lambda: not output("squeue", "--noheader"))
    for process in daemons:
        process.kill()
    for name in LINKED:
        if (SYSTEM / name).is_symlink() and (SYSTEM / name).readlink() == folder / "etc" / name:
            (SYSTEM / name).unlink()


def daemon(folder: Path, name: str) -> psutil.Process | None:
    """Return the process that FOLDER/run/NAME.pid names, if it is still that daemon."""
    file = folder / "run" / f"{name}.pid"
    try:
        process = psutil.Process(int(file.read_text()))
        return process if process.name() == name.split(".")[0] else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def configure(folder: Path) -> None:
    """Write the configuration files into FOLDER/etc, with free ports."""
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(3 + len(NODES))]
    controller, accounting, database, *ports = [server.getsockname()[1] for server in listening]
    for server in listening:
        server.close()
    host = socket.gethostname().split(".")[0]
    for template in HERE.glob("*.in"):
        text = template.read_text().format(
            folder=folder, host=host, controller_port=controller, accounting_port=accounting, database_port=database
        )
        (folder / "etc" / template.stem).write_text(text)
    (folder / "etc" / "database_port").write_text(str(database))
    with (folder / "etc" / "slurm.conf").open("a") as file:
        for node, port in zip(NODES, ports, strict=True):
            where = f"NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
            file.write(f"NodeName={node} {where} CPUs={CPUS} RealMemory={MEMORY} Gres=gpu:2\n")
        file.write("PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE\n")
    (folder / "etc" / "slurmdbd.conf").chmod(0o600)


def link(folder: Path) -> None:
    """Link the configuration to the path where Slurm's commands look for it."""
    SYSTEM.mkdir(exist_ok=True)
    for name in LINKED:
        path = SYSTEM / name
        if path.is_symlink() and not path.exists():  # what a test left whose folder is gone
            path.unlink()
        if path.exists():
            of = f", the link to {path.readlink()}," if path.is_symlink() else ""
            raise SystemExit(
                f"{path}{of} is there already and not replaced; `cluster.py stop FOLDER` ends a test's Slurm"
            )
        path.symlink_to(folder / "etc" / name)


def start_munge(folder: Path) -> None:
    """Start munge with a key of its own."""
    key = folder / "etc" / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    places = {"key-file": key, "socket": folder / "run/munge.sock", "pid-file": folder / "run/munged.pid"}
    places |= {"log-file": folder / "log/munged.log", "seed-file": folder / "state/munge.seed"}
    run("munged", "--force", "--num-threads=2", *(f"--{name}={path}" for name, path in places.items()))


def start_accounting(folder: Path) -> None:
    """Start the database and slurmdbd, and make the account."""
    data, port = folder / "mysql", (folder / "etc" / "database_port").read_text()
    run(
        *("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"),
        "--auth-root-authentication-method=normal",
    )
    with open(folder / "log/mariadbd.log", "w") as log:
        server = ("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={folder}/run/mysql.sock")
        options = ("--bind-address=127.0.0.1", f"--port={port}", f"--pid-file={folder}/run/mariadbd.pid")
        quick = ("--skip-log-bin", "--innodb-flush-log-at-trx-commit=0")
        subprocess.Popen([*server, *options, *quick], stdout=log, stderr=log, start_new_session=True)
    client = ("mariadb", "--no-defaults", f"--socket={folder}/run/mysql.sock", "--user=root")
    wait("the database", lambda: succeeds(*client, "--execute=select 1"))
    user = "'slurm'@'localhost' identified by 'slurm'"
    grant = "grant all on slurm_acct.* to 'slurm'@'localhost'"
    run(*client, f"--execute=create database slurm_acct; create user {user}; {grant}")
    run("slurmdbd", SLURM_CONF=folder / "etc/slurm.conf")
    wait("slurmdbd", lambda: succeeds("sacctmgr", "--noheader", "list", "cluster"))
    for entity in (("cluster", "test"), ("account", "lab", "Cluster=test"), ("user", "root", "Account=lab")):
        run("sacctmgr", "--immediate", "add", *entity)


def run(*command: object, **variables: object) -> None:
    """Run a command; what it says comes with the error when it fails."""
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    done = subprocess.run([*map(str, command)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stdout.decode(errors='replace')}")


def output(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout


def succeeds(*command: str) -> bool:
    """Return whether a command ends well."""
    return subprocess.run(command, capture_output=True, timeout=10).returncode == 0


def wait(what: str, ready: Callable[[], bool], seconds: float = 40) -> None:
    """Wait until something is ready."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come up in {seconds:g} s")
        time.sleep(0.1)


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]](Path(sys.argv[2]).resolve())
