#!/usr/bin/env bash
# A real SLURM on this machine for the tests: one node, no accounting database, no cgroups, and a pretend GPU that is
# scheduled like a true one. Installs Debian's slurm-wlm and munge where they are missing. Run as root.
#   tests/slurm/one_node.sh start FOLDER       FOLDER takes state, spool and logs; exit code 3: it cannot be had here
#   tests/slurm/one_node.sh stop FOLDER        cancels what runs, ends every daemon that start began
#   tests/slurm/one_node.sh stop-node FOLDER   slurmd only, as a node that reboots; its jobs go on
#   tests/slurm/one_node.sh start-node FOLDER
set -euo pipefail

unavailable() {
  echo "no SLURM for the tests: $*" >&2
  exit 3
}

ours() { grep -qs '^ClusterName=tests$' /etc/slurm/slurm.conf; }

folder_in_use() { sed -n 's:^StateSaveLocation=\(.*\)/state$:\1:p' /etc/slurm/slurm.conf; }

install_packages() {
  [ "$(id -u)" = 0 ] || unavailable "it takes root"
  [ ! -e /etc/slurm/slurm.conf ] || ours || unavailable "this machine has one of its own, whose configuration stays"
  ! ours || [ ! -d "/proc/$(cat "$(folder_in_use)/slurmctld.pid" 2>/dev/null)/fd" ] ||
    unavailable "that of another test is running; $0 stop $(folder_in_use)"
  command -v slurmctld >/dev/null && command -v munged >/dev/null && return
  command -v apt-get >/dev/null || unavailable "no apt-get to install slurm-wlm and munge with"
  {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
  } >"$1/log/apt" 2>&1 || unavailable "slurm-wlm and munge cannot be installed: $(tail -n 1 "$1/log/apt")"
}

start_munge() {
  install -d -o munge -g munge -m 755 /run/munge
  [ -s /etc/munge/munge.key ] || mungekey --create
  munge -n 2>/dev/null | unmunge >/dev/null 2>&1 && return
  rm -f /run/munge/munge.socket.2*
  runuser -u munge -- /usr/sbin/munged --force
  munge -n | unmunge >/dev/null
  cp /run/munge/munged.pid "$1/munged.pid"
}

# A job step strips SLURM_CONF from its environment, so the file must stand where SLURM looks by itself.
configure() {
  local folder=$1 host memory
  host=$(hostname -s)
  memory=$(($(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo) * 3 / 4))
  mkdir -p /etc/slurm
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
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
SlurmctldPort=16817
SlurmdPort=16818
MinJobAge=3600
KillWait=5
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(getconf _NPROCESSORS_ONLN) RealMemory=$memory Gres=gpu:1 State=UNKNOWN
PartitionName=debug Nodes=$host Default=YES MaxTime=INFINITE OverTimeLimit=0 State=UP
CONF
}

wait_until_up() {
  for _ in $(seq 300); do
    case $(timeout 5 sinfo --noheader --format %t 2>/dev/null) in idle | mix | alloc) return ;; esac
    sleep 0.1
  done
  echo "one_node.sh: the node did not come up; see $1/log" >&2
  exit 1
}

# End the daemon whose process id a file holds, and wait until it is gone.
end() {
  [ -s "$1" ] || return 0
  local pid
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 100); do
    [ -d "/proc/$pid" ] || break
    sleep 0.1
  done
  rm -f "$1"
}

cancel_all() {
  timeout 20 scancel --user=root || return 0
  for _ in $(seq 100); do
    [ -n "$(timeout 5 squeue --noheader 2>/dev/null)" ] || return 0
    sleep 0.2
  done
}

folder=$(mkdir -p "${2:?a folder for state and logs}"/{state,spool,log} && cd "$2" && pwd)
case ${1:-} in
  start)
    install_packages "$folder"
    start_munge "$folder"
    configure "$folder"
    slurmctld -c
    slurmd
    wait_until_up "$folder"
    ;;
  stop)
    ! ours || cancel_all
    end "$folder/slurmd.pid"
    end "$folder/slurmctld.pid"
    end "$folder/munged.pid"
    # With a configuration and no controller, every start of snakemake would wait ten seconds for its answer.
    ! ours || rm -f /etc/slurm/slurm.conf /etc/slurm/gres.conf
    ;;
  stop-node)
    end "$folder/slurmd.pid"
    ;;
  start-node)
    slurmd
    wait_until_up "$folder"
    ;;
  *)
    echo "usage: one_node.sh start | stop | stop-node | start-node FOLDER" >&2
    exit 2
    ;;
esac
