package archive

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/cordonlabs/cordon"
)

func TestInspectSaysEverythingThatIsWrong(t *testing.T) {
	b := tarOf(
		dir("d"), file("d/a", "1"), special("d/null", '3'), file("../out", "2"), hdr{name: "d/suid", body: "3", mode: 0o4755},
		special("pipe", '6'), file("d/a/b", "4"), link("venv", "/usr/bin/python3"), file("/abs", "5"), hard("h", "nowhere"),
	)
	for name, b := range (blobs{"tar": b, "tar.gz": gz(b), "tar.zst": zst(b)}) {
		t.Run(name, func(t *testing.T) {
			rep, err := Inspect(t.Context(), bytes.NewReader(b), int64(len(b)), Options{})
			if cordon.KindOf(err) != cordon.ArchiveRejected {
				t.Fatalf("err = %v", err)
			}
			_, first := newStage(t).extract(b, Options{})
			if err.Error() != first.Error() {
				t.Errorf("Inspect fails with %v, Extract with %v", err, first)
			}
			want := []Refusal{
				{`"d/null"`, "the entry is a character device"},
				{`"../out"`, `the name contains ".."`},
				{`"pipe"`, "the entry is a FIFO"},
				{`"d/a/b"`, `"d/a" is a file, and this entry uses it as a directory`},
				{`"h"`, `it is a hard link to "nowhere", which no entry before it has made`},
			}
			if !reflect.DeepEqual(rep.Refused, want) || rep.RefusedCount != 5 {
				t.Errorf("refused: %d, %q", rep.RefusedCount, rep.Refused)
			}
			if !reflect.DeepEqual(rep.Dropped, []Drop{{"d/suid", "set-user-id"}}) || rep.OmittedCount != 1 || rep.StrippedAbsoluteCount != 1 || rep.Files != 3 {
				t.Errorf("the report is %+v", rep)
			}
		})
	}
}

func TestInspectOfAZipReadsOn(t *testing.T) {
	b := zipOf(zfile("a", "1"), zent{name: "dev", mode: unixChar | 0o644}, zent{name: "secret", body: "x", flags: 1}, zfile("../b", "2"), zfile("c", "3"))
	rep, err := Inspect(t.Context(), bytes.NewReader(b), int64(len(b)), Options{})
	if cordon.KindOf(err) != cordon.ArchiveRejected || rep.RefusedCount != 3 || rep.Files != 2 {
		t.Errorf("%v; %+v", err, rep)
	}
}

// A bomb is not read further than Extract would.
func TestInspectStopsAtALimit(t *testing.T) {
	b := gz(tarOf(file("a", string(make([]byte, 4<<20))), special("dev", '3'), file("b", "x")))
	rep, err := Inspect(t.Context(), bytes.NewReader(b), int64(len(b)), Options{Limits: Limits{Bytes: 1 << 20}})
	if cordon.KindOf(err) != cordon.TargetTooLarge || rep.RefusedCount != 0 {
		t.Errorf("%v; %+v", err, rep)
	}
}
