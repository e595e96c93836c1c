package libfuzz

import (
	"bytes"
	"strconv"
)

// status is one line of progress:
//
//	#1642	NEW    cov: 6 ft: 6 corp: 2/5b lim: 17 exec/s: 0 rss: 42Mb L: 4/4 MS: 5 …
type status struct {
	runs   int64
	event  string // "INITED", "NEW", "REDUCE", "pulse", "RELOAD", "DONE", …
	cov    int64  // edges; 0 until the corpus was read
	corpus int64  // inputs
	rate   int64  // executions per second; 0 in the first second
	rss    int64  // MiB
}

// parseStatus reads a line of progress, and reports whether it is one.
func parseStatus(line []byte) (status, bool) {
	line, ok := bytes.CutPrefix(line, []byte("#"))
	if !ok {
		return status{}, false
	}
	number, rest, ok := bytes.Cut(line, []byte("\t"))
	if !ok {
		return status{}, false
	}
	runs, ok := parseInt(number)
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return status{}, false
	}
	s := status{runs: runs, event: string(fields[0])}
	for i := 1; i+1 < len(fields); i++ {
		value := fields[i+1]
		switch string(fields[i]) {
		case "cov:":
			s.cov, _ = parseInt(value) // 0: not told
		case "corp:":
			value, _, _ = bytes.Cut(value, []byte("/"))
			s.corpus, _ = parseInt(value)
		case "exec/s:":
			s.rate, _ = parseInt(value)
		case "rss:":
			s.rss, _ = parseInt(bytes.TrimSuffix(value, []byte("Mb")))
		case "MS:":
			return s, true // what follows may hold any word of the dictionary
		}
	}
	return s, true
}

// most is the largest number that is believed: a century at a hundred thousand
// executions a second. Sums of such numbers do not overflow.
const most = 1 << 50

// parseInt reads a number that is not negative.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 0 || b[0] < '0' || b[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n > most {
		return 0, false
	}
	return n, true
}
