package cli

import "strings"

// table lays cells out in columns.
type table struct {
	head  []string
	rows  [][]string
	right map[int]bool // columns aligned to the right: numbers
	cut   bool         // lines end where the terminal does; for prose, not for what people copy
}

func newTable(head ...string) *table { return &table{head: head, right: map[int]bool{}} }

// add appends a row. Cells may be coloured; what is in them must be plain.
func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// gap is the space between two columns.
const gap = "  "

// lines renders the table for width columns; 0 means no limit.
func (t *table) lines(width int) []string {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], visible(c))
		}
	}
	lines := make([]string, 0, len(t.rows)+1)
	for _, row := range append([][]string{t.head}, t.rows...) {
		var b strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-visible(c))
			switch {
			case t.right[i]:
				b.WriteString(pad + c)
			case i == len(row)-1:
				b.WriteString(c)
			default:
				b.WriteString(c + pad)
			}
			if i < len(row)-1 {
				b.WriteString(gap)
			}
		}
		lines = append(lines, clip(strings.TrimRight(b.String(), " "), width))
	}
	return lines
}

// printTable prints t as data.
func (s *screen) printTable(t *table) {
	width := 0
	if t.cut {
		width = widthOf(s.out)
	}
	for i, line := range t.lines(width) {
		if i == 0 {
			line = s.paintOut(dim, line)
		}
		s.print("%s", line)
	}
}
