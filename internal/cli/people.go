package cli

import (
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/people"
)

// How numbers, times and foreign text are printed; package people says more.

func bytesOf(n int64) string               { return cordon.FormatBytes(n) }
func count(n int, one, many string) string { return people.Count(n, one, many) }
func thousands(n int) string               { return people.Thousands(n) }
func short(d time.Duration) string         { return people.Short(d) }
func ago(t, now time.Time) string          { return people.Ago(t, now) }
func age(t, now time.Time) string          { return people.Age(t, now) }
func until(t, now time.Time) string        { return people.Until(t, now) }
func plain(s string) string                { return people.Plain(s) }
