#!/bin/sh
# The browser that tests/browser drives: Debian's chromium, installed where it is absent and this may be done.
# Without it these tests are skipped, and fail where CI=true.
set -eu
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then exit 0; fi
wanted="apt-get install -y --no-install-recommends chromium"
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "== installing chromium"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive $wanted -qq >/dev/null && exit 0
fi
echo "No chromium here, so that the tests in a browser are skipped. As root:  $wanted"
