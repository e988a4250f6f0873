#!/usr/bin/env bash
# A real SLURM on this machine for the tests: one node, no accounting database, no cgroups, and a pretend GPU that is
# scheduled like a true one. Installs Debian's slurm-wlm and munge where they are missing. Run as root.
#   tests/slurm/one_node.sh start FOLDER    FOLDER takes state, spool and logs
#   tests/slurm/one_node.sh stop
set -euo pipefail

install_packages() {
  command -v slurmctld >/dev/null && command -v munged >/dev/null && return
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
}

start_munge() {
  install -d -o munge -g munge -m 755 /run/munge
  [ -s /etc/munge/munge.key ] || mungekey --create
  munge -n 2>/dev/null | unmunge >/dev/null 2>&1 && return
  rm -f /run/munge/munge.socket.2*
  runuser -u munge -- /usr/sbin/munged --force
  munge -n | unmunge >/dev/null
}

ours() { grep -qs '^ClusterName=tests$' /etc/slurm/slurm.conf; }

# A job step strips SLURM_CONF from its environment, so the file must stand where SLURM looks by itself.
configure() {
  local folder=$1 host memory
  [ ! -e /etc/slurm/slurm.conf ] || ours || {
    echo "this machine has a SLURM of its own; its configuration stays" >&2
    exit 3
  }
  host=$(hostname -s)
  memory=$(($(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo) * 3 / 4))
  mkdir -p "$folder"/{state,spool,log} /etc/slurm
  echo "NodeName=$host Name=gpu File=/dev/null" >/etc/slurm/gres.conf
  cat >/etc/slurm/slurm.conf <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
MinJobAge=300
KillWait=5
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory Gres=gpu:1 State=UNKNOWN
PartitionName=debug Nodes=$host Default=YES MaxTime=INFINITE OverTimeLimit=0 State=UP
CONF
}

wait_until_idle() {
  for _ in $(seq 100); do
    case $(timeout 5 sinfo --noheader --format %t 2>/dev/null) in idle | mix | alloc) return ;; esac
    sleep 0.1
  done
  echo "one_node.sh: the node did not come up; see $1/log" >&2
  exit 1
}

case ${1:-} in
  start)
    folder=$(mkdir -p "${2:?a folder for state and logs}" && cd "$2" && pwd)
    install_packages
    start_munge
    configure "$folder"
    slurmctld -c
    slurmd
    wait_until_idle "$folder"
    ;;
  stop)
    pkill -x slurmd || true
    pkill -x slurmctld || true
    # With a configuration and no controller, every start of snakemake would wait ten seconds for its answer.
    ! ours || rm -f /etc/slurm/slurm.conf /etc/slurm/gres.conf
    ;;
  *)
    echo "usage: one_node.sh start FOLDER | stop" >&2
    exit 2
    ;;
esac
