// Package kinds has harnesses that fail in several ways.
package kinds

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func FuzzHang(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		for strings.HasPrefix(s, "!") {
		}
	})
}

func FuzzMemory(f *testing.F) {
	var kept [][]byte
	f.Fuzz(func(t *testing.T, s string) {
		for strings.HasPrefix(s, "!") {
			kept = append(kept, bytes.Repeat([]byte{1}, 16<<20))
		}
	})
}

func FuzzGoroutine(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string, n int) {
		done := make(chan bool)
		go inGoroutine(s, done)
		<-done
	})
}

func inGoroutine(s string, done chan bool) {
	if strings.HasPrefix(s, "!") {
		panic("in a goroutine")
	}
	done <- true
}

func FuzzFatal(f *testing.F) {
	f.Add("seed")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.HasPrefix(s, "!") {
			t.Fatal("it begins with a mark")
		}
	})
}

func FuzzSeed(f *testing.F) {
	f.Add("fine")
	f.Add("!")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.HasPrefix(s, "!") {
			t.Fatal("it begins with a mark")
		}
	})
}

func FuzzRegression(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		if s == "an old bug" {
			t.Fatal("it is back")
		}
	})
}

func FuzzExit(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		if strings.HasPrefix(s, "!") {
			os.Exit(0)
		}
	})
}

func FuzzSkipped(f *testing.F) { f.Skip("not today") }

func FuzzRace(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		if !strings.HasPrefix(s, "!") {
			return
		}
		n, done := 0, make(chan bool)
		go func() { n++; done <- true }()
		n++
		<-done
	})
}
