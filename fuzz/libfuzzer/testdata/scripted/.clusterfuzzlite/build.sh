#!/bin/bash -eu
# Only this script knows that GREETING must be defined.
$CC $CFLAGS -DGREETING='"hi"' -c "$SRC/lib/greet.c" -o "$WORK/greet.o"
$CC $CFLAGS -c "$SRC/greet-fuzz.c" -o "$WORK/fuzz.o"
$CXX $CXXFLAGS $LIB_FUZZING_ENGINE "$WORK/greet.o" "$WORK/fuzz.o" -o "$OUT/greet_fuzz"
echo '"hi"' > "$OUT/greet_fuzz.dict"
