#!/usr/bin/env bash
# Succeeds when a user who is not the guard's cannot reach the pigpio daemon's port. Root asks as nobody.
set -euo pipefail

daemon=${1:-127.0.0.1/8888}
# shellcheck disable=SC2016 # it is the inner shell that opens the connection
if setpriv --reuid=65534 --regid=65534 --clear-groups bash -c 'exec 3<>"/dev/tcp/$1"' - "$daemon" 2>/dev/null; then
  echo "another user than the guard's reaches the pigpio daemon at $daemon: start pelvistim-firewall first" >&2
  exit 1
fi
