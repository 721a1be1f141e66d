#!/usr/bin/env bash
# build.sh TARGET [PACKAGE…]: builds the programs of a release (ivs-apply unless named), with the list of their crates inside
# (`cargo audit bin` reads it).
# shellcheck source=deploy/release/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target=$1
shift
# Before the flags for the programs, with which this tool would not compile.
tool cargo-auditable 0.7.7
case $target in
  *-linux-musl)
    # musl-gcc does not see the kernel's headers. Without linux/random.h aws-lc takes its random numbers from getentropy, which
    # ends the program on kernels older than 3.17; so the headers of the kernel, and no other, are put behind those of musl.
    headers=$PWD/target/kernel-headers
    mkdir -p "$headers"
    ln -sfn /usr/include/linux "$headers/linux"
    ln -sfn /usr/include/asm-generic "$headers/asm-generic"
    ln -sfn "/usr/include/$(uname -m)-linux-gnu/asm" "$headers/asm"
    variable=${target//-/_}
    export "CC_$variable=musl-gcc" "CFLAGS_$variable=-idirafter $headers"
    printf '#include <linux/random.h>\nint flag = GRND_NONBLOCK;\n' |
      musl-gcc -idirafter "$headers" -x c -c -o /dev/null - || fail "musl-gcc does not find linux/random.h"
    ;;
  *-windows-*)
    # Without NASM, the assembler that aws-lc asks for.
    export AWS_LC_SYS_PREBUILT_NASM=1
    ;;
  *-linux-gnu)
    # Static as well: what .ci/release builds where the toolchain has no musl target.
    export RUSTFLAGS="-C target-feature=+crt-static"
    ;;
esac

[ $# -gt 0 ] || set -- ivs-apply
PATH=$PWD/target/tools/bin:$PATH
for package; do
  cargo auditable build --quiet --locked --release --target "$target" --package "$package" --bin "$package"
done
