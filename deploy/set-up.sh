#!/usr/bin/env bash
# Makes or updates the virtualenv .venv:  deploy/set-up.sh run|test
#
#   run    what the product needs: requirements.lock
#   test   that, the plot extra and the test tools: requirements-dev.lock
#
# As root on a system with apt, missing packages of apt-run.txt are installed first, and for `test` those of apt-test.txt
# beside the rest.
# An ordinary user needs a Python that can make a virtualenv; if there is none, this says which line to type and
# stops before anything is changed.
#
# .venv/set-up-stamp is removed before the first change and written after the last one, so a .venv with a stamp is
# whole. One without (a set-up that was killed) is made anew. PYTHON=... names another interpreter than python3.
set -euo pipefail

cd -- "$(dirname -- "$0")/.."
stamp=.venv/set-up-stamp
log=.venv/set-up.log

say() { printf 'set-up: %s\n' "$*"; }

refuse() { # first line, further lines
  printf 'set-up: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '        %s\n' "$@" >&2
  exit 1
}

# --- The interpreter --------------------------------------------------------------------------------------------------

version_of() { "$1" -I -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

is_new_enough() { "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# What counts is whether it can, not which package it came from. Debian leaves ensurepip out of python3.
can_make_virtualenvs() { "$1" -I -c 'import ensurepip, venv; ensurepip.version()' >/dev/null 2>&1; }

# The distribution's own comes first if it can do it all: it is the one of a device, and it is built for speed (the tests
# take 5 to 20 % less of processor than with one that was compiled as it comes).
find_python() {
  local name own=${DISTRIBUTION_PYTHON-/usr/bin/python3}
  if [ -z "${PYTHON:-}" ] && [ -n "$own" ] && is_new_enough "$own" && can_make_virtualenvs "$own"; then
    python=$own
    return
  fi
  for name in ${PYTHON:+"$PYTHON"} python3 python3.11 python3.12 python3.13 python3.14; do
    if is_new_enough "$name"; then
      python=$name
      return
    fi
    if [ -n "${PYTHON:-}" ]; then
      refuse "PYTHON=$PYTHON is not a Python 3.11 or newer (it says: $(version_of "$PYTHON" || echo nothing))."
    fi
  done
  refuse "Python 3.11 or newer is needed. python3 here is $(version_of python3 || echo "missing or broken")," \
    "and there is no python3.11, python3.12, python3.13 or python3.14 either." \
    "Debian 12, Raspberry Pi OS 12 and Ubuntu 24.04, and all later ones, have it as python3;" \
    "another one can be named: make run PYTHON=/path/to/python3.12"
}

# Whether apt can teach $python to make virtualenvs. An interpreter that somebody built is not apt's to complete.
is_from_apt() {
  command -v apt-get >/dev/null && dpkg-query --search "$(readlink -f -- "$(command -v -- "$python")")" >/dev/null 2>&1
}

# The package for it: python3-venv, or python3.12-venv for python3.12.
venv_package() {
  case "$(basename -- "$python")" in
    python3.*) echo "$(basename -- "$python")-venv" ;;
    *) echo python3-venv ;;
  esac
}

# --- Debian packages --------------------------------------------------------------------------------------------------

is_root_with_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

is_installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o DPkg::Use-Pty=0 "$@"; }

