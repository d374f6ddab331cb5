#!/usr/bin/env bash
# Tries install, upgrade and uninstall in a Debian bookworm of its own, booted with systemd:  sudo make try-install
#
#   deploy/try-install.sh DIR   the root is made in DIR/root and kept there for the next time; DIR/log has what was said
#
# A simulated daemon stands in for pigpiod, at its place and with its flags. Nothing outside DIR is changed. It needs
# root, debootstrap, systemd-container, a Python that downloads the packages of requirements.lock, and some minutes.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")/.." && pwd)
[ $# -eq 1 ] || { echo "usage: deploy/try-install.sh DIR" >&2; exit 64; }
[ "$(id -u)" = 0 ] || { echo "this needs root" >&2; exit 1; }
for tool in debootstrap systemd-nspawn; do
  command -v "$tool" >/dev/null || { echo "missing: sudo apt-get install debootstrap systemd-container" >&2; exit 1; }
done
mkdir -p -- "$1"
cd -- "$1"
root=$PWD/root

if [ ! -e root.made ]; then
  rm -rf -- root
  debootstrap --variant=minbase --include=systemd,systemd-sysv,python3,python3-venv,nftables,make,tar,procps bookworm root
  touch root.made
fi
python3 -m pip download --quiet --only-binary :all: --dest wheels --requirement "$here/requirements.lock"

rm -rf -- root/src root/wheels root/result root/var/lib/pelvistim root/usr/lib/pelvistim
mkdir -p root/src root/wheels root/result
tar -C "$here" --exclude=./.git --exclude=./.venv --exclude=./build --exclude='.*_cache' --exclude=__pycache__ -cf - . | tar -C root/src -xf -
cp wheels/* root/wheels/
install -m 0755 "$here/tests/install/pigpiod" root/usr/bin/pigpiod
install -m 0644 "$here/tests/install/try.service" root/etc/systemd/system/try.service
mkdir -p root/etc/systemd/system/multi-user.target.wants
ln -sf ../try.service root/etc/systemd/system/multi-user.target.wants/try.service

# Its own network: the firewall is tried there and nowhere else.
systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$root" --boot --console=read-only >boot.log 2>&1 </dev/null || true
cp root/result/log log 2>/dev/null || { tail -n 40 boot.log >&2; echo "it did not boot, or nothing ran" >&2; exit 1; }
cat log
exit "$(cat root/result/code 2>/dev/null || echo 1)"
