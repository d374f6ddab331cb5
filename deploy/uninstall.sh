#!/usr/bin/env bash
# Takes PelviStim off a device:  sudo make uninstall
# Everything that is kept of a person stays in /var/lib/pelvistim, and so do the two users who own it.
# `pelvistim backup` and `pelvistim data` take it along or remove it, before this.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=deploy/common.sh
. "$here/deploy/common.sh"

require_root
refuse_session uninstall
if has_units; then
  ! systemd_runs || systemctl stop pelvistim-app pelvistim-guard pelvistim-pigpiod pelvistim-firewall
  systemctl disable "${services[@]}"
fi
rm -f /etc/systemd/system/pelvistim-{firewall,pigpiod,guard,app}.service /usr/local/bin/pelvistim
rm -f /etc/systemd/{system,journald}.conf.d/pelvistim.conf
rm -rf -- "$lib"
! systemd_runs || systemctl daemon-reload
say "uninstalled. What is kept is still in $state"
