#!/bin/sh
# Makes sure that there is a Vulkan device to run on, and says what is missing where it cannot.
#
# On Linux wgpu speaks Vulkan: it needs the loader (libvulkan.so.1) and a driver. Where a GPU's driver is there, nothing
# happens; else Mesa's software driver (lavapipe, "llvmpipe") is installed, which runs every kernel on the CPU. `make`
# runs this first each time, so the good case only looks at files: no output, milliseconds. Plain sh, as Alpine has no
# bash. All output goes to stderr: `make find ARGS=--json` must stay clean on stdout.
set -eu

say() { printf 'setup-vulkan: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

exists() { # does any of these paths exist? (a glob without a match stays a name that does not)
    for path in "$@"; do
        if [ -e "$path" ]; then return 0; fi
    done
    return 1
}

has_gpu() {
    exists /dev/dri/renderD* /dev/nvidia[0-9]* /dev/dxg /dev/kgsl-3d0 /dev/mali0
}

# A GPU's driver finds no device on a machine without a GPU (a container, a build server), so it counts only beside one.
has_driver() {
    if [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]; then return 0; fi # chosen by hand: trusted
    for dir in /usr/share /usr/local/share /etc "${XDG_DATA_HOME:-${HOME:-}/.local/share}"; do
        if exists "$dir"/vulkan/icd.d/*lvp*.json "$dir"/vulkan/icd.d/*swiftshader*.json; then return 0; fi
        if exists "$dir"/vulkan/icd.d/*.json && has_gpu; then return 0; fi
    done
    return 1
}

has_loader() {
    if (
        IFS=:
        for dir in ${LD_LIBRARY_PATH:-} /usr/lib64 /usr/lib /usr/local/lib /lib /lib64; do
            if exists "$dir"/libvulkan.so.1 "$dir"/*-linux-*/libvulkan.so.1; then exit 0; fi
        done
        exit 1
    ); then return 0; fi
    # Not every PATH holds /sbin, and not every libc has a cache to print.
    { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -q 'libvulkan\.so\.1'
}

if ! command -v cargo >/dev/null 2>&1; then
    die 'cargo is not on the PATH. Get Rust from rustup.rs; if it is installed already, open a new shell.'
fi

case $(uname -s) in
Darwin) say 'macOS brings Metal; nothing to install.' && exit 0 ;;
MINGW* | MSYS* | CYGWIN* | Windows*) say 'Windows brings DirectX 12; nothing to install.' && exit 0 ;;
esac

if has_driver && has_loader; then exit 0; fi

refresh=
if command -v apt-get >/dev/null 2>&1; then
    # Fresh containers have no package lists. The timeout waits for another apt (an unattended upgrade) to end.
    refresh='apt-get update'
    install='apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends mesa-vulkan-drivers libvulkan1'
elif command -v dnf >/dev/null 2>&1; then
    install='dnf install -y mesa-vulkan-drivers vulkan-loader'
elif command -v yum >/dev/null 2>&1; then
    install='yum install -y mesa-vulkan-drivers vulkan-loader'
elif command -v pacman >/dev/null 2>&1; then
    # No -y: new package lists without a full upgrade break an Arch system, and that upgrade is not ours to start.
    install='pacman -S --needed --noconfirm vulkan-swrast vulkan-icd-loader'
elif command -v zypper >/dev/null 2>&1; then
    install='zypper --non-interactive install --no-recommends libvulkan_lvp libvulkan1'
elif command -v apk >/dev/null 2>&1; then
    install='apk add --no-cache mesa-vulkan-swrast vulkan-loader'
else
    die "no Vulkan driver found, and no package manager that this script knows. Install Mesa's lavapipe driver and the" \
        'Vulkan loader (libvulkan.so.1), or name a driver in VK_DRIVER_FILES=/path/to/icd.json.'
fi

# Root, or a sudo that asks nothing: a password prompt would hang where nobody sits.
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif sudo -n true >/dev/null 2>&1; then
    as_root='sudo -n'
else
    die "no Vulkan driver found, and installing one needs root. Run: ${refresh:+sudo $refresh; }sudo $install"
fi

say "no Vulkan driver found; installing Mesa's software driver: $install"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The commands are split into words on purpose. A failed refresh is no reason to stop: one broken source fails it, and
# the lists at hand may do.
# shellcheck disable=SC2086
if ! { ${refresh:+$as_root $refresh} || true; $as_root $install; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    die "could not install it. See above, then run: ${refresh:+sudo $refresh; }sudo $install"
fi
if ! has_driver || ! has_loader; then
    die "installed, but no driver with its loader is to be seen. Name one in VK_DRIVER_FILES=/path/to/icd.json."
fi
say 'done.'
