#!/bin/sh
# SPDX-License-Identifier: MIT
# Collects the "#syscalls[:process] NAME..." comments of the given sources into a header with one
# list a process: :front, :loader, :closer, :trial, :sanitizer, :lasting (the first three), or all
# when none is named.  Each list is there as names, which tests and people read, and as a table of
# the numbers that this processor has, ended by -1.
set -eu


names() { # PATTERN FILE...
    pattern=$1
    shift
    sed -n "s/.*#syscalls\($pattern\) \([a-z0-9_ ]*\).*/\2/p" "$@" | tr ' ' '\n' |
        sed '/^$/d' | LC_ALL=C sort -u | sed 's/.*/"&",/' | tr '\n' ' '
}

table() { # NAME PATTERN FILE...
    name=$1
    shift
    echo "static const int syscalls_${name}[] = {"
    names "$@" | tr -d '",' | tr ' ' '\n' | sed '/^$/d; s/.*/#ifdef SYS_&\n\tSYS_&,\n#endif/'
    echo "	-1"
    echo "};"
}

echo "/* Made by broker/common/syscalls.sh from the #syscalls comments. */"
echo "#define SYSCALLS_FRONT $(names '\|:lasting\|:front' "$@")"
echo "#define SYSCALLS_LOADER $(names '\|:lasting\|:loader' "$@")"
echo "#define SYSCALLS_CLOSER $(names '\|:lasting\|:closer' "$@")"
echo "#define SYSCALLS_TRIAL $(names '\|:trial' "$@")"
echo "#ifdef RSSB_SANITIZED"
echo "#define SYSCALLS_SANITIZER $(names ':sanitizer' "$@")"
echo "#else"
echo "#define SYSCALLS_SANITIZER"
echo "#endif"
table front '\|:lasting\|:front' "$@"
table loader '\|:lasting\|:loader' "$@"
table closer '\|:lasting\|:closer' "$@"
table trial '\|:trial' "$@"
echo "#ifndef RSSB_SANITIZED"
echo "static const int syscalls_sanitizer[] = { -1 };"
echo "#else"
table sanitizer ':sanitizer' "$@"
echo "#endif"
