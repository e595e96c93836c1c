#!/bin/bash -eu
# Only this script knows that GREETING must be defined. It runs only once: the
# directory is there then.
mkdir built
$CC $CFLAGS -DGREETING='"hi"' -c "$SRC/lib/greet.c" -o "$WORK/greet.o"
$CC $CFLAGS -c "$SRC/greetings/greet-fuzz.c" -o "$WORK/fuzz.o"
$CXX $CXXFLAGS $LIB_FUZZING_ENGINE "$WORK/greet.o" "$WORK/fuzz.o" -o "$OUT/greet_fuzz"
echo '"hi"' > "$OUT/greet_fuzz.dict"
