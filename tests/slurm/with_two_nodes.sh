#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command beside a real Slurm of two nodes that lives only as long:
#
#   tests/slurm/with_two_nodes.sh COMMAND ARGS...
#
# The nodes n1 and n2 are two slurmd on this machine, each with its own host
# name and its own /dev/shm, so that MPI sees two hosts. Everything runs in
# process and mount namespaces of its own: when the command ends, so does the
# cluster, and nothing on the machine is changed. Needs root and Debian's
# packages slurmctld, slurmd, slurm-client and munge; no systemd.
#
#   CPUS_PER_NODE   slots a node offers (default 2)
#   SLURM_LAB       folder for the cluster's files (default: a new one, removed)
set -euo pipefail

fail() {
  echo "with_two_nodes.sh: $*" >&2
  exit 1
}

[[ $# -gt 0 ]] || fail "give a command to run beside the cluster"
[[ $(id -u) -eq 0 ]] || fail "needs root, for a host name of each node's own"
for program in munged slurmctld slurmd sbatch unshare; do
  command -v "$program" >/dev/null || fail "'$program' was not found; install" \
    "slurmctld slurmd slurm-client munge util-linux"
done

if [[ -z ${SWITCHYARD_IN_LAB:-} ]]; then
  lab=${SLURM_LAB:-$(mktemp -d)}
  status=0
  SWITCHYARD_IN_LAB=$lab unshare --mount --pid --fork --kill-child \
    --mount-proc "$0" "$@" || status=$?
  [[ -n ${SLURM_LAB:-} ]] || rm -rf "$lab"
  exit "$status"
fi

lab=$SWITCHYARD_IN_LAB
unset SWITCHYARD_IN_LAB
cpus=${CPUS_PER_NODE:-2}
mkdir -p "$lab"/{state,log,munge} "$lab"/{tmp,spool}/{n1,n2}
chmod 711 "$lab" "$lab/munge"
head -c 128 /dev/urandom >"$lab/munge/key"
chmod 400 "$lab/munge/key"

# TmpFS is where PMIx keeps a folder for each job: two nodes on one machine
# need one each.
cat >"$lab/slurm.conf" <<EOF
ClusterName=lab
SlurmctldHost=localhost
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$lab/munge/socket,cred_expire=5
StateSaveLocation=$lab/state
SlurmdSpoolDir=$lab/spool/%n
SlurmctldPidFile=$lab/slurmctld.pid
SlurmdPidFile=$lab/slurmd.%n.pid
SlurmctldLogFile=$lab/log/slurmctld.log
SlurmdLogFile=$lab/log/slurmd.%n.log
TmpFS=$lab/tmp/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=5,sched_min_interval=0
SlurmdParameters=config_overrides
MailProg=/bin/true
KillWait=5
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=n[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[17001-17002] \
  CPUs=$cpus State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
export SLURM_CONF=$lab/slurm.conf

munged --key-file="$lab/munge/key" --socket="$lab/munge/socket" \
  --pid-file="$lab/munge/pid" --log-file="$lab/munge/log" \
  --seed-file="$lab/munge/seed" || fail "munged did not start: $lab/munge/log"
slurmctld -c || fail "slurmctld did not start: $lab/log/slurmctld.log"
for node in n1 n2; do
  # shellcheck disable=SC2016  # expanded inside
  unshare --uts --mount sh -c '
    hostname "$1"
    mount -t tmpfs tmpfs /dev/shm
    exec slurmd -N "$1"' sh "$node" ||
    fail "slurmd of $node did not start: $lab/log/slurmd.$node.log"
done

for _ in {1..100}; do
  if [[ $(sinfo -h -N -o %T 2>/dev/null | grep -c idle) -eq 2 ]]; then
    "$@"
    exit
  fi
  sleep 0.1
done
sinfo -N -l >&2 || true
fail "the nodes did not become idle in 10 s: $lab/log"
