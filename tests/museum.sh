#!/usr/bin/env bash
# Are the tests any good? Applies the seeded bugs of tests/museum, one after the other, to a copy of this tree, and runs the tests that are
# expected to find each. Prints which technique found it, and in how many seconds of testing.
#
#     tests/museum.sh [NAME...]        # every bug, or those whose file names contain one of the words
#
# Exits with 1 if a bug is missed by a test that should find it, or if its patch does not apply or compile any more. The copy and what is
# compiled in it stay in target/museum, so that the next run is faster; the output of every test is there too.
#
# In the closure only broken rules count here: UPDATE_GOLDEN makes it accept every other number of states.
set -uo pipefail
cd "$(dirname "$0")/.."

MUSEUM=target/museum
SOURCE=$MUSEUM/source
COPY=$MUSEUM/copy
export CARGO_TARGET_DIR=$PWD/$MUSEUM/target CARGO_TERM_COLOR=never
# The longest that one test program may take. A bug that makes it hang is not found.
PATIENCE=300

# What cargo calls the tests that a patch names.
arguments() {
    case $1 in
        core) echo '-p sansock --lib' ;;
        system) echo '-p sansock-system --lib' ;;
        system-sockets) echo '-p sansock-system --test sockets' ;;
        *) echo "-p sansock-tests --test $1" ;;
    esac
}

technique() {
    case $1 in
        closure | model) echo "$1" ;;
        corpus) echo 'fuzz corpus' ;;
        *_random) echo "random scripts ($1)" ;;
        conformance) echo 'three transports' ;;
        blocking | smol | foreign | system-sockets) echo "real sockets ($1)" ;;
        core | system) echo "unit tests ($1)" ;;
        *) echo "named cases ($1)" ;;
    esac
}

# The tree as it is now, whatever is edited while this runs.
take_source() {
    rm -rf "$SOURCE"
    mkdir -p "$SOURCE" "$COPY"
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [ ! -f "$file" ] || printf '%s\0' "$file"
    done | tar --null -T - -cf - | tar -xf - -C "$SOURCE"
}

# Makes the copy what the source is: without what a bug has changed, what the closure has accepted, and the seeds that random tests have
# kept. Files that are the same keep their times, so that cargo compiles only what is not.
restore() {
    (cd "$SOURCE" && find . -type f) | while IFS= read -r file; do
        if ! cmp -s "$SOURCE/$file" "$COPY/$file"; then
            mkdir -p "$COPY/$(dirname "$file")"
            cp "$SOURCE/$file" "$COPY/$file"
        fi
    done
    (cd "$COPY" && find . -type f) | while IFS= read -r file; do
        [ -f "$SOURCE/$file" ] || rm "$COPY/$file"
    done
}

# Seconds with a decimal since the time given in nanoseconds.
since() { awk -v from="$1" -v to="$(date +%s%N)" 'BEGIN { printf "%.1f", (to - from) / 1e9 }'; }

build() {
    local log=$1 name packages=''
    shift
    for name in "$@"; do
        # shellcheck disable=SC2046
        (cd "$COPY" && cargo test --profile mutants --locked --no-run $(arguments "$name")) >>"$log" 2>&1 || return 1
    done
}

# One bug: applies it, runs the tests that should find it, and takes it back.
visit() {
    local patch=$1 name found test begun code missed=0
    name=$(basename "$patch" .patch)
    read -ra found <<<"$(sed -n 's/^Found by: //p' "$patch")"
    printf '%s\n' "$name"
    rm -f "$MUSEUM/$name".*
    if ! git apply --directory="$COPY" "$patch" 2>"$MUSEUM/$name.build.log"; then
        echo '    DOES NOT APPLY any more'
        return 1
    fi
    begun=$(date +%s%N)
    if ! build "$MUSEUM/$name.build.log" "${found[@]}"; then
        echo "    DOES NOT COMPILE: $MUSEUM/$name.build.log"
        missed=1
    else
        printf '    compiled in %s s\n' "$(since "$begun")"
        for test in "${found[@]}"; do
            begun=$(date +%s%N)
            # shellcheck disable=SC2046
            (cd "$COPY" && UPDATE_GOLDEN=1 \
                timeout "$PATIENCE" cargo test --quiet --profile mutants --locked $(arguments "$test")) >"$MUSEUM/$name.$test.log" 2>&1
            code=$?
            case $code in
                101) printf '    found by %s in %s s\n' "$(technique "$test")" "$(since "$begun")" ;;
                124) printf '    MISSED by %s: it hangs\n' "$(technique "$test")" && missed=1 ;;
                *) printf '    MISSED by %s (%s)\n' "$(technique "$test")" "$code" && missed=1 ;;
            esac
        done
    fi
    restore
    return "$missed"
}

take_source
restore
visited=0
failed=()
for patch in tests/museum/*.patch; do
    wanted=$(($# == 0))
    for word in "$@"; do
        case $patch in *"$word"*) wanted=1 ;; esac
    done
    [ "$wanted" = 1 ] || continue
    visited=$((visited + 1))
    visit "$patch" || failed+=("$(basename "$patch" .patch)")
done
echo "$visited bugs, ${#failed[@]} of them missed, in $SECONDS s${failed[*]:+: ${failed[*]}}"
[ "$visited" -gt 0 ] && [ "${#failed[@]}" -eq 0 ]
