package aflpp

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

const (
	maxStats = 64 << 10 // of fuzzer_stats: it has some 50 lines
	maxPlot  = 4 << 10  // of plot_data, from its end: the last line has 100 bytes
)

// readStats reads what an instance says of itself that has run for so long. It writes
// fuzzer_stats at its start, each minute and at its end, plot_data every five seconds.
func readStats(dir *scratch.Folder, ran time.Duration) fuzz.Stats {
	var st fuzz.Stats
	if text, err := dir.Read("fuzzer_stats", maxStats); err == nil {
		st = parseStats(text)
		// Its own rate is that of the first milliseconds, at the start.
		st.PerSecond = float64(st.Executions) / max(ran.Seconds(), 0.001)
	}
	if text, err := dir.Tail("plot_data", maxPlot); err == nil {
		if p := parsePlot(text); p.Executions > st.Executions {
			p.MemoryMB = st.MemoryMB
			st = p
		}
	}
	return st
}

// parseStats reads fuzzer_stats: lines of a name, a colon and a value.
func parseStats(text []byte) fuzz.Stats {
	var st fuzz.Stats
	for line := range bytes.Lines(text) {
		name, value, ok := strings.Cut(string(line), ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "execs_done":
			st.Executions = number(value)
		case "edges_found":
			st.Coverage = number(value)
		case "peak_rss_mb":
			st.MemoryMB = number(value)
		}
	}
	return st
}

// Columns of plot_data, from 0. There are 13 of them since AFL++ 4.0.
const (
	plotPerSecond  = 10
	plotExecutions = 11
	plotEdges      = 12
)

// parsePlot reads the last whole line of plot_data.
func parsePlot(text []byte) fuzz.Stats {
	end := bytes.LastIndexByte(text, '\n')
	if end < 0 {
		return fuzz.Stats{}
	}
	line := text[bytes.LastIndexByte(text[:end], '\n')+1 : end]
	f := strings.Split(string(line), ",")
	if len(f) <= plotEdges || strings.HasPrefix(f[0], "#") {
		return fuzz.Stats{}
	}
	column := func(i int) string { return strings.TrimSpace(f[i]) }
	return fuzz.Stats{Executions: number(column(plotExecutions)), PerSecond: rate(column(plotPerSecond)), Coverage: number(column(plotEdges))}
}

// rate reads a number per second; what no machine can do is none.
func rate(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f < 1e12) {
		return 0
	}
	return f
}
