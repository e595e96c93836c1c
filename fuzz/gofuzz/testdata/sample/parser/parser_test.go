package parser

import "testing"

func FuzzHeader(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) { Header(b) })
}