# a|b: one of them is enough, and the first is preferred. Another system's archive may hold what does not fit it.
one_is_installed() {
  local one
  for one in ${1//|/ }; do is_installed "$one" && return; done
  return 1
}

first_that_fits() {
  local one
  for one in ${1//|/ }; do
    [ "$one" = "${1##*|}" ] || apt install --simulate "$one" >/dev/null 2>&1 || continue
    echo "$one"
    return
  done
}

install_debian_packages() {
  local name missing=() chosen=()
  while read -r name; do
    if [ "$name" = python3-venv ]; then
      can_make_virtualenvs "$python" || ! is_from_apt || missing+=("$(venv_package)")
    elif [[ $name = *chromium* ]] && { [ -n "${CHROMIUM:-}" ] || grep -qsx 'ID=ubuntu' /etc/os-release; }; then
      : # another one is named; or apt has none, as on Ubuntu, and the tests that need one are listed
    else
      one_is_installed "$name" || missing+=("$name")
    fi
  done < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@")
  [ ${#missing[@]} -gt 0 ] || return 0

  say "installing with apt: ${missing[*]}"
  apt update || refuse "apt-get update failed, see above. Is this machine online, its clock right, and no other apt at work?"
  for name in "${missing[@]}"; do chosen+=("$(first_that_fits "$name")"); done
  apt install -y --no-install-recommends "${chosen[@]}" ||
    refuse "apt-get could not install ${chosen[*]}, see above."
}

require_virtualenvs() {
  can_make_virtualenvs "$python" && return
  local what
  what="$python ($(version_of "$python")) cannot make virtualenvs: it lacks the module venv or ensurepip."
  if is_from_apt; then
    refuse "$what Nothing was changed." "Type this line, then the same make again:" \
      "" "sudo apt-get install -y $(venv_package)" ""
  fi
  refuse "$what Nothing was changed." "Add them, or name another interpreter: PYTHON=/path/to/python3."
}

# --- The stamp --------------------------------------------------------------------------------------------------------

# Everything a finished .venv depends on, as text: compared whole, so any change means an update.
stamp_text() { # run|test
  local files=(deploy/set-up.sh pyproject.toml requirements.lock)
  [ "$1" = run ] || files+=(requirements-dev.lock)
  echo "for $1"
  echo "in $(pwd -P)"
  echo "with Python $(venv_version)"
  sha256sum -- "${files[@]}"
}

venv_version() { .venv/bin/python -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

is_up_to_date() { # run|test; what `test` needs contains what `run` needs
  [ -f "$stamp" ] || return 1
  local text
  text=$(cat "$stamp")
  [ "$text" = "$(stamp_text test)" ] || { [ "$1" = run ] && [ "$text" = "$(stamp_text run)" ]; }
}

# A stamp of another place or another Python means that the scripts in .venv point elsewhere.
can_be_updated() {
  [ -f "$stamp" ] && grep -qxF "in $(pwd -P)" "$stamp" && grep -qxF "with Python $(venv_version)" "$stamp"
}

# --- The virtualenv ---------------------------------------------------------------------------------------------------

# -I and PIP_USER: nothing from the user's own site folder is taken for installed, and nothing goes there.
pip=(env PIP_USER=0 .venv/bin/python -I -m pip --no-input --disable-pip-version-check)
export PIP_PROGRESS_BAR=off
[ -t 1 ] || export PIP_QUIET=1

# What pip says of errors is kept; its own log would hold every file of every package that it does not take, tens of
# megabytes.
logged() { { "$@" 2>&1 >&3 | tee -a "$log" >&2; } 3>&1; }

# A pip works on one package after another with one processor; so each processor gets one, for a part of the list. One
# alone where others may be taken away: it would meet what another is just removing, and warn of it.
install_from() { # requirements.lock|requirements-dev.lock new|old
  local failed=0 parts=1
  [ "$2" = old ] || parts=$(($(nproc) < 4 ? $(nproc) : 4))
  awk -v parts="$parts" '/^[[:alnum:]]/ { number++ } { print >(".venv/part-" number % parts) }' "$1" || return 1
  # Ready-made files only: no package runs code of its own while it is installed. The lock is whole: nothing else is to
  # be found out, and whether it fits is asked below. All processors compile it, not pip's one; of the test tools, most
  # of which is never loaded, each module is compiled when it is.
  printf '%s\0' .venv/part-* | logged xargs -0 -n 1 -P "$parts" "${pip[@]}" \
    install --no-deps --require-hashes --only-binary :all: --no-compile --requirement || failed=1
  rm -f -- .venv/part-*
  return "$failed"
}

explain_and_stop() {
  if grep -qE 'CERTIFICATE_VERIFY_FAILED' "$log" 2>/dev/null; then
    refuse "the package index could not be trusted, see above. Is this machine's clock right? $(date '+It says %F %T.')" \
      "Nothing uses the unfinished .venv; the next make starts it again."
  elif grep -qE 'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Connection (broken|aborted|reset|refused)' "$log" 2>/dev/null; then
    refuse "the packages could not be fetched. Is this machine online?" \
      "Nothing uses the unfinished .venv; the next make starts it again."
  elif grep -qE 'No matching distribution found' "$log" 2>/dev/null; then
    refuse "a package has no ready-made file for this machine ($(uname -m), $(getconf LONG_BIT) bits, Python $(venv_version)), see above." \
      "On 32-bit systems cryptography has none: a 64-bit one is needed."
  fi
  refuse "installing the packages failed, see above and $log." \
    "Nothing uses the unfinished .venv; the next make starts it again."
}

make_virtualenv() { # run|test
  local lock=requirements.lock age=old
  [ "$1" = run ] || lock=requirements-dev.lock

  if can_be_updated; then
    say "bringing .venv up to date with $lock"
    rm -f -- "$stamp"
  else
    say "making .venv from $lock with $python ($(version_of "$python")); the first time this takes some minutes"
    rm -f -- "$stamp"
    rm -rf -- .venv
    age=new
    if ! "$python" -I -m venv .venv; then
      rm -rf -- .venv
      refuse "$python could not make a virtualenv, see above."
    fi
  fi

  rm -f -- "$log"
  install_from "$lock" "$age" || explain_and_stop
  if [ "$1" = run ]; then # a package may bring what is not for this Python
    .venv/bin/python -I -m compileall -q -j 0 .venv/lib >/dev/null || true
  fi
  logged "${pip[@]}" install --no-index --no-deps --no-build-isolation --editable . || explain_and_stop
  logged "${pip[@]}" check || refuse "$lock does not fit pyproject.toml. Remake it: make lock"

  stamp_text "$1" >"$stamp.new"
  mv -- "$stamp.new" "$stamp"
}

# ----------------------------------------------------------------------------------------------------------------------

case "${1:-}" in
  run | test) wanted=$1 ;;
  *) refuse "usage: deploy/set-up.sh run|test" ;;
esac

find_python
if is_root_with_apt; then
  install_debian_packages deploy/apt-run.txt
fi

# One set-up at a time in one tree. The lock is on the open file and ends with the process.
exec 9<pyproject.toml
flock --nonblock 9 || { say "another set-up is at work here, waiting for it" && flock 9; }

if ! is_up_to_date "$wanted"; then
  changes=yes
  require_virtualenvs
  for place in . .venv; do
    [ ! -e "$place" ] || [ -w "$place" ] ||
      refuse "$(pwd -P)/$place belongs to $(stat -c %U -- "$place") and cannot be changed by $(id -un). Nothing was changed."
  done
fi
if [ "$wanted" = test ] && is_root_with_apt; then
  trap wait EXIT # whatever ends this one, apt is not left in the middle
  install_debian_packages deploy/apt-test.txt 9<&- &
  tools=$!
fi
if [ -n "${changes-}" ]; then
  # An update of a .venv with test tools keeps them.
  if [ -f "$stamp" ] && grep -qx 'for test' "$stamp"; then
    wanted="test"
  fi
  make_virtualenv "$wanted"
fi
if [ -n "${tools-}" ]; then
  wait "$tools" || refuse "not all that the tests need could be installed with apt, see above."
fi
[ -z "${changes-}" ] || say "done"
