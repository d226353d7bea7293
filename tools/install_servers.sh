#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install the servers that the tox environments `rabbit`, `databases` and `cloud` start
# for themselves: RabbitMQ, PostgreSQL, MariaDB and memcached, and the qemu-img that
# the cloud's Cinder calls. For Debian and Ubuntu, as root.
# Starts no service and leaves none to start with the machine; does nothing when all
# of them are there.
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin

has_rabbitmq() {
    [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]]
}

has_postgresql() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
        command -v initdb >/dev/null
}

has_mariadb() {
    command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null &&
        command -v my_print_defaults >/dev/null
}

has_memcached() {
    command -v memcached >/dev/null
}

has_qemu_img() {
    command -v qemu-img >/dev/null
}

packages=()
has_rabbitmq || packages+=(rabbitmq-server)
has_postgresql || packages+=(postgresql)
has_mariadb || packages+=(mariadb-server-core mariadb-client-core)
has_memcached || packages+=(memcached)
has_qemu_img || packages+=(qemu-utils)
if ((${#packages[@]} == 0)); then
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "Missing: ${packages[*]}. This script installs with apt-get, which this" \
        "machine does not have: install RabbitMQ, PostgreSQL, MariaDB, memcached and" \
        "qemu-img by its own package manager." >&2
    exit 1
fi
if ((EUID != 0)); then
    echo "Missing: ${packages[*]}. Installing them takes root:" \
        "run 'sudo $0', or ask whoever may." >&2
    exit 1
fi

# A package asks policy-rc.d whether it may start its service: answer no for as long
# as this runs, then give back the answer that was there. One that an interrupted run
# left aside is the machine's own.
policy=/usr/sbin/policy-rc.d
aside=$policy.before-karbor

log=$(mktemp)

clean_up() {
    rm -f "$policy" "$log"
    if [[ -e $aside ]]; then
        mv "$aside" "$policy"
    fi
}

if [[ -e $policy && ! -e $aside ]]; then
    mv "$policy" "$aside"
fi
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 0755 "$policy"

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes \
        -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1 || {
        cat "$log" >&2
        echo "apt-get $1 failed: see above. Packages wanted: ${packages[*]}." >&2
        exit 1
    }
}

echo "Installing ${packages[*]}"
apt update
apt install --no-install-recommends "${packages[@]}"

if [[ -d /run/systemd/system ]]; then
    for package in "${packages[@]}"; do
        case $package in
            postgresql | memcached) systemctl --quiet disable "$package" ;;
            rabbitmq-server)
                systemctl --quiet disable rabbitmq-server epmd.service epmd.socket
                ;;
        esac
    done
fi

has_rabbitmq && has_postgresql && has_mariadb && has_memcached && has_qemu_img || {
    echo "The packages are installed, but not where they are looked for; see the" \
        "has_… functions of $0." >&2
    exit 1
}
