# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs started by mpirun, for the tests of this folder."""
import os
import shlex
import subprocess
import tempfile

# mpirun removes the folder of its runs when it was the last one, perhaps just when another test's mpirun starts.
_RUNS = tempfile.TemporaryDirectory(prefix="mpi-")

# What Open MPI keeps until the end is none of ours, and its plugins are gone by then, so that no
# suppression could name them. The same code without mpirun is checked for leaks by the other tests.
ENV = {**os.environ, "TMPDIR": _RUNS.name,
       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0",
       # Also for root and for more processes than CPUs, by the names of Open MPI 4 and of its successor.
       "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
       # All are on this machine: looking for networks takes seconds a start, and where there is none a plugin warns.
       "OMPI_MCA_btl": "^tcp,openib,ofi", "OMPI_MCA_pml": "ob1", "OMPI_MCA_mpi_yield_when_idle": "1",
       "OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_ALLOW_RUN_AS_ROOT": "1",
       "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}


def words(mpirun, n, *commands):
    """The command line of n processes, or of as many as there are commands, which differ then."""
    if len(commands) == 1:
        return [mpirun, "-n", str(n), *commands[0]]
    # Not by mpirun's colon: that of Open MPI 5.0.7 crashes.
    cases = " ".join(f"{i}) exec {shlex.join(command)} ;;" for i, command in enumerate(commands))
    return [mpirun, "-n", str(len(commands)), "sh", "-c", f"case $OMPI_COMM_WORLD_RANK in {cases} esac"]


def run(mpirun, n, *commands, timeout=200, **more):
    """A deadlock is a failure: of subprocess.TimeoutExpired."""
    p = subprocess.run(words(mpirun, n, *commands), capture_output=True, text=True, check=False, timeout=timeout, env=ENV,
                       **more)
    return p.returncode, p.stdout, p.stderr


def start(mpirun, n, *commands):
    return subprocess.Popen(words(mpirun, n, *commands), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=ENV)
