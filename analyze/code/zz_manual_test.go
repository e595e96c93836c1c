package code

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

type same struct{}

func (same) Scrub(s string) string { return s }

func TestManual(t *testing.T) {
	dir := os.Getenv("SCAN_DIR")
	if dir == "" {
		t.Skip()
	}
	start := time.Now()
	r, err := Scan(context.Background(), Options{Dir: dir, Scrubber: same{}})
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, f := range r.Findings {
		n[f.RuleID]++
	}
	fmt.Println(time.Since(start), r.FilesScanned, r.FilesSkipped, len(r.Findings), r.Truncated, n)
	for _, f := range r.Findings {
		fmt.Printf("%s %s %s:%d  %.150s\n", f.Severity, f.RuleID, f.FilePath, f.LineStart, f.CodeSnippet)
	}
}
