#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests. Installs Debian's where there is none, which takes root; where
# that cannot be done, the last line on standard error says why.
set -euo pipefail

find_browser() {
  command -v chromium || command -v chromium-browser || command -v google-chrome
}

find_browser && exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "no Chromium here, and installing Debian's takes root and apt-get" >&2
  exit 1
fi
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >&2
find_browser
