package workspace

import (
	"encoding"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
)

// What is written is read by another package than it is written by.
func TestRecordsAndHoldsAreReadAsWritten(t *testing.T) {
	id, err := cordon.ParseTargetID("t")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("records", func(t *testing.T) {
		for _, want := range []*record{{Target: id, Mode: cordon.Shared, Policy: archive.Auto}, filled[record](t)} {
			want.Protocol, want.lastUsed = protocol, time.Time{}
			b, err := want.encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeRecord(want.Key, b, &unix.Stat_t{}, nil)
			if err != nil {
				t.Fatalf("%v: %s", err, b)
			}
			if got.lastUsed = (time.Time{}); !reflect.DeepEqual(got, want) {
				t.Errorf("read %+v\nof %+v", got, want)
			}
			if _, err := decodeRecord("another", b, &unix.Stat_t{}, nil); err != errUnreadable {
				t.Errorf("under another name: %v", err)
			}
			if _, err := decodeRecord(want.Key, b[:len(b)-3], &unix.Stat_t{}, nil); err != errUnreadable {
				t.Errorf("a part: %v", err)
			}
		}
	})
	t.Run("holds", func(t *testing.T) {
		want := filled[hold](t)
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		d, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for behind, lazily := range map[string]bool{"": true, `{"run_id":"what a crash left"`: false} {
			if err := os.WriteFile(filepath.Join(dir, "h"), append(b, behind...), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, lazy := range []bool{lazily, false} {
				got, err := readHold(d, "h", lazy)
				if err != nil {
					t.Fatal(err)
				}
				got.renewed, got.live, got.stamp = want.renewed, want.live, want.stamp
				if !reflect.DeepEqual(got, want) {
					t.Errorf("read %+v\nof %s%s", got, b, behind)
				}
			}
		}
	})
}

// filled returns a value all of whose written fields are set.
func filled[T any](t *testing.T) *T {
	v := new(T)
	n := 0
	fill(t, reflect.ValueOf(v).Elem(), &n)
	return v
}

func fill(t *testing.T, v reflect.Value, n *int) {
	*n++
	if p, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && v.Type() != reflect.TypeFor[time.Time]() {
		// One of these is good.
		if p.UnmarshalText([]byte("shared")) != nil && p.UnmarshalText([]byte("auto")) != nil {
			t.Fatalf("no value of %s is known", v.Type())
		}
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("é<\"\\" + string(rune('a'+*n%26)))
	case reflect.Int, reflect.Int64:
		v.SetInt(1<<40 + int64(*n))
	case reflect.Uint64:
		v.SetUint(1<<63 + uint64(*n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1e9, int64(*n)).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i), n)
			}
		}
	default:
		t.Fatalf("a %s cannot be set", v.Type())
	}
}
