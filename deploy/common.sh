# What install.sh and uninstall.sh share: names, words, and the rule that a session is never interrupted.
# shellcheck shell=bash disable=SC2034

lib=/usr/lib/pelvistim
state=/var/lib/pelvistim
guard=pelvistim-guard
app=pelvistim-app
services=(pelvistim-firewall pelvistim-pigpiod pelvistim-guard pelvistim-app)

say() { printf 'pelvistim: %s\n' "$*"; }

refuse() { # first line, further lines
  printf 'refused: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '         %s\n' "$@" >&2
  exit 1
}

require_root() { [ "$(id -u)" = 0 ] || refuse "this needs root: sudo make ..."; }

systemd_runs() { [ -d /run/systemd/system ]; }

has_units() { [ -e /etc/systemd/system/pelvistim-guard.service ]; }

# The guard tells systemd where it stands; only a guard that rests may be ended. Whoever knows better stops it first.
refuse_session() { # what is to be done
  systemd_runs && has_units && systemctl is-active --quiet pelvistim-guard || return 0
  local told
  told=$(systemctl show --property=StatusText --value pelvistim-guard)
  case $told in
    electrode_check | armed | running | paused)
      refuse "a session is under way (the guard says: $told), so nothing was changed." \
        "End it on the page, or with pelvistim stop, then $1 again." ;;
  esac
}
