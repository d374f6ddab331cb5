#!/usr/bin/env bash
# Installs PelviStim on a Raspberry Pi, or upgrades it:  sudo make install
#
#   /usr/lib/pelvistim/releases/N   this tree and its .venv; `current` leads to the one that runs
#   /var/lib/pelvistim/guard, app   what is kept: never touched, each of its own user
#   /run/pelvistim/guard, app       sockets
#
# A new release is made whole beside the old one and takes its place in one step, so that a set-up that fails (no
# network) leaves the old one running. Refused during a session, and where the pigpio daemon cannot run.
# Where no systemd runs (a root in the making) everything is put in place and nothing is started.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=deploy/common.sh
. "$here/deploy/common.sh"

# --- What it refuses ----------------------------------------------------------------------------------------------------

model_file=${MODEL_FILE:-/proc/device-tree/model}
release_file=${RELEASE_FILE:-/etc/os-release}
pins_files=${PINS_FILES:-/sys/kernel/debug/pinctrl/*/pinmux-pins}

refuse_machine() {
  local model='' codename=''
  [ ! -r "$model_file" ] || model=$(tr -d '\0' <"$model_file")
  # shellcheck source=/dev/null
  codename=$(. "$release_file" && echo "${VERSION_CODENAME:-}")
  case $model in
    *"Raspberry Pi 5"* | *"Compute Module 5"*)
      refuse "this is a $model: the pigpio daemon cannot reach its pins." \
        "Use a Raspberry Pi 0 to 4 or a Zero 2 W. Nothing was changed." ;;
    *"Raspberry Pi"*) ;;
    *) say "note: this is no Raspberry Pi; installed for trying only" ;;
  esac
  case $codename in
    bookworm) ;;
    trixie)
      refuse "Raspberry Pi OS 13 (trixie) has no package of the pigpio daemon." \
        "Install Raspberry Pi OS 12 (bookworm): Legacy, 64-bit, Lite. Nothing was changed." ;;
    *) refuse "this was made for Raspberry Pi OS 12 (bookworm), and here is ${codename:-an unknown system}." \
        "Nothing was changed." ;;
  esac
  command -v pigpiod >/dev/null || apt-cache show pigpio >/dev/null 2>&1 ||
    refuse "there is no pigpiod, and apt has no package pigpio." \
      "Raspberry Pi OS 12 has one; Debian has none. Nothing was changed."
  case $model in *"Raspberry Pi"*) refuse_pins ;; esac
}

# The kernel tells who holds each pin, whichever overlay, dtparam or driver asked for it: "pin 14 (gpio14): OWNER OWNER".
# The daemon goes past the kernel and holds none. Pins 8 to 11 are SPI0, on which the board's converter is.
refuse_pins() {
  local used
  # shellcheck disable=SC2086 # a pattern
  if ! used=$(awk '
    FNR == NR { if (match($0, /gpio = [0-9]+/)) ours[substr($0, RSTART + 7, RLENGTH - 7) + 0]; next }
    BEGIN { for (pin = 8; pin <= 11; pin++) ours[pin] }
    /^pin [0-9]+ / && ($2 + 0) in ours && !/: (\(MUX UNCLAIMED\) \(GPIO UNCLAIMED\)|UNCLAIMED)/ { print }
  ' "$here/hw/board.toml" $pins_files 2>/dev/null); then
    say "note: the kernel does not tell who uses which pin (debugfs); pelvistim doctor says how to see it"
  elif [ -n "$used" ]; then
    refuse "another driver or overlay uses pins of the board:" "$used" \
      "Switch it off in /boot/firmware/config.txt or with raspi-config, and restart. Nothing was changed."
  fi
}

# --- What it puts in place ------------------------------------------------------------------------------------------------

packages() {
  local name wanted=()
  command -v pigpiod >/dev/null || wanted+=(pigpio)
  while read -r name; do
    dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || wanted+=("$name")
  done < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$here/deploy/apt-device.txt")
  [ ${#wanted[@]} -gt 0 ] || return 0
  say "installing with apt: ${wanted[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${wanted[@]}"
}

users() {
  local group user
  for group in pelvistim i2c; do # i2c: of Raspberry Pi OS, which owns the bus
    getent group "$group" >/dev/null || groupadd --system "$group"
  done
  for user in "$guard" "$app"; do
    getent passwd "$user" >/dev/null ||
      useradd --system --gid pelvistim --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
  done
  install -d -m 0755 "$state"
  install -d -m 0700 -o "$guard" -g pelvistim "$state/guard"
  install -d -m 0700 -o "$app" -g pelvistim "$state/app"
}

release() {
  local number=1
  while [ -e "$lib/releases/$number" ]; do number=$((number + 1)); done
  new="$lib/releases/$number"
  install -d -m 0755 "$new"
  tar -C "$here" --exclude=./.git --exclude=./.venv --exclude=./build --exclude='__pycache__' --exclude='.*_cache' -cf - . |
    tar -C "$new" --no-same-owner -xf -
  chmod -R go+rX,go-w "$new"
  if ! (umask 022 && "$new/deploy/set-up.sh" run && "$new/.venv/bin/python" -m compileall -q "$new" -x '/\.venv/'); then
    rm -rf -- "$new"
    refuse "the set-up of the new release failed, see above. What was installed before was not touched."
  fi
}

first_record() {
  [ ! -e "$state/guard/ledger.json" ] || return 0
  setpriv --reuid="$guard" --regid=pelvistim --clear-groups "$new/.venv/bin/python" -c \
    "from pathlib import Path; from safety.store import Store; Store(Path('$state/guard')).begin()"
}

units() {
  install -m 0644 "$new"/deploy/systemd/*.service /etc/systemd/system/
  install -D -m 0644 "$new/deploy/systemd/watchdog.conf" /etc/systemd/system.conf.d/pelvistim.conf
  install -D -m 0644 "$new/deploy/systemd/journald.conf" /etc/systemd/journald.conf.d/pelvistim.conf
  ln -sfn "$lib/current/.venv/bin/pelvistim" /usr/local/bin/pelvistim
}

# ----------------------------------------------------------------------------------------------------------------------------

require_root
refuse_machine
refuse_session install
packages
users
release
first_record
(refuse_session install) || { rm -rf -- "$new" && exit 1; } # the set-up took its time
! systemd_runs || ! has_units || systemctl stop pelvistim-app pelvistim-guard pelvistim-pigpiod
before=$(readlink "$lib/current" || true)
ln -sfn "$new" "$lib/current.new"
mv -T "$lib/current.new" "$lib/current"
units
! [ -e /lib/systemd/system/pigpiod.service ] || systemctl disable pigpiod.service 2>/dev/null || true
systemctl enable "${services[@]}"
if systemd_runs; then
  systemctl daemon-reload
  ! systemctl is-active --quiet pigpiod.service || systemctl stop pigpiod.service
  systemctl restart "${services[@]}" || {
    [ -z "$before" ] || { ln -sfn "$before" "$lib/current" && systemctl restart "${services[@]}"; }
    refuse "the services did not start, see journalctl -u 'pelvistim-*'." \
      "${before:+The release before runs again: $before.}"
  }
fi
# The release before stays, for the case that somebody wants it back; older ones go.
for old in "$lib"/releases/*; do
  [ "$old" = "$new" ] || [ "$old" = "$before" ] || rm -rf -- "$old"
done
say "installed: $new"
say "next: sudo pelvistim doctor, then docs/calibration.md: without a calibration nobody gets current"
